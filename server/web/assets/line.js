// The truth about the line to a room: a chip while the server owes a sign, a dimmed page when what stands there is old, how long
// the seat is kept while it is lost, and what is gone when another seat was all that there was.

import { announce, messages, node, write } from "./page.js";
import { unreachable } from "./entry.js";
import { seconds } from "./words.js";

/** @typedef {import("../js/tickhall.js").Room} Room */
/** @typedef {import("../js/tickhall.js").TickhallError} TickhallError */

/**
 * Sign is where a page says that a connection is lost. `words` may be read aloud; `count`, which changes each second, is not.
 * @typedef {{trouble: (words: string, count: string) => void, well: () => void}} Sign
 */
/** What is gone with a room, and with a seat in a room that is still there: a clause each; "" is nothing. @typedef {{room: string, seat: string}} Lost */

const LOOK = 100; // milliseconds between two looks
const CHIP_AFTER = 500, STALE_AFTER = 2000; // milliseconds of silence
const QUIET_FOR = 400; // a short interruption passes without a word
const STILL_AFTER = 8000, STILL_TRIES = 3; // then a server that restarts is down, and a lost line no moment's matter

/** @type {Set<Line>} */
const lines = new Set();
/** @type {{chip: HTMLElement, said: HTMLElement} | null} */
let shown = null;
let next = 0; // timer of the next look

/** Follows a room's line for as long as the room is open. @param {Room} room @param {Sign} sign @param {Lost} lost */
export function watchLine(room, sign, lost) {
  const line = new Line(room, sign, lost);
  lines.add(line);
  next ||= window.setTimeout(look, LOOK);
  room.on("close", () => lines.delete(line));
}

/** Looks at all lines of the page: the worst is told. */
function look() {
  let silence = 0, away = lines.size === 0; // a room that is closed stays dimmed
  for (const line of lines) {
    line.look();
    if (line.room.state === "joined") silence = Math.max(silence, line.room.silence());
    else away = true;
  }
  if (!document.hidden) show(silence, away);
  next = lines.size > 0 ? window.setTimeout(look, LOOK) : 0;
}

/** @param {number} silence milliseconds, of a line that is not given up @param {boolean} away one is */
function show(silence, away) {
  const stale = silence >= STALE_AFTER;
  document.body.classList.toggle("stale", stale || away);
  if (!shown) {
    if (silence < CHIP_AFTER) return;
    const chip = node("p", "line-chip"), said = node("p", "unseen");
    chip.setAttribute("aria-hidden", "true"); // it changes all the time
    said.setAttribute("role", "status");
    messages().prepend(chip);
    document.body.append(said);
    shown = { chip, said };
  }
  shown.chip.hidden = silence < CHIP_AFTER;
  shown.chip.classList.toggle("bad", stale);
  write(shown.chip, `No answer for ${(silence / 1000).toFixed(1)} s`);
  write(shown.said, stale ? "The server does not answer. What stands here is old." : "");
}

class Line {
  #sign;
  #lost;
  #since = 0; // when the line was lost; 0: it is well
  #tries = 0;
  #next = 0; // when the next try is made
  #restarts = false; // the server said so
  #failed = false; // the room did
  #gone = false; // so is the seat
  #room = ""; // id of the room that was lost
  #age = 0; // milliseconds of the silence, when the line was lost last
  /** @type {TickhallError | null} */
  #fault = null;

  /** @param {Room} room @param {Sign} sign @param {Lost} lost */
  constructor(room, sign, lost) {
    this.room = room;
    this.#sign = sign;
    this.#lost = lost;
    room.on("reconnecting", ({ delay, error }) => this.#fell(delay, error));
    room.on("joined", ({ resumed }) => this.#back(resumed));
  }

  /** @param {number} delay @param {TickhallError} error */
  #fell(delay, error) {
    const now = performance.now();
    if (this.#since === 0) {
      this.#since = now;
      this.#room = this.room.id;
    }
    this.#tries++;
    this.#next = now + delay;
    this.#fault = error;
    this.#restarts ||= error.code === "shutting_down";
    this.#failed ||= error.code === "room_failed" || error.code === "room_stuck";
    this.#gone ||= error.advice === "match";
  }

  /** @param {boolean} resumed */
  #back(resumed) {
    this.#sign.well();
    if (!resumed && !this.room.spectator) announce(this.#news(), { kind: "news", stays: true });
    this.#since = this.#tries = 0;
    this.#restarts = this.#failed = this.#gone = false;
  }

  look() {
    const { room } = this, now = performance.now();
    if (this.#since === 0 || room.state !== "reconnecting") return;
    this.#age = room.silence();
    if (now - this.#since >= QUIET_FOR) this.#sign.trouble(this.#words(now), this.#count(now));
  }

  /** @param {number} now */
  #words(now) {
    const fault = /** @type {TickhallError} */ (this.#fault), long = this.#tries > STILL_TRIES && now - this.#since >= STILL_AFTER;
    if (fault.code === "server_full") return "The server is full right now. You are in as soon as somebody leaves.";
    if (unreachable(fault) && navigator.onLine === false) return "This device is offline. You are back as soon as it has a connection.";
    if (this.#restarts) return long ? "The server is still down. You are back as soon as it runs again." : "The server is restarting. You are back as soon as it runs again.";
    if (this.#failed) return "The room stopped because of a fault on the server. You get another one.";
    return long ? "Still reconnecting: the server can't be reached. It is down, or your connection is." : "Reconnecting: the connection was lost. What stands here is from before.";
  }

  /** @param {number} now */
  #count(now) {
    const next = this.#next > now ? `Next try in ${seconds(this.#next - now)}.` : "Trying now.";
    const { grace, spectator } = this.room;
    if (spectator || this.#gone || !grace) return next;
    // Counted from the last that was heard: the server can't have missed this page earlier.
    const left = grace * 1000 - this.#age;
    return `${next} ${left > 0 ? `Your seat is kept for another ${seconds(left)}.` : "Your seat may be gone by now."}`;
  }

  /** What became of the room and the seat, when another was got. */
  #news() {
    const { grace, id } = this.room, away = this.#age;
    const why = this.#restarts ? "The server was restarted"
      : this.#failed ? "The room stopped because of a fault on the server"
      : grace && away > grace * 1000 ? `You were away for ${seconds(away)}, and a seat is kept for ${grace} s`
      : "The server did not know your seat any more: it was restarted, or the room has ended";
    const { room, seat } = this.#lost;
    if (id === this.#room) return `${why}. You are in the same room again${seat ? `: ${seat}` : ""}.`;
    return `${why}. This is a new room${room ? `: ${room}` : ""}.`;
  }
}
