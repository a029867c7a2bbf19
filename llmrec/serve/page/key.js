// The key that the service may ask for: typed in once, kept for this tab only.

import { key, setKey } from "./api.js";
import { byId } from "./dom.js";
import { forget } from "./state.js";
import { showLine } from "./states.js";
import { say } from "./words.js";

let then = () => {};
let given = false;

// wrong: one was sent and refused. next: what to do once there is one.
export function askForKey(wrong, next) {
  const dialog = byId("key");
  then = next;
  given = false;
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
  given = true;
  setKey(byId("key-field").value.trim());
  byId("key-field").value = "";
  byId("key").close();
  then();
});

// Who does not give one can still change their mind.
byId("key").addEventListener("close", () => {
  if (!given) showLine(say("keyTitle"), () => askForKey(false, then));
});

byId("forget-key").addEventListener("click", () => {
  setKey("");
  forget();
  location.reload(); // what was shown is shown no more
});
