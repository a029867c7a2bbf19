// What a run with tasks predicts: for each item of a list, and of the person whatever the item.

import * as api from "./api.js";
import { byId, make } from "./dom.js";
import { duration, has, number, percent, say } from "./words.js";

const SHOWN = 2; // of a task's classes, the likeliest
const DIGITS = 2; // of a number

export class Predictions {
  constructor({ run, fail }) {
    Object.assign(this, { run, fail });
  }

  // Asks once for a list; a run without tasks is not asked.
  async forList(cards, query, signal) {
    if (!this.run.tasks.length || !cards.length) return clear();
    const { k, filter, diversity, calibrate, exclude_seen, ...whose } = query;
    const body = { ...whose, item_ids: cards.map((card) => card.id) };
    try {
      const rows = (await api.patiently(() => api.predict(body, signal), signal)) ?? [];
      if (!signal.aborted) this.show(cards, rows);
    } catch (error) {
      clear();
      this.fail(error);
    }
  }

  show(cards, rows) {
    const byItem = new Map(rows.map((row) => [row.item_id, row]));
    const ofItems = this.run.item_tasks;
    for (const card of cards) card.predict(parts(ofItems, byItem.get(card.id) ?? {}));
    const ofUser = rows.length ? parts(this.run.tasks.filter((task) => !ofItems.includes(task)), rows[0]) : [];
    byId("next").hidden = !ofUser.length;
    byId("next").replaceChildren(...ofUser);
  }
}

export function clear() {
  byId("next").hidden = true;
  byId("next").replaceChildren();
}

// A list item for each task of which a row of predictions says something: "rating 4.2".
function parts(tasks, row) {
  const texts = tasks.map((task) => [task, textOf(task, row)]).filter(([, text]) => text);
  return texts.map(([task, text]) => make("li", {}, `${nameOf(task)} `, make("b", {}, text)));
}

const nameOf = (task) => (has(`task_${task}`) ? say(`task_${task}`) : task.replace(/_/g, " "));

// The expected number, where there is one; else the likeliest classes with their probabilities.
function textOf(task, row) {
  if (typeof row[task] === "number") {
    if (task === "purchase") return percent(row[task]);
    return task === "gap" ? duration(row[task]) : number(row[task], DIGITS);
  }
  const start = `${task}_`;
  const classes = Object.entries(row).filter(([name, value]) => name.startsWith(start) && typeof value === "number");
  classes.sort(([, one], [, other]) => other - one);
  return classes.slice(0, SHOWN).map(([name, value]) => `${name.slice(start.length)} ${percent(value)}`).join(", ");
}
