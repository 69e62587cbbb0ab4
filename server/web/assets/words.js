// What to tell a person about a fault, in sentences.

/** @typedef {{code?: string, message?: string}} Fault as TickhallError has them */

/** By TickhallError.code. @type {Record<string, string>} */
const SENTENCES = {
  network: "The server can't be reached.",
  timeout: "The server did not answer in time.",
  lost: "The connection was lost on the way.",
  websocket: "Something between here and the server refuses WebSocket connections.",
  server_full: "The server is full right now.",
  rate_limited: "That was a bit often.",
  shutting_down: "The server is restarting.",
  unknown_kind: "This server does not run this kind of room.",
  room_unknown: "That room has ended, or its code has a mistake. Ask for the link again, or join another room.",
  room_full: "That room is full.",
  room_locked: "Nobody new gets into that room at present. Join another one.",
  replaced: "You opened this page somewhere else, and your seat went there.",
  flood: "This page sent too much, and the server ended the connection.",
  idle: "You did nothing for long, and your seat was given up.",
  room_failed: "The room stopped because of a fault on the server.",
  room_stuck: "The room stopped because of a fault on the server.",
  version: "This page is older than the server. Reload it.",
};

/** The reason that a room gives which ends by itself. */
const ENDED = "the room has ended";

/** What to tell a person about a fault. An operator's or a game's own words are told as they are. @param {unknown} fault */
export function wordsFor(fault) {
  const { code = "", message = String(fault) } = /** @type {Fault} */ (fault ?? {});
  if (SENTENCES[code]) return SENTENCES[code];
  if (code === "kicked") return sentence(`You were removed: ${message}`);
  if (code === "room_ended") return sentence(message === ENDED || !message ? ENDED : `${ENDED}: ${message}`);
  return sentence(message);
}

/** Makes a sentence of words from the server, with moments in local time. @param {string} words */
function sentence(words) {
  const local = words.replace(/\b(\d{4}-\d\d-\d\d) (\d\d:\d\d) UTC\b/g, (_, day, time) => moment(new Date(`${day}T${time}Z`)));
  const line = local.charAt(0).toUpperCase() + local.slice(1);
  return /[.!?]$/.test(line) ? line : `${line}.`;
}

/** @param {Date} at */
function moment(at) {
  const today = at.toDateString() === new Date().toDateString();
  return at.toLocaleString([], today ? { timeStyle: "short" } : { dateStyle: "medium", timeStyle: "short" });
}

/** Whole seconds, rounded up, of some milliseconds. @param {number} ms */
export const seconds = (ms) => `${Math.max(0, Math.ceil(ms / 1000))} s`;
