// What the pages of all kinds share: nodes, words for faults, the operator's announcements, the way into a friend's room, and the
// line that says how it stands with the connection.

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

const LONGEST_NAME = 32; // characters that the server takes

/** The name that the start page keeps. */
export function playerName() {
  try {
    return [...(localStorage.getItem("tickhall.name") ?? "").trim()].slice(0, LONGEST_NAME).join("") || undefined;
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
  room_unknown: "That room has ended, or its code has a mistake. Ask for the link again, or join another room.",
  room_full: "That room is full. Wait for a seat, or join another room.",
  room_locked: "Nobody new gets into that room at present. Join another one.",
  replaced: "You opened this page somewhere else, and your seat went there.",
  flood: "This page sent too much, and the server ended the connection.",
  room_failed: "The room stopped because of a fault on the server. Another one is ready.",
  room_stuck: "The room stopped because of a fault on the server. Another one is ready.",
  room_ended: "The room has ended. Another one is ready.",
  version: "This page is older than the server. Reload it.",
};

/** What to tell a person about a fault. @param {unknown} fault */
export function wordsFor(fault) {
  const { code = "", message = String(fault) } = /** @type {{code?: string, message?: string}} */ (fault ?? {});
  if (SENTENCES[code]) return SENTENCES[code];
  if (code === "kicked") return `You were removed: ${message.replace(/\.$/, "")}.`;
  const words = message.charAt(0).toUpperCase() + message.slice(1);
  return /[.!?]$/.test(words) ? words : `${words}.`;
}

/** What the room was waiting for last. @type {WeakMap<Room, string>} */
const waits = new WeakMap();

/**
 * Why a room that reconnects by itself is not back yet, where the reason is not the line; "" if it is. A server that restarts says so
 * once, and is then not there.
 * @param {Room} room @param {unknown} fault
 */
export function waitingFor(room, fault) {
  const words = reasonIn(fault) || (waits.get(room) ?? "");
  if (!waits.has(room)) room.on("joined", () => waits.set(room, ""));
  waits.set(room, words);
  return words;
}

/** @param {unknown} fault */
function reasonIn(fault) {
  const { code = "" } = /** @type {{code?: string}} */ (fault ?? {});
  if (code === "server_full") return "The server is full right now. You are in as soon as somebody leaves.";
  if (code === "shutting_down") return "The server is restarting. You are back as soon as it runs again.";
  return "";
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
 * Gives the seat up when the page goes for good, a reload included: nothing could take it again, and a double of the player would stand
 * there for as long as the room waits for a lost connection. A page that is put aside keeps it.
 * @param {Room} room
 */
export function leaveWithPage(room) {
  window.addEventListener("pagehide", ({ persisted }) => {
    if (!persisted && room.state === "joined") void room.leave();
  });
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

const ANNOUNCED_FOR = 12_000; // milliseconds

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

/** @param {string} words */
function announce(words) {
  const old = document.querySelector(".announcement");
  const line = node("div", "announcement"), close = node("button", "", "×");
  line.setAttribute("role", "status");
  close.type = "button";
  close.setAttribute("aria-label", "Close");
  close.addEventListener("click", () => line.remove());
  line.append(node("span", "", words), close);
  old?.remove();
  document.body.append(line);
  setTimeout(() => line.remove(), ANNOUNCED_FOR);
}

/** The line under the header, hidden while all is well. */
export class Banner {
  #timer = 0;

  /** @param {() => void} again what the button does, once the connection is lost for good */
  constructor(again) {
    element("again").addEventListener("click", again);
  }

  hide() {
    this.#still();
    element("banner").hidden = true;
  }

  joining() {
    this.#show("joining", "Joining", false);
  }

  /** A short interruption passes without a word. @param {Room} room @param {unknown} fault why the last try failed */
  reconnecting(room, fault) {
    const words = waitingFor(room, fault) || "Reconnecting: the connection was lost. What stands here is from before.";
    if (!element("banner").hidden) this.#show("", words, false);
    else this.#timer ||= window.setTimeout(() => this.#show("", words, false), 400);
  }

  /** @param {unknown} fault */
  closed(fault) {
    this.#show("closed", wordsFor(fault), true);
  }

  #still() {
    clearTimeout(this.#timer);
    this.#timer = 0;
  }

  /** @param {string} kind @param {string} words @param {boolean} over */
  #show(kind, words, over) {
    this.#still();
    const banner = element("banner");
    banner.className = `banner ${kind}`;
    banner.hidden = false;
    write(element("banner-text"), words);
    element("again").hidden = !over;
  }
}
