// The chat's page: several channels at once, each a seat in a room of its own, and direct messages.
//
// For browser tests and the curious, window.__tickhall tells what the page knows: see Probe below.

import { element, playerName } from "../page.js";
import { wordsFor } from "../words.js";
import { Channel } from "./channel.js";
import { Direct, Directs } from "./directs.js";
import { Log } from "./log.js";
import { Side } from "./side.js";

/** @typedef {import("./channel.js").Line} Line */

/**
 * @typedef {object} Probe
 * @property {() => {topic: string, state: string, room: string, unread: number, people: string[], typing: string[], lines: string[]}[]} channels
 * @property {() => {user: string, name: string, unread: number, lines: string[]}[]} directs
 * @property {() => string} current key of the conversation shown: "#topic" or "@user"
 * @property {() => string} user the own id
 * @property {() => string[]} users the own id in each channel: the same in all
 * @property {() => Record<string, number>} mismatches hash mismatches by topic
 */

const KEPT = "tickhall.chat.channels";
const ALWAYS = ["general", "random", "help"];
const MOST = 12; // channels: each is a connection

const text = /** @type {HTMLInputElement} */ (element("text"));
const topic = /** @type {HTMLInputElement} */ (element("topic"));
const name = playerName();
const directs = new Directs();
/** By topic. @type {Map<string, Channel>} */
const channels = new Map();
/** What is written in each conversation and not sent yet, by key. @type {Map<string, string>} */
const drafts = new Map();
/** @type {Channel | Direct} */
let current;
let drawing = false; // a drawing of the lists is due

const log = new Log(write);
const side = new Side({ open: (key) => open(key), leave, write });

/** What somebody types as a channel's name, made one. @param {string} s */
const topicOf = (s) => s.trim().toLowerCase().replace(/^#/, "").replace(/[^a-z0-9-]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 32);

const user = () => [...channels.values()].find((c) => c.user)?.user ?? "";

const hooks = {
  /** @param {Channel} c @param {Line} line */
  line(c, line) {
    arrived(c, line, line.user === c.user);
  },
  /** @param {Channel} c */
  lines(c) {
    if (c === current) show(true);
    refresh();
  },
  refresh,
  changed: refresh,
  /** @param {import("./channel.js").Letter} letter */
  letter(letter) {
    const filed = directs.take(letter, user());
    if (filed) arrived(filed.direct, filed.line, filed.mine);
  },
};

/** @param {Channel | Direct} c @param {Line} line @param {boolean} mine */
function arrived(c, line, mine) {
  if (c === current) log.add(line);
  if (!mine && (c !== current || document.hidden)) c.unread++;
  refresh();
}

/** @param {string} topic */
function join(topic) {
  const there = channels.get(topic);
  if (there) return there;
  const made = new Channel(topic, hooks);
  channels.set(topic, made);
  remember();
  return made;
}

function remember() {
  try {
    localStorage.setItem(KEPT, JSON.stringify([...channels.keys()]));
  } catch {
    // Storage is forbidden: they are forgotten with the page.
  }
}

/** @param {Channel} c */
function leave(c) {
  if (channels.size === 1) return complain({ message: "Stay in one channel at least." });
  c.leave();
  channels.delete(c.topic);
  remember();
  if (c === current) open(`#${[...channels.keys()][0]}`);
  refresh();
}

/** @param {string} key "#topic" or "@user" */
function open(key) {
  const next = key.startsWith("@") ? directs.all.get(key.slice(1)) : channels.get(key.slice(1));
  if (!next) return;
  if (current) drafts.set(current.key, text.value);
  stopTyping();
  current = next;
  current.unread = 0;
  text.value = drafts.get(key) ?? "";
  complain(null);
  side.toggle(false);
  if (current instanceof Channel) history.replaceState(null, "", current.key);
  show(false);
  refresh();
  if (!matchMedia("(pointer: coarse)").matches) text.focus(); // on a phone the keyboard would hide the lines
}

/** Opens a conversation with a user. @param {string} id @param {string} name */
function write(id, name) {
  if (id === user()) return;
  open(directs.open(id, name).key);
}

/** @param {boolean} keep */
function show(keep) {
  log.show(current.lines, user(), keep);
}

/** Draws all but the lines, once for whatever happens at once. */
function refresh() {
  if (drawing || !current) return;
  drawing = true;
  queueMicrotask(() => {
    drawing = false;
    draw();
  });
}

function draw() {
  side.conversations(channels.values(), directs.all.values(), current);
  const channel = current instanceof Channel ? current : undefined;
  const people = channel?.people ?? [], me = user();
  side.people(people, me);
  const own = [...channels.values()].find((c) => c.name)?.name;
  element("me").textContent = own ?? "";
  element("title").textContent = current instanceof Direct ? current.name : `# ${current.topic}`;
  text.placeholder = `Write to ${title(current)}`;
  element("about").textContent = about(current, people.length);
  element("older").hidden = !channel?.more;
  element("nothing").hidden = current.lines.length > 0 || (channel !== undefined && channel.state !== "joined");
  element("nothing").textContent = channel?.anew ? "This is a new room: what was said here before is gone." : channel ? "Nothing was said here yet. Say hello." : "Nothing was said between you yet.";
  element("typing").textContent = typists(people.filter((m) => m.typing && m.user !== me).map((m) => m.name));
  banner(channel);
  const unread = [...channels.values(), ...directs.all.values()].reduce((n, c) => n + c.unread, 0);
  document.title = `${unread > 0 ? `(${unread}) ` : ""}${title(current)} · Tickhall`;
}

/** @param {Channel | Direct} c */
const title = (c) => (c instanceof Direct ? c.name : c.key);

/** What the bar says of a conversation. @param {Channel | Direct} c @param {number} people */
function about(c, people) {
  if (c instanceof Direct) return common(c) ? "Only the two of you read this" : "Not here now";
  return people === 0 ? "" : people === 1 ? "Only you are here" : `${people} are here`;
}

/** @param {string[]} names */
function typists(names) {
  if (names.length === 0) return "";
  if (names.length === 1) return `${names[0]} is typing…`;
  if (names.length === 2) return `${names[0]} and ${names[1]} are typing…`;
  return `${names.length} people are typing…`;
}

/** @param {Channel | undefined} channel */
function banner(channel) {
  const channelOrAny = channel ?? [...channels.values()].find((c) => c.state !== "joined");
  const state = channelOrAny?.state ?? "joined";
  const words = /** @type {Record<string, string>} */ ({
    joining: channelOrAny?.words || "Joining…",
    reconnecting: `${channelOrAny?.words || "Reconnecting: the connection was lost."} What you send now goes out then.`,
    closed: channelOrAny?.fault || "You have left this channel.",
  });
  const shown = element("banner-text");
  if (shown.textContent !== (words[state] ?? "")) shown.textContent = words[state] ?? "";
  const waits = state === "joining" && channelOrAny?.count;
  element("banner-count").textContent = channelOrAny?.count ?? "";
  element("banner").hidden = state === "joined";
  element("banner").className = `banner ${waits ? "waiting" : state}`;
  element("again").hidden = state !== "closed" && !waits;
  element("again").textContent = waits ? "Try now" : "Join again";
}

/** @param {unknown} fault null takes it away */
function complain(fault) {
  element("fault").hidden = !fault;
  element("fault").textContent = fault ? wordsFor(fault) : "";
}

function stopTyping() {
  if (current instanceof Channel) current.typing(false, performance.now());
}

async function send() {
  const to = current, words = text.value.trim();
  if (!words) return;
  const size = [...words].length;
  if (size > 500) return complain({ message: `That is ${size} characters long: 500 fit into a message.` });
  text.value = "";
  complain(null);
  try {
    const channel = to instanceof Channel ? to : common(to);
    if (!channel) throw { message: `${title(to)} is in none of your channels now.` };
    if (to instanceof Channel) await channel.say(words);
    else await channel.direct(to.user, words);
  } catch (err) {
    if (current === to && !text.value) text.value = words; // so that nothing is lost
    complain(err);
  }
}

/** A channel in which the other is too, for that is where a direct message can be sent from. @param {Direct} to */
function common(to) {
  return [...channels.values()].find((c) => c.people.some((m) => m.user === to.user));
}

element("compose").addEventListener("submit", (event) => {
  event.preventDefault();
  void send();
});
text.addEventListener("input", () => {
  if (current instanceof Channel) current.typing(text.value.trim() !== "", performance.now());
});
element("add").addEventListener("submit", (event) => {
  event.preventDefault();
  const wanted = topicOf(topic.value);
  if (!wanted) return;
  if (!channels.has(wanted) && channels.size >= MOST) return complain({ message: `You are in ${MOST} channels: leave one first.` });
  topic.value = "";
  const known = channels.has(wanted), c = join(wanted);
  open(c.key);
  if (!known) void c.join(name);
});
element("older").addEventListener("click", () => {
  if (current instanceof Channel) current.older().catch(complain);
});
element("again").addEventListener("click", () => {
  for (const c of channels.values()) {
    if (c.state === "closed") void c.join(name);
    else c.hurry();
  }
});
document.addEventListener("visibilitychange", () => {
  if (document.hidden || !current) return;
  current.unread = 0;
  refresh();
});
window.addEventListener("hashchange", () => {
  const wanted = topicOf(decodeURIComponent(location.hash));
  if (!wanted) return;
  const known = channels.has(wanted), c = join(wanted);
  open(c.key);
  if (!known) void c.join(name);
});

/** The channels that were open last time, and the one that the address names. */
function atStart() {
  /** @type {unknown} */
  let last;
  try {
    last = JSON.parse(localStorage.getItem(KEPT) ?? "null");
  } catch {
    last = ALWAYS;
  }
  const topics = Array.isArray(last) ? last.map((t) => topicOf(String(t))).filter(Boolean) : ALWAYS;
  const named = topicOf(location.hash);
  return { topics: [...new Set([...(topics.length > 0 ? topics : ALWAYS), ...(named ? [named] : [])])].slice(-MOST), named };
}

/** @param {Line[]} lines */
const said = (lines) => lines.map((l) => `${l.name}: ${l.text}`);

/** @type {Probe} */
const probe = {
  channels: () => [...channels.values()].map((c) => ({
    topic: c.topic, state: c.state, room: c.room?.id ?? "", unread: c.unread, lines: said(c.lines),
    people: c.people.map((m) => m.name), typing: c.people.filter((m) => m.typing).map((m) => m.name),
  })),
  directs: () => [...directs.all.values()].map((d) => ({ user: d.user, name: d.name, unread: d.unread, lines: said(d.lines) })),
  current: () => current.key,
  user,
  users: () => [...channels.values()].map((c) => c.user),
  mismatches: () => Object.fromEntries([...channels.values()].map((c) => [c.topic, c.room?.stats.hashMismatches ?? 0])),
};
Object.assign(window, { __tickhall: probe });

const { topics, named } = atStart();
for (const t of topics) join(t);
open(`#${named || topics[0]}`);
// One after the other: the first makes the guest that all are of.
for (const c of channels.values()) await c.join(name);
