// The cover over the game: joining, reconnecting, and why it ended, in sentences.

import { element } from "./hud.js";

/** @typedef {{code: string, message: string}} Fault */

/** By TickhallError.code. @type {Record<string, string>} */
const SENTENCES = {
  network: "The server can't be reached. Check your connection and try again.",
  timeout: "The server did not answer in time. Try again.",
  lost: "The connection to the server was lost.",
  websocket: "Something between here and the server refuses WebSocket connections.",
  server_full: "The server is full right now. Try again in a moment.",
  rate_limited: "That was a bit often. Wait a few seconds, then try again.",
  shutting_down: "The server is restarting. Try again in a moment.",
  unknown_kind: "This server does not run the arena.",
  replaced: "You opened the game somewhere else, and your seat went there.",
  flood: "This page sent too much, and the server ended the connection.",
  room_failed: "The room stopped because of a fault on the server. Another one is ready.",
  room_stuck: "The room stopped because of a fault on the server. Another one is ready.",
  room_ended: "The room has ended. Another one is ready.",
  version: "This page is older than the server. Reload it.",
};

export class Cover {
  #timer = 0;

  /** @param {() => void} again */
  constructor(again) {
    element("again").addEventListener("click", again);
  }

  hide() {
    clearTimeout(this.#timer);
    element("cover").classList.add("gone");
  }

  joining() {
    this.#show("Joining", "Finding you a room.", true);
  }

  /** Shows that the connection is lost; a short interruption passes without. */
  reconnecting() {
    clearTimeout(this.#timer);
    this.#timer = window.setTimeout(() => this.#show("Reconnecting", "The connection was lost. Your seat is kept, and the game goes on as soon as the server answers.", true), 400);
  }

  /** @param {Fault} fault */
  ended(fault) {
    const words = fault.code === "kicked" ? `You were removed: ${fault.message}.` : SENTENCES[fault.code] ?? sentence(fault.message);
    this.#show("You are out of the room", words, false);
    element("again").focus();
  }

  /** @param {Fault} fault */
  refused(fault) {
    this.#show("That did not work", SENTENCES[fault.code] ?? sentence(fault.message), false);
    element("again").focus();
  }

  /** @param {string} title @param {string} words @param {boolean} busy */
  #show(title, words, busy) {
    clearTimeout(this.#timer);
    element("cover-title").textContent = title;
    element("cover-text").textContent = words;
    element("spinner").hidden = !busy;
    element("again").hidden = busy;
    element("cover").classList.remove("gone");
  }
}

/** Makes an error's message a sentence. @param {string} message */
function sentence(message) {
  const words = message.charAt(0).toUpperCase() + message.slice(1);
  return /[.!?]$/.test(words) ? words : `${words}.`;
}
