// A text field with a list of matches below it: the combobox of the ARIA Authoring Practices, with one choice.

import { announce, make } from "./dom.js";
import { say } from "./words.js";

const PAUSE = 120; // milliseconds after a key before the service is asked

export class Combobox {
  // find(words, signal) gives matches, show(match) their content, pick(match) takes one; fail(error) is told of faults.
  constructor(parent, { name, label, hint, find, show, pick, fail }) {
    Object.assign(this, { name, find, show, pick, fail, matches: [], active: -1 });
    this.labels = { label, hint };
    this.caption = make("label", { for: `${name}-field` });
    this.field = make("input", {
      id: `${name}-field`,
      type: "text",
      role: "combobox",
      autocomplete: "off",
      autocapitalize: "off",
      spellcheck: "false",
      maxlength: 200,
      "aria-autocomplete": "list",
      "aria-expanded": "false",
      "aria-controls": `${name}-matches`,
      on: {
        input: () => this.later(),
        keydown: (event) => this.pressed(event),
        blur: () => this.close(),
        focus: () => this.field.value && this.later(),
      },
    });
    this.list = make("ul", { id: `${name}-matches`, role: "listbox", class: "matches", hidden: true });
    this.none = make("p", { class: "note", hidden: true });
    // A press on a match does not take the focus from the field.
    this.list.addEventListener("mousedown", (event) => event.preventDefault());
    parent.replaceChildren(this.caption, make("div", { class: "combobox" }, this.field, this.list), this.none);
    this.translate();
  }

  translate() {
    this.caption.textContent = say(this.labels.label);
    this.field.placeholder = say(this.labels.hint);
    this.list.setAttribute("aria-label", say(this.labels.label));
    this.none.hidden = true;
  }

  later() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.ask(), PAUSE);
  }

  async ask() {
    const words = this.field.value.trim();
    this.asking?.abort();
    this.asking = new AbortController();
    if (!words) {
      this.close();
      return;
    }
    try {
      const matches = await this.find(words, this.asking.signal);
      if (document.activeElement === this.field && this.field.value.trim() === words) this.open(matches);
    } catch (error) {
      if (error.name === "AbortError") return;
      this.close();
      this.fail(error);
    }
  }

  open(matches) {
    this.matches = matches;
    this.active = -1;
    const option = (match, n) =>
      make(
        "li",
        { role: "option", id: `${this.name}-match-${n}`, "aria-selected": "false", on: { click: () => this.take(n) } },
        ...this.show(match),
      );
    this.list.replaceChildren(...matches.map(option));
    this.list.hidden = matches.length === 0;
    this.field.setAttribute("aria-expanded", String(matches.length > 0));
    this.field.removeAttribute("aria-activedescendant");
    this.none.hidden = matches.length > 0;
    this.none.textContent = say("noMatch");
    announce(matches.length ? say("matches", { n: matches.length }) : say("noMatch"));
  }

  close() {
    clearTimeout(this.timer);
    this.list.hidden = true;
    this.none.hidden = true;
    this.active = -1;
    this.field.setAttribute("aria-expanded", "false");
    this.field.removeAttribute("aria-activedescendant");
  }

  get opened() {
    return !this.list.hidden;
  }

  pressed(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (event.isComposing) return; // the keys belong to an input method
    if (step && this.opened) {
      event.preventDefault();
      this.mark((this.active + step + this.matches.length + (this.active < 0 && step < 0 ? 1 : 0)) % this.matches.length);
    } else if (step) {
      event.preventDefault();
      this.ask();
    } else if (event.key === "Enter" && this.opened) {
      event.preventDefault();
      this.take(Math.max(this.active, 0));
    } else if (event.key === "Escape") {
      if (!this.opened) this.field.value = "";
      this.close();
    }
  }

  mark(n) {
    this.list.children[this.active]?.setAttribute("aria-selected", "false");
    this.active = n;
    const option = this.list.children[n];
    option.setAttribute("aria-selected", "true");
    option.scrollIntoView({ block: "nearest" });
    this.field.setAttribute("aria-activedescendant", option.id);
  }

  take(n) {
    const match = this.matches[n];
    this.field.value = "";
    this.close();
    this.pick(match);
  }
}
