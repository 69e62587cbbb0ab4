// The arena's page: joins a room, sends what the player wants, draws what the room says.
//
// For browser tests and the curious, window.__tickhall tells what the page knows: see Probe below.

import { Entry } from "../entry.js";
import { watchLine } from "../line.js";
import { anyRoomAfter, element, invite, nameRoom, playerName, seatStorage, showAnnouncements, wayIn } from "../page.js";
import { Controls } from "./controls.js";
import { Cover } from "./cover.js";
import { Effects } from "./effects.js";
import { Hint } from "./hint.js";
import { Hud } from "./hud.js";
import { Renderer } from "./renderer.js";
import { Sounds } from "./sound.js";
import { Watch } from "./watch.js";
import { PICKUPS } from "./world.js";

/** @typedef {import("../../js/tickhall.js").Room} Room */
/** @typedef {import("./controls.js").Move} Move */
/** @typedef {import("./world.js").Scene} Scene */

/**
 * @typedef {object} Probe
 * @property {() => string} state "joining", "joined", "reconnecting" or "closed"
 * @property {() => import("./world.js").Ship | undefined} me the own ship as of the newest snapshot, a copy
 * @property {() => import("./world.js").Ship[]} ships all ships, copies
 * @property {() => number} bolts how many are in flight
 * @property {() => import("./world.js").Round | undefined} round
 * @property {() => Room["stats"] | undefined} stats
 * @property {() => string} room its id
 * @property {() => string} user who the player is
 * @property {() => Move} wish what the room was told last
 * @property {(x: number, y: number) => [number, number]} toScreen a point of the world in CSS pixels
 */

const LONGEST_FRAME = 0.1; // seconds: after a pause, effects don't leap

const stage = /** @type {HTMLCanvasElement} */ (element("stage"));
const sounds = new Sounds();
const effects = new Effects(matchMedia("(prefers-reduced-motion: reduce)").matches, (what, x, y, mine) => {
  if (mine && what === "ship") sounds.play("ship"); // at the ear, whatever the distance
  else sounds.play(what, x, y);
});
const controls = new Controls(stage);
const hint = new Hint();
const renderer = new Renderer(stage, effects, controls);
const hud = new Hud();
const watch = new Watch();
const cover = new Cover(() => (joining ? entry.hurry() : void play()));
const entry = new Entry(cover);
const LOST = { room: "its scores begin anew", seat: "your score begins anew" };

/** @type {Room | null} */
let room = null;
let joining = false;
let me = 0; // id of the own ship
let walls = 0; // how many the renderer has
let last = 0; // time of the last frame
/** @type {Move} */
let sent = { dx: 0, dy: 0, aim: 0, fire: false, away: false };

async function play() {
  if (joining || (room && room.state !== "closed")) return;
  joining = true;
  cover.joining();
  try {
    enter(await entry.enter(() => ({ kind: "arena", name: playerName(), keep: seatStorage(), ...wayIn() })));
  } catch (err) {
    cover.refused(/** @type {any} */ (err));
    anyRoomAfter(err);
  }
  joining = false;
}

/** @param {Room} joined */
function enter(joined) {
  room = joined;
  walls = me = 0;
  sent = { dx: 0, dy: 0, aim: -1, fire: false, away: false }; // so that the first move goes out, whatever it is
  effects.clear();
  nameRoom(joined);
  showAnnouncements(joined);
  watch.enter(joined);
  watchLine(joined, cover, LOST);
  room.on("joined", ({ resumed }) => {
    if (!resumed) {
      walls = 0;
      nameRoom(joined);
    }
    effects.clear();
  });
  room.on("close", ({ error }) => {
    document.body.classList.add("stale");
    if (error.code === "normal") return home();
    cover.ended(error);
    anyRoomAfter(error);
  });
  room.onEvent("kill", (kill) => {
    hud.kill(kill, me);
    if (kill.killer === me) sounds.play("kill");
  });
  room.onEvent("hit", (hit) => {
    if (hit.victim === me) {
      hud.hurt(hit.name, performance.now());
      renderer.hurtFrom(hit.by);
    } else if (hit.by === me) {
      renderer.landed();
      sounds.play("hit");
    }
  });
  room.onEvent("took", ({ kind }) => {
    hud.toast(PICKUPS[kind]?.gives ?? "Something");
    sounds.play("took");
  });
  document.body.classList.remove("stale");
  cover.hide();
  hud.show(true);
  stage.focus({ preventScroll: true });
}

/** @param {Room} room @param {number} dt seconds @returns {Scene} */
function sceneOf(room, dt) {
  const view = room.interpolate(), newest = room.table("ship");
  const ships = /** @type {import("../../js/tickhall.js").EntityMap<any>} */ (view.table("ship"));
  if (!newest.mine(me)) {
    me = 0;
    for (const ship of newest) if (newest.mine(ship.id)) me = ship.id;
  }
  return {
    ships, bolts: /** @type {Iterable<any>} */ (view.table("bolt")), pickups: /** @type {Iterable<any>} */ (view.table("pickup")),
    me: ships.get(me), lead: room.spectator ? watch.follow(ships, dt) : undefined, watching: room.spectator,
  };
}

/** @param {number} now */
function frame(now) {
  requestAnimationFrame(frame);
  const dt = Math.min((now - last) / 1000, LONGEST_FRAME);
  last = now;
  if (!room || room.state !== "joined") return; // the last frame stays, dimmed
  const table = room.table("wall");
  if (table.size !== walls) {
    walls = table.size;
    renderer.load(/** @type {any} */ (table));
  }
  const scene = sceneOf(room, dt), round = /** @type {any} */ (room.table("round").first());
  const ear = scene.me ?? scene.lead;
  if (ear) {
    sounds.ear.x = ear.x;
    sounds.ear.y = ear.y;
  }
  if (scene.me && !document.hidden) { // a browser may draw what nobody sees
    steer(room, controls.read(...renderer.toScreen(scene.me.x, scene.me.y)));
    hint.observe(controls.touch, sent, scene.me.hp > 0);
  }
  effects.observe(scene, dt);
  renderer.draw(scene, dt);
  hud.update(room, scene.me, round, /** @type {Iterable<any>} */ (room.table("ship")), now);
}

/** @param {Room} room @param {Move} move */
function steer(room, move) {
  if (move.dx === sent.dx && move.dy === sent.dy && move.aim === sent.aim && move.fire === sent.fire && move.away === sent.away) return;
  sent = move;
  room.input(move);
}

/** Back to the games. */
function home() {
  location.assign(/** @type {HTMLAnchorElement} */ (element("back")).href);
}

function toggleSound() {
  element("sound").setAttribute("aria-pressed", String(sounds.toggle()));
}

window.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.repeat) return;
  if (event.code === "F3") {
    event.preventDefault();
    hud.toggleNet();
  } else if (event.code === "KeyM") toggleSound();
  else if (event.code === "KeyQ") hud.showAll(true);
});
window.addEventListener("keyup", (event) => {
  if (event.code === "KeyQ") hud.showAll(false);
});
window.addEventListener("blur", () => hud.showAll(false));
element("sound").setAttribute("aria-pressed", String(sounds.on));
element("sound").addEventListener("click", toggleSound);
// No frame comes while the page is hidden: without this the ship would fly on, and fire, with what was held down last. The
// rules let a ship rest whose pilot sees nothing.
document.addEventListener("visibilitychange", () => {
  if (document.hidden && room?.state === "joined") steer(room, { ...sent, dx: 0, dy: 0, fire: false, away: true });
});
element("invite").addEventListener("click", async () => {
  if (room) hud.toast(await invite(room), 5000);
});
element("leave").addEventListener("click", () => (room ? void room.leave() : home()));
// A click leaves the focus on its button, where the game's keys don't reach; a key press means to stay there.
for (const button of document.querySelectorAll(".tool")) {
  button.addEventListener("click", (event) => /** @type {MouseEvent} */ (event).detail > 0 && stage.focus({ preventScroll: true }));
}

/** @type {Probe} */
const probe = {
  state: () => (room ? room.state : "joining"),
  me: () => (room && me ? /** @type {any} */ ({ ...room.table("ship").get(me) }) : undefined),
  ships: () => (room ? /** @type {any[]} */ ([...room.table("ship")].map((s) => ({ ...s }))) : []),
  bolts: () => (room ? room.table("bolt").size : 0),
  round: () => (room ? /** @type {any} */ ({ ...room.table("round").first() }) : undefined),
  stats: () => room?.stats,
  room: () => room?.id ?? "",
  user: () => room?.user ?? "",
  wish: () => ({ ...sent }),
  toScreen: (x, y) => renderer.toScreen(x, y),
};
Object.assign(window, { __tickhall: probe });

requestAnimationFrame(frame);
void play();
