// Elements, made of text only: nothing here can turn a string into markup.

const SVG = "http://www.w3.org/2000/svg";
const ICONS = {
  plus: "M8 3v10M3 8h10",
  up: "M8 13V3M4 7l4-4 4 4",
  down: "M8 3v10M4 9l4 4 4-4",
  cross: "M4 4l8 8M12 4l-8 8",
  filter: "M2 4h12M4.5 8h7M7 12h2",
  moon: "M13.5 9.6A6 6 0 0 1 6.4 2.5a6 6 0 1 0 7.1 7.1z",
  sun: "M8 5.2a2.8 2.8 0 1 0 0 5.6 2.8 2.8 0 0 0 0-5.6zM8 1v1.6M8 13.4V15M1 8h1.6M13.4 8H15M3 3l1.2 1.2M11.8 11.8 13 13M13 3l-1.2 1.2M4.2 11.8 3 13",
  hide: "M2 8s2.2-4 6-4 6 4 6 4-2.2 4-6 4-6-4-6-4zM3 13 13 3",
  like: "M5.2 8a3 3 0 1 1 0 .1M10.8 8a3 3 0 1 0 0-.1",
  check: "M3 8.5 6.5 12 13 4.5",
};

export const byId = (id) => document.getElementById(id);

// make("li", {class: "card", "aria-label": "...", on: {click}}, "text", element, ...)
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "on") {
      for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
    } else if (name === "value") {
      element.value = value;
    } else {
      element.setAttribute(name, value === true ? "" : String(value));
    }
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  const path = document.createElementNS(SVG, "path");
  for (const [key, value] of Object.entries({ viewBox: "0 0 16 16", class: "icon", "aria-hidden": "true" })) {
    svg.setAttribute(key, value);
  }
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

// A button that shows an icon, or an icon and a word; the label is what is read out.
export function iconButton(name, label, click, { word = "", ...attributes } = {}) {
  const shown = word ? [icon(name), make("span", {}, word)] : [icon(name)];
  const known = { type: "button", class: word ? "quiet" : "quiet round", "aria-label": label, title: word ? null : label };
  return make("button", { ...known, ...attributes, on: { click } }, ...shown);
}

// Said by screen readers, seen by nobody.
export function announce(text) {
  byId("announce").textContent = text;
}

let hiding = 0;

// A line that goes away again, with something to do about it.
export function toast(text, action = "", act = null) {
  const bar = byId("toast");
  const close = () => bar.replaceChildren();
  const done = () => {
    close();
    act();
  };
  clearTimeout(hiding);
  const button = act ? make("button", { type: "button", class: "quiet", on: { click: done } }, action) : null;
  bar.replaceChildren(make("p", {}, text, button));
  hiding = setTimeout(close, 8000);
}
