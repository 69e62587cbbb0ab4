// The ground: floor and walls, drawn once to a canvas of its own, since they never change.

import { TILE } from "./world.js";

/** @typedef {import("./world.js").Wall} Wall */

const MOST_PIXELS = 14e6; // of the drawing: beyond, it is drawn coarser
const FACE = 9; // units of a wall's front that show

export class Ground {
  width = 0;
  height = 0;
  /** The drawing, `scale` pixels per unit. */
  canvas = document.createElement("canvas");
  scale = 1;
  /** The same, small, for the map. */
  map = document.createElement("canvas");

  #cols = 0;
  #rows = 0;
  /** @type {Uint8Array} */
  #solid = new Uint8Array(0);

  /** Takes the walls over. @param {Iterable<Wall>} walls */
  load(walls) {
    const list = [...walls];
    this.width = Math.max(0, ...list.map((w) => w.x + w.w));
    this.height = Math.max(0, ...list.map((w) => w.y + w.h));
    this.#cols = Math.round(this.width / TILE);
    this.#rows = Math.round(this.height / TILE);
    this.#solid = new Uint8Array(this.#cols * this.#rows);
    for (const w of list) {
      for (let row = w.y / TILE; row < (w.y + w.h) / TILE; row++) {
        const from = row * this.#cols + w.x / TILE;
        this.#solid.fill(1, from, from + w.w / TILE);
      }
    }
    this.#drawMap();
  }

  /** Whether a tile is a wall; all is wall outside. @param {number} col @param {number} row */
  solid(col, row) {
    return col < 0 || row < 0 || col >= this.#cols || row >= this.#rows || this.#solid[row * this.#cols + col] === 1;
  }

  /** How far it is from x, y to a wall that way, `most` if there is none before. @param {number} x @param {number} y @param {number} dx of length 1 @param {number} dy @param {number} most */
  free(x, y, dx, dy, most) {
    const step = TILE / 8;
    for (let far = 0; far < most; far += step) {
      if (this.solid(Math.floor((x + dx * far) / TILE), Math.floor((y + dy * far) / TILE))) return far;
    }
    return most;
  }

  /** Draws it for a screen of that many pixels per unit. @param {number} scale */
  draw(scale) {
    this.scale = Math.min(scale, Math.sqrt(MOST_PIXELS / (this.width * this.height)));
    this.canvas.width = Math.ceil(this.width * this.scale);
    this.canvas.height = Math.ceil(this.height * this.scale);
    const c = /** @type {CanvasRenderingContext2D} */ (this.canvas.getContext("2d", { alpha: false }));
    c.scale(this.scale, this.scale);
    this.#floor(c);
    const walls = this.#path((col, row) => this.solid(col, row));
    c.save();
    c.shadowColor = "#02040bd0";
    c.shadowBlur = 22 * this.scale;
    c.shadowOffsetY = 7 * this.scale;
    c.fillStyle = "#1a2447";
    c.fill(walls);
    c.restore();
    this.#tops(c, walls);
    this.#edges(c);
  }

  /** @param {CanvasRenderingContext2D} c */
  #floor(c) {
    const { width, height } = this;
    c.fillStyle = "#0c1224";
    c.fillRect(0, 0, width, height);
    const glow = c.createRadialGradient(width / 2, height / 2, 0, width / 2, height / 2, width * 0.6);
    glow.addColorStop(0, "#1d2c5e80");
    glow.addColorStop(0.5, "#15204755");
    glow.addColorStop(1, "#0c122400");
    c.fillStyle = glow;
    c.fillRect(0, 0, width, height);
    for (const [every, colour] of /** @type {[number, string][]} */ ([[TILE, "#8fa8ff10"], [5 * TILE, "#8fa8ff1c"]])) {
      c.strokeStyle = colour;
      c.lineWidth = 1;
      c.beginPath();
      for (let x = 0; x <= width; x += every) {
        c.moveTo(x, 0);
        c.lineTo(x, height);
      }
      for (let y = 0; y <= height; y += every) {
        c.moveTo(0, y);
        c.lineTo(width, y);
      }
      c.stroke();
    }
  }

  /** The outline of all tiles that are wanted. @param {(col: number, row: number) => boolean} wanted */
  #path(wanted) {
    const path = new Path2D();
    for (let row = 0; row < this.#rows; row++) {
      for (let col = 0; col < this.#cols; col++) {
        if (!wanted(col, row)) continue;
        let n = 1;
        while (col + n < this.#cols && wanted(col + n, row)) n++;
        // Half a unit of overlap hides the seam to the next row.
        path.rect(col * TILE, row * TILE, n * TILE, TILE + (wanted(col, row + 1) ? 0.5 : 0));
        col += n;
      }
    }
    return path;
  }

  /** @param {CanvasRenderingContext2D} c @param {Path2D} walls */
  #tops(c, walls) {
    const light = c.createLinearGradient(0, 0, this.width * 0.4, this.height);
    light.addColorStop(0, "#27345f");
    light.addColorStop(1, "#1d284d");
    c.fillStyle = light;
    c.fill(walls);
    // The front of a wall, below its top: it gives height.
    for (const [col, row] of this.#tiles()) {
      if (this.solid(col, row + 1)) continue;
      const y = (row + 1) * TILE;
      const face = c.createLinearGradient(0, y - FACE, 0, y);
      face.addColorStop(0, "#141c39");
      face.addColorStop(1, "#0e1530");
      c.fillStyle = face;
      c.fillRect(col * TILE, y - FACE, TILE + (this.solid(col + 1, row) && !this.solid(col + 1, row + 1) ? 0.5 : 0), FACE);
    }
  }

  /** The edges of the walls, brighter where the light comes from. @param {CanvasRenderingContext2D} c */
  #edges(c) {
    const bright = new Path2D(), dim = new Path2D(), front = new Path2D();
    for (const [col, row] of this.#tiles()) {
      const x = col * TILE, y = row * TILE;
      line(bright, !this.solid(col, row - 1), x, y, x + TILE, y);
      line(dim, !this.solid(col - 1, row), x, y, x, y + TILE);
      line(dim, !this.solid(col + 1, row), x + TILE, y, x + TILE, y + TILE);
      line(dim, !this.solid(col, row + 1), x, y + TILE, x + TILE, y + TILE);
      line(front, !this.solid(col, row + 1), x, y + TILE - FACE, x + TILE, y + TILE - FACE);
    }
    c.lineCap = "round";
    c.save();
    c.shadowColor = "#6f92ff";
    c.shadowBlur = 9 * this.scale;
    c.strokeStyle = "#86a3ffc0";
    c.lineWidth = 1.6;
    c.stroke(bright);
    c.strokeStyle = "#6f8dec80";
    c.stroke(dim);
    c.restore();
    c.strokeStyle = "#86a3ff55";
    c.lineWidth = 1;
    c.stroke(front);
  }

  *#tiles() {
    for (let row = 0; row < this.#rows; row++) {
      for (let col = 0; col < this.#cols; col++) if (this.solid(col, row)) yield [col, row];
    }
  }

  #drawMap() {
    const size = 4; // pixels per tile
    this.map.width = this.#cols * size;
    this.map.height = this.#rows * size;
    const c = /** @type {CanvasRenderingContext2D} */ (this.map.getContext("2d"));
    c.fillStyle = "#0a1020cc";
    c.fillRect(0, 0, this.map.width, this.map.height);
    c.fillStyle = "#3a4b85";
    for (const [col, row] of this.#tiles()) c.fillRect(col * size, row * size, size, size);
  }
}

/** @param {Path2D} path @param {boolean} wanted @param {number} x0 @param {number} y0 @param {number} x1 @param {number} y1 */
function line(path, wanted, x0, y0, x1, y1) {
  if (!wanted) return;
  path.moveTo(x0, y0);
  path.lineTo(x1, y1);
}
