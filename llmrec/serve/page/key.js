// The key that the service may ask for: typed in once, kept for this tab only.

import { key, setKey } from "./api.js";
import { byId } from "./dom.js";
import { say } from "./words.js";

let then = () => {};

// wrong: one was sent and refused. next: what to do once there is one.
export function askForKey(wrong, next) {
  const dialog = byId("key");
  then = next;
  byId("key-fault").textContent = wrong ? say("keyWrong") : "";
  byId("state").replaceChildren();
  if (!dialog.open) dialog.showModal();
  byId("key-field").focus();
}

// Show how to forget the key, where there is one.
export function watchKey(next) {
  then = next;
  byId("forget-key").hidden = !key();
}

byId("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  setKey(byId("key-field").value.trim());
  byId("key-field").value = "";
  byId("key").close();
  then();
});

byId("forget-key").addEventListener("click", () => {
  setKey("");
  then();
});
