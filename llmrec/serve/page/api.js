// The service's API: JSON in and out, reasons as they come. What fails is a Failure with one line to show.

const KEY = "llmrec-key";

export class Failure extends Error {
  constructor(status, message, wait = 0) {
    super(message);
    this.status = status; // 0: there was no answer
    this.wait = wait; // seconds after which to ask again
  }
}

export function key() {
  try {
    return sessionStorage.getItem(KEY) ?? "";
  } catch {
    return memory;
  }
}

let memory = "";

export function setKey(value) {
  memory = value;
  try {
    if (value) sessionStorage.setItem(KEY, value);
    else sessionStorage.removeItem(KEY);
  } catch {
    // It is remembered until the page is left.
  }
}

async function ask(path, { body, signal } = {}) {
  const headers = {};
  const options = { headers, signal, credentials: "omit" };
  if (key()) headers.Authorization = `Bearer ${key()}`;
  if (body !== undefined) {
    headers["Content-Type"] = "application/json";
    Object.assign(options, { method: "POST", body: JSON.stringify(body) });
  }
  let answer;
  try {
    answer = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Failure(0, "");
  }
  if (!answer.ok) throw await failureOf(answer);
  return answer;
}

const TRIES = 3; // of a busy service

export const pause = (error) => new Promise((done) => setTimeout(done, 1000 * Math.max(1, error.wait)));

// Asks again while the service is busy. Returns nothing where it stays so, or nobody waits any more.
export async function patiently(asked, signal, tries = 0) {
  try {
    return await asked();
  } catch (error) {
    if (error.name === "AbortError" || signal.aborted) return undefined;
    if (error.status !== 429) throw error;
    if (tries >= TRIES) return undefined;
    await pause(error);
    return signal.aborted ? undefined : patiently(asked, signal, tries + 1);
  }
}

async function failureOf(answer) {
  let message = "";
  try {
    message = (await answer.json()).error.message;
  } catch {
    // A proxy's page: the status says it.
  }
  return new Failure(answer.status, message, Number(answer.headers.get("Retry-After")) || 0);
}

const json = async (path, options) => (await ask(path, options)).json();
const query = (values) => new URLSearchParams(values).toString();

export const run = () => json("run");
export const facets = async () => (await json("facets")).facets;
export const search = async (words, signal) => (await json(`items?${query({ query: words, limit: 8 })}`, { signal })).items;
export const users = async (start, limit, signal) => (await json(`users?${query({ query: start, limit })}`, { signal })).users;
export const user = (id) => json(`users/${encodeURIComponent(id)}`);
export const recommend = (body, signal) => json("recommend", { body, signal });
export const similar = async (id, k) => (await json("similar", { body: { item_ids: [id], k } })).similar[id];
export const ranks = async (body, signal) => (await json("ranks", { body, signal })).ranks;
export const predict = async (body, signal) => (await json("predict", { body, signal })).predictions;

const known = new Map();

// The columns of items, each item asked for once.
export async function columnsOf(ids, signal) {
  const missing = ids.filter((id) => !known.has(id));
  if (missing.length) {
    const { items } = await json("lookup", { body: { item_ids: missing }, signal });
    for (const item of items) known.set(item.item_id, item.columns);
  }
  return new Map(ids.map((id) => [id, known.get(id) ?? {}]));
}

// Calls heard(event, data) for each server-sent event, until the stream ends or heard returns false.
export async function explain(body, heard, signal) {
  const answer = await ask("explain", { body, signal });
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    text += value;
    const parts = text.split("\n\n");
    text = parts.pop();
    for (const part of parts) {
      const [event, data] = fields(part);
      if (event && heard(event, data) === false) {
        await reader.cancel();
        return;
      }
    }
  }
}

function fields(part) {
  const line = (name) => part.split("\n").find((one) => one.startsWith(`${name}: `))?.slice(name.length + 2);
  return [line("event"), JSON.parse(line("data") ?? "{}")];
}
