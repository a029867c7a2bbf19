// The words of the page in each language, from strings.json, and how numbers are written in it.

import { byId } from "./dom.js";

const LANGUAGES = { en: "English", zh: "中文" };
const KEY = "llmrec-language";
let table = {};
let current = "en";

export const language = () => current;

export async function loadWords() {
  const answer = await fetch("page/strings.json");
  if (!answer.ok) throw new Error("strings.json");
  table = await answer.json();
  choose(stored() ?? (navigator.language.startsWith("zh") ? "zh" : "en"));
}

// say("items", {n: 3}): the words of a key, with values put in where {n} stands; items_one where n is 1.
export function say(key, values = {}) {
  const words = table[current] ?? {};
  const text = (values.n === 1 ? words[`${key}_one`] : undefined) ?? words[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (_, name) => (typeof values[name] === "number" ? number(values[name]) : values[name]));
}

export const has = (key) => key in (table[current] ?? {});

export const number = (value, digits = 0) =>
  new Intl.NumberFormat(current, { maximumFractionDigits: digits, minimumFractionDigits: digits }).format(value);

// Near 0 and 1 with a digit more: 99.8% is not certain.
export const percent = (value) =>
  new Intl.NumberFormat(current, { style: "percent", maximumFractionDigits: value > 0.01 && value < 0.99 ? 0 : 1 }).format(value);

const UNITS = [["day", 86400], ["hour", 3600], ["minute", 60]];

// "3 days": seconds in the largest unit of which there is one.
export function duration(seconds) {
  const [unit, size] = UNITS.find(([, one]) => seconds >= one) ?? UNITS.at(-1);
  const options = { style: "unit", unit, unitDisplay: "long", maximumFractionDigits: 0 };
  return new Intl.NumberFormat(current, options).format(Math.max(1, seconds / size));
}

export const listed = (parts) => new Intl.ListFormat(current, { type: "conjunction" }).format(parts);

export function otherLanguage() {
  choose(current === "en" ? "zh" : "en");
  try {
    localStorage.setItem(KEY, current);
  } catch {
    // It is asked again next time.
  }
}

function stored() {
  try {
    const value = localStorage.getItem(KEY);
    return value in LANGUAGES ? value : null;
  } catch {
    return null;
  }
}

function choose(value) {
  current = value;
  document.documentElement.lang = value === "zh" ? "zh-Hans" : "en";
  document.title = say("title");
  const other = value === "en" ? "zh" : "en";
  const button = byId("language");
  button.textContent = LANGUAGES[other];
  button.lang = other;
  for (const element of document.querySelectorAll("[data-say]")) element.textContent = say(element.dataset.say);
  for (const element of document.querySelectorAll("[data-say-label]")) {
    element.setAttribute("aria-label", say(element.dataset.sayLabel));
  }
}
