// What stands where the list would be: nothing chosen yet, waiting, or what went wrong and the way out of it.

import { Failure } from "./api.js";
import { byId, icon, make } from "./dom.js";
import { titleOf } from "./items.js";
import { say } from "./words.js";

const GHOSTS = 4;

export function clearState() {
  byId("state").replaceChildren();
}

// Nothing chosen yet: what to do, and a few items to begin with.
export function showEmpty(items, add) {
  const chip = (item) =>
    make("button", { type: "button", class: "quiet", "aria-label": say("addLabel", { title: titleOf(item) }), on: { click: () => add(item) } }, icon("plus"), make("span", {}, titleOf(item)));
  const chips = items.length ? [make("p", { class: "note" }, say("begin")), make("div", { class: "chips" }, ...items.map(chip))] : [];
  byId("state").replaceChildren(make("div", { class: "empty" }, make("p", { class: "big" }, say("empty")), ...chips));
}

export function showWaiting() {
  const ghost = () => make("div", { class: "card ghostly" }, make("span", { class: "ghost short" }), make("span", { class: "ghost" }), make("span", { class: "ghost half" }));
  const ghosts = Array.from({ length: GHOSTS }, ghost);
  byId("state").replaceChildren(make("p", { class: "unseen" }, say("loading")), make("div", { "aria-hidden": "true" }, ...ghosts));
}

export function showFault(error, again) {
  showLine(textOf(error), again);
}

export function showLine(text, again) {
  const button = make("button", { type: "button", class: "strong", on: { click: again } }, say("again"));
  byId("state").replaceChildren(make("div", { class: "fault", role: "alert" }, make("p", {}, text), button));
}

export function showBusy(seconds) {
  byId("state").replaceChildren(make("p", { class: "busy", role: "status" }, say("busy", { n: seconds })));
}

// One line for whatever failed: in the language of the page where its kind is known, else as the service says it.
export function textOf(error) {
  if (!(error instanceof Failure)) return say("broken");
  if (error.status === 0) return say("unreachable");
  if (error.status === 429) return say("stillBusy");
  if (error.status === 401) return say("keyWrong");
  if (error.status === 503) return say("ending");
  if (error.status === 504) return say("slow");
  if (error.status === 422 && /leaves none/.test(error.message)) return say("nothingLeft");
  return error.message ? say("refused", { message: error.message }) : say("status", { status: String(error.status) });
}
