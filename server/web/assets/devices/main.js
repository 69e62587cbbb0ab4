// The devices' page: an operator's dashboard, or with ?device=ID a device that the page plays, to try it out with two tabs.
//
// For browser tests and the curious, window.__tickhall tells what the page knows: see Probe below.

import { TickhallError } from "../../js/tickhall.js";
import { Entry } from "../entry.js";
import { watchLine } from "../line.js";
import { Banner, element, playerName, showAnnouncements, write } from "../page.js";
import { wordsFor } from "../words.js";
import { Operator } from "./operator.js";
import { Simulated } from "./simulated.js";

/** @typedef {import("../../js/tickhall.js").Room} Room */

/**
 * @typedef {object} Probe
 * @property {() => string} state "joining", "joined", "reconnecting" or "closed"
 * @property {() => string} role "operator", or the id of the device that the page is; "" before it is
 * @property {() => import("./operator.js").Device[]} devices that the page sees, copies
 * @property {() => import("./operator.js").Command[]} commands of the log, copies
 * @property {() => {name: string, body: any}[]} outcomes events "answer" and "timeout" that have come
 * @property {() => Room["stats"] | undefined} stats
 * @property {() => string} room its id
 */

const RETRY_AFTER = 1500; // milliseconds

const wanted = new URLSearchParams(location.search).get("device");
const banner = new Banner(() => (joining ? entry.hurry() : void join()));
const entry = new Entry(banner);
const LOST = { room: "the devices and the log of commands come anew", seat: "" };
const operator = new Operator();
const device = wanted === null ? null : new Simulated(wanted === "new" || wanted === "" ? invent() : wanted);

/** @type {Room | null} */
let room = null;
let joining = false;
let role = "";
/** Why the page gave its seat up. @type {unknown} */
let refused = null;
/** @type {{name: string, body: any}[]} */
const outcomes = [];

/** An id for a new device, which stays in the address, so that the page is the same one after a reload. */
function invent() {
  const id = `lamp-${Math.random().toString(36).slice(2, 6)}`;
  history.replaceState(null, "", `?device=${id}`);
  return id;
}

async function join() {
  if (joining || (room && room.state !== "closed")) return;
  joining = true;
  element("another").hidden = true;
  banner.joining();
  try {
    await enter(await entry.enter(() => ({ kind: "devices", name: playerName() })));
  } catch (err) {
    banner.closed(err);
  }
  joining = false;
}

/** @param {Room} joined */
async function enter(joined) {
  room = joined;
  refused = null;
  room.on("state", showLink);
  watchLine(joined, banner, LOST);
  showAnnouncements(room);
  room.on("joined", ({ resumed }) => {
    if (!resumed) void claim(joined); // another room, which does not know the page yet
  });
  room.on("close", ({ error }) => {
    role = "";
    document.body.classList.add("stale");
    device?.stop();
    banner.closed(refused ?? error);
    showLink();
  });
  for (const name of ["answer", "timeout"]) {
    room.onEvent(name, (body) => {
      outcomes.push({ name, body });
      operator.outcome(name, body);
    });
  }
  room.onEvent("command", (order) => device?.order(order));
  if (device) device.watch(room);
  else operator.watch(room);
  await claim(room);
}

/** Says what the page is. @param {Room} to */
async function claim(to) {
  role = "";
  try {
    if (device) await register(to, device);
    else await to.call("operate", {});
  } catch (err) {
    if (err instanceof TickhallError && err.code === "lost") return; // "joined" follows
    refused = err;
    element("another").hidden = !device;
    return void to.leave();
  }
  role = device ? device.id : "operator";
  document.body.classList.remove("stale");
  banner.well();
  device?.start();
  showLink();
}

/** @param {Room} to @param {Simulated} as */
async function register(to, as) {
  const body = { device: as.id, model: as.model };
  try {
    await to.call("register", body);
  } catch (err) {
    if (!(err instanceof TickhallError) || err.code !== "taken") throw err;
    // This page was reloaded, and the server has not seen the old connection go yet.
    await new Promise((done) => setTimeout(done, RETRY_AFTER));
    await to.call("register", body);
  }
}

function showLink() {
  const chip = element("link"), state = room?.state ?? "closed";
  const words = state === "reconnecting" ? "Reconnecting" : state === "closed" ? "Not connected" : device ? "Registered" : "Operator";
  chip.className = `chip ${state === "joined" && role ? "good" : state === "closed" ? "bad" : ""}`;
  write(chip, state === "joined" && !role ? "Registering" : words);
}

element(device ? "device" : "operator").hidden = false;
element("counts").hidden = element("simulate").hidden = device !== null;
if (device) {
  document.title = `${device.id} · Devices · Tickhall`;
  write(element("heading"), "Simulated device");
}
setInterval(() => {
  if (room?.state === "joined") operator.refresh();
}, 1000);

/** @type {Probe} */
const probe = {
  state: () => (room ? room.state : "joining"),
  role: () => role,
  devices: () => (room ? /** @type {any[]} */ ([...room.table("device")].map((d) => ({ ...d }))) : []),
  commands: () => (room ? /** @type {any[]} */ ([...room.table("command")].map((c) => ({ ...c }))) : []),
  outcomes: () => outcomes,
  stats: () => room?.stats,
  room: () => room?.id ?? "",
};
Object.assign(window, { __tickhall: probe });
// A page that is left is frozen and kept for a while, and the browser goes on answering the heartbeat for it: the device
// would seem to be online, and answer nothing.
window.addEventListener("pagehide", ({ persisted }) => {
  if (persisted) void room?.leave();
});
window.addEventListener("pageshow", ({ persisted }) => {
  if (persisted) location.reload();
});
window.addEventListener("unhandledrejection", (event) => banner.closed(wordsFor(event.reason)));

void join();
