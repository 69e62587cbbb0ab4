// The map of the whole ground in the corner. It lies above the dark edges of the screen, and need not be drawn at each frame.

import { drawDot } from "./sprites.js";
import { PICKUPS, colourOf } from "./world.js";

/** @typedef {import("./renderer.js").Renderer} Renderer */
/** @typedef {import("./world.js").Scene} Scene */

const EVERY = 1 / 15; // seconds
const ARROW = new Path2D("M6.5 0L-4.5 4.5L-2 0L-4.5 -4.5Z");

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
    for (const p of scene.pickups) if (p.ready) diamond(c, p.x * scale, p.y * scale, PICKUPS[p.kind % PICKUPS.length].colour);
    for (const s of scene.ships) if (s.hp > 0 && s !== scene.me) drawDot(c, s.x * scale, s.y * scale, 2.6, colourOf(s.colour));
    if (scene.me && scene.me.hp > 0) {
      arrow(c, scene.me.x * scale, scene.me.y * scale, scene.me.aim, colourOf(scene.me.colour));
    }
    c.strokeStyle = "#ffffff50";
    c.lineWidth = 1;
    c.strokeRect(shown.x * scale, shown.y * scale, shown.width * scale, shown.height * scale);
  }
}

/** A pick-up: hollow, so that it is no ship to any eye. @param {CanvasRenderingContext2D} c @param {number} x @param {number} y @param {string} colour */
function diamond(c, x, y, colour) {
  c.strokeStyle = colour;
  c.lineWidth = 1.2;
  c.beginPath();
  c.moveTo(x, y - 2.6);
  c.lineTo(x + 2.6, y);
  c.lineTo(x, y + 2.6);
  c.lineTo(x - 2.6, y);
  c.closePath();
  c.stroke();
}

/** The own ship. @param {CanvasRenderingContext2D} c @param {number} x @param {number} y @param {number} aim @param {string} colour */
function arrow(c, x, y, aim, colour) {
  c.save();
  c.translate(x, y);
  c.rotate(aim);
  c.lineWidth = 2.5;
  c.strokeStyle = "#fff";
  c.stroke(ARROW);
  c.fillStyle = colour;
  c.fill(ARROW);
  c.restore();
}
