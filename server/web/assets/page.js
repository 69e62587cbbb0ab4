// What the pages of all kinds share: nodes, messages, the operator's announcements, the way into a friend's room, and the banner
// that says how it stands. What to say is in words.js, the way in in entry.js, the truth about the line in line.js.

import { wordsFor } from "./words.js";

/** @typedef {import("../js/tickhall.js").Room} Room */

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

const LONGEST_NAME = 32; // characters that the server takes

/** The name that the start page keeps. */
export function playerName() {
  try {
    return [...(localStorage.getItem("tickhall.name") ?? "").trim()].slice(0, LONGEST_NAME).join("") || undefined;
  } catch {
    return undefined; // storage is forbidden
  }
}

/**
 * The way in that the address asks for, as options of connect: with ?room=CODE a friend's room, with ?private a new one that nobody
 * finds without its code, else whichever there is; with ?watch to see it without a seat.
 * @returns {{mode?: "join" | "create", room?: string, private?: boolean, spectate?: boolean}}
 */
export function wayIn() {
  const query = new URLSearchParams(location.search), room = query.get("room")?.trim(), spectate = query.has("watch") || undefined;
  if (room) return { mode: "join", room, spectate };
  return query.has("private") ? { mode: "create", private: true } : { spectate };
}

/** What the button says that ends a wait for a room. @param {{code: string}} fault */
export const hurryWords = ({ code }) => (code === "room_full" ? "Take another room" : "Try now");

/** Has the address ask for any room from now on, if the one that it names can't be had. @param {unknown} fault */
export function anyRoomAfter(fault) {
  const { code = "" } = /** @type {{code?: string}} */ (fault ?? {});
  if (["room_unknown", "room_full", "room_locked", "bad_request"].includes(code)) history.replaceState(null, "", location.pathname);
}

/** Has the address name the room that was made, so that a reload leads back to it. @param {Room} room */
export function nameRoom(room) {
  if (wayIn().mode) history.replaceState(null, "", `?room=${room.id}${room.spectator ? "&watch" : ""}`);
}

/**
 * Gives the seat up when the page goes for good, a reload included: for pages that don't keep it (see seatStorage). Else a
 * double of the player would stand there for as long as the room waits for a lost connection. A page that is put aside
 * keeps its seat.
 * @param {Room} room
 */
export function leaveWithPage(room) {
  window.addEventListener("pagehide", ({ persisted }) => {
    if (!persisted && room.state === "joined") void room.leave();
  });
}

/** Where a page keeps its seat for when it is loaded again: for this tab alone. A browser may refuse even to name the place. */
export function seatStorage() {
  try {
    return sessionStorage;
  } catch {
    return null;
  }
}

/** Copies the link that leads friends into the room. Returns what to tell the player. @param {Room} room */
export async function invite(room) {
  const link = `${location.origin}${location.pathname}?room=${room.id}`;
  return (await copy(link)) ? "The link to this room is copied: send it to a friend" : `Send this to a friend: ${link}`;
}

/** @param {string} words */
async function copy(words) {
  try {
    await navigator.clipboard.writeText(words);
    return true;
  } catch {
    // Not there but with HTTPS or on localhost, and a playtest is on neither. The old way goes by what is selected.
    const field = node("textarea", "unseen"), focused = /** @type {HTMLElement | null} */ (document.activeElement);
    field.value = words;
    document.body.append(field);
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    focused?.focus({ preventScroll: true });
    return done;
  }
}

const ANNOUNCED_FOR = 60_000; // milliseconds: readers differ

/**
 * Shows what the server's operator says to all: the event "notice" whose body is a string, or has a string `text` and nothing that
 * is the game's own.
 * @param {Room} room
 */
export function showAnnouncements(room) {
  room.onEvent("notice", (body) => {
    const words = announcementIn(body);
    if (words) announce(words);
  });
}

/** What an operator's notice says; "" for a game's. @param {unknown} body */
export function announcementIn(body) {
  if (typeof body === "string") return body;
  const { text, ...rest } = /** @type {{text?: unknown}} */ (body ?? {});
  return typeof text === "string" && Object.keys(rest).length === 0 ? text : "";
}

/** The one place of a page for messages: its own #messages, or one that is made. */
export function messages() {
  const own = document.getElementById("messages");
  if (own) return own;
  const made = node("div", "messages");
  made.id = "messages";
  document.body.append(made);
  return made;
}

/**
 * Shows a message that can be put away. One of the same kind takes its place.
 * @param {string} words @param {{kind?: string, stays?: boolean}} [how] stays: until it is put away
 */
export function announce(words, { kind = "announcement", stays = false } = {}) {
  const line = node("div", `note ${kind}`), close = node("button", "", "×");
  line.setAttribute("role", "status");
  close.type = "button";
  close.setAttribute("aria-label", "Close the message");
  close.addEventListener("click", () => line.remove());
  line.append(node("span", "", words), close);
  const place = messages();
  place.querySelector(`.${kind}`)?.remove();
  place.append(line);
  if (!stays) setTimeout(() => line.remove(), ANNOUNCED_FOR);
}

/** The line under the header, hidden while all is well: a sign for Entry and watchLine. */
export class Banner {
  /** @param {() => void} again what the button does: another try, at once */
  constructor(again) {
    element("again").addEventListener("click", again);
  }

  well() {
    element("banner").hidden = true;
  }

  joining() {
    this.#show("joining", "Joining", "", "");
  }

  /** @param {string} words @param {string} count @param {import("../js/tickhall.js").TickhallError} fault */
  waiting(words, count, fault) {
    this.#show("waiting", words, count, hurryWords(fault));
  }

  /** @param {string} words @param {string} count */
  trouble(words, count) {
    this.#show("reconnecting", words, count, "");
  }

  /** @param {unknown} fault */
  closed(fault) {
    this.#show("closed", wordsFor(fault), "", "Join again");
  }

  /** @param {string} kind @param {string} words @param {string} count @param {string} again what the button says; "": there is none */
  #show(kind, words, count, again) {
    const banner = element("banner"), button = element("again");
    banner.className = `banner ${kind}`;
    banner.hidden = false;
    write(element("banner-text"), words);
    write(element("banner-count"), count);
    button.hidden = again === "";
    if (again) write(button, again);
  }
}
