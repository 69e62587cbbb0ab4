// What the pages of chat, whiteboard, feed and devices share: nodes, words for faults, and the line that says how it stands with
// the connection.

/** @typedef {import("/js/tickhall.js").Room} Room */

/** @param {string} id @returns {HTMLElement} */
export function element(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no #${id}`);
  return found;
}

/**
 * A new element. Whatever others wrote goes in as text, never as markup.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag @param {string} [className] @param {string} [text]
 */
export function node(tag, className = "", text = "") {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text) made.textContent = text;
  return made;
}

/** Sets a node's text, if it is another one: the browser lays out what is set. @param {Element} at @param {string} words */
export function write(at, words) {
  if (at.textContent !== words) at.textContent = words;
}

/** The name that the start page keeps. */
export function playerName() {
  try {
    return localStorage.getItem("tickhall.name")?.trim() || undefined;
  } catch {
    return undefined; // storage is forbidden
  }
}

/** By TickhallError.code. @type {Record<string, string>} */
const SENTENCES = {
  network: "The server can't be reached. Check your connection and try again.",
  timeout: "The server did not answer in time. Try again.",
  lost: "The connection was lost on the way. Try again.",
  websocket: "Something between here and the server refuses WebSocket connections.",
  server_full: "The server is full right now. Try again in a moment.",
  rate_limited: "That was a bit often. Wait a few seconds, then try again.",
  shutting_down: "The server is restarting. Try again in a moment.",
  unknown_kind: "This server does not run this kind of room.",
  replaced: "You opened this page somewhere else, and your seat went there.",
  room_ended: "The room has ended. Another one is ready.",
  version: "This page is older than the server. Reload it.",
};

/** What to tell a person about a fault. @param {unknown} fault */
export function wordsFor(fault) {
  const { code = "", message = String(fault) } = /** @type {{code?: string, message?: string}} */ (fault ?? {});
  if (SENTENCES[code]) return SENTENCES[code];
  const words = message.charAt(0).toUpperCase() + message.slice(1);
  return /[.!?]$/.test(words) ? words : `${words}.`;
}

/** The line under the header, hidden while all is well. */
export class Banner {
  #timer = 0;

  /** @param {() => void} again what the button does, once the connection is lost for good */
  constructor(again) {
    element("again").addEventListener("click", again);
  }

  hide() {
    clearTimeout(this.#timer);
    element("banner").hidden = true;
  }

  joining() {
    this.#show("joining", "Joining", false);
  }

  /** A short interruption passes without a word. */
  reconnecting() {
    clearTimeout(this.#timer);
    this.#timer = window.setTimeout(() => this.#show("", "Reconnecting: the connection was lost. What stands here is from before.", false), 400);
  }

  /** @param {unknown} fault */
  closed(fault) {
    this.#show("closed", wordsFor(fault), true);
  }

  /** @param {string} kind @param {string} words @param {boolean} over */
  #show(kind, words, over) {
    clearTimeout(this.#timer);
    const banner = element("banner");
    banner.className = `banner ${kind}`;
    banner.hidden = false;
    write(element("banner-text"), words);
    element("again").hidden = !over;
  }
}
