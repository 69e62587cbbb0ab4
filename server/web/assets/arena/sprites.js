// Shapes that are drawn often: hulls, glows and the marks of the pick-ups. Units, around the origin.

import { colourOf, hullOf } from "./world.js";

/** By hullOf: a dart, a crescent, a drop and a fork, the bow to the right. */
const SHAPES = [
  new Path2D("M17 0L-11 12L-6 0L-11 -12Z"),
  new Path2D("M12 0Q8 -13 -9 -15Q-1 -6 -2 0Q-1 6 -9 15Q8 13 12 0Z"),
  new Path2D("M18 0Q6 -4 4 -9A11 11 0 1 0 4 9Q6 4 18 0Z"),
  new Path2D("M17 -10L3 -5Q0 0 3 5L17 10L-2 14L-12 8V-8L-2 -14Z"),
];
const CABIN = new Path2D("M7 0L-3 4L-1 0L-3 -4Z");

/** By Pickup.kind. */
const MARKS = [
  new Path2D("M-1.8 -6h3.6v4.2h4.2v3.6h-4.2v4.2h-3.6v-4.2h-4.2v-3.6h4.2z"),
  new Path2D("M-5 5v-7l1.5 -3l1.5 3v7zM-1.5 5v-7l1.5 -3l1.5 3v7zM2 5v-7l1.5 -3l1.5 3v7z"),
  new Path2D("M1.5 -7l-6 8h4l-1 6l6 -8h-4z"),
  new Path2D("M0 -7l6 2v4q0 5 -6 8q-6 -3 -6 -8v-4z"),
];

const GLOW = 64; // pixels of a glow's sprite

/** @type {Map<string, HTMLCanvasElement>} */
const glows = new Map();

/** A soft disc of a colour. @param {string} colour */
function glowOf(colour) {
  let sprite = glows.get(colour);
  if (sprite) return sprite;
  sprite = document.createElement("canvas");
  sprite.width = sprite.height = GLOW;
  const c = /** @type {CanvasRenderingContext2D} */ (sprite.getContext("2d"));
  const g = c.createRadialGradient(GLOW / 2, GLOW / 2, 0, GLOW / 2, GLOW / 2, GLOW / 2);
  g.addColorStop(0, `${colour}b0`);
  g.addColorStop(0.35, `${colour}48`);
  g.addColorStop(1, `${colour}00`);
  c.fillStyle = g;
  c.fillRect(0, 0, GLOW, GLOW);
  glows.set(colour, sprite);
  return sprite;
}

/** @type {Map<string, HTMLCanvasElement>} */
const bolts = new Map();
const FINE = 3; // pixels per unit of a bolt's sprite

/** A bolt of a colour that flies to the right: 51 units wide, its head 36 from the left, and 30 high. @param {string} colour */
export function boltOf(colour) {
  let sprite = bolts.get(colour);
  if (sprite) return sprite;
  sprite = document.createElement("canvas");
  sprite.width = 51 * FINE;
  sprite.height = 30 * FINE;
  const c = /** @type {CanvasRenderingContext2D} */ (sprite.getContext("2d"));
  c.scale(FINE, FINE);
  c.translate(36, 15);
  c.lineCap = "round";
  const tail = c.createLinearGradient(-34, 0, 0, 0);
  tail.addColorStop(0, `${colour}00`);
  tail.addColorStop(1, colour);
  for (const [from, style, width] of /** @type {const} */ ([[-34, tail, 4], [-9, "#ffffffd0", 1.6]])) {
    c.strokeStyle = style;
    c.lineWidth = width;
    c.beginPath();
    c.moveTo(from, 0);
    c.lineTo(0, 0);
    c.stroke();
  }
  c.globalCompositeOperation = "lighter";
  drawGlow(c, 0, 0, 15, colour, 0.8);
  bolts.set(colour, sprite);
  return sprite;
}

/** @param {CanvasRenderingContext2D} c @param {number} x @param {number} y @param {number} radius @param {string} colour @param {number} [alpha] */
export function drawGlow(c, x, y, radius, colour, alpha = 1) {
  const old = c.globalAlpha;
  c.globalAlpha = old * alpha;
  c.drawImage(glowOf(colour), x - radius, y - radius, 2 * radius, 2 * radius);
  c.globalAlpha = old;
}

/**
 * @param {CanvasRenderingContext2D} c @param {number} x @param {number} y @param {number} aim
 * @param {number} index the ship's colour @param {number} wound from 0 to 1: how white it flashes
 */
export function drawHull(c, x, y, aim, index, wound) {
  const colour = colourOf(index), hull = SHAPES[hullOf(index)];
  c.save();
  c.translate(x, y);
  c.rotate(aim);
  c.fillStyle = "#0d1530";
  c.fill(hull);
  c.globalAlpha *= 0.45;
  c.fillStyle = colour;
  c.fill(hull);
  c.globalAlpha /= 0.45;
  c.lineJoin = "round";
  c.lineWidth = 2;
  c.strokeStyle = colour;
  c.stroke(hull);
  c.fillStyle = "#f4f8ff";
  c.fill(CABIN);
  if (wound > 0) {
    c.globalAlpha *= wound;
    c.fillStyle = "#fff";
    c.fill(hull);
  }
  c.restore();
}

/** @param {CanvasRenderingContext2D} c @param {number} x @param {number} y @param {number} kind @param {string} colour @param {boolean} ready @param {number} pulse from 0 to 1 */
export function drawPickup(c, x, y, kind, colour, ready, pulse) {
  if (ready) drawGlow(c, x, y, 34 + 8 * pulse, colour, 0.75);
  c.save();
  c.translate(x, y);
  c.beginPath();
  c.arc(0, 0, 13, 0, 2 * Math.PI);
  c.lineWidth = 1.6;
  c.strokeStyle = colour;
  if (!ready) {
    c.globalAlpha = 0.22;
    c.setLineDash([4, 5]);
    c.stroke();
    c.restore();
    return;
  }
  c.fillStyle = "#0b1226d0";
  c.fill();
  c.stroke();
  c.fillStyle = colour;
  c.fill(MARKS[kind % MARKS.length]);
  c.restore();
}

/** @param {CanvasRenderingContext2D} c @param {number} x @param {number} y @param {number} radius @param {string} colour */
export function drawDot(c, x, y, radius, colour) {
  c.fillStyle = colour;
  c.beginPath();
  c.arc(x, y, radius, 0, 2 * Math.PI);
  c.fill();
}
