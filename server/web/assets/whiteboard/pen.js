// What the pointer does: draws, moves the cursor, and with two fingers or the wheel the view. The own stroke is
// drawn at once; the room hears of it some thirty times a second.

import { HEIGHT, WIDTH } from "./drawing.js";

/** @typedef {import("../../js/tickhall.js").Room} Room */
/** @typedef {import("./paper.js").Paper} Paper */

/**
 * Own is a stroke of this page.
 * @typedef {object} Own
 * @property {number} id 0 until the room has told it
 * @property {number} colour
 * @property {number} width
 * @property {number[]} points
 * @property {number} sent how many of the numbers in points the room was sent
 * @property {boolean} ended
 * @property {boolean} unwanted to be undone as soon as the room has it
 */

const INK_EVERY = 33; // milliseconds
const CURSOR_EVERY = 60;
const MOST = 128; // points of one message
const LEAST = 1.2; // CSS pixels between two points

export class Pen {
  colour = 1;
  width = 14;
  /** The stroke that is being drawn, or that the room has not shown as done yet. @type {Own | null} */
  own = null;
  /** @type {Room | null} */
  room = null;
  #told = 0; // when the room heard of the cursor
  #timer = 0;
  /** Fingers and the like that are down, by pointer id. @type {Map<number, {x: number, y: number}>} */
  #down = new Map();
  /** @type {{zoom: number, apart: number, point: [number, number]} | null} */
  #pinch = null;

  /** @param {HTMLElement} stage @param {Paper} paper @param {(err: unknown) => void} failed */
  constructor(stage, paper, failed) {
    this.stage = stage;
    this.paper = paper;
    this.failed = failed;
    stage.addEventListener("pointerdown", (e) => this.#press(e));
    stage.addEventListener("pointermove", (e) => this.#move(e));
    for (const type of /** @type {const} */ (["pointerup", "pointercancel"])) stage.addEventListener(type, (e) => this.#lift(e));
    stage.addEventListener("pointerleave", () => this.#cursorGone());
    stage.addEventListener("wheel", (e) => this.#wheel(e), { passive: false });
  }

  /** @param {PointerEvent} e @returns {[number, number]} */
  #at(e) {
    const box = this.stage.getBoundingClientRect();
    return [e.clientX - box.left, e.clientY - box.top];
  }

  /** A point of the stage in whole units, on the board. @param {number} sx @param {number} sy @returns {[number, number]} */
  #point(sx, sy) {
    const [x, y] = this.paper.toBoard(sx, sy);
    return [Math.round(Math.max(0, Math.min(x, WIDTH))), Math.round(Math.max(0, Math.min(y, HEIGHT)))];
  }

  /** @param {PointerEvent} e */
  #press(e) {
    if (e.target instanceof Element && e.target.closest("button")) return;
    const [x, y] = this.#at(e);
    if (e.pointerType === "touch") {
      this.#down.set(e.pointerId, { x, y });
      if (this.#down.size === 2) return this.#startPinch();
      if (this.#down.size > 2) return;
    } else if (e.button !== 0) return;
    e.preventDefault();
    this.stage.focus(/** @type {FocusOptions} */ ({ preventScroll: true, focusVisible: false })); // no ring around who draws
    this.stage.setPointerCapture(e.pointerId);
    this.#begin(this.#point(x, y));
  }

  /** @param {[number, number]} point */
  #begin(point) {
    if (this.room?.state !== "joined") return;
    this.end();
    const own = { id: 0, colour: this.colour, width: this.width, points: [...point], sent: 2, ended: false, unwanted: false };
    this.own = own;
    this.paper.touch();
    this.room.call("begin", { colour: own.colour, width: own.width, points: own.points.slice() }).then(
      ({ stroke }) => {
        own.id = stroke;
        if (own.unwanted) this.#undo();
        this.settle();
      },
      (err) => {
        if (this.own === own) this.drop();
        this.failed(err);
      },
    );
  }

  /** @param {PointerEvent} e */
  #move(e) {
    if (this.#down.has(e.pointerId)) {
      const [x, y] = this.#at(e);
      this.#down.set(e.pointerId, { x, y });
      if (this.#pinch) return this.#movePinch();
    }
    if (!this.own || this.own.ended) {
      if (e.pointerType !== "touch") this.#cursor(this.#point(...this.#at(e)));
      return;
    }
    const apart = LEAST / this.paper.scale, all = e.getCoalescedEvents?.() ?? [];
    for (const each of all.length > 0 ? all : [e]) {
      const [x, y] = this.#point(...this.#at(each)), points = this.own.points;
      if (Math.hypot(x - points[points.length - 2], y - points[points.length - 1]) >= apart) points.push(x, y);
    }
    this.paper.touch();
    if (this.#timer === 0) this.#timer = window.setTimeout(() => this.#flush(), INK_EVERY);
  }

  /** Sends the points that the room has not got. */
  #flush() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    const own = this.own;
    if (!own || !this.room || this.room.state === "closed") return;
    while (own.sent < own.points.length) {
      const points = own.points.slice(own.sent, own.sent + 2 * MOST);
      own.sent += points.length;
      this.room.send("ink", { points });
    }
  }

  /** @param {PointerEvent} e */
  #lift(e) {
    this.#down.delete(e.pointerId);
    if (this.#down.size < 2) this.#pinch = null;
    this.end();
    if (e.pointerType === "touch") this.#cursorGone();
  }

  /** Ends the stroke. */
  end() {
    if (!this.own || this.own.ended) return;
    this.#flush();
    this.own.ended = true;
    if (this.room && this.room.state !== "closed") this.room.send("end");
  }

  /** Forgets the own stroke, once the room shows it or has refused it. */
  drop() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    this.own = null;
    this.paper.touch();
  }

  /** Leaves the own stroke to the room's picture of it, as soon as that is whole. */
  settle() {
    const own = this.own;
    if (!own?.ended || own.id === 0) return;
    const there = this.paper.drawing.strokes.get(own.id);
    if (!there || there.done) this.drop(); // it may have been undone already
  }

  /** @param {[number, number]} point */
  #cursor([x, y]) {
    const now = performance.now();
    if (this.room?.state !== "joined" || now - this.#told < CURSOR_EVERY) return;
    this.#told = now;
    this.room.send("cursor", { x, y });
  }

  #cursorGone() {
    if (this.room?.state === "joined" && !(this.own && !this.own.ended)) this.room.send("cursor", { gone: true });
  }

  /** The first finger has begun a stroke that nobody wants. */
  #startPinch() {
    const own = this.own;
    if (own && !own.ended) {
      this.end();
      own.unwanted = true;
      if (own.id !== 0) this.#undo();
    }
    const [a, b] = [...this.#down.values()];
    this.#pinch = {
      zoom: this.paper.zoom, apart: Math.max(Math.hypot(a.x - b.x, a.y - b.y), 1),
      point: this.paper.toBoard((a.x + b.x) / 2, (a.y + b.y) / 2),
    };
  }

  #undo() {
    this.room?.call("undo").catch(this.failed);
  }

  #movePinch() {
    const [a, b] = [...this.#down.values()], p = this.#pinch;
    if (p) this.paper.hold((p.zoom * Math.hypot(a.x - b.x, a.y - b.y)) / p.apart, p.point, (a.x + b.x) / 2, (a.y + b.y) / 2);
  }

  /** @param {WheelEvent} e */
  #wheel(e) {
    e.preventDefault();
    const box = this.stage.getBoundingClientRect(), x = e.clientX - box.left, y = e.clientY - box.top;
    if (e.ctrlKey || !e.shiftKey) return this.paper.hold(this.paper.zoom * Math.exp(-e.deltaY / 400), this.paper.toBoard(x, y), x, y);
    this.paper.hold(this.paper.zoom, this.paper.toBoard(x, y), x - (e.deltaX || e.deltaY), y);
  }
}
