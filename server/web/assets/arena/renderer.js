// Draws a scene to the canvas: where the camera is, and in which order things lie above each other.

import { element } from "../page.js";
import { lean } from "./controls.js";
import { Ground } from "./ground.js";
import { Marks } from "./marks.js";
import { Minimap } from "./minimap.js";
import { boltOf, drawDot, drawGlow, drawHull, drawPickup } from "./sprites.js";
import { FULL_HP, FULL_SHIELD, PICKUPS, RADIUS, colourOf } from "./world.js";

/** @typedef {import("./controls.js").Controls} Controls */
/** @typedef {import("./effects.js").Effects} Effects */
/** @typedef {import("./world.js").Bolt} Bolt */
/** @typedef {import("./world.js").Scene} Scene */
/** @typedef {import("./world.js").Ship} Ship */

const AREA = 1060 * 650; // units that a screen shows: the same for wide and tall ones, so that none sees more
const MARGIN = 90; // units that the camera shows beyond the walls
const THUMBS = 300; // pixels at the bottom of an upright touch screen that the thumbs cover
const ABOVE = 130; // pixels at the top of an upright small screen that the display covers
const SIGHT = 260; // units of the line that shows where the own ship would hit
const NEAR = 190; // units from which a pick-up says what it is
const LEAD = 0.16; // seconds of its velocity that the camera is ahead of the ship
const TO_POINTER = 0.14; // how far the camera leans towards the pointer
const BRACKET = RADIUS + 10; // units from the own ship's centre to its brackets
const DASHES = [3, 7];
const WAYS = /** @type {const} */ ([[1, 0], [-1, 0], [0, 1], [0, -1]]);
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
  /** The world's point in the upper left corner of the screen, as it shakes. */
  #corner = { x: 0, y: 0 };
  #marks;
  #map = new Minimap(/** @type {HTMLCanvasElement} */ (element("map")));
  #wound = 0; // what the page shows of it
  /** Its gradient, along the x axis, by the ship's colour. @type {Map<string, CanvasGradient>} */
  #sights = new Map();

  /** As in arena.css: the display is laid out for a phone. */
  get #small() {
    return this.#width <= 640 || this.#height <= 480;
  }

  get #upright() {
    return this.#controls.touch && this.#height > this.#width;
  }

  /** Where the camera's point is on the screen, in CSS pixels from the top: above the thumbs. */
  get #middle() {
    return this.#height * (this.#upright ? 0.42 : 0.5);
  }

  /** @param {HTMLCanvasElement} canvas @param {Effects} effects @param {Controls} controls */
  constructor(canvas, effects, controls) {
    this.#canvas = canvas;
    this.#c = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", { alpha: false }));
    this.#effects = effects;
    this.#controls = controls;
    this.#marks = new Marks(this.#c);
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

  /** A shot of the own ship has hit somebody. */
  landed() {
    this.#marks.landed();
  }

  /** The own ship was hit by a shot of another. @param {number} ship */
  hurtFrom(ship) {
    this.#marks.hurtFrom(ship);
  }

  /** Where a point of the world is on the screen, in CSS pixels. @param {number} x @param {number} y @returns {[number, number]} */
  toScreen(x, y) {
    return [(x - this.camera.x) * this.zoom + this.#width / 2, (y - this.camera.y) * this.zoom + this.#middle];
  }

  /** Draws a frame. @param {Scene} scene @param {number} dt seconds since the last */
  draw(scene, dt) {
    if (this.ground.width === 0) return;
    this.#time += dt;
    if (scene.me) this.#controls.turn(dt, ...this.toScreen(scene.me.x, scene.me.y));
    this.#follow(scene.me ?? scene.lead, dt);
    const c = this.#c, { shake } = this.#effects;
    const scale = this.zoom * this.#dpr;
    const jitter = () => (shake > 0.2 ? (Math.random() - 0.5) * shake : 0);
    const left = this.camera.x - this.#width / 2 / this.zoom + jitter(), top = this.camera.y - this.#middle / this.zoom + jitter();
    this.#corner.x = left;
    this.#corner.y = top;

    c.setTransform(1, 0, 0, 1, 0, 0);
    c.fillStyle = "#070b16";
    c.fillRect(0, 0, this.#canvas.width, this.#canvas.height);
    c.setTransform(scale, 0, 0, scale, -left * scale, -top * scale);
    this.#drawGround(left, top);
    for (const p of scene.pickups) {
      drawPickup(c, p.x, p.y, p.kind, PICKUPS[p.kind % PICKUPS.length].colour, p.ready, 0.5 + this.#swing(3, 0.5, p.id));
    }
    c.globalCompositeOperation = "lighter";
    for (const b of scene.bolts) this.#bolt(b);
    c.globalCompositeOperation = "source-over";
    c.setTransform(scale, 0, 0, scale, -left * scale, -top * scale);
    for (const s of scene.ships) if (s.hp > 0 && s !== scene.me) this.#ship(s, s.aim);
    if (scene.me && scene.me.hp > 0) this.#own(scene.me);
    c.globalCompositeOperation = "lighter";
    this.#sparks();
    c.globalCompositeOperation = "source-over";

    c.setTransform(this.#dpr, 0, 0, this.#dpr, 0, 0);
    for (const s of scene.ships) if (s.hp > 0) this.#tag(s, s === scene.me);
    if (scene.me && scene.me.hp > 0) {
      this.#labels(scene, scene.me);
      this.#marks.beyond(scene, scene.me, this);
      this.#marks.wounds(scene, scene.me, this);
    }
    this.#hurt(scene.me);
    this.#map.draw(scene, this, dt);
    this.#marks.age(dt);
    if (scene.watching) return;
    if (this.#controls.touch) this.#sticks();
    else this.#reticle(scene.me);
  }

  /** The size of the screen in CSS pixels. */
  get size() {
    return { width: this.#width, height: this.#height, small: this.#small };
  }

  /** The rectangle of the world that the screen shows. */
  get shown() {
    const { zoom, camera } = this, width = this.#width / zoom, height = this.#height / zoom;
    return { x: camera.x - width / 2, y: camera.y - this.#middle / zoom, width, height };
  }

  /** Moves the camera towards where a ship is going and its pilot looking. @param {Ship | undefined} me @param {number} dt */
  #follow(me, dt) {
    const { ground, camera } = this, wide = this.#width / 2 / this.zoom;
    const above = this.#middle / this.zoom, below = this.#height / this.zoom - above;
    const under = this.#upright ? Math.max(MARGIN, THUMBS / this.zoom) : MARGIN;
    const over = this.#small && this.#height > this.#width ? Math.max(MARGIN, ABOVE / this.zoom) : MARGIN;
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
    y = between(y, above - over, ground.height + under - below);
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
    const c = this.#c, scale = this.zoom * this.#dpr, n = Math.hypot(b.vx, b.vy) || 1;
    const cos = (b.vx / n) * scale, sin = (b.vy / n) * scale;
    c.setTransform(cos, sin, -sin, cos, (b.x - this.#corner.x) * scale, (b.y - this.#corner.y) * scale);
    c.drawImage(boltOf(colourOf(b.colour)), -36, -15, 51, 30);
  }

  /** @param {Ship} s @param {number} aim */
  #ship(s, aim) {
    const c = this.#c, colour = colourOf(s.colour);
    c.globalAlpha = s.safe ? 0.55 + this.#swing(12, 0.25) : s.away ? 0.7 : 1;
    drawGlow(c, s.x, s.y, 38, colour, s.rapid ? 0.95 : 0.5);
    drawHull(c, s.x, s.y, aim, s.colour, this.#effects.wound(s.id));
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
    const c = this.#c, aim = this.#controls.aimFrom(...this.toScreen(me.x, me.y)), colour = colourOf(me.colour);
    const free = this.ground.free(me.x, me.y, Math.cos(aim), Math.sin(aim), SIGHT);
    if (free > 24) {
      let sight = this.#sights.get(colour);
      if (!sight) {
        sight = c.createLinearGradient(0, 0, SIGHT, 0);
        sight.addColorStop(0, `${colour}70`);
        sight.addColorStop(1, `${colour}00`);
        this.#sights.set(colour, sight);
      }
      c.save();
      c.translate(me.x, me.y);
      c.rotate(aim);
      c.strokeStyle = sight;
      c.lineWidth = 1.2;
      c.setLineDash(DASHES);
      c.beginPath();
      c.moveTo(24, 0);
      c.lineTo(free, 0);
      c.stroke();
      c.restore();
    }
    this.#ship(me, aim);
    // Two brackets that nobody else has: colours may be taken for one another.
    c.strokeStyle = "#ffffffd0";
    c.lineWidth = 1.8;
    c.beginPath();
    for (const way of [aim + Math.PI / 2, aim - Math.PI / 2]) {
      c.moveTo(me.x + Math.cos(way - 0.5) * BRACKET, me.y + Math.sin(way - 0.5) * BRACKET);
      c.arc(me.x, me.y, BRACKET, way - 0.5, way + 0.5);
    }
    c.stroke();
  }

  /** What goes up and down by itself, or stands still for who wants that. @param {number} pace @param {number} size @param {number} [phase] */
  #swing(pace, size, phase = 0) {
    return this.#effects.calm ? 0 : size * Math.sin(this.#time * pace + phase);
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
    this.#words(mine ? "You" : s.away ? `${s.name} (away)` : s.name, x, y - 9, "#e6ecff");
  }

  /** What is near says what it is. @param {Scene} scene @param {Ship} me */
  #labels(scene, me) {
    const c = this.#c;
    for (const p of scene.pickups) {
      const far = Math.hypot(p.x - me.x, p.y - me.y);
      if (!p.ready || far > NEAR) continue;
      const [x, y] = this.toScreen(p.x, p.y + 30), { label, colour } = PICKUPS[p.kind % PICKUPS.length];
      c.globalAlpha = Math.min(1, (NEAR - far) / 60);
      this.#words(label, x, y, colour);
    }
    c.globalAlpha = 1;
  }

  /** @param {string} words @param {number} x @param {number} y @param {string} colour */
  #words(words, x, y, colour) {
    const c = this.#c;
    c.font = FONT;
    c.textAlign = "center";
    c.lineWidth = 3;
    c.lineJoin = "round";
    c.strokeStyle = "#060a16c0";
    c.strokeText(words, x, y);
    c.fillStyle = colour;
    c.fillText(words, x, y);
  }

  /** The red corners of who is hurt. They are the page's, since a gradient over the whole canvas costs as much as all else. @param {Ship | undefined} me */
  #hurt(me) {
    const wound = me ? Math.max(this.#effects.wound(me.id), me.hp > 0 && me.hp <= 30 ? 0.4 + this.#swing(5, 0.15) : 0) : 0;
    const shown = Math.round(wound * 20) / 20;
    if (shown === this.#wound) return;
    this.#wound = shown;
    element("wound").style.opacity = String(shown);
  }

  /** @param {Ship | undefined} me */
  #reticle(me) {
    const c = this.#c, { x, y } = this.#controls.pointer;
    this.#marks.hit(x, y);
    c.strokeStyle = me && me.hp > 0 && me.ammo === 0 ? "#ff6b81" : "#e6ecff";
    c.lineWidth = 1.6;
    c.beginPath();
    c.moveTo(x + 8, y);
    c.arc(x, y, 8, 0, 2 * Math.PI);
    for (const [dx, dy] of WAYS) {
      c.moveTo(x + dx * 5, y + dy * 5);
      c.lineTo(x + dx * 12, y + dy * 12);
    }
    c.stroke();
  }

  #sticks() {
    const c = this.#c, { moving, aiming } = this.#controls, y = this.#height - (this.#upright ? 150 : 110);
    const sticks = /** @type {[typeof moving, number, string][]} */ ([[moving, 84, "#5eead4"], [aiming, this.#width - 84, "#ff7eb6"]]);
    for (const [stick, x, colour] of sticks) {
      const [sx, sy] = lean(stick), cx = stick?.x ?? x, cy = stick?.y ?? y;
      c.globalAlpha = stick ? 0.75 : 0.28;
      c.lineWidth = 2;
      c.strokeStyle = colour;
      c.beginPath();
      c.arc(cx, cy, 52, 0, 2 * Math.PI);
      c.stroke();
      drawDot(c, cx + sx * 40, cy + sy * 40, 20, colour);
    }
    c.globalAlpha = 1;
  }
}

/** @param {number} v @param {number} low @param {number} high */
function between(v, low, high) {
  return low > high ? (low + high) / 2 : Math.min(Math.max(v, low), high);
}
