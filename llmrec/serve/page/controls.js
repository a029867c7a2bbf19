// What the list shall be like: how long, how varied, which items, who words the reasons.

import { byId, icon, make } from "./dom.js";
import { titleOf } from "./items.js";
import { changed, filterCount, freshFilter, state } from "./state.js";
import { has, number, say } from "./words.js";

const LENGTHS = [5, 10, 20, 50];
const FIRST = 14; // values of a column, until all are asked for
const LONGEST_CONDITION = 480; // of the values of one column together
const PAUSE = 250; // milliseconds after a change by slider or typing

export class Controls {
  constructor({ run, facets }) {
    Object.assign(this, { run, facets, open: false, wide: new Set() });
    const mixed = facets.filter((facet) => facet.kind === "category").map((facet) => facet.column);
    this.varieties = run.diversity ? ["", ...mixed] : mixed; // "": unlike the items above
  }

  // A column's name in the language of the page, if it is a common one.
  name(column) {
    if (has(`column_${column}`)) return say(`column_${column}`);
    return column.replace(/_/g, " ").replace(/^./, (letter) => letter.toUpperCase());
  }

  later() {
    clearTimeout(this.timer);
    this.timer = setTimeout(changed, PAUSE);
  }

  render() {
    const { run } = this;
    const length = this.select("k", say("length"), LENGTHS.map((n) => [n, number(n)]), state.k, (value) => {
      state.k = Number(value);
      changed();
    });
    const parts = [length];
    if (this.varieties.length) parts.push(this.slider());
    if (run.reasons === "llm") {
      const options = ["llm", "template"].map((one) => [one, say(`wording_${one}`)]);
      parts.push(this.select("wording", say("wording"), options, state.wording, (value) => {
        state.wording = value;
        changed();
      }));
    }
    byId("controls").replaceChildren(...parts, this.toggle());
    this.renderFilters();
  }

  toggle() {
    const count = filterCount();
    const toggle = make(
      "button",
      {
        type: "button",
        id: "filters-toggle",
        class: "quiet",
        "aria-expanded": String(this.open),
        "aria-controls": "filters",
        on: { click: () => this.flip() },
      },
      icon("filter"),
      make("span", {}, say("filters")),
      count ? make("span", { class: "count" }, number(count)) : null,
    );
    return toggle;
  }

  flip() {
    this.open = !this.open;
    byId("filters").hidden = !this.open;
    byId("filters-toggle").setAttribute("aria-expanded", String(this.open));
  }

  select(name, label, options, value, change) {
    const choices = options.map(([one, text]) => make("option", { value: one, selected: one === value }, text));
    const field = make("select", { id: `control-${name}`, on: { change: (event) => change(event.target.value) } }, ...choices);
    return make("span", { class: "control" }, make("label", { for: `control-${name}` }, label), field);
  }

  // What variety the list is asked for, as the API takes it.
  variety() {
    if (!state.diversity || !this.varieties.length) return {};
    const column = this.varieties.includes(state.calibrate) ? state.calibrate : this.varieties[0];
    return column ? { diversity: state.diversity, calibrate: column } : { diversity: state.diversity };
  }

  slider() {
    const shown = make("output", { for: "control-diversity" });
    const kinds = this.varieties.map((column) => [column, column ? say("mixed", { column: this.name(column) }) : say("unlike")]);
    const kind = this.select("calibrate", say("varietyBy"), kinds, this.variety().calibrate ?? state.calibrate, (value) => {
      state.calibrate = value;
      changed();
    });
    const show = () => {
      shown.textContent = state.diversity ? number(state.diversity, 1) : say("off");
      kind.hidden = !state.diversity || kinds.length < 2;
    };
    const slide = (event) => {
      state.diversity = Number(event.target.value);
      show();
      this.later();
    };
    const field = make("input", {
      id: "control-diversity",
      type: "range",
      min: 0,
      max: 1,
      step: 0.1,
      value: state.diversity,
      on: { input: slide },
    });
    show();
    const label = make("label", { for: "control-diversity" }, say("diversity"));
    return make("span", { class: "pair" }, make("span", { class: "control" }, label, field, shown), kind);
  }

  // The count on the button, without making what is used now anew.
  count() {
    byId("filters-toggle")?.replaceWith(this.toggle());
  }

  renderFilters() {
    const panel = byId("filters");
    panel.hidden = !this.open;
    const facets = this.facets.map((facet) => (facet.kind === "number" ? this.range(facet) : this.category(facet)));
    const reset = make("button", { type: "button", class: "quiet", on: { click: () => this.reset() } }, say("reset"));
    panel.replaceChildren(...facets, this.cap(), this.allow(), this.hidden(), make("p", { class: "row" }, reset));
  }

  reset() {
    state.filter = freshFilter();
    this.render();
    changed();
    byId("filters-toggle").focus();
  }

  category(facet) {
    const chosen = new Set(state.filter.values[facet.column] ?? []);
    const wide = this.wide.has(facet.column);
    const shown = facet.values.filter((one, n) => wide || n < FIRST || chosen.has(one.value));
    const flip = (value, on) => {
      if (on) chosen.add(value);
      else chosen.delete(value);
      state.filter.values[facet.column] = [...chosen];
      this.bound(facet, boxes, chosen);
      changed();
    };
    const boxes = shown.map((one) => this.chip(one, chosen.has(one.value), flip));
    this.bound(facet, boxes, chosen);
    const more = () => {
      this.wide.add(facet.column);
      this.renderFilters();
    };
    const rest = facet.values.length - shown.length;
    const button = rest > 0 ? make("button", { type: "button", class: "quiet", on: { click: more } }, say("more", { n: rest })) : null;
    return make("fieldset", {}, make("legend", {}, this.name(facet.column)), make("div", { class: "chips" }, ...boxes, button));
  }

  chip(one, on, flip) {
    const box = make("input", { type: "checkbox", checked: on, value: one.value, on: { change: (event) => flip(one.value, event.target.checked) } });
    return make("label", { class: "chip" }, box, make("span", {}, one.value, make("small", {}, number(one.count))));
  }

  // A condition has a longest length: when it is reached no more values can be chosen.
  bound(facet, boxes, chosen) {
    const conditions = new Map(facet.values.map((one) => [one.value, one.condition.length + 4]));
    const used = [...chosen].reduce((sum, value) => sum + (conditions.get(value) ?? 0), 0);
    for (const box of boxes) {
      const field = box.querySelector("input");
      field.disabled = !field.checked && used + conditions.get(field.value) > LONGEST_CONDITION;
    }
  }

  range(facet) {
    const range = { ...state.filter.ranges[facet.column] };
    const field = (name, label, bound) =>
      make("label", { class: "bound" }, say(label), make("input", {
        type: "number",
        step: "any",
        inputmode: "decimal",
        placeholder: bound,
        value: range[name] ?? "",
        on: {
          input: (event) => {
            range[name] = event.target.value;
            state.filter.ranges[facet.column] = range;
            if (event.target.validity.valid) this.later();
          },
        },
      }));
    const fields = [field("low", "from", facet.low), field("high", "to", facet.high)];
    return make("fieldset", {}, make("legend", {}, this.name(facet.column)), make("div", { class: "bounds" }, ...fields));
  }

  cap() {
    const { cap } = state.filter;
    const columns = this.facets.map((facet) => [facet.column, this.name(facet.column)]);
    if (!columns.length) return make("span", { hidden: true });
    const column = this.select("cap", say("cap"), [["", say("noCap")], ...columns], cap.column, (value) => {
      cap.column = value;
      changed();
    });
    const n = this.select("cap-n", say("capMost"), [1, 2, 3, 5].map((one) => [one, number(one)]), cap.n, (value) => {
      cap.n = Number(value);
      if (cap.column) changed();
    });
    return make("fieldset", { class: "pair" }, make("legend", {}, say("caps")), column, n);
  }

  allow() {
    const field = make("textarea", {
      id: "control-allow",
      rows: 2,
      spellcheck: "false",
      placeholder: say("allowHint"),
      value: state.filter.allow,
      on: {
        input: (event) => {
          state.filter.allow = event.target.value;
          this.later();
        },
      },
    });
    return make("fieldset", {}, make("legend", {}, say("allowed")), make("label", { for: "control-allow", class: "unseen" }, say("allow")), field);
  }

  hidden() {
    const { hidden } = state.filter;
    const back = (item) => {
      state.filter.hidden = hidden.filter((one) => one.item_id !== item.item_id);
      this.renderFilters();
      changed();
      byId("filters-toggle").focus();
    };
    const button = (item) =>
      make("button", { type: "button", class: "quiet", "aria-label": say("back", { title: titleOf(item) }), on: { click: () => back(item) } }, titleOf(item), icon("cross"));
    if (!hidden.length) return make("span", { hidden: true });
    return make("fieldset", {}, make("legend", {}, say("hidden")), make("div", { class: "chips" }, ...hidden.map(button)));
  }
}
