// A channel: one seat in one room, and what was said there. A page has several at once.

import { Entry } from "../entry.js";
import { watchLine } from "../line.js";
import { leaveWithPage, showAnnouncements } from "../page.js";
import { wordsFor } from "../words.js";

/** @typedef {import("../../js/tickhall.js").Room} Room */
/** @typedef {{id: number, user: string, name: string, typing: boolean, away: boolean}} Member */
/** @typedef {{number: number, user: string, name: string, text: string, at: number}} Said */

/**
 * Line is what a conversation shows.
 * @typedef {{key: number, user: string, name: string, text: string, when: Date}} Line
 */

/**
 * Hooks tell the page what has happened.
 * @typedef {object} Hooks
 * @property {(c: Channel, line: Line) => void} line a new line
 * @property {(c: Channel) => void} lines many may have changed
 * @property {(c: Channel) => void} changed anything but lines
 * @property {(letter: Letter) => void} letter
 */
/** @typedef {{id: number, from: string, name: string, to: string, whom: string, text: string}} Letter */

const AGAIN = 2500; // milliseconds until typing is told again
const MOST = 1500; // lines kept in the page; older ones can be asked for again

export class Channel {
  unread = 0;
  fault = ""; // why there is no room
  words = ""; // why it is not there yet, or not back
  count = ""; // of seconds until it may be
  anew = false; // there was another room before, whose lines are gone
  /** @type {Room | null} */
  room = null;
  /** By number, oldest first. @type {Map<number, Line>} */
  #lines = new Map();
  #of = ""; // id of the room that the lines are of
  /** What has entered since the page was told. @type {Line[]} */
  #news = [];
  #exhausted = false; // the room has no older lines
  #asking = false; // for older ones
  #left = false;
  #told = 0; // when the room heard that the user types
  #entry = new Entry(this);

  /** @param {string} topic @param {Hooks} hooks */
  constructor(topic, hooks) {
    this.topic = topic;
    this.hooks = hooks;
  }

  get key() {
    return `#${this.topic}`;
  }

  get state() {
    return this.room?.state ?? (this.fault ? "closed" : "joining");
  }

  get user() {
    return this.room?.user ?? "";
  }

  get lines() {
    return [...this.#lines.values()];
  }

  get #oldest() {
    return this.#lines.keys().next().value ?? 0;
  }

  /** Whether older lines can be asked for. */
  get more() {
    return this.#oldest > 1 && !this.#exhausted;
  }

  /** The own name, as the others see it. */
  get name() {
    for (const m of this.#members()) if (this.room?.table("member").mine(m.id)) return m.name;
    return "";
  }

  /** Who is here, each user once, by name. @returns {Member[]} */
  get people() {
    /** @type {Map<string, Member>} */
    const users = new Map();
    for (const m of this.#members()) {
      const other = users.get(m.user);
      users.set(m.user, other ? { ...m, typing: m.typing || other.typing, away: m.away && other.away } : { ...m });
    }
    return [...users.values()].sort((a, b) => a.name.localeCompare(b.name));
  }

  /** @returns {Iterable<Member>} */
  #members() {
    return this.room ? /** @type {Iterable<any>} */ (this.room.table("member")) : [];
  }

  /** @param {string} [name] of the user */
  async join(name) {
    this.fault = this.words = this.count = "";
    this.room = null;
    this.hooks.changed(this);
    const options = { topic: this.topic };
    try {
      const room = await this.#entry.enter(() => ({ kind: "chat", mode: "quick", options, filter: options, name }));
      if (this.#left) return void room.leave();
      this.#listen(room);
    } catch (err) {
      this.fault = wordsFor(err);
    }
    this.hooks.changed(this);
  }

  /** Ends a wait: the next try is made at once. */
  hurry() {
    this.#entry.hurry();
  }

  /** As a sign for Entry. @param {string} words @param {string} count */
  waiting(words, count) {
    this.trouble(words, count);
  }

  /** As a sign for watchLine. @param {string} words @param {string} count */
  trouble(words, count) {
    if (this.words === words && this.count === count) return;
    this.words = words;
    this.count = count;
    this.hooks.changed(this);
  }

  well() {
    this.trouble("", "");
  }

  /** @param {Room} room */
  #listen(room) {
    this.room = room;
    this.well();
    watchLine(room, this, { room: "what was said before is gone", seat: "" });
    const changed = () => this.hooks.changed(this);
    room.table("line").on("enter", (l) => this.#add(/** @type {any} */ (l)));
    this.#settle();
    this.hooks.lines(this);
    for (const type of /** @type {const} */ (["enter", "change", "leave"])) room.table("member").on(type, changed);
    room.on("snapshot", () => this.#tell());
    room.on("state", changed);
    room.on("joined", () => this.#tell());
    room.on("close", ({ error }) => {
      this.fault = this.#left ? "" : wordsFor(error);
      changed();
    });
    leaveWithPage(room);
    showAnnouncements(room); // each channel brings it: the last takes the place of the others
    room.onEvent("dm", (letter) => this.hooks.letter(letter));
  }

  /** @param {Said & {rest: string}} l a row of the table, which the page must not keep */
  #add(l) {
    this.#begin();
    if (!this.#lines.has(l.number)) this.#news.push(this.#lineOf({ ...l, text: l.text + l.rest }));
  }

  /** Forgets the lines of another room: the server may have been started anew. */
  #begin() {
    const id = this.room?.id ?? "";
    if (this.#of === id) return;
    this.anew = this.#of !== "";
    this.#of = id;
    this.#lines.clear();
    this.#news = [];
    this.#exhausted = false;
    this.hooks.lines(this);
  }

  /** Tells the page what is new: line by line where these follow those here, else as a whole. */
  #tell() {
    this.#begin();
    if (this.#news.length === 0) return;
    const newest = [...this.#lines.keys()].at(-1) ?? 0;
    const news = this.#settle();
    if (news[0].key !== newest + 1) return this.hooks.lines(this);
    for (const line of news) this.hooks.line(this, line);
  }

  /** Takes the news among the lines, in the order in which they were said; a table's is that of its ids. */
  #settle() {
    const news = this.#news.sort((a, b) => a.key - b.key);
    const newest = [...this.#lines.keys()].at(-1) ?? 0;
    this.#news = [];
    if (news.length > 0 && news[0].key > newest + 1) { // more was missed than the room shows: that can be asked for
      this.#lines.clear();
      this.#exhausted = false;
    }
    for (const line of news) this.#lines.set(line.key, line);
    while (this.#lines.size > MOST) {
      this.#lines.delete(this.#oldest);
      this.#exhausted = false;
    }
    return news;
  }

  /** @param {Said} e @returns {Line} */
  #lineOf(e) {
    const room = /** @type {Room} */ (this.room);
    const ago = Math.max(0, room.time / room.rate - e.at); // the game's time counts from the room's start
    return { key: e.number, user: e.user, name: e.name, text: e.text, when: new Date(Date.now() - ago * 1000) };
  }

  /** Asks for lines older than those here. */
  async older() {
    if (!this.room || !this.more || this.#asking) return;
    this.#asking = true;
    /** @type {{lines: Said[] | null, more: boolean}} */
    const page = await this.room.call("history", { before: this.#oldest }).finally(() => (this.#asking = false));
    this.#exhausted = !page.more;
    this.#lines = new Map([...(page.lines ?? []).map((e) => /** @type {[number, Line]} */ ([e.number, this.#lineOf(e)])), ...this.#lines]);
    this.hooks.lines(this);
  }

  /** @param {string} text */
  async say(text) {
    this.#told = 0;
    await this.#joined().call("say", { text });
  }

  /** @param {string} to user id @param {string} text */
  async direct(to, text) {
    await this.#joined().call("dm", { to, text });
  }

  #joined() {
    if (!this.room || this.room.state === "closed") throw { code: "", message: this.fault || "The channel is not open yet." };
    return this.room;
  }

  /** Tells the room that the user types, now and then, or no longer. @param {boolean} on @param {number} now */
  typing(on, now) {
    if (this.room?.state !== "joined" || (this.#told === 0 ? !on : on && now - this.#told < AGAIN)) return;
    this.#told = on ? now : 0;
    this.room.send("typing", on);
  }

  leave() {
    this.#left = true;
    if (this.room) void this.room.leave();
  }
}
