// What the person in front of the page has chosen, and the queries that it makes.

const KEY = "llmrec-state";
const FIELDS = ["timestamp", "behavior", "rating", "price", "quantity", "positive"];

const fresh = () => ({ history: [], user: null, k: 10, diversity: 0, calibrate: "", wording: "llm", filter: freshFilter() });
export const freshFilter = () => ({ values: {}, ranges: {}, hidden: [], allow: "", cap: { column: "", n: 1 } });

export const state = restored();
const listeners = [];

export const onChange = (listener) => listeners.push(listener);

export function changed() {
  try {
    sessionStorage.setItem(KEY, JSON.stringify(state));
  } catch {
    // It is forgotten when the page is left.
  }
  for (const listener of listeners) listener();
}

// Of what was chosen nothing stays in the tab.
export function forget() {
  try {
    sessionStorage.removeItem(KEY);
  } catch {
    // Nothing was written.
  }
}

function restored() {
  try {
    return { ...fresh(), ...JSON.parse(sessionStorage.getItem(KEY) ?? "{}") };
  } catch {
    return fresh();
  }
}

export const holds = (id) => state.history.some((event) => event.item_id === id);

export function add(item) {
  edit([...state.history, { item_id: item.item_id, title: item.title }]);
}

export function remove(index) {
  edit(state.history.filter((_, n) => n !== index));
}

export function move(index, to) {
  const history = [...state.history];
  const [event] = history.splice(index, 1);
  history.splice(to, 0, event);
  edit(history);
}

// A history that was edited is no longer that of a known user.
export function edit(history, user = null) {
  Object.assign(state, { history, user });
  changed();
}

export function startAgain() {
  edit([]);
}

// user_id where a known user's history is as it was; events where they say more than ids; else ids, oldest first.
export function historyQuery() {
  if (state.user !== null) return { user_id: state.user };
  const known = (event) => Object.fromEntries(FIELDS.filter((name) => name in event).map((name) => [name, event[name]]));
  const events = state.history.map((event) => ({ item_id: event.item_id, ...known(event) }));
  const plain = events.every((event) => Object.keys(event).length === 1);
  return plain ? { history: events.map((event) => event.item_id) } : { events };
}

// A typed number as a condition takes it: ".5" is 0.5 there.
const plain = (typed) => String(Number(typed));

// The filter as the API takes it; undefined where it says nothing.
export function filterQuery(facets) {
  const { values, ranges, hidden, allow, cap } = state.filter;
  const where = [];
  for (const facet of facets) {
    const chosen = facet.values.filter((one) => values[facet.column]?.includes(one.value));
    if (chosen.length) where.push(chosen.map((one) => one.condition).join(" or "));
    const { low, high } = ranges[facet.column] ?? {};
    if (facet.kind === "number" && low) where.push(facet.at_least.replace("{}", plain(low)));
    if (facet.kind === "number" && high) where.push(facet.at_most.replace("{}", plain(high)));
  }
  const filter = {};
  const ids = allow.split(/[\s,;]+/).filter(Boolean);
  if (where.length) filter.where = where;
  if (hidden.length) filter.deny = hidden.map((item) => item.item_id);
  if (ids.length) filter.allow = ids;
  if (cap.column) filter.at_most = { [cap.column]: cap.n };
  return Object.keys(filter).length ? filter : undefined;
}

// How many filters are set.
export function filterCount() {
  const { values, ranges, hidden, allow, cap } = state.filter;
  const bounds = Object.values(ranges).flatMap((range) => [range.low, range.high]);
  const set = [...Object.values(values).flat(), ...bounds, ...hidden, allow.trim(), cap.column];
  return set.filter(Boolean).length;
}
