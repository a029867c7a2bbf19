// Reasons for the cards of a list: asked for together, shown as they come, with the ranks that evidence makes.

import * as api from "./api.js";
import { byId, make } from "./dom.js";
import { bar } from "./items.js";
import { textOf } from "./states.js";
import { language, say } from "./words.js";
import { state } from "./state.js";

const AT_ONCE = 10; // items of one request
const MOST_WITHOUT = 50;
const TRIES = 3; // of a busy service

// Evidence says ranks of the list that no filter shortens.
function ranksOf({ rank, evidence }) {
  const known = evidence.filter((cited) => cited.rank_without > 0);
  return { rank, without: Object.fromEntries(known.map((cited) => [cited.item_id, cited.rank_without])) };
}

export class Reasons {
  constructor({ run, fail, weigh }) {
    Object.assign(this, { run, fail, weigh });
  }

  // The first cards are explained at once, the others when they are asked about.
  forList(cards, query, signal) {
    this.cards = cards;
    for (const card of cards.slice(AT_ONCE)) card.askable();
    byId("cards").dataset.worded = "false";
    byId("legend").hidden = true;
    byId("writing").hidden = true;
    if (cards.length) this.ask(cards.slice(0, AT_ONCE), query, signal);
  }

  async ask(cards, query, signal, tries = 0) {
    const byItem = new Map(cards.map((card) => [card.id, card]));
    for (const card of cards) if (!card.reason) card.waiting();
    const { k, filter, diversity, calibrate, ...whose } = query;
    const body = { ...whose, item_ids: [...byItem.keys()], ranks: cards.map((card) => card.item.rank), language: language() };
    const came = [];
    const heard = (event, data) => this.heard(event, data, { byItem, came, cards, query, signal });
    try {
      await api.explain(body, heard, signal);
      if (signal.aborted) return;
      byId("cards").dataset.worded = "true";
      byId("writing").hidden = true;
    } catch (error) {
      if (error.name === "AbortError" || signal.aborted) return;
      if (error.status === 429 && tries < TRIES) {
        await api.pause(error);
        if (!signal.aborted) await this.ask(cards, query, signal, tries + 1);
        return;
      }
      byId("writing").hidden = true;
      for (const card of cards) card.noReason(say("noReason", { why: textOf(error) }));
    }
  }

  // Evidence comes with the template's words; an LLM's words take their place, unless they are not wanted.
  heard(event, data, { byItem, came, cards, query, signal }) {
    if (signal.aborted) return false;
    if (event === "evidence") {
      came.push(data);
      if (came.length < byItem.size) return true;
      this.showEvidence(came, byItem, !query.filter);
      if (query.filter) this.rank(came, cards, query, signal);
      const narrated = this.run.reasons === "llm" && state.wording === "llm";
      byId("writing").hidden = !narrated;
      byId("writing").textContent = say("writing");
      return narrated;
    }
    if (event === "reason") {
      const card = byItem.get(data.item_id);
      card.explain(data, card.largest);
    }
    return event !== "done";
  }

  showEvidence(came, byItem, ranked) {
    const weights = came.flatMap((data) => data.evidence.map((cited) => cited.contribution));
    const largest = Math.max(...weights, 0);
    for (const data of came) byItem.get(data.item_id).explain(data, largest);
    if (ranked) for (const data of came) byItem.get(data.item_id).standing(ranksOf(data));
    if (largest) {
      byId("legend").hidden = false;
      byId("legend").replaceChildren(bar(0.6), make("span", {}, say("legend")));
    }
    this.weighHistory();
  }

  weighHistory() {
    const sums = new Map();
    for (const cited of this.cards.flatMap((card) => card.reason?.evidence ?? [])) {
      sums.set(cited.item_id, (sums.get(cited.item_id) ?? 0) + cited.contribution);
    }
    const total = [...sums.values()].reduce((sum, one) => sum + one, 0) || 1;
    this.weigh(new Map([...sums].map(([id, sum]) => [id, sum / total])));
  }

  async rank(came, cards, query, signal) {
    const without = [...new Set(came.flatMap((data) => data.evidence.map((cited) => cited.item_id)))].slice(0, MOST_WITHOUT);
    if (!without.length) return;
    const { k, diversity, calibrate, ...rest } = query;
    try {
      const body = { ...rest, item_ids: cards.map((card) => card.id), without };
      const ranks = (await api.patiently(() => api.ranks(body, signal), signal)) ?? [];
      for (const one of ranks) cards.find((card) => card.id === one.item_id)?.standing(one);
    } catch (error) {
      this.fail(error);
    }
  }
}
