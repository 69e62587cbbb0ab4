// Sparks, explosions and flashes: what is drawn for a moment and means nothing to the rules. All follow
// from what changes between two frames of the view, so that they appear when their causes do.

import { HIT_SHIP, HIT_WALL, RADIUS, colourOf } from "./world.js";

/** @typedef {import("./world.js").Scene} Scene */
/** @typedef {import("./world.js").Ship} Ship */
/** @typedef {{x: number, y: number, vx: number, vy: number, age: number, life: number, size: number, drag: number, colour: string}} Particle */
/** @typedef {{x: number, y: number, age: number, life: number, radius: number, colour: string}} Ring */

/**
 * What happened, for the sounds.
 * @callback Heard
 * @param {"shot" | "wall" | "ship" | "death" | "spawn"} what
 * @param {number} x
 * @param {number} y
 * @param {boolean} mine
 */

const MOST = 700; // particles

export class Effects {
  /** @type {Particle[]} */
  particles = [];
  /** @type {Ring[]} */
  rings = [];
  /** Milliseconds since a ship's muzzle flashed, by ship. @type {Map<number, number>} */
  flashes = new Map();
  /** How hard the view shakes, in units. */
  shake = 0;

  /** Little moves by itself. */
  calm;
  #heard;
  /** Bolts by id, and whether their end has been shown. @type {Map<number, boolean>} */
  #bolts = new Map();
  /** Ships' hit points and shields by id. @type {Map<number, {hp: number, shield: number, hurt: number}>} */
  #ships = new Map();

  /** @param {boolean} calm no shaking, few particles @param {Heard} heard */
  constructor(calm, heard) {
    this.calm = calm;
    this.#heard = heard;
  }

  /** Forgets everything: another room follows. */
  clear() {
    this.particles.length = this.rings.length = 0;
    this.#bolts.clear();
    this.#ships.clear();
    this.flashes.clear();
    this.shake = 0;
  }

  /** How fresh a ship's last wound is, from 1 to 0. @param {number} ship */
  wound(ship) {
    return Math.max(0, 1 - (this.#ships.get(ship)?.hurt ?? 1) / 0.18);
  }

  /** Notes what has changed since the last frame. @param {Scene} scene @param {number} dt seconds */
  observe(scene, dt) {
    this.#age(dt);
    const me = scene.me?.id;
    const bolts = new Map();
    for (const b of scene.bolts) {
      const before = this.#bolts.get(b.id);
      bolts.set(b.id, b.hit !== 0);
      if (before === undefined) {
        this.flashes.set(b.by, 0);
        this.#heard("shot", b.x, b.y, b.by === me);
      }
      if (b.hit === 0 || before) continue;
      const ship = b.hit === HIT_SHIP;
      this.burst(b.x, b.y, ship ? 9 : 6, ship ? 220 : 150, ship ? "#fff3d6" : colourOf(b.colour), 0.28);
      if (b.hit === HIT_WALL) this.#heard("wall", b.x, b.y, false);
    }
    this.#bolts = bolts;
    for (const s of scene.ships) this.#ship(s, s.id === me, dt);
    if (this.#ships.size > 64) this.#ships.clear(); // those who left
  }

  /** @param {Ship} s @param {boolean} mine @param {number} dt */
  #ship(s, mine, dt) {
    let old = this.#ships.get(s.id);
    if (!old) this.#ships.set(s.id, (old = { hp: s.hp, shield: s.shield, hurt: 1 }));
    old.hurt += dt;
    if (s.hp < old.hp || s.shield < old.shield) {
      if (s.hp > 0) {
        old.hurt = 0;
        this.#heard("ship", s.x, s.y, mine);
        if (mine) this.#jolt(4);
      } else if (old.hp > 0) this.#explode(s, mine);
    } else if (s.hp > 0 && old.hp === 0) {
      this.rings.push({ x: s.x, y: s.y, age: 0, life: 0.5, radius: 46, colour: colourOf(s.colour) });
      this.#heard("spawn", s.x, s.y, mine);
    }
    old.hp = s.hp;
    old.shield = s.shield;
    const speed = Math.hypot(s.vx, s.vy);
    if (s.hp > 0 && speed > 60 && !this.calm && Math.random() < dt * 40) this.#trail(s, speed);
  }

  /** @param {Ship} s @param {number} speed */
  #trail(s, speed) {
    const side = (Math.random() - 0.5) * 8;
    this.#add({
      x: s.x - (s.vx / speed) * RADIUS - (s.vy / speed) * side, y: s.y - (s.vy / speed) * RADIUS + (s.vx / speed) * side,
      vx: -s.vx * 0.15, vy: -s.vy * 0.15, age: 0, life: 0.35, size: 2.6, drag: 2, colour: colourOf(s.colour),
    });
  }

  /** @param {Ship} s @param {boolean} mine */
  #explode(s, mine) {
    const colour = colourOf(s.colour);
    this.burst(s.x, s.y, 38, 380, colour, 0.9, 2.4);
    this.burst(s.x, s.y, 18, 210, "#fff3d6", 0.55, 2);
    this.rings.push({ x: s.x, y: s.y, age: 0, life: 0.55, radius: 90, colour }, { x: s.x, y: s.y, age: 0, life: 0.25, radius: 46, colour: "#ffffff" });
    this.#jolt(mine ? 14 : 3);
    this.#heard("death", s.x, s.y, mine);
  }

  /** @param {number} by */
  #jolt(by) {
    if (!this.calm) this.shake = Math.max(this.shake, by);
  }

  /** Sparks in all directions. @param {number} x @param {number} y @param {number} n @param {number} speed @param {string} colour @param {number} life @param {number} [size] */
  burst(x, y, n, speed, colour, life, size = 1.4) {
    if (this.calm) n = Math.ceil(n / 3);
    for (; n > 0; n--) {
      const way = Math.random() * 2 * Math.PI, v = speed * (0.25 + 0.75 * Math.random());
      this.#add({
        x, y, vx: Math.cos(way) * v, vy: Math.sin(way) * v, age: 0,
        life: life * (0.5 + 0.5 * Math.random()), size: size * (1 + 1.3 * Math.random()), drag: 4, colour,
      });
    }
  }

  /** @param {Particle} p */
  #add(p) {
    if (this.particles.length < MOST) this.particles.push(p);
  }

  /** @param {number} dt */
  #age(dt) {
    for (const p of this.particles) {
      const keep = Math.exp(-p.drag * dt);
      p.age += dt;
      p.x += p.vx * dt;
      p.y += p.vy * dt;
      p.vx *= keep;
      p.vy *= keep;
    }
    this.particles = sweep(this.particles);
    for (const r of this.rings) r.age += dt;
    this.rings = sweep(this.rings);
    for (const [ship, age] of this.flashes) {
      if (age > 0.07) this.flashes.delete(ship);
      else this.flashes.set(ship, age + dt);
    }
    this.shake *= Math.exp(-9 * dt);
  }
}

/** Drops what is over, in place. @template {{age: number, life: number}} T @param {T[]} list */
function sweep(list) {
  let kept = 0;
  for (const item of list) if (item.age < item.life) list[kept++] = item;
  list.length = kept;
  return list;
}
