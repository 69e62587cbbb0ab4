// The way into a room, for as long as it takes: a visitor who finds the server full, restarting or away waits, and sees for how
// long. See Entry.

import { TickhallError, connect } from "../js/tickhall.js";
import { anyRoomAfter } from "./page.js";
import { seconds, wordsFor } from "./words.js";

/** @typedef {import("../js/tickhall.js").ConnectOptions} ConnectOptions */
/** @typedef {import("../js/tickhall.js").Room} Room */

/**
 * Sign is where a page says how it stands. `words` may be read aloud; `count`, which changes each second, is not.
 * @typedef {{waiting: (words: string, count: string, fault: TickhallError) => void}} Sign
 */

/** @typedef {Omit<ConnectOptions, "url">} Options */

const SERVER = new URL("../", import.meta.url).href; // with its path, if a proxy puts all of it below one
const FIRST = 3000, LONGEST = 10_000, GROWTH = 1.4; // milliseconds between two tries
const LOOK = 200;

/** What waiting helps against, and what to expect of it. @type {Record<string, string>} */
const WAITS = {
  server_full: "You are in as soon as somebody leaves.",
  room_full: "You are in as soon as a seat is free.",
  refused_now: "",
  rate_limited: "You are in as soon as your address may ask again.",
  shutting_down: "You are in as soon as it runs again.",
  identity_unavailable: "",
  network: "You are in as soon as it answers. Check your connection.",
  timeout: "",
  lost: "",
};

/** Whether the server is away, or what stands before it says so. @param {{code: string}} fault */
export const unreachable = ({ code }) => code === "network" || code === "timeout" || code === "lost" || /^http_(0|5\d\d)$/.test(code);

export class Entry {
  #sign;
  #hurry = () => {};
  /** @type {TickhallError | null} */
  #fault = null;

  /** @param {Sign} sign */
  constructor(sign) {
    this.#sign = sign;
  }

  /** Ends the present wait: the next try is made at once, and for a seat in any room if none can be had as asked. */
  hurry() {
    anyRoomAfter(this.#fault);
    this.#hurry();
  }

  /**
   * Gets into a room, however long the server is full or away. Rejects with the fault that no waiting mends.
   * @param {() => Options} options are asked for before each try
   * @returns {Promise<Room>}
   */
  async enter(options) {
    let wait = FIRST, known = false; // known: the server was there before
    for (;;) {
      const asked = options();
      try {
        return await connect({ url: SERVER, ...asked });
      } catch (err) {
        const fault = err instanceof TickhallError ? err : new TickhallError("", String(err)), words = wordsWhile(fault, asked, known);
        if (!words) throw fault;
        known ||= fault.code === "shutting_down";
        await this.#wait(Math.max(fault.retryAfter, wait) * (1 + 0.2 * Math.random()), words, fault);
        wait = Math.min(LONGEST, wait * GROWTH);
      }
    }
  }

  /** @param {number} ms @param {string} words @param {TickhallError} fault @returns {Promise<void>} */
  #wait(ms, words, fault) {
    return new Promise((resolve) => {
      const until = performance.now() + ms;
      this.#fault = fault;
      const done = () => {
        clearInterval(timer);
        this.#sign.waiting(words, "Trying now", fault);
        resolve();
      };
      const look = () => {
        const left = until - performance.now();
        if (left <= 0) done();
        else this.#sign.waiting(words, `Next try in ${seconds(left)}`, fault);
      };
      const timer = setInterval(look, LOOK);
      this.#hurry = done;
      look();
    });
  }
}

/** What to say while waiting; "" if that does not help. @param {TickhallError} fault @param {Options} asked @param {boolean} known */
function wordsWhile(fault, asked, known) {
  if (fault.code === "room_unknown" && asked.spectate && !asked.room) return "Nobody plays right now. You see the first room as soon as somebody does.";
  if (known && unreachable(fault)) return "The server is still down. You are in as soon as it runs again.";
  const hope = WAITS[fault.code] ?? (unreachable(fault) ? WAITS.network : undefined);
  return hope === undefined ? "" : `${wordsFor(fault)} ${hope}`.trim();
}
