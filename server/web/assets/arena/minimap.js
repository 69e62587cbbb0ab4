// The map of the whole ground in the corner. It lies above the dark edges of the screen, and need not be drawn at each frame.

import { drawDot } from "./sprites.js";
import { PICKUPS, colourOf } from "./world.js";

/** @typedef {import("./renderer.js").Renderer} Renderer */
/** @typedef {import("./world.js").Scene} Scene */

const EVERY = 1 / 15; // seconds

export class Minimap {
  #canvas;
  #c;
  #ago = EVERY;

  /** @param {HTMLCanvasElement} canvas whose size the page's style says */
  constructor(canvas) {
    this.#canvas = canvas;
    this.#c = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  }

  /** @param {Scene} scene @param {Renderer} of @param {number} dt seconds */
  draw(scene, of, dt) {
    this.#ago += dt;
    if (this.#ago < EVERY) return;
    this.#ago = 0;
    const canvas = this.#canvas, c = this.#c;
    canvas.style.aspectRatio = String(of.ground.width / of.ground.height);
    const dpr = Math.min(window.devicePixelRatio || 1, 3);
    const width = Math.round(canvas.clientWidth * dpr), height = Math.round(canvas.clientHeight * dpr);
    if (width === 0) return;
    if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
    const scale = canvas.clientWidth / of.ground.width, { shown } = of;
    c.setTransform(dpr, 0, 0, dpr, 0, 0);
    c.clearRect(0, 0, width, height);
    c.drawImage(of.ground.map, 0, 0, of.ground.width * scale, of.ground.height * scale);
    for (const p of scene.pickups) if (p.ready) drawDot(c, p.x * scale, p.y * scale, 1.5, PICKUPS[p.kind % PICKUPS.length].colour);
    for (const s of scene.ships) if (s.hp > 0 && s !== scene.me) drawDot(c, s.x * scale, s.y * scale, 2.6, colourOf(s.colour));
    if (scene.me && scene.me.hp > 0) {
      drawDot(c, scene.me.x * scale, scene.me.y * scale, 3.8, "#fff");
      drawDot(c, scene.me.x * scale, scene.me.y * scale, 2.4, colourOf(scene.me.colour));
    }
    c.strokeStyle = "#ffffff50";
    c.lineWidth = 1;
    c.strokeRect(shown.x * scale, shown.y * scale, shown.width * scale, shown.height * scale);
  }
}
