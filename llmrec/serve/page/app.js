// The page: what is chosen, the list for it, and the reasons as they come.

import * as api from "./api.js";
import { Card, focused, movementOf } from "./cards.js";
import { Controls } from "./controls.js";
import { announce, byId, icon, toast } from "./dom.js";
import { History } from "./history.js";
import { focusOn, titleOf } from "./items.js";
import { askForKey, watchKey } from "./key.js";
import { Predictions, clear as clearPredictions } from "./predictions.js";
import { Reasons } from "./reasons.js";
import { changed, filterQuery, freshFilter, historyQuery, holds, onChange, state } from "./state.js";
import { clearState, showBusy, showEmpty, showFault, showWaiting, textOf } from "./states.js";
import { listed, loadWords, otherLanguage, say } from "./words.js";

const STARTERS = 8;
const TRIES = 3; // of a busy service, before a button is offered
const MOST_GONE = 4; // titles that are said to have left the list

let run = null;
let history = null;
let controls = null;
let reasons = null;
let predictions = null;
let before = null; // the ranks of the last list, by item
let starters = null;
let asking = new AbortController();

function fail(error) {
  if (error.name === "AbortError") return;
  if (error.status === 401) askForKey(true, start);
  else toast(textOf(error));
}

const listQuery = () => {
  const query = { ...historyQuery(), k: state.k, ...controls.variety() };
  const filter = filterQuery(controls.facets);
  if (filter) query.filter = filter;
  return query;
};

async function refresh(tries = 0) {
  asking.abort();
  asking = new AbortController();
  const { signal } = asking;
  history.render();
  controls.count();
  const cards = byId("cards");
  if (!state.history.length && state.user === null) return begin(signal);
  cards.setAttribute("aria-busy", "true");
  if (!cards.childElementCount) showWaiting();
  try {
    const query = listQuery();
    const answer = await api.recommend(query, signal);
    show(answer, query, signal);
  } catch (error) {
    failed(error, tries, signal);
  } finally {
    if (!signal.aborted) cards.setAttribute("aria-busy", "false");
  }
}

async function begin(signal) {
  before = null;
  byId("cards").replaceChildren();
  clearFacts();
  try {
    starters ??= (await api.recommend({ history: [], k: STARTERS }, signal)).items;
  } catch (error) {
    if (error.status === 401) failed(error, TRIES, signal);
    starters = null; // some models say nothing without a history
  }
  if (!signal.aborted) showEmpty(starters ?? [], (item) => {
    history.add(item);
    history.search.field.focus();
  });
}

// What is said about a list, when there is none.
function clearFacts() {
  byId("summary").textContent = "";
  byId("left").textContent = "";
  byId("legend").hidden = true;
  byId("writing").hidden = true;
  clearPredictions();
}

function failed(error, tries, signal) {
  if (error.name === "AbortError" || signal.aborted) return;
  if (error.status === 401) {
    askForKey(api.key() !== "", start);
    return;
  }
  if (error.status === 429 && tries < TRIES) {
    const seconds = Math.max(1, error.wait);
    showBusy(seconds);
    setTimeout(() => signal.aborted || refresh(tries + 1), 1000 * seconds);
    return;
  }
  byId("cards").replaceChildren();
  clearFacts();
  before = null;
  showFault(error, () => refresh());
}

function show(answer, query, signal) {
  const had = focused();
  const acts = { add: addFrom, hide, leaveOut: (id) => history.leaveOutItem(id), why: (card) => reasons.ask([card], query, signal), fail };
  const cards = answer.items.map((item) => new Card(item, { moved: movementOf(item, before), canFindSimilar: run.similar, acts }));
  clearState();
  byId("cards").replaceChildren(...cards.map((card) => card.element));
  summarize(answer);
  before = new Map(answer.items.map((item) => [item.item_id, item.rank]));
  before.titles = new Map(answer.items.map((item) => [item.item_id, titleOf(item)]));
  if (had) refocus(cards, had);
  describe(cards, signal);
  reasons.forList(cards, query, signal);
  predictions.forList(cards, query, signal);
}

function summarize(answer) {
  const n = answer.items.length;
  const fresh = before ? answer.items.filter((item) => !before.has(item.item_id)).length : 0;
  const ids = new Set(answer.items.map((item) => item.item_id));
  const gone = before ? [...before.keys()].filter((id) => !ids.has(id) && !holds(id)) : [];
  const titles = gone.map((id) => before.titles.get(id));
  const shown = titles.slice(0, MOST_GONE);
  if (titles.length > shown.length) shown.push(say("others", { n: titles.length - shown.length }));
  const parts = [n ? say("items", { n }) : say("nothing")];
  if (fresh) parts.push(say("fresh", { n: fresh }));
  if (answer.unknown_items.length) parts.push(say("unknown", { items: answer.unknown_items.slice(0, MOST_GONE).join(", ") }));
  byId("summary").textContent = parts.join(" · ");
  byId("left").textContent = shown.length ? say("gone", { titles: listed(shown) }) : "";
  announce(n ? say("listChanged", { n, first: titleOf(answer.items[0]), fresh }) : say("nothing"));
}

async function describe(cards, signal) {
  try {
    const columns = await api.columnsOf(cards.map((card) => card.id), signal);
    for (const card of cards) card.describe(columns.get(card.id));
  } catch (error) {
    fail(error);
  }
}

function refocus(cards, had) {
  const card = cards.find((one) => one.id === had.item) ?? cards[Math.min(had.index, cards.length - 1)];
  focusOn(card?.element.querySelector(`[data-act=${had.act}]`), card?.element.querySelector("[data-act]"));
}

function addFrom(item) {
  history.add(item);
}

function hide(item) {
  const { filter } = state;
  filter.hidden = [...filter.hidden, { item_id: item.item_id, title: item.title }];
  changed();
  controls.renderFilters();
  toast(say("hidden1", { title: titleOf(item) }), say("undo"), () => {
    filter.hidden = filter.hidden.filter((one) => one.item_id !== item.item_id);
    controls.renderFilters();
    changed();
  });
}

function translate() {
  const facts = { name: run.name, kind: say(`kind_${run.kind}`), n: run.items };
  if (facts.kind === `kind_${run.kind}`) facts.kind = run.kind;
  byId("facts").textContent = say(facts.name === facts.kind ? "factsShort" : "facts", facts);
  byId("about").textContent = `${say(run.reasons === "llm" ? "aboutLlm" : "aboutTemplate")} ${say("run", { run: run.run })}`;
  showTheme();
  controls.render();
  history.translate();
}

const isDark = () => document.documentElement.dataset.theme
  ? document.documentElement.dataset.theme === "dark"
  : matchMedia("(prefers-color-scheme: dark)").matches;

function showTheme() {
  const button = byId("theme");
  button.setAttribute("aria-pressed", String(isDark()));
  button.replaceChildren(icon(isDark() ? "sun" : "moon"));
}

function switchTheme() {
  const theme = isDark() ? "light" : "dark";
  document.documentElement.dataset.theme = theme;
  try {
    localStorage.setItem("llmrec-theme", theme);
  } catch {
    // It holds until the page is left.
  }
  showTheme();
}

async function start() {
  showWaiting();
  try {
    const [facts, facets] = await Promise.all([api.run(), api.facets()]);
    run = facts;
    if (state.run !== run.run) Object.assign(state, { run: run.run, filter: freshFilter(), user: null });
    watchKey(start);
    controls = new Controls({ run, facets });
    history ??= new History({ run, fail });
    history.run = run;
    predictions = new Predictions({ run, fail });
    reasons = new Reasons({ run, fail, weigh: (shares) => history.weigh(shares) });
    translate();
    refresh();
  } catch (error) {
    if (error.status === 401) askForKey(api.key() !== "", start);
    else showFault(error, start);
  }
}

byId("language").addEventListener("click", () => {
  otherLanguage();
  showTheme();
  if (!run) return;
  translate();
  before = null;
  refresh();
});
byId("theme").addEventListener("click", switchTheme);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", showTheme);
onChange(() => refresh());

await loadWords();
showTheme();
start();
