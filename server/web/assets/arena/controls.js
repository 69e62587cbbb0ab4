// What the player wants, from keyboard and mouse, or from two thumbs.

import { RADIUS } from "./world.js";

/** @typedef {{dx: number, dy: number, aim: number, fire: boolean, away: boolean}} Move as the server's Move */
/** @typedef {{id: number, x: number, y: number, atX: number, atY: number}} Stick a thumb: where it came down and where it is */

const REACH = 52; // pixels that a thumb moves for full speed
const TURN_FIRST = 1.2, TURN_MOST = 4.5, TURN_GAIN = 9; // radians per second: a tap turns little
const SIGHT = 190; // pixels from the ship to where it aims, when keys turn it
const FIRE_FROM = 0.4; // of REACH: a thumb that aims fires from here

/** Keys by their place on the keyboard, so that they also serve on one that is not QWERTY. @type {Record<string, [number, number]>} */
const WAYS = {
  KeyW: [0, -1], KeyS: [0, 1], KeyA: [-1, 0], KeyD: [1, 0],
  ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0],
};

/** Keys that turn the aim. @type {Record<string, number>} */
const TURNS = { KeyJ: -1, KeyL: 1 };

export class Controls {
  /** Whether the last press was a finger's; before the first, whether one is to be expected. */
  touch = matchMedia("(pointer: coarse)").matches;
  /** Where the pointer is, in CSS pixels. */
  pointer = { x: 0, y: 0 };
  /** @type {Stick | null} */
  moving = null;
  /** @type {Stick | null} */
  aiming = null;

  #keys = new Set();
  #mouse = false;
  #angle = 0;
  #byKeys = false; // they aimed last
  #pace = 0; // of the turn, radians per second

  /** @param {HTMLElement} stage */
  constructor(stage) {
    this.pointer = { x: stage.clientWidth * 0.7, y: stage.clientHeight / 2 };
    window.addEventListener("keydown", (event) => this.#key(event, true));
    window.addEventListener("keyup", (event) => this.#key(event, false));
    // A key or button that is released elsewhere is never heard of: let go of all.
    window.addEventListener("blur", () => this.release());
    document.addEventListener("visibilitychange", () => this.release());
    stage.addEventListener("contextmenu", (event) => event.preventDefault());
    stage.addEventListener("pointerdown", (event) => this.#down(stage, event));
    window.addEventListener("pointermove", (event) => this.#move(event));
    window.addEventListener("pointerup", (event) => this.#up(event));
    window.addEventListener("pointercancel", (event) => this.#up(event));
  }

  /** Lets go of everything. */
  release() {
    this.#keys.clear();
    this.#mouse = false;
    this.moving = this.aiming = null;
  }

  /** @param {KeyboardEvent} event @param {boolean} down */
  #key(event, down) {
    const shortcut = event.ctrlKey || event.altKey || event.metaKey, code = event.code;
    if (down && (shortcut || onButton(event.target))) return;
    if (!(code in WAYS) && !(code in TURNS) && code !== "Space") return;
    if (down) this.#keys.add(code);
    else this.#keys.delete(code);
    event.preventDefault(); // arrows and space would scroll
  }

  /** @param {HTMLElement} stage @param {PointerEvent} event */
  #down(stage, event) {
    this.#byKeys = false;
    this.touch = event.pointerType === "touch";
    stage.focus({ preventScroll: true });
    if (!this.touch) {
      if (event.button === 0) this.#mouse = true;
      this.#point(event);
      return;
    }
    event.preventDefault();
    const stick = { id: event.pointerId, x: event.clientX, y: event.clientY, atX: event.clientX, atY: event.clientY };
    if (event.clientX < stage.clientWidth / 2) this.moving ??= stick;
    else this.aiming ??= stick;
  }

  /** @param {PointerEvent} event */
  #move(event) {
    if (event.pointerType !== "touch") return this.#point(event);
    for (const stick of [this.moving, this.aiming]) {
      if (stick?.id === event.pointerId) [stick.atX, stick.atY] = [event.clientX, event.clientY];
    }
  }

  /** @param {PointerEvent} event */
  #up(event) {
    if (event.pointerType !== "touch") {
      if (event.button === 0 || event.type === "pointercancel") this.#mouse = false;
      return;
    }
    if (this.moving?.id === event.pointerId) this.moving = null;
    if (this.aiming?.id === event.pointerId) this.aiming = null;
  }

  /** @param {PointerEvent} event */
  #point(event) {
    if (event.movementX || event.movementY) this.#byKeys = false; // a browser tells of a page that moves under the pointer, too
    if (!this.#byKeys) [this.pointer.x, this.pointer.y] = [event.clientX, event.clientY];
  }

  /** Turns the aim by keys, when the own ship is drawn at x, y. @param {number} dt seconds @param {number} x @param {number} y */
  turn(dt, x, y) {
    let way = 0;
    for (const code of this.#keys) way += TURNS[code] ?? 0;
    if (way !== 0) {
      if (!this.#byKeys) this.#angle = this.aimFrom(x, y);
      this.#byKeys = true;
      this.touch = false;
      this.#pace = Math.min(TURN_MOST, Math.max(TURN_FIRST, this.#pace + TURN_GAIN * dt));
      this.#angle += way * this.#pace * dt;
    } else this.#pace = 0;
    if (this.#byKeys) this.pointer = { x: x + Math.cos(this.#angle) * SIGHT, y: y + Math.sin(this.#angle) * SIGHT };
  }

  /** The direction of aim in radians, when the own ship is drawn at x, y. @param {number} x @param {number} y */
  aimFrom(x, y) {
    if (this.#byKeys) return this.#angle;
    if (!this.touch) {
      if (Math.hypot(this.pointer.x - x, this.pointer.y - y) > RADIUS / 2) this.#angle = Math.atan2(this.pointer.y - y, this.pointer.x - x);
      return this.#angle;
    }
    const thumb = this.aiming ?? this.moving, [sx, sy] = lean(thumb);
    if (Math.hypot(sx, sy) > 0.15) this.#angle = Math.atan2(sy, sx);
    return this.#angle;
  }

  /** The move to send, when the own ship is drawn at x, y. @param {number} x @param {number} y @returns {Move} */
  read(x, y) {
    let dx = 0, dy = 0;
    for (const code of this.#keys) {
      const way = WAYS[code];
      if (way) [dx, dy] = [dx + way[0], dy + way[1]];
    }
    [dx, dy] = [Math.sign(dx), Math.sign(dy)];
    if (this.moving) [dx, dy] = lean(this.moving);
    const length = Math.max(1, Math.hypot(dx, dy));
    const fire = this.#mouse || this.#keys.has("Space") || (this.aiming !== null && Math.hypot(...lean(this.aiming)) > FIRE_FROM);
    return {
      dx: Math.round((dx / length) * 127),
      dy: Math.round((dy / length) * 127),
      aim: Math.round((this.aimFrom(x, y) / (2 * Math.PI)) * 256) & 255,
      fire,
      away: false,
    };
  }
}

/** How far a thumb leans, up to 1. @param {Stick | null} stick @returns {[number, number]} */
export function lean(stick) {
  if (!stick) return [0, 0];
  const x = (stick.atX - stick.x) / REACH, y = (stick.atY - stick.y) / REACH, n = Math.max(1, Math.hypot(x, y));
  return [x / n, y / n];
}

/** @param {EventTarget | null} target */
function onButton(target) {
  return target instanceof HTMLElement && target.closest("button, a, input") !== null;
}
