// What is drawn on the glass rather than in the world: that a shot has hit, where one came from, and which way others are.

import { colourOf } from "./world.js";

/** @typedef {import("./renderer.js").Renderer} Renderer */
/** @typedef {import("./world.js").Scene} Scene */
/** @typedef {import("./world.js").Ship} Ship */

const HIT_FOR = 0.18, WOUND_FOR = 0.9; // seconds
const REACH = 950; // units from which a ship beyond the screen is pointed at
const EDGE = 20; // pixels from the edge of the screen to the pointers

export class Marks {
  #c;
  #hit = HIT_FOR; // seconds ago
  /** Who hit the own ship, and how many seconds ago. @type {Map<number, number>} */
  #wounds = new Map();

  /** @param {CanvasRenderingContext2D} c */
  constructor(c) {
    this.#c = c;
  }

  landed() {
    this.#hit = 0;
  }

  /** @param {number} ship */
  hurtFrom(ship) {
    this.#wounds.set(ship, 0);
  }

  /** @param {number} dt seconds */
  age(dt) {
    this.#hit += dt;
    for (const [ship, ago] of this.#wounds) {
      if (ago + dt > WOUND_FOR) this.#wounds.delete(ship);
      else this.#wounds.set(ship, ago + dt);
    }
  }

  /** A cross around the pointer when a shot has hit. @param {number} x @param {number} y */
  hit(x, y) {
    if (this.#hit >= HIT_FOR) return;
    const c = this.#c, near = 11, far = 19 - 4 * (this.#hit / HIT_FOR);
    c.globalAlpha = 1 - (this.#hit / HIT_FOR) ** 2;
    c.strokeStyle = "#ffffff";
    c.lineWidth = 2.4;
    c.lineCap = "round";
    c.beginPath();
    for (let i = 0; i < 4; i++) {
      const dx = i & 1 ? 0.7071 : -0.7071, dy = i & 2 ? 0.7071 : -0.7071;
      c.moveTo(x + dx * near, y + dy * near);
      c.lineTo(x + dx * far, y + dy * far);
    }
    c.stroke();
    c.globalAlpha = 1;
  }

  /** An arc around the own ship towards each that has hit it. @param {Scene} scene @param {Ship} me @param {Renderer} at */
  wounds(scene, me, at) {
    if (this.#wounds.size === 0) return;
    const c = this.#c, [x, y] = at.toScreen(me.x, me.y);
    c.strokeStyle = "#ff5d73";
    c.lineWidth = 4;
    c.lineCap = "round";
    for (const s of scene.ships) {
      const ago = this.#wounds.get(s.id);
      if (ago === undefined) continue;
      const way = Math.atan2(s.y - me.y, s.x - me.x);
      c.globalAlpha = 0.9 * (1 - ago / WOUND_FOR);
      c.beginPath();
      c.arc(x, y, 58 + 8 * ago, way - 0.38, way + 0.38);
      c.stroke();
    }
    c.globalAlpha = 1;
  }

  /** A small pointer at the edge of the screen towards each ship beyond it. @param {Scene} scene @param {Ship} me @param {Renderer} at */
  beyond(scene, me, at) {
    const c = this.#c, { width, height, small } = at.size, [mx, my] = at.toScreen(me.x, me.y);
    const edge = small ? EDGE / 2 : EDGE;
    for (const s of scene.ships) {
      if (s.hp === 0 || s === me) continue;
      const [x, y] = at.toScreen(s.x, s.y), far = Math.hypot(s.x - me.x, s.y - me.y);
      if (far > REACH || (x > -16 && y > -16 && x < width + 16 && y < height + 16)) continue;
      // From the own ship towards the other, as far as the edge.
      const dx = x - mx, dy = y - my;
      const toX = dx > 0 ? (width - edge - mx) / dx : dx < 0 ? (edge - mx) / dx : 1;
      const toY = dy > 0 ? (height - edge - my) / dy : dy < 0 ? (edge - my) / dy : 1;
      const part = Math.min(toX, toY), way = Math.atan2(dy, dx), cos = Math.cos(way), sin = Math.sin(way);
      const px = mx + dx * part, py = my + dy * part, size = 9 - 4 * (far / REACH);
      c.globalAlpha = 1 - 0.7 * (far / REACH);
      c.fillStyle = colourOf(s.colour);
      c.beginPath();
      c.moveTo(px + cos * size, py + sin * size);
      c.lineTo(px - cos * size - sin * size * 0.8, py - sin * size + cos * size * 0.8);
      c.lineTo(px - cos * size * 0.4, py - sin * size * 0.4);
      c.lineTo(px - cos * size + sin * size * 0.8, py - sin * size - cos * size * 0.8);
      c.fill();
    }
    c.globalAlpha = 1;
  }
}
