// The cover over the game: joining, reconnecting, and why it ended, in sentences.

import { element, waitingFor, wordsFor } from "/assets/page.js";

/** @typedef {import("/js/tickhall.js").Room} Room */
/** @typedef {{code: string, message: string}} Fault */

export class Cover {
  #timer = 0;
  #shown = true;

  /** @param {() => void} again */
  constructor(again) {
    element("again").addEventListener("click", again);
  }

  hide() {
    this.#still();
    element("cover").classList.add("gone");
    this.#shown = false;
  }

  joining() {
    this.#show("Joining", "Finding you a room.", true);
  }

  /** Shows that the connection is lost, and why it is not back yet; a short interruption passes without. @param {Room} room @param {Fault} fault */
  reconnecting(room, fault) {
    const words = waitingFor(room, fault) || "The connection was lost. The game goes on as soon as the server answers.";
    if (this.#shown) this.#show("Reconnecting", words, true);
    else this.#timer ||= window.setTimeout(() => this.#show("Reconnecting", words, true), 400);
  }

  /** @param {Fault} fault */
  ended(fault) {
    this.#show("You are out of the room", wordsFor(fault), false, "Play again");
    element("again").focus();
  }

  /** Says that there is no room to watch. */
  nothing() {
    this.#show("Nothing to watch", "Nobody is playing right now. Be the first: bots keep you company until others come.", false, "Play");
    element("again").focus();
  }

  /** @param {Fault} fault */
  refused(fault) {
    const elsewhere = /^room_/.test(fault.code);
    this.#show(elsewhere ? "No way into that room" : "That did not work", wordsFor(fault), false, elsewhere ? "Play in another room" : "Try again");
    element("again").focus();
  }

  #still() {
    clearTimeout(this.#timer);
    this.#timer = 0;
  }

  /** @param {string} title @param {string} words @param {boolean} busy @param {string} [again] what the button says */
  #show(title, words, busy, again = "") {
    this.#still();
    element("cover-title").textContent = title;
    element("cover-text").textContent = words;
    element("spinner").hidden = !busy;
    element("again").hidden = busy;
    element("again").textContent = again;
    this.#shown = true;
    element("cover").classList.remove("gone");
  }
}
