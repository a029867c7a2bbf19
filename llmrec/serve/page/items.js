// Titles and what else the catalog says of an item, as the page shows them.

import { byId, make } from "./dom.js";
import { say } from "./words.js";

const ARTICLE_LAST = /^(.+), (The|A|An)$/;
const SHOWN_FIRST = ["year", "genres", "category", "categories", "brand", "author", "artist", "price"];
const LONGEST = 60; // of what is shown beside a title

// Catalogs sort "The Sting" as "Sting, The". An item without a title is shown by its id.
export function titleOf(item) {
  const title = (item.title ?? "").replace(/\s+/g, " ").trim();
  return title ? title.replace(ARTICLE_LAST, "$2 $1") : say("untitled", { id: item.item_id });
}

// "1977 · Action, Adventure": the first short columns, years and kinds before others.
export function aboutOf(columns) {
  const names = Object.keys(columns);
  const ordered = [...SHOWN_FIRST.filter((name) => names.includes(name)), ...names.filter((name) => !SHOWN_FIRST.includes(name))];
  const text = (value) => (Array.isArray(value) ? value.join(", ") : String(value)).replace(/\s*\|\s*/g, ", ");
  const short = ordered.map((name) => text(columns[name]).trim()).filter((value) => value && value.length <= LONGEST);
  return short.slice(0, 2).join(" · ");
}

// Show an item of the history and what rests on it together.
export function light(id, on) {
  for (const element of document.querySelectorAll(".lit")) element.classList.remove("lit");
  if (!on) return;
  for (const element of document.querySelectorAll("[data-item]")) {
    if (element.dataset.item === id) element.classList.add("lit");
  }
}

export const lighting = (id) => ({
  mouseenter: () => light(id, true),
  mouseleave: () => light(id, false),
  focusin: () => light(id, true),
  focusout: () => light(id, false),
});

// A bar as long as a share, 0 to 1, of its room; what it means is said in words beside it.
export function bar(share) {
  const fill = make("span", { class: "fill" });
  fill.style.setProperty("inline-size", `${Math.max(2, Math.round(100 * Math.min(1, Math.max(0, share))))}%`);
  return make("span", { class: "track", "aria-hidden": "true" }, fill);
}

// Put the focus where it makes sense once what had it is gone.
export function focusOn(...elements) {
  const element = elements.find((one) => one && one.isConnected && !one.hidden && !one.disabled) ?? byId("list-title");
  element.focus({ preventScroll: false });
}
