// The cover over the game: joining, waiting, reconnecting, and why it ended, in sentences. A sign for Entry and watchLine.

import { element, hurryWords, write } from "../page.js";
import { wordsFor } from "../words.js";

/** @typedef {import("../../js/tickhall.js").TickhallError} TickhallError */

/** @typedef {object} Face what the cover shows @property {string} title @property {string} words @property {string} [count] not read aloud @property {string} [again] what the button says; "": there is none @property {boolean} [busy] */

export class Cover {
  #shown = false;
  #dialog = /** @type {HTMLDialogElement} */ (element("cover"));

  /** @param {() => void} again */
  constructor(again) {
    element("again").addEventListener("click", again);
    this.#dialog.addEventListener("cancel", (event) => event.preventDefault());
    // A browser closes a dialog at the second Escape, whatever a page says.
    this.#dialog.addEventListener("close", () => this.#shown && this.#dialog.showModal());
  }

  hide() {
    this.#shown = false;
    this.#dialog.close();
  }

  /** The line is back. */
  well() {
    this.hide();
  }

  joining() {
    this.#show({ title: "Joining", words: "Finding you a room.", busy: true });
  }

  /** @param {string} words @param {string} count @param {TickhallError} fault */
  waiting(words, count, fault) {
    const nobody = fault.code === "room_unknown";
    this.#show({ title: nobody ? "Nothing to watch yet" : "Waiting", words, count, busy: true, again: nobody ? "Play" : hurryWords(fault) });
  }

  /** @param {string} words @param {string} count */
  trouble(words, count) {
    this.#show({ title: "Reconnecting", words, count, busy: true });
  }

  /** @param {unknown} fault */
  ended(fault) {
    this.#show({ title: "You are out of the room", words: wordsFor(fault), again: "Play again" });
  }

  /** @param {{code: string}} fault */
  refused(fault) {
    const elsewhere = /^room_/.test(fault.code);
    this.#show({ title: elsewhere ? "No way into that room" : "That did not work", words: wordsFor(fault), again: elsewhere ? "Play in another room" : "Try again" });
  }

  /** @param {Face} face */
  #show({ title, words, count = "", again = "", busy = false }) {
    const button = element("again"), appears = button.hidden && again !== "";
    write(element("cover-title"), title);
    write(element("cover-text"), words);
    write(element("cover-count"), count);
    element("spinner").hidden = !busy;
    button.hidden = again === "";
    write(button, again);
    if (!this.#dialog.open) this.#dialog.showModal();
    if (appears && (!this.#shown || !busy)) button.focus();
    this.#shown = true;
  }
}
