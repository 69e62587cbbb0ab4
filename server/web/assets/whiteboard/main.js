// The whiteboard's page: joins a board, draws what everybody draws, sends what the pointer does.
//
// For browser tests and the curious, window.__tickhall tells what the page knows: see Probe below.

import { Entry } from "../entry.js";
import { watchLine } from "../line.js";
import { Banner, anyRoomAfter, element, invite, leaveWithPage, nameRoom, playerName, showAnnouncements, wayIn } from "../page.js";
import { wordsFor } from "../words.js";
import { CURSORS, Drawing } from "./drawing.js";
import { Paper } from "./paper.js";
import { Pen } from "./pen.js";
import { Tools } from "./tools.js";

/** @typedef {import("../../js/tickhall.js").Room} Room */
/** @typedef {import("./drawing.js").Artist} Artist */

/**
 * @typedef {object} Probe
 * @property {() => string} state "joining", "joined", "reconnecting" or "closed"
 * @property {() => string} room its id
 * @property {() => {id: number, artist: string, colour: number, width: number, done: boolean, points: number[]}[]} strokes lowest first
 * @property {() => Artist[]} artists
 * @property {(x: number, y: number) => [number, number]} toPage a point of the board in CSS pixels of the page
 * @property {(x: number, y: number) => string} pixel what is drawn at a point of the board
 * @property {() => number} saved bytes of the last PNG
 * @property {() => boolean} idle the own stroke is the room's
 * @property {() => Room["stats"] | undefined} stats
 */

const TOAST_FOR = 5000; // milliseconds

const stage = element("stage");
const drawing = new Drawing((s, gone) => {
  paper.changed(s, gone);
  if (pen.own?.ended) pen.settle();
});
const paper = new Paper(stage, /** @type {HTMLCanvasElement} */ (element("paper")), /** @type {HTMLCanvasElement} */ (element("live")), drawing);
const pen = new Pen(stage, paper, complain);
const tools = new Tools({
  chosen(colour, width) {
    pen.colour = colour;
    pen.width = width;
    stage.classList.toggle("erases", colour === 0);
  },
  undo: () => ask("undo"),
  redo: () => ask("redo"),
  clear: () => ask("clear"),
  fit: () => paper.fit(),
  save: () => void save(),
  invite: async () => {
    if (room) say(await invite(room));
  },
});

const banner = new Banner(() => (joining ? entry.hurry() : void join()));
const entry = new Entry(banner);
const LOST = { room: "what was drawn on the old one is not on it", seat: "your strokes can't be undone any more" };

/** @type {Room | null} */
let room = null;
let joining = false;
let toast = 0; // timer
let saved = 0;
let last = 0; // time of the last frame

async function join() {
  if (joining || (room && room.state !== "closed")) return;
  joining = true;
  banner.joining();
  try {
    enter(await entry.enter(() => ({ kind: "whiteboard", name: playerName(), ...wayIn() })));
  } catch (err) {
    banner.closed(err);
    anyRoomAfter(err);
  }
  joining = false;
}

/** @param {Room} joined */
function enter(joined) {
  pen.room = room = joined;
  nameRoom(joined);
  showAnnouncements(joined);
  leaveWithPage(joined);
  drawing.follow(room);
  for (const type of /** @type {const} */ (["enter", "change", "leave"])) {
    room.table("artist").on(type, () => {
      paper.touch();
      people();
    });
  }
  watchLine(joined, banner, LOST);
  room.on("state", (state) => {
    if (state === "reconnecting") pen.drop(); // the room has ended the stroke where the connection did
  });
  room.on("joined", ({ resumed }) => {
    pen.drop();
    if (!resumed) nameRoom(joined);
  });
  room.on("close", ({ error }) => {
    document.body.classList.add("stale");
    banner.closed(error);
    anyRoomAfter(error);
  });
  room.on("error", (err) => {
    if (err.code === "no_stroke") return; // follows another fault, or a stroke that was cleared under the pen
    if (err.code === "full") pen.drop();
    complain(err);
  });
  room.onEvent("cleared", ({ by }) => {
    pen.drop();
    say(`${by} has cleared the board`);
  });
  document.body.classList.remove("stale");
  banner.well();
}

/** @returns {Artist[]} */
function artists() {
  return room ? /** @type {any[]} */ ([...room.table("artist")]) : [];
}

function people() {
  const all = artists(), list = element("people"), mine = (/** @type {Artist} */ a) => room?.table("artist").mine(a.id) ?? false;
  const me = all.find(mine);
  tools.allow(me?.undo ?? false, me?.redo ?? false);
  all.sort((a, b) => Number(mine(b)) - Number(mine(a)) || a.id - b.id);
  const shown = all.map((a) => `${a.id} ${a.name}`).join("\n");
  if (list.dataset.shown === shown) return; // cursors move far more often than people come and go
  list.dataset.shown = shown;
  list.replaceChildren(...all.map((a) => {
    const item = document.createElement("li");
    item.textContent = mine(a) ? `${a.name} (you)` : a.name;
    item.style.setProperty("--cursor", CURSORS[a.colour % CURSORS.length]);
    return item;
  }));
}

/** @param {"undo" | "redo" | "clear"} what */
function ask(what) {
  if (room?.state !== "joined") return;
  pen.end();
  room.call(what).catch((err) => err.code !== "nothing" && complain(err));
}

async function save() {
  const blob = await paper.export();
  if (!blob) return say("The picture could not be made.");
  saved = blob.size;
  const link = document.createElement("a"), url = URL.createObjectURL(blob);
  link.href = url;
  link.download = `whiteboard-${new Date().toISOString().slice(0, 16).replace(/[T:]/g, "-")}.png`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000); // the browser reads it after the click
}

/** @param {unknown} err */
function complain(err) {
  say(wordsFor(err));
}

/** @param {string} words */
function say(words) {
  clearTimeout(toast);
  element("toast").textContent = words;
  element("toast").classList.add("on");
  toast = window.setTimeout(() => element("toast").classList.remove("on"), TOAST_FOR);
}

/** @param {number} now */
function frame(now) {
  requestAnimationFrame(frame);
  const dt = Math.min((now - last) / 1000, 0.1);
  last = now;
  const table = room?.table("artist");
  paper.draw(artists().filter((a) => !table?.mine(a.id)), pen.own, pen.own?.id ?? 0, dt);
}

/** @type {Probe} */
const probe = {
  state: () => (room ? room.state : "joining"),
  room: () => room?.id ?? "",
  strokes: () => drawing.sorted().map(({ id, artist, colour, width, done, points }) => ({ id, artist, colour, width, done, points })),
  artists: () => artists().map((a) => ({ ...a })),
  toPage: (x, y) => {
    const box = stage.getBoundingClientRect(), [sx, sy] = paper.toStage(x, y);
    return [box.left + sx, box.top + sy];
  },
  pixel: (x, y) => paper.pixel(x, y),
  saved: () => saved,
  idle: () => pen.own === null,
  stats: () => room?.stats,
};
Object.assign(window, { __tickhall: probe });

requestAnimationFrame(frame);
void join();
