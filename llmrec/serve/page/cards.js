// The list: a card for each item with its rank and how it moved, its score, its reason and the evidence for it.

import * as api from "./api.js";
import { byId, icon, iconButton, make } from "./dom.js";
import { aboutOf, bar, lighting, titleOf } from "./items.js";
import { language, number, say } from "./words.js";

const SIMILAR = 6;
const QUOTED = /["“《]([^"“”《》]+)["”》]/g;

export class Card {
  // acts: add(item), hide(item), leaveOut(id), why(card), fail(error).
  constructor(item, { moved, canFindSimilar, acts }) {
    Object.assign(this, { item, acts, id: item.item_id, reason: null, ranks: null });
    this.title = titleOf(item);
    this.about = make("p", { class: "about" });
    this.sentence = make("p", { class: "sentence" });
    this.predicted = make("ul", { class: "predicted", hidden: true });
    this.evidence = make("ul", { class: "evidence" });
    this.more = make("div", { class: "alike", id: `alike-${item.rank}`, hidden: true });
    const score = make("span", { class: "score" }, make("span", { class: "score-name" }, say("score")), number(item.score, 2));
    const name = make("h3", { id: `card-${item.rank}` }, this.title);
    const head = make("div", { class: "card-head" }, name, movement(moved), score);
    this.element = make(
      "li",
      { class: "card", "data-item": item.item_id, "aria-labelledby": name.id },
      make("span", { class: "rank", "aria-hidden": "true" }, number(item.rank)),
      make("div", { class: "card-body" }, head, this.about, this.predicted, this.sentence, this.evidence, this.buttons(canFindSimilar), this.more),
    );
  }

  buttons(canFindSimilar) {
    const { acts, item, title } = this;
    const button = (name, key, click, more = {}) => iconButton(name, say(`${key}Label`, { title }), click, { word: say(key), "data-act": key, ...more });
    const buttons = [button("plus", "add", () => acts.add(item, this))];
    if (canFindSimilar) {
      this.alike = button("like", "similar", () => this.flipSimilar(), { "aria-expanded": "false", "aria-controls": this.more.id });
      buttons.push(this.alike);
    }
    buttons.push(button("hide", "hide", () => acts.hide(item, this)));
    return make("p", { class: "acts" }, ...buttons);
  }

  describe(columns) {
    this.about.textContent = aboutOf(columns);
  }

  // What the person would do with it, by a run with tasks: list items.
  predict(parts) {
    this.predicted.hidden = !parts.length;
    this.predicted.setAttribute("aria-label", say("predicted", { title: this.title }));
    this.predicted.replaceChildren(...parts);
  }

  // Before there is a reason: that it is being looked for, a button to ask for it, or why there is none.
  waiting() {
    this.sentence.replaceChildren(make("span", { class: "ghost" }), make("span", { class: "unseen" }, say("reasonComing")));
  }

  askable() {
    const ask = make("button", { type: "button", class: "quiet", "aria-label": say("whyLabel", { title: this.title }), on: { click: () => this.acts.why(this) } }, say("why"));
    this.sentence.replaceChildren(ask);
  }

  noReason(text) {
    if (!this.reason) this.sentence.replaceChildren(make("span", { class: "note" }, text));
  }

  explain(reason, largest) {
    this.reason = reason;
    this.largest = largest;
    this.element.classList.toggle("worded", reason.backend !== "template");
    this.sentence.lang = language() === "zh" ? "zh-Hans" : "en";
    this.sentence.replaceChildren(...marked(reason));
    this.renderEvidence();
  }

  standing(ranks) {
    this.ranks = ranks;
    this.renderEvidence();
  }

  renderEvidence() {
    const evidence = this.reason?.evidence ?? [];
    this.evidence.hidden = evidence.length === 0;
    this.evidence.setAttribute("aria-label", say("evidence", { title: this.title }));
    this.evidence.replaceChildren(...evidence.map((cited) => this.row(cited)));
  }

  row(cited) {
    const title = titleOf(cited);
    const weight = make("span", { class: "number" }, make("span", { class: "unseen" }, say("weight")), `+${number(cited.contribution, 2)}`);
    return make(
      "li",
      { "data-item": cited.item_id, on: lighting(cited.item_id) },
      make("span", { class: "name" }, title),
      bar(cited.contribution / (this.largest || 1)),
      weight,
      this.without(cited, title),
    );
  }

  // "without it: rank 41", which does leave it out.
  without(cited, title) {
    if (!this.ranks || !(cited.item_id in this.ranks.without)) return make("span", { class: "without" });
    const rank = this.ranks.without[cited.item_id];
    const same = rank !== null && rank === this.ranks.rank;
    const shown = rank === null ? say("withoutGone") : say(same ? "withoutSame" : "without", { n: rank });
    const label = say(rank === null ? "withoutGoneLabel" : "withoutLabel", { shown, title, item: this.title, n: rank ?? 0 });
    const click = () => this.acts.leaveOut(cited.item_id);
    return make("button", { type: "button", class: same ? "without same" : "without", "aria-label": label, title: say("leaveOut", { title }), on: { click } }, shown);
  }

  async flipSimilar() {
    const open = this.more.hidden;
    this.more.hidden = !open;
    this.alike.setAttribute("aria-expanded", String(open));
    if (!open || this.more.childElementCount) return;
    this.more.replaceChildren(make("p", { class: "note" }, say("loading")));
    try {
      const items = await api.similar(this.id, SIMILAR);
      const chip = (item) =>
        make("button", { type: "button", class: "quiet", "aria-label": say("addLabel", { title: titleOf(item) }), on: { click: () => this.acts.add(item, this) } }, icon("plus"), make("span", {}, titleOf(item)));
      const chips = make("div", { class: "chips" }, ...items.map(chip));
      const heading = items.length ? say("similarTo", { title: this.title }) : say("noSimilar");
      this.more.replaceChildren(make("p", { class: "note" }, heading), chips);
    } catch (error) {
      this.more.replaceChildren();
      this.more.hidden = true;
      this.acts.fail(error);
    }
  }
}

// Where an item stood in the list before: undefined for a first list, null for an item that was not in it.
export function movementOf(item, before) {
  if (!before) return undefined;
  return before.has(item.item_id) ? before.get(item.item_id) - item.rank : null;
}

function movement(moved) {
  if (moved === undefined || moved === 0) return make("span", { hidden: true });
  if (moved === null) return make("span", { class: "moved new" }, say("new"));
  const text = say(moved > 0 ? "rose" : "fell", { n: Math.abs(moved) });
  const shown = make("span", { "aria-hidden": "true" }, `${moved > 0 ? "▲" : "▼"} ${number(Math.abs(moved))}`);
  return make("span", { class: moved > 0 ? "moved up" : "moved down" }, shown, make("span", { class: "unseen" }, text));
}

// The sentence of a reason, with the quoted titles that it rests on marked by how much they weigh.
function marked(reason) {
  const total = reason.evidence.reduce((sum, cited) => sum + cited.contribution, 0) || 1;
  const parts = [];
  let at = 0;
  for (const quoted of reason.sentence.matchAll(QUOTED)) {
    const cited = reason.evidence.find((one) => isTitle(quoted[1], one));
    if (!cited) continue;
    const start = quoted.index + 1;
    const strength = Math.ceil((3 * cited.contribution) / total);
    const mark = make("mark", { class: `m${strength}`, "data-item": cited.item_id }, quoted[1]);
    parts.push(reason.sentence.slice(at, start), mark);
    at = start + quoted[1].length;
  }
  return [...parts, reason.sentence.slice(at)];
}

// Reasons call an item by the beginning of a long title, at a word's end or with an ellipsis, in letters of their choice.
function isTitle(text, item) {
  const title = titleOf(item).toLowerCase();
  const shown = text.toLowerCase().replace(/…$/, "");
  const ends = text.endsWith("…") || !/^[\p{L}\p{N}]/u.test(title.slice(shown.length));
  return title.startsWith(shown) && ends;
}

// Which card's button has the focus, so that it can be given to the same one of the next list.
export function focused() {
  const card = document.activeElement?.closest?.(".card");
  if (!card) return null;
  const index = [...byId("cards").children].indexOf(card);
  return { item: card.dataset.item, index, act: document.activeElement.dataset.act ?? "add" };
}
