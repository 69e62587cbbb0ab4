// The head-up display: everything around the canvas that is text or a button.

import { element } from "../page.js";
import { FULL_AMMO, FULL_HP, FULL_SHIELD, PODIUM, colourOf, hullOf } from "./world.js";

/** @typedef {import("./world.js").Kill} Kill */
/** @typedef {import("./world.js").Round} Round */
/** @typedef {import("./world.js").Ship} Ship */
/** @typedef {import("../../js/tickhall.js").Room} Room */

const EVERY = 200; // milliseconds between two looks at the scores
const IN_SHORT = 6; // rows of the score board when it is small
const FEED = 5; // kills that are shown
const FEED_FOR = 6200; // milliseconds, the fading of arena.css included
const STREAKS = /** @type {Record<number, string>} */ ({ 3: "is on a streak", 5: "is on a rampage", 8: "is unstoppable", 12: "is a legend" });

export class Hud {
  #all = false;
  #netShown = false;
  #lookedAt = -Infinity;
  #net = { at: 0, bytes: 0, snapshots: 0, frames: 0 };
  /** Text that stands, by element: the page is touched only when something changes. @type {Map<HTMLElement, string>} */
  #texts = new Map();
  #toastTimer = 0;
  #hitBy = "";
  #hitAt = -Infinity;
  #dryAt = -Infinity;
  #killedBy = "";
  #killedAt = -Infinity;

  constructor() {
    element("scores-button").addEventListener("click", () => this.showAll(!this.#all));
  }

  /** @param {boolean} shown */
  show(shown) {
    element("hud").hidden = !shown;
  }

  /** The whole score board, or the best few. @param {boolean} all */
  showAll(all) {
    this.#all = all;
    element("board").classList.toggle("all", all);
    element("scores-button").setAttribute("aria-pressed", String(all));
    this.#lookedAt = -Infinity;
  }

  toggleNet() {
    this.#netShown = !this.#netShown;
    element("net").hidden = !this.#netShown;
    this.#lookedAt = -Infinity;
  }

  /** Notes who hit us, for the message while we wait. @param {string} name @param {number} now */
  hurt(name, now) {
    this.#hitBy = name;
    this.#hitAt = now;
  }

  /** @param {Kill} kill @param {number | undefined} me */
  kill(kill, me) {
    const feed = element("feed"), line = document.createElement("li");
    line.classList.toggle("me", kill.killer === me || kill.victim === me);
    line.append(named(kill.by, kill.by_colour), text("verb", "shot down"), named(kill.whom, kill.whom_colour));
    feed.prepend(line);
    while (feed.children.length > FEED) feed.lastElementChild?.remove();
    setTimeout(() => line.remove(), FEED_FOR);
    if (kill.victim === me) {
      this.#killedBy = kill.by;
      this.#killedAt = performance.now();
    }
    const streak = STREAKS[kill.streak];
    if (kill.killer === me) this.toast(streak ? `${kill.streak} in a row: ${kill.whom} is down` : `You shot down ${kill.whom}`);
    else if (streak) this.toast(`${kill.by} ${streak}: ${kill.streak} in a row`);
  }

  /** A short note. @param {string} words @param {number} [milliseconds] */
  toast(words, milliseconds = 1800) {
    const toast = element("toast");
    toast.textContent = words;
    clearTimeout(this.#toastTimer);
    this.#toastTimer = window.setTimeout(() => (toast.textContent = ""), milliseconds);
  }

  /**
   * Brings everything up to date.
   * @param {Room} room @param {Ship | undefined} me @param {Round | undefined} round @param {Iterable<Ship>} ships @param {number} now
   */
  update(room, me, round, ships, now) {
    this.#net.frames++;
    if (me) this.#vitals(me, round, now);
    if (now - this.#lookedAt < EVERY) return;
    this.#lookedAt = now;
    const ranked = [...ships].sort((a, b) => b.kills - a.kills || a.deaths - b.deaths || a.id - b.id);
    this.#scores(ranked, me);
    if (round) this.#round(round, ranked, me);
    if (this.#netShown) this.#stats(room, now);
  }

  /** @param {Ship} me @param {Round | undefined} round @param {number} now */
  #vitals(me, round, now) {
    this.#bar("hp", me.hp, FULL_HP, "Health");
    element("hp").classList.toggle("low", me.hp <= 30);
    element("hp").classList.toggle("mid", me.hp > 30 && me.hp <= 60);
    element("shield").hidden = me.shield === 0;
    this.#bar("shield", me.shield, FULL_SHIELD, "Shield");
    this.#bar("ammo", me.ammo, Math.max(me.ammo, FULL_AMMO), me.rapid ? "Rapid fire" : "Ammunition");
    element("ammo").classList.toggle("rapid", me.rapid);
    if (me.ammo === 0 && me.hp > 0) this.#dryAt = now;
    let words = "", small = "", count = "";
    if (round?.phase !== PODIUM) {
      if (me.hp === 0) {
        words = this.#killedBy ? `${this.#killedBy} shot you down` : "You are out";
        count = me.wait > 0 ? `Back in ${me.wait}` : "Back in a moment";
      } else {
        // The news of our end comes before the view shows it.
        if (now - this.#killedAt > 1000) this.#killedBy = "";
        if (me.rest) small = "Nothing can hurt you until you move or fire";
        else if (me.safe) small = "Nothing can hurt you for a moment, unless you fire";
        else if (now - this.#hitAt < 1200) small = `You were hit by ${this.#hitBy}`;
        else if (now - this.#dryAt < 2000) small = "Out of ammunition: let go to refill, or fly over some";
      }
    }
    element("message").hidden = !words && !small && !count;
    this.#set(element("message-words"), words);
    this.#set(element("message-more"), small);
    this.#set(element("message-count"), count);
  }

  /** @param {string} id @param {number} value @param {number} full @param {string} label */
  #bar(id, value, full, label) {
    const bar = element(id), key = `${value}/${full}/${label}`;
    if (this.#texts.get(bar) === key) return;
    this.#texts.set(bar, key);
    bar.setAttribute("aria-valuenow", String(value));
    const [fill, words] = bar.children;
    /** @type {HTMLElement} */ (fill).style.transform = `scaleX(${Math.min(1, value / full)})`;
    words.replaceChildren(text("", label), text("", String(value)));
  }

  /** @param {Ship[]} ranked @param {Ship | undefined} me */
  #scores(ranked, me) {
    let shown = ranked;
    if (!this.#all && ranked.length > IN_SHORT) {
      shown = ranked.slice(0, IN_SHORT);
      if (me && !shown.some((s) => s.id === me.id)) shown[IN_SHORT - 1] = ranked.find((s) => s.id === me.id) ?? me;
    }
    const key = shown.map((s) => `${s.id} ${s.name} ${s.kills} ${s.deaths} ${s.away}`).join() + this.#all + me?.id;
    const body = element("scores");
    if (this.#texts.get(body) === key) return;
    this.#texts.set(body, key);
    body.replaceChildren(...shown.map((s) => row(s, s.id === me?.id)));
  }

  /** @param {Round} round @param {Ship[]} ranked @param {Ship | undefined} me */
  #round(round, ranked, me) {
    const over = round.phase === PODIUM, clock = element("clock");
    this.#set(clock, `${Math.floor(round.left / 60)}:${String(round.left % 60).padStart(2, "0")}`);
    clock.classList.toggle("soon", !over && round.left <= 30);
    this.#set(element("goal"), over ? "Next round" : `First to ${round.goal}`);
    const podium = element("podium");
    if (podium.hidden === over) podium.hidden = !over;
    if (!over) return void this.#texts.delete(podium);
    this.#set(element("next"), `The next round begins in ${round.left} s`);
    if (this.#texts.has(podium)) return; // the result stands, whoever leaves
    this.#texts.set(podium, "shown");
    const place = ranked.findIndex((s) => s.id === me?.id) + 1;
    this.#set(element("own-place"), me && place > 3 ? `You came in as number ${place} of ${ranked.length}, with ${me.kills === 1 ? "1 kill" : `${me.kills} kills`}` : "");
    element("winners").replaceChildren(...ranked.slice(0, 3).map((s, i) => {
      const step = text(["first", "second", "third"][i], "", "li");
      step.append(text("place", String(i + 1)), named(s.id === me?.id ? "You" : s.name, s.colour), text("", s.kills === 1 ? "1 kill" : `${s.kills} kills`));
      return step;
    }));
  }

  /** @param {Room} room @param {number} now */
  #stats(room, now) {
    const { stats } = room, net = this.#net, seconds = (now - net.at) / 1000;
    if (seconds < 0.9) return;
    const lines = [
      `room       ${room.id}`,
      `ping       ${Math.round(stats.rtt)} ms`,
      `snapshots  ${((stats.snapshots - net.snapshots) / seconds).toFixed(1)} /s`,
      `received   ${((stats.bytesIn - net.bytes) / seconds / 1000).toFixed(2)} kB/s`,
      `slack      ${stats.slack} ticks`,
      `skipped    ${stats.skipped} ticks`,
      `reconnects ${stats.reconnects}`,
      `checksums  ${stats.hashes}, ${stats.hashMismatches} wrong`,
      `frames     ${(net.frames / seconds).toFixed(0)} /s`,
    ];
    this.#net = { at: now, bytes: stats.bytesIn, snapshots: stats.snapshots, frames: 0 };
    this.#set(element("net"), lines.join("\n"));
  }

  /** @param {HTMLElement} at @param {string} words */
  #set(at, words) {
    if (this.#texts.get(at) === words) return;
    this.#texts.set(at, words);
    at.textContent = words;
  }
}

/** @param {Ship} s @param {boolean} mine */
function row(s, mine) {
  const line = document.createElement("tr"), name = text("", "", "td");
  name.append(dot(s.colour), s.name);
  if (mine) name.append(text("unseen", " (you)"));
  else if (s.bot || s.away) name.append(text("bot", s.bot ? "bot" : "away"));
  line.append(name, text("", String(s.kills), "td"), text("wide", String(s.deaths), "td"));
  line.classList.toggle("me", mine);
  return line;
}

/** @param {string} name @param {number} colour */
function named(name, colour) {
  const b = text("", "", "b");
  b.append(dot(colour), name);
  return b;
}

/** A ship's colour and shape. @param {number} colour */
function dot(colour) {
  const mark = text(`dot hull-${hullOf(colour)}`, "");
  mark.style.background = colourOf(colour);
  return mark;
}

/** @param {string} kind @param {string} words @param {string} [tag] */
function text(kind, words, tag = "span") {
  const e = document.createElement(tag);
  if (kind) e.className = kind;
  e.textContent = words;
  return e;
}
