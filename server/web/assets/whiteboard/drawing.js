// The page's copy of the board: strokes with their points, from the tables "stroke" and "chunk". The server's
// package games/whiteboard is where they come from.

/** @typedef {import("../../js/tickhall.js").Room} Room */
/** @typedef {{id: number, order: number, artist: string, colour: number, width: number, done: boolean}} StrokeRow */
/** @typedef {{id: number, stroke: number, seq: number, points: string}} ChunkRow */
/** @typedef {{id: number, name: string, colour: number, x: number, y: number, here: boolean, undo: boolean, redo: boolean}} Artist */

export const WIDTH = 4000; // units
export const HEIGHT = 2500;
export const PAPER = "#fdfdf8";
/** By Stroke.colour; the first is the paper, which makes an eraser. */
export const INKS = [PAPER, "#1b2030", "#e0383e", "#f5820b", "#efc20d", "#2f9e5a", "#2f6fed", "#8e4ec6", "#d6409f"];
export const INK_NAMES = ["Eraser", "Black", "Red", "Orange", "Yellow", "Green", "Blue", "Purple", "Pink"];
/** By Artist.colour. */
export const CURSORS = ["#0b7a69", "#c02f8b", "#2563d9", "#b04e08", "#6d4bd1", "#25763a", "#c22f3d", "#0c6f9b"];

/** Something to draw. @typedef {{colour: number, width: number, points: number[]}} Shape */

/** A stroke of the board. @implements {Shape} */
export class Stroke {
  order = 0;
  artist = "";
  colour = 1;
  width = 1;
  done = false;
  /** By sequence. @type {number[][]} */
  chunks = [];
  /** @type {Path2D | null} of a stroke that is done */
  path = null;

  /** @param {number} id */
  constructor(id) {
    this.id = id;
  }

  get points() {
    return this.chunks.flat();
  }
}

/**
 * Reads a chunk's points, "Encoded Polyline Algorithm Format": differences, zigzag, in groups of five bits.
 * @param {string} s @returns {number[]} x0, y0, x1, y1, and so on
 */
export function decode(s) {
  /** @type {number[]} */
  const points = [], at = [0, 0];
  for (let i = 0; i < s.length; ) {
    let v = 0, shift = 0, group;
    do {
      group = s.charCodeAt(i++) - 63;
      v |= (group & 31) << shift;
      shift += 5;
    } while (group >= 32);
    const axis = points.length % 2;
    at[axis] += (v >>> 1) ^ -(v & 1);
    points.push(at[axis]);
  }
  return points;
}

/** Traces a smooth line: quadratic curves from midpoint to midpoint, with the points to steer. @param {number[]} points */
export function trace(points) {
  const path = new Path2D(), n = points.length;
  if (n < 2) return path;
  path.moveTo(points[0], points[1]);
  for (let i = 2; i + 3 < n; i += 2) {
    path.quadraticCurveTo(points[i], points[i + 1], (points[i] + points[i + 2]) / 2, (points[i + 1] + points[i + 3]) / 2);
  }
  path.lineTo(points[n - 2] + (n === 2 ? 0.1 : 0), points[n - 1]); // a single point is a dot
  return path;
}

/** @param {CanvasRenderingContext2D} ctx @param {Shape} shape @param {Path2D} [path] */
export function paint(ctx, shape, path = trace(shape.points)) {
  ctx.lineCap = ctx.lineJoin = "round";
  ctx.strokeStyle = INKS[shape.colour] ?? INKS[1];
  ctx.lineWidth = shape.width;
  ctx.stroke(path);
}

export class Drawing {
  /** By id. @type {Map<number, Stroke>} */
  strokes = new Map();
  /** Where each chunk is, by id: after a reconnect the same id may name another. @type {Map<number, {stroke: number, seq: number}>} */
  #places = new Map();

  /** @param {(s: Stroke, gone: boolean) => void} changed */
  constructor(changed) {
    this.changed = changed;
  }

  /** Shows the board of a room from now on. @param {Room} room */
  follow(room) {
    const before = [...this.strokes.values()];
    this.strokes.clear();
    this.#places.clear();
    for (const s of before) this.changed(s, true);
    const strokes = room.table("stroke"), chunks = room.table("chunk");
    for (const type of /** @type {const} */ (["enter", "change"])) {
      strokes.on(type, (row) => this.#stroke(/** @type {any} */ (row)));
      chunks.on(type, (row) => this.#chunk(/** @type {any} */ (row)));
    }
    strokes.on("leave", ({ id }) => {
      const gone = this.strokes.get(id);
      this.strokes.delete(id);
      if (gone) this.changed(gone, true);
    });
    chunks.on("leave", ({ id }) => this.#drop(id));
  }

  /** Strokes, lowest first. */
  sorted() {
    return [...this.strokes.values()].sort((a, b) => a.order - b.order);
  }

  /** @param {StrokeRow} row */
  #stroke(row) {
    const s = this.#get(row.id), replaced = s.order !== 0 && s.order !== row.order;
    s.order = row.order;
    s.artist = row.artist;
    s.colour = row.colour;
    s.width = row.width;
    s.done = row.done;
    s.path = null;
    this.changed(s, replaced);
  }

  /** @param {ChunkRow} row */
  #chunk(row) {
    const place = this.#places.get(row.id);
    if (place && (place.stroke !== row.stroke || place.seq !== row.seq)) this.#drop(row.id);
    this.#places.set(row.id, { stroke: row.stroke, seq: row.seq });
    const s = this.#get(row.stroke);
    s.chunks[row.seq] = decode(row.points);
    s.path = null;
    this.changed(s, false);
  }

  /** @param {number} id of a chunk */
  #drop(id) {
    const place = this.#places.get(id), s = place && this.strokes.get(place.stroke);
    this.#places.delete(id);
    if (!place || !s) return;
    delete s.chunks[place.seq];
    s.path = null;
    this.changed(s, true);
  }

  /** @param {number} id */
  #get(id) {
    const s = this.strokes.get(id) ?? new Stroke(id);
    this.strokes.set(id, s);
    return s;
  }
}
