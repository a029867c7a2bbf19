// The history: search for titles, take a known user's, put its items in another order, take some out.

import * as api from "./api.js";
import { Combobox } from "./combobox.js";
import { announce, byId, icon, iconButton, make, toast } from "./dom.js";
import { aboutOf, bar, focusOn, lighting, titleOf } from "./items.js";
import { add, edit, holds, move, remove, startAgain, state } from "./state.js";
import { number, say } from "./words.js";

const SHOWN = 12; // newest events, until all are asked for
const MOST_USERS = 100;

export class History {
  constructor({ run, fail }) {
    Object.assign(this, { run, fail, all: false });
    this.search = new Combobox(byId("search"), {
      name: "search",
      label: "searchLabel",
      hint: "searchHint",
      find: (words, signal) => this.matches(words, signal),
      show: (item) => [
        make("span", { class: "name" }, titleOf(item)),
        holds(item.item_id) ? icon("check") : null,
        make("span", { class: "about" }, aboutOf(item.columns)),
      ],
      pick: (item) => this.add(item),
      fail,
    });
    if (run.users) this.makePeople();
    byId("clear").addEventListener("click", () => this.clear());
    byId("all").addEventListener("click", () => {
      this.all = !this.all;
      this.render();
    });
  }

  makePeople() {
    const parent = byId("people");
    const room = make("div", { class: "person" });
    this.anyone = make("button", { type: "button", class: "quiet", on: { click: () => this.takeAnyone() } });
    this.summary = make("summary", {});
    parent.replaceChildren(make("details", {}, this.summary, room, this.anyone));
    this.people = new Combobox(room, {
      name: "user",
      label: "userLabel",
      hint: "userHint",
      find: (start, signal) => api.users(start, 8, signal),
      show: (user) => [
        make("span", { class: "name" }, user.user_id),
        make("span", { class: "about" }, say("events", { n: user.events })),
      ],
      pick: (user) => this.takeUser(user.user_id),
      fail: this.fail,
    });
  }

  translate() {
    this.search.translate();
    this.people?.translate();
    if (this.people) {
      this.summary.textContent = say("people", { n: this.run.users });
      this.anyone.textContent = say("anyone");
    }
    this.render();
  }

  async matches(words, signal) {
    const items = await api.search(words, signal);
    const columns = await api.columnsOf(items.map((item) => item.item_id), signal);
    return items.map((item) => ({ ...item, columns: columns.get(item.item_id) }));
  }

  add(item) {
    if (this.run.exclude_seen && holds(item.item_id)) {
      toast(say("there", { title: titleOf(item) }));
      return;
    }
    add(item);
    announce(say("added", { title: titleOf(item) }));
  }

  async takeUser(id) {
    try {
      const user = await api.user(id);
      edit(user.events, id);
      announce(say("taken", { id, n: user.n_events }));
    } catch (error) {
      this.fail(error);
    }
  }

  async takeAnyone() {
    try {
      const users = await api.users("", MOST_USERS);
      const others = users.filter((user) => user.user_id !== state.user);
      if (others.length) await this.takeUser(others[Math.floor(Math.random() * others.length)].user_id);
    } catch (error) {
      this.fail(error);
    }
  }

  // Takes an item out, wherever it is said to, and offers to put it back.
  leaveOut(index) {
    const before = { history: state.history, user: state.user };
    const title = titleOf(state.history[index]);
    remove(index);
    toast(say("removed", { title }), say("undo"), () => edit(before.history, before.user));
  }

  leaveOutItem(id) {
    const before = { history: state.history, user: state.user };
    const title = titleOf(state.history.find((event) => event.item_id === id));
    edit(state.history.filter((event) => event.item_id !== id));
    toast(say("removed", { title }), say("undo"), () => edit(before.history, before.user));
  }

  clear() {
    const before = { history: state.history, user: state.user };
    this.all = false;
    startAgain();
    toast(say("cleared"), say("undo"), () => edit(before.history, before.user));
    this.search.field.focus();
  }

  render() {
    const n = state.history.length;
    const newest = state.history.map((event, index) => ({ event, index })).reverse();
    const shown = this.all ? newest : newest.slice(0, SHOWN);
    byId("events").replaceChildren(...shown.map(({ event, index }) => this.row(event, index)));
    byId("clear").hidden = n === 0;
    byId("all").hidden = n <= SHOWN;
    byId("all").textContent = this.all ? say("fewer", { n: SHOWN }) : say("every", { n });
    const whose = state.user === null ? say("newestFirst") : say("userHistory", { id: state.user, n });
    byId("history-note").textContent = n === 0 ? "" : whose;
  }

  // How far each item moved the list, 0 to 1, from the evidence that has come.
  weigh(shares) {
    for (const row of byId("events").children) {
      const share = shares.get(row.dataset.item) ?? 0;
      row.querySelector(".weight").replaceChildren(...(share ? [bar(share)] : []));
      const percent = say("moved", { percent: number(100 * share) });
      row.querySelector(".unseen").textContent = share ? percent : "";
    }
  }

  row(event, index) {
    const title = titleOf(event);
    const act = (name, key, to) =>
      iconButton(name, say(key, { title }), () => this.moved(index, to, key), {
        disabled: to < 0 || to >= state.history.length,
        "data-act": key,
      });
    return make(
      "li",
      { class: "event", "data-item": event.item_id, "data-index": index, on: lighting(event.item_id) },
      make("span", { class: "name" }, title, make("span", { class: "unseen" })),
      make("span", { class: "acts" }, act("up", "later", index + 1), act("down", "earlier", index - 1), this.cross(index, title)),
      make("span", { class: "weight" }),
    );
  }

  cross(index, title) {
    return iconButton("cross", say("remove", { title }), () => {
      this.leaveOut(index);
      const rows = [...byId("events").children];
      const next = rows.find((row) => Number(row.dataset.index) === index - 1) ?? rows.at(-1);
      focusOn(next?.querySelector("[data-act=remove]"), this.search.field);
    }, { "data-act": "remove" });
  }

  moved(index, to, key) {
    const title = titleOf(state.history[index]);
    move(index, to);
    const row = [...byId("events").children].find((one) => Number(one.dataset.index) === to);
    focusOn(row?.querySelector(`[data-act=${key}]`), row?.querySelector("button:not(:disabled)"));
    announce(say("movedTo", { title, n: state.history.length - to }));
  }
}
