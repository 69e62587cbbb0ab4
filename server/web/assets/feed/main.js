// The feed's page: prices as they stand, notices as they come.
//
// The prices are a table of the room, of which each snapshot is the newest there is: what came in between was merged on
// the server. The notices are events, of which none is left out.
//
// For browser tests and the curious, window.__tickhall tells what the page knows: see Probe below.

import { Entry } from "../entry.js";
import { watchLine } from "../line.js";
import { Banner, announcementIn, element, playerName, showAnnouncements, write } from "../page.js";
import { Notices } from "./notices.js";
import { Ticker } from "./ticker.js";

/** @typedef {import("../../js/tickhall.js").Room} Room */
/** @typedef {{id: number, state: number, trades: number, failures: number, retry: number, reason: string}} Line */

/**
 * @typedef {object} Probe
 * @property {() => string} state "joining", "joined", "reconnecting" or "closed"
 * @property {() => import("./ticker.js").Quote[]} quotes copies
 * @property {() => number} points of the history that have a price
 * @property {() => import("./notices.js").Notice[]} notices
 * @property {() => number} gaps between notices
 * @property {() => number} unread
 * @property {() => number} flashes
 * @property {() => Line | undefined} line to the source
 * @property {() => Room["stats"] | undefined} stats
 * @property {() => string} room its id
 */

const [LIVE, LATE, DOWN] = [1, 2, 3]; // Line.state
const FIGURES_EVERY = 1000, SORT_EVERY = 2000; // milliseconds

const ticker = new Ticker();
const notices = new Notices();
const banner = new Banner(() => (joining ? entry.hurry() : void join()));
const entry = new Entry(banner);
const LOST = { room: "its history and its notices begin anew", seat: "" };

/** @type {Room | null} */
let room = null;
let joining = false;
let before = { at: 0, snapshots: 0, bytes: 0, trades: 0 };
let ages = { sum: 0, n: 0 };

/** What the address asks of a new room, as in /play/feed?outage_every=20. */
function options() {
  const every = Number(new URLSearchParams(location.search).get("outage_every"));
  return every > 0 ? { outage_every: every } : undefined;
}

async function join() {
  if (joining || (room && room.state !== "closed")) return;
  joining = true;
  banner.joining();
  try {
    enter(await entry.enter(() => ({ kind: "feed", name: playerName(), options: options() })));
  } catch (err) {
    banner.closed(err);
  }
  joining = false;
}

/** @param {Room} joined */
function enter(joined) {
  room = joined;
  before = { at: 0, snapshots: 0, bytes: 0, trades: 0 };
  const quotes = /** @type {import("../../js/tickhall.js").Table<any>} */ (room.table("quote"));
  quotes.on("enter", (quote) => ticker.enter(quote));
  quotes.on("change", (quote) => ticker.change(quote));
  quotes.on("leave", (quote) => ticker.leave(quote));
  const points = /** @type {import("../../js/tickhall.js").Table<any>} */ (room.table("point"));
  points.on("enter", (point) => ticker.point(point));
  points.on("change", (point) => ticker.point(point));
  room.onEvent("notices", (list) => notices.start(list));
  room.onEvent("notice", (notice) => {
    if (!announcementIn(notice)) notices.add(notice); // the operator's have the same name
  });
  room.on("state", showLine);
  watchLine(joined, banner, LOST);
  showAnnouncements(room);
  room.on("joined", ({ resumed }) => {
    if (!resumed) ticker.forget();
  });
  room.on("close", ({ error }) => {
    document.body.classList.add("stale");
    banner.closed(error);
  });
  room.table("line").on("change", showLine);
  document.body.classList.remove("stale");
  banner.well();
  showLine();
}

/** @returns {Line | undefined} */
const line = () => /** @type {any} */ (room?.table("line").first());

function showLine() {
  const chip = element("line"), now = line();
  let [kind, words] = ["", "Waiting for the source"];
  if (!room || room.state !== "joined") words = room?.state === "closed" ? "Not connected" : "Reconnecting";
  else if (now?.state === LIVE) [kind, words] = ["good", "Live"];
  else if (now?.state === LATE) [kind, words] = ["warn", "The source is slow"];
  else if (now?.state === DOWN) [kind, words] = ["bad", now.retry > 0 ? `The source is down: again in ${now.retry} s` : "The source is down: asking again"];
  chip.className = `chip ${kind}`;
  chip.title = now?.state === DOWN ? `${now.reason} (${now.failures} in a row). The last prices stand.` : "";
  write(chip, words);
  write(element("line-said"), words.split(":")[0]); // without the countdown: it is read out
}

function showFigures() {
  if (!room || room.state !== "joined") return;
  const { stats } = room, now = performance.now(), trades = line()?.trades ?? 0;
  const seconds = (now - before.at) / 1000;
  if (before.at > 0 && seconds > 0.5) {
    write(element("in"), `${Math.max(0, Math.round((trades - before.trades) / seconds))} /s`);
    write(element("out"), `${((stats.snapshots - before.snapshots) / seconds).toFixed(1)} /s`);
    write(element("bytes"), `${((stats.bytesIn - before.bytes) / seconds / 1000).toFixed(1)} kB/s`);
    if (ages.n > 0) write(element("age"), `${Math.round(ages.sum / ages.n)} ms`);
    write(element("ping"), `${Math.round(stats.rtt)} ms`);
  }
  before = { at: now, snapshots: stats.snapshots, bytes: stats.bytesIn, trades };
  ages = { sum: 0, n: 0 };
}

/** @param {boolean} on */
function showNotices(on) {
  const main = element("main");
  if (main.classList.contains("on-notices") && !on) notices.read(); // they were there to be read
  main.classList.toggle("on-notices", on);
  element("show-prices").setAttribute("aria-pressed", String(!on));
  element("show-notices").setAttribute("aria-pressed", String(on));
}

function frame() {
  requestAnimationFrame(frame);
  if (!room || room.state !== "joined") return;
  ages.sum += Math.max(0, ((room.time - room.tick) / room.rate) * 1000);
  ages.n++;
  ticker.draw();
}

element("show-prices").addEventListener("click", () => showNotices(false));
element("show-notices").addEventListener("click", () => showNotices(true));
setInterval(showFigures, FIGURES_EVERY);
setInterval(() => ticker.resort(), SORT_EVERY);

/** @type {Probe} */
const probe = {
  state: () => (room ? room.state : "joining"),
  quotes: () => (room ? /** @type {any[]} */ ([...room.table("quote")].map((q) => ({ ...q }))) : []),
  points: () => (room ? [...room.table("point")].filter((p) => p.number > 0).length : 0),
  notices: () => notices.all,
  gaps: () => notices.gaps,
  unread: () => notices.unread,
  flashes: () => ticker.flashes,
  line: () => (room ? /** @type {any} */ ({ ...line() }) : undefined),
  stats: () => room?.stats,
  room: () => room?.id ?? "",
};
Object.assign(window, { __tickhall: probe });

requestAnimationFrame(frame);
void join();
