// Draws a scene to the canvas: where the camera is, and in which order things lie above each other.

import { lean } from "./controls.js";
import { Ground } from "./ground.js";
import { drawGlow, drawHull, drawPickup } from "./sprites.js";
import { FULL_HP, FULL_SHIELD, PICKUPS, RADIUS, colourOf } from "./world.js";

/** @typedef {import("./controls.js").Controls} Controls */
/** @typedef {import("./effects.js").Effects} Effects */
/** @typedef {import("./world.js").Bolt} Bolt */
/** @typedef {import("./world.js").Scene} Scene */
/** @typedef {import("./world.js").Ship} Ship */

const AREA = 1060 * 650; // units that a screen shows: the same for wide and tall ones, so that none sees more
const MARGIN = 90; // units that the camera shows beyond the walls
const THUMBS = 300; // pixels at the bottom of a touch screen that the thumbs cover
const LEAD = 0.16; // seconds of its velocity that the camera is ahead of the ship
const TO_POINTER = 0.14; // how far the camera leans towards the pointer
const FONT = '600 12px system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif';

export class Renderer {
  ground = new Ground();
  /** CSS pixels per unit. */
  zoom = 1;
  /** What is in the middle of the screen. */
  camera = { x: 0, y: 0 };

  #canvas;
  #c;
  #effects;
  #controls;
  #width = 0;
  #height = 0;
  #dpr = 1;
  #placed = false;
  #time = 0;

  /** Where the camera's point is on the screen, in CSS pixels from the top: above the thumbs. */
  get #middle() {
    return this.#height * (this.#controls.touch ? 0.42 : 0.5);
  }

  /** @param {HTMLCanvasElement} canvas @param {Effects} effects @param {Controls} controls */
  constructor(canvas, effects, controls) {
    this.#canvas = canvas;
    this.#c = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", { alpha: false }));
    this.#effects = effects;
    this.#controls = controls;
    window.addEventListener("resize", () => this.resize());
    this.resize();
  }

  /** Takes the walls over. @param {Iterable<import("./world.js").Wall>} walls */
  load(walls) {
    this.ground.load(walls);
    this.#placed = false;
    this.resize();
  }

  /** Fits the screen. */
  resize() {
    this.#dpr = Math.min(window.devicePixelRatio || 1, 3);
    this.#width = this.#canvas.clientWidth;
    this.#height = this.#canvas.clientHeight;
    this.#canvas.width = Math.round(this.#width * this.#dpr);
    this.#canvas.height = Math.round(this.#height * this.#dpr);
    this.zoom = Math.max(0.62, Math.sqrt((this.#width * this.#height) / AREA));
    if (this.ground.width > 0) this.ground.draw(this.zoom * this.#dpr);
  }

  /** Where a point of the world is on the screen, in CSS pixels. @param {number} x @param {number} y @returns {[number, number]} */
  toScreen(x, y) {
    return [(x - this.camera.x) * this.zoom + this.#width / 2, (y - this.camera.y) * this.zoom + this.#middle];
  }

  /** Draws a frame. @param {Scene} scene @param {number} dt seconds since the last */
  draw(scene, dt) {
    if (this.ground.width === 0) return;
    this.#time += dt;
    this.#follow(scene.me, dt);
    const c = this.#c, { shake } = this.#effects;
    const scale = this.zoom * this.#dpr;
    const jitter = () => (shake > 0.2 ? (Math.random() - 0.5) * shake : 0);
    const left = this.camera.x - this.#width / 2 / this.zoom + jitter(), top = this.camera.y - this.#middle / this.zoom + jitter();

    c.setTransform(1, 0, 0, 1, 0, 0);
    c.fillStyle = "#070b16";
    c.fillRect(0, 0, this.#canvas.width, this.#canvas.height);
    c.setTransform(scale, 0, 0, scale, -left * scale, -top * scale);
    this.#drawGround(left, top);
    for (const p of scene.pickups) {
      drawPickup(c, p.x, p.y, p.kind, PICKUPS[p.kind % PICKUPS.length].colour, p.ready, 0.5 + 0.5 * Math.sin(this.#time * 3 + p.id));
    }
    c.globalCompositeOperation = "lighter";
    for (const b of scene.bolts) this.#bolt(b);
    c.globalCompositeOperation = "source-over";
    for (const s of scene.ships) if (s.hp > 0 && s !== scene.me) this.#ship(s, s.aim);
    if (scene.me && scene.me.hp > 0) this.#own(scene.me);
    c.globalCompositeOperation = "lighter";
    this.#sparks();
    c.globalCompositeOperation = "source-over";

    c.setTransform(this.#dpr, 0, 0, this.#dpr, 0, 0);
    for (const s of scene.ships) if (s.hp > 0) this.#tag(s, s === scene.me);
    this.#vignette(scene.me);
    this.#map(scene);
    if (this.#controls.touch) this.#sticks();
    else this.#reticle(scene.me);
  }

  /** Moves the camera towards where the own ship is going and looking. @param {Ship | undefined} me @param {number} dt */
  #follow(me, dt) {
    const { ground, camera } = this, wide = this.#width / 2 / this.zoom;
    const above = this.#middle / this.zoom, below = this.#height / this.zoom - above;
    const under = this.#controls.touch ? Math.max(MARGIN, THUMBS / this.zoom) : MARGIN;
    let x = ground.width / 2, y = ground.height / 2;
    if (me) {
      const { pointer, touch } = this.#controls;
      x = me.x + me.vx * LEAD;
      y = me.y + me.vy * LEAD;
      if (!touch) {
        x += ((pointer.x - this.#width / 2) / this.zoom) * TO_POINTER;
        y += ((pointer.y - this.#height / 2) / this.zoom) * TO_POINTER;
      }
      if (me.hp === 0) [x, y] = [me.x, me.y];
    }
    x = between(x, wide - MARGIN, ground.width + MARGIN - wide);
    y = between(y, above - MARGIN, ground.height + under - below);
    const far = Math.hypot(x - camera.x, y - camera.y) > 700; // a return to the ground somewhere else
    const part = this.#placed && !far ? 1 - Math.exp(-7 * dt) : 1;
    camera.x += (x - camera.x) * part;
    camera.y += (y - camera.y) * part;
    this.#placed = me !== undefined;
  }

  /** @param {number} left @param {number} top */
  #drawGround(left, top) {
    const { canvas, scale, width, height } = this.ground;
    const x0 = Math.max(0, left), y0 = Math.max(0, top);
    const x1 = Math.min(width, left + this.#width / this.zoom + 1), y1 = Math.min(height, top + this.#height / this.zoom + 1);
    if (x1 <= x0 || y1 <= y0) return;
    this.#c.drawImage(canvas, x0 * scale, y0 * scale, (x1 - x0) * scale, (y1 - y0) * scale, x0, y0, x1 - x0, y1 - y0);
  }

  /** @param {Bolt} b */
  #bolt(b) {
    if (b.hit !== 0) return; // its sparks are there
    const c = this.#c, colour = colourOf(b.colour), n = Math.hypot(b.vx, b.vy) || 1;
    const tx = b.x - (b.vx / n) * 34, ty = b.y - (b.vy / n) * 34;
    c.lineCap = "round";
    const tail = c.createLinearGradient(tx, ty, b.x, b.y);
    tail.addColorStop(0, `${colour}00`);
    tail.addColorStop(1, colour);
    c.strokeStyle = tail;
    c.lineWidth = 4;
    c.beginPath();
    c.moveTo(tx, ty);
    c.lineTo(b.x, b.y);
    c.stroke();
    c.strokeStyle = "#ffffffd0";
    c.lineWidth = 1.6;
    c.beginPath();
    c.moveTo(b.x - (b.vx / n) * 9, b.y - (b.vy / n) * 9);
    c.lineTo(b.x, b.y);
    c.stroke();
    drawGlow(c, b.x, b.y, 15, colour, 0.8);
  }

  /** @param {Ship} s @param {number} aim */
  #ship(s, aim) {
    const c = this.#c, colour = colourOf(s.colour);
    c.globalAlpha = s.safe ? 0.55 + 0.25 * Math.sin(this.#time * 12) : 1;
    drawGlow(c, s.x, s.y, 38, colour, s.rapid ? 0.95 : 0.5);
    drawHull(c, s.x, s.y, aim, colour, this.#effects.wound(s.id));
    c.globalAlpha = 1;
    if (s.shield > 0 || s.safe) {
      c.beginPath();
      c.arc(s.x, s.y, RADIUS + 6, 0, 2 * Math.PI);
      c.lineWidth = s.safe ? 1.2 : 1 + (2 * s.shield) / FULL_SHIELD;
      c.strokeStyle = s.safe ? "#ffffff70" : "#6bb8ffb0";
      c.stroke();
    }
    const flash = this.#effects.flashes.get(s.id);
    if (flash !== undefined) {
      c.globalCompositeOperation = "lighter";
      drawGlow(c, s.x + Math.cos(aim) * 20, s.y + Math.sin(aim) * 20, 20, "#fff3d6", 1 - flash / 0.08);
      c.globalCompositeOperation = "source-over";
    }
  }

  /** The own ship turns with the pointer at once, and shows where it would hit. @param {Ship} me */
  #own(me) {
    const c = this.#c, aim = this.#controls.aimFrom(...this.toScreen(me.x, me.y));
    const x = Math.cos(aim), y = Math.sin(aim), colour = colourOf(me.colour);
    const sight = c.createLinearGradient(me.x, me.y, me.x + x * 260, me.y + y * 260);
    sight.addColorStop(0, `${colour}60`);
    sight.addColorStop(1, `${colour}00`);
    c.strokeStyle = sight;
    c.lineWidth = 1.2;
    c.setLineDash([3, 7]);
    c.beginPath();
    c.moveTo(me.x + x * 24, me.y + y * 24);
    c.lineTo(me.x + x * 260, me.y + y * 260);
    c.stroke();
    c.setLineDash([]);
    this.#ship(me, aim);
  }

  #sparks() {
    const c = this.#c;
    for (const r of this.#effects.rings) {
      const u = r.age / r.life;
      c.globalAlpha = 1 - u;
      c.strokeStyle = r.colour;
      c.lineWidth = 4 * (1 - u) + 0.5;
      c.beginPath();
      c.arc(r.x, r.y, r.radius * (1 - (1 - u) ** 3), 0, 2 * Math.PI);
      c.stroke();
    }
    for (const p of this.#effects.particles) {
      const u = 1 - p.age / p.life, size = p.size * (0.4 + 0.6 * u);
      c.globalAlpha = u;
      c.fillStyle = p.colour;
      c.fillRect(p.x - size / 2, p.y - size / 2, size, size);
    }
    c.globalAlpha = 1;
  }

  /** Name and hit points, in pixels so that they stay sharp. @param {Ship} s @param {boolean} mine */
  #tag(s, mine) {
    const c = this.#c, [x, y] = this.toScreen(s.x, s.y - RADIUS - 10);
    if (x < -80 || y < -30 || x > this.#width + 80 || y > this.#height + 60) return;
    const wide = 38, hp = s.hp / FULL_HP;
    c.fillStyle = "#060a16b0";
    c.fillRect(x - wide / 2 - 1, y - 5, wide + 2, 6);
    c.fillStyle = hp > 0.6 ? "#6ee7a8" : hp > 0.3 ? "#ffc857" : "#ff6b81";
    c.fillRect(x - wide / 2, y - 4, wide * hp, 4);
    if (s.shield > 0) {
      c.fillStyle = "#8accff";
      c.fillRect(x - wide / 2, y - 4, (wide * s.shield) / FULL_SHIELD, 1.5);
    }
    if (mine) return;
    c.font = FONT;
    c.textAlign = "center";
    c.lineWidth = 3;
    c.lineJoin = "round";
    c.strokeStyle = "#060a16c0";
    c.strokeText(s.name, x, y - 9);
    c.fillStyle = "#e6ecff";
    c.fillText(s.name, x, y - 9);
  }

  /** Dark corners; red ones when hurt. @param {Ship | undefined} me */
  #vignette(me) {
    const c = this.#c, w = this.#width, h = this.#height, reach = Math.hypot(w, h) / 2;
    const wound = me ? Math.max(this.#effects.wound(me.id), me.hp > 0 && me.hp <= 30 ? 0.25 + 0.1 * Math.sin(this.#time * 5) : 0) : 0;
    const g = c.createRadialGradient(w / 2, h / 2, reach * 0.62, w / 2, h / 2, reach);
    g.addColorStop(0, "#03060f00");
    g.addColorStop(1, wound > 0 ? `rgba(190, 30, 60, ${0.15 + 0.4 * wound})` : "#03060f88");
    c.fillStyle = g;
    c.fillRect(0, 0, w, h);
  }

  /** @param {Scene} scene */
  #map(scene) {
    const c = this.#c, small = this.#width < 640, wide = small ? 104 : 190, scale = wide / this.ground.width, high = this.ground.height * scale;
    const x0 = this.#width - wide - (small ? 8 : 14), y0 = small ? 54 : this.#height - high - 14;
    c.save();
    c.translate(x0, y0);
    c.beginPath();
    c.roundRect(0, 0, wide, high, 7);
    c.clip();
    c.globalAlpha = 0.88;
    c.drawImage(this.ground.map, 0, 0, wide, high);
    c.globalAlpha = 1;
    for (const p of scene.pickups) if (p.ready) dot(c, p.x * scale, p.y * scale, 1.5, PICKUPS[p.kind % PICKUPS.length].colour);
    for (const s of scene.ships) if (s.hp > 0 && s !== scene.me) dot(c, s.x * scale, s.y * scale, 2.4, colourOf(s.colour));
    if (scene.me && scene.me.hp > 0) {
      dot(c, scene.me.x * scale, scene.me.y * scale, 3.4, "#fff");
      dot(c, scene.me.x * scale, scene.me.y * scale, 2.2, colourOf(scene.me.colour));
    }
    c.strokeStyle = "#ffffff38";
    c.lineWidth = 1;
    const w = this.#width / this.zoom, h = this.#height / this.zoom;
    c.strokeRect((this.camera.x - w / 2) * scale, (this.camera.y - this.#middle / this.zoom) * scale, w * scale, h * scale);
    c.restore();
    c.strokeStyle = "#ffffff1c";
    c.beginPath();
    c.roundRect(x0, y0, wide, high, 7);
    c.stroke();
  }

  /** @param {Ship | undefined} me */
  #reticle(me) {
    const c = this.#c, { x, y } = this.#controls.pointer;
    c.strokeStyle = me && me.hp > 0 && me.ammo === 0 ? "#ff6b81" : "#e6ecff";
    c.lineWidth = 1.6;
    c.beginPath();
    c.arc(x, y, 8, 0, 2 * Math.PI);
    for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
      c.moveTo(x + dx * 5, y + dy * 5);
      c.lineTo(x + dx * 12, y + dy * 12);
    }
    c.stroke();
  }

  #sticks() {
    const c = this.#c, { moving, aiming } = this.#controls, y = this.#height - 150;
    const sticks = /** @type {[typeof moving, number, string][]} */ ([[moving, 84, "#5eead4"], [aiming, this.#width - 84, "#ff7eb6"]]);
    for (const [stick, x, colour] of sticks) {
      const [sx, sy] = lean(stick), cx = stick?.x ?? x, cy = stick?.y ?? y;
      c.globalAlpha = stick ? 0.75 : 0.28;
      c.lineWidth = 2;
      c.strokeStyle = colour;
      c.beginPath();
      c.arc(cx, cy, 52, 0, 2 * Math.PI);
      c.stroke();
      dot(c, cx + sx * 40, cy + sy * 40, 20, colour);
    }
    c.globalAlpha = 1;
  }
}

/** @param {number} v @param {number} low @param {number} high */
function between(v, low, high) {
  return low > high ? (low + high) / 2 : Math.min(Math.max(v, low), high);
}

/** @param {CanvasRenderingContext2D} c @param {number} x @param {number} y @param {number} radius @param {string} colour */
function dot(c, x, y, radius, colour) {
  c.fillStyle = colour;
  c.beginPath();
  c.arc(x, y, radius, 0, 2 * Math.PI);
  c.fill();
}
