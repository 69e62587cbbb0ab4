// Draws the board: what is done on one canvas, which is only added to where possible; strokes in the making
// and cursors on another above it, drawn anew in each frame in which something moves.

import { CURSORS, HEIGHT, PAPER, WIDTH, paint, trace } from "./drawing.js";

/** @typedef {import("./drawing.js").Artist} Artist */
/** @typedef {import("./drawing.js").Drawing} Drawing */
/** @typedef {import("./drawing.js").Shape} Shape */
/** @typedef {import("./drawing.js").Stroke} Stroke */

const MARGIN = 12; // CSS pixels around a board that is shown as a whole
const CLOSEST = 12; // times the size at which the whole board is seen
const GLIDE = 0.05; // seconds in which a cursor makes up most of its way
const EXPORT_SCALE = 0.5; // pixels per unit

export class Paper {
  zoom = 1; // 1: the whole board
  #centre = { x: WIDTH / 2, y: HEIGHT / 2 };
  #ratio = 1; // device pixels per CSS pixel
  #size = { w: 1, h: 1 }; // CSS pixels
  #stale = true; // the lower canvas is drawn anew
  #moved = true; // the upper one is
  #top = 0; // highest order on the lower canvas
  /** Done, and not on the lower canvas yet. @type {Set<Stroke>} */
  #fresh = new Set();
  /** Where cursors are shown, by artist id. @type {Map<number, {x: number, y: number}>} */
  #shown = new Map();

  /** @param {HTMLElement} stage @param {HTMLCanvasElement} paper @param {HTMLCanvasElement} live @param {Drawing} drawing */
  constructor(stage, paper, live, drawing) {
    this.paper = paper;
    this.live = live;
    this.drawing = drawing;
    this.low = /** @type {CanvasRenderingContext2D} */ (paper.getContext("2d"));
    this.high = /** @type {CanvasRenderingContext2D} */ (live.getContext("2d"));
    new ResizeObserver(() => this.#resize(stage)).observe(stage);
    this.#resize(stage);
  }

  /** @param {HTMLElement} stage */
  #resize(stage) {
    this.#ratio = Math.min(window.devicePixelRatio || 1, 3);
    this.#size = { w: stage.clientWidth, h: stage.clientHeight };
    for (const canvas of [this.paper, this.live]) {
      canvas.width = Math.round(this.#size.w * this.#ratio);
      canvas.height = Math.round(this.#size.h * this.#ratio);
    }
    this.#look();
  }

  /** CSS pixels per unit. */
  get scale() {
    const whole = Math.min((this.#size.w - 2 * MARGIN) / WIDTH, (this.#size.h - 2 * MARGIN) / HEIGHT);
    return Math.max(whole, 0.01) * this.zoom;
  }

  /** A point of the stage in units. @param {number} x @param {number} y CSS pixels @returns {[number, number]} */
  toBoard(x, y) {
    return [(x - this.#size.w / 2) / this.scale + this.#centre.x, (y - this.#size.h / 2) / this.scale + this.#centre.y];
  }

  /** @param {number} x @param {number} y units @returns {[number, number]} CSS pixels */
  toStage(x, y) {
    return [(x - this.#centre.x) * this.scale + this.#size.w / 2, (y - this.#centre.y) * this.scale + this.#size.h / 2];
  }

  /** Shows the whole board or, if it does already, as much as fills the stage: on a phone, much larger. */
  fit() {
    const fill = Math.max(this.#size.w / WIDTH, this.#size.h / HEIGHT) / (this.scale / this.zoom);
    this.zoom = this.zoom === 1 ? fill : 1;
    this.#look();
  }

  /** Zooms, and moves the board so that a point of it comes to lie at a place of the stage.
   * @param {number} zoom @param {[number, number]} point units @param {number} x @param {number} y CSS pixels */
  hold(zoom, point, x, y) {
    this.zoom = Math.max(1, Math.min(zoom, CLOSEST));
    this.#centre = { x: point[0] - (x - this.#size.w / 2) / this.scale, y: point[1] - (y - this.#size.h / 2) / this.scale };
    this.#look();
  }

  /** Keeps the board in sight after the view has changed, and has all drawn anew. */
  #look() {
    for (const [axis, length, seen] of /** @type {const} */ ([["x", WIDTH, this.#size.w], ["y", HEIGHT, this.#size.h]])) {
      const half = Math.min((seen / 2 - MARGIN) / this.scale, length / 2);
      this.#centre[axis] = Math.max(half, Math.min(this.#centre[axis], length - half));
    }
    this.#stale = this.#moved = true;
  }

  /** Says that a stroke has changed. @param {Stroke} s @param {boolean} gone */
  changed(s, gone) {
    this.#moved = true;
    if (gone || (s.done && s.order <= this.#top)) this.#stale = true;
    else if (s.done) this.#fresh.add(s);
  }

  /** Says that a cursor or the own stroke has. */
  touch() {
    this.#moved = true;
  }

  /** @param {Iterable<Artist>} others @param {Shape | null} own the stroke that this page draws @param {number} ownID @param {number} dt */
  draw(others, own, ownID, dt) {
    if (this.#stale) this.#redraw();
    else if (this.#fresh.size > 0) this.#append();
    const glides = this.#glide(others, dt);
    if (!this.#moved && !glides) return;
    this.#moved = false;
    const ctx = this.high;
    ctx.setTransform(1, 0, 0, 1, 0, 0);
    ctx.clearRect(0, 0, this.live.width, this.live.height);
    ctx.save();
    this.#toUnits(ctx);
    ctx.beginPath();
    ctx.rect(0, 0, WIDTH, HEIGHT);
    ctx.clip();
    for (const s of this.drawing.sorted()) if (!s.done && s.id !== ownID) paint(ctx, s);
    if (own) paint(ctx, own);
    ctx.restore();
    ctx.setTransform(this.#ratio, 0, 0, this.#ratio, 0, 0);
    for (const a of others) if (a.here) this.#cursor(ctx, a);
  }

  #redraw() {
    this.#stale = false;
    this.#fresh.clear();
    const ctx = this.low;
    ctx.setTransform(1, 0, 0, 1, 0, 0);
    ctx.clearRect(0, 0, this.paper.width, this.paper.height);
    this.#toUnits(ctx);
    ctx.fillStyle = PAPER;
    ctx.fillRect(0, 0, WIDTH, HEIGHT);
    this.#top = 0;
    for (const s of this.drawing.sorted()) if (s.done) this.#put(s);
  }

  #append() {
    const fresh = [...this.#fresh].sort((a, b) => a.order - b.order);
    this.#fresh.clear();
    if (fresh.some((s) => s.order <= this.#top)) return this.#redraw(); // it belongs below another
    for (const s of fresh) this.#put(s);
  }

  /** @param {Stroke} s */
  #put(s) {
    const ctx = this.low;
    ctx.save();
    this.#toUnits(ctx);
    ctx.beginPath();
    ctx.rect(0, 0, WIDTH, HEIGHT);
    ctx.clip();
    paint(ctx, s, (s.path ??= trace(s.points)));
    ctx.restore();
    this.#top = Math.max(this.#top, s.order);
  }

  /** @param {CanvasRenderingContext2D} ctx */
  #toUnits(ctx) {
    const [x, y] = this.toStage(0, 0), r = this.#ratio;
    ctx.setTransform(this.scale * r, 0, 0, this.scale * r, x * r, y * r);
  }

  /** Moves the cursors towards where they are. Reports whether one is on its way. @param {Iterable<Artist>} others @param {number} dt */
  #glide(others, dt) {
    let moving = false;
    const there = new Set();
    for (const a of others) {
      if (!a.here) continue;
      there.add(a.id);
      const at = this.#shown.get(a.id);
      if (!at) {
        this.#shown.set(a.id, { x: a.x, y: a.y });
        moving = true;
        continue;
      }
      const part = 1 - Math.exp(-dt / GLIDE);
      if (Math.abs(a.x - at.x) + Math.abs(a.y - at.y) < 1) continue;
      at.x += (a.x - at.x) * part;
      at.y += (a.y - at.y) * part;
      moving = true;
    }
    for (const id of this.#shown.keys()) {
      if (there.has(id)) continue;
      this.#shown.delete(id);
      moving = true;
    }
    return moving;
  }

  /** @param {CanvasRenderingContext2D} ctx @param {Artist} a */
  #cursor(ctx, a) {
    const at = this.#shown.get(a.id);
    if (!at) return;
    const [x, y] = this.toStage(at.x, at.y), name = a.name;
    ctx.save();
    ctx.translate(x, y);
    ctx.fillStyle = CURSORS[a.colour % CURSORS.length];
    ctx.strokeStyle = "#fff";
    ctx.lineWidth = 1.5;
    ctx.lineJoin = "round";
    const arrow = new Path2D("M0 0L4.5 15L7.8 9.3L14 7.5Z");
    ctx.fill(arrow);
    ctx.stroke(arrow);
    ctx.font = "600 12px system-ui, sans-serif";
    const w = ctx.measureText(name).width;
    const left = Math.min(10, this.#size.w - x - w - 14); // so that it can be read at the edge
    ctx.beginPath();
    ctx.roundRect(left, 16, w + 12, 19, 6);
    ctx.fill();
    ctx.fillStyle = "#fff";
    ctx.textBaseline = "middle";
    ctx.fillText(name, left + 6, 26);
    ctx.restore();
  }

  /** The board as a PNG. @returns {Promise<Blob | null>} */
  export() {
    const canvas = document.createElement("canvas");
    canvas.width = WIDTH * EXPORT_SCALE;
    canvas.height = HEIGHT * EXPORT_SCALE;
    const ctx = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    ctx.scale(EXPORT_SCALE, EXPORT_SCALE);
    ctx.fillStyle = PAPER;
    ctx.fillRect(0, 0, WIDTH, HEIGHT);
    for (const s of this.drawing.sorted()) paint(ctx, s);
    return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
  }

  /** The colour of the lower canvas at a point of the board, for tests. @param {number} x @param {number} y */
  pixel(x, y) {
    const [sx, sy] = this.toStage(x, y);
    const [r, g, b] = this.low.getImageData(Math.round(sx * this.#ratio), Math.round(sy * this.#ratio), 1, 1).data;
    return `#${[r, g, b].map((v) => v.toString(16).padStart(2, "0")).join("")}`;
  }
}
