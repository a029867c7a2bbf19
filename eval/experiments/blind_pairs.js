"use strict";
// Keeps nothing and sends nothing: answers are read from the form when they are downloaded.
const form = document.getElementById("form");
const sets = [...form.querySelectorAll("fieldset")];
const chosen = (set) => set.querySelector("input:checked");

function show() {
  const missing = sets.filter((set) => !chosen(set)).length;
  document.getElementById("left-over").textContent = missing ? `${missing} not answered yet` : "All answered";
}

form.addEventListener("change", show);
form.addEventListener("keydown", (event) => {
  const set = event.target.closest("fieldset");
  const value = { 1: "left", 2: "right", 3: "equal" }[event.key];
  if (!set || !value || event.ctrlKey || event.altKey || event.metaKey) return;
  event.preventDefault();
  set.querySelector(`input[value=${value}]`).checked = true;
  show();
  const next = sets[sets.indexOf(set) + 1];
  (next ? chosen(next) || next.querySelector("input") : form.querySelector("button")).focus();
});
form.addEventListener("submit", (event) => {
  event.preventDefault();
  const answers = {};
  for (const set of sets) {
    const one = chosen(set);
    if (one) answers[one.name] = one.value;
  }
  const text = JSON.stringify({ form: form.dataset.form, answers }, null, 1);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  link.download = `answers-${form.dataset.form}.json`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
});
show();
