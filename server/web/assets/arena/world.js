// What the arena's tables and events hold, and what the rules say that the page has to know. The server's
// package games/arena is where they come from.

/**
 * @typedef {object} Ship
 * @property {number} id
 * @property {string} name
 * @property {number} colour
 * @property {boolean} bot
 * @property {number} x
 * @property {number} y
 * @property {number} vx units per second
 * @property {number} vy
 * @property {number} aim radians
 * @property {number} hp 0: off the ground
 * @property {number} shield
 * @property {boolean} safe nothing can hurt it
 * @property {boolean} away nobody steers it
 * @property {boolean} rapid
 * @property {number} kills
 * @property {number} deaths
 * @property {number} ammo known of the own ship only
 * @property {number} wait seconds until the return, known of the own ship only
 * @property {boolean} rest safe until it moves or fires, known of the own ship only
 */
/** @typedef {{id: number, x: number, y: number, vx: number, vy: number, by: number, colour: number, hit: number}} Bolt */
/** @typedef {{id: number, x: number, y: number, w: number, h: number}} Wall */
/** @typedef {{id: number, x: number, y: number, kind: number, ready: boolean}} Pickup */
/** @typedef {{id: number, number: number, phase: number, left: number, goal: number}} Round */
/** @typedef {{killer: number, by: string, by_colour: number, victim: number, whom: string, whom_colour: number, streak: number}} Kill */
/** @typedef {{by: number, name: string, victim: number, damage: number}} Hit */

/**
 * The world at one moment: what to draw. The camera follows the own ship, or who watches the lead.
 * @typedef {{ships: Iterable<Ship>, bolts: Iterable<Bolt>, pickups: Iterable<Pickup>, me: Ship | undefined, lead: Ship | undefined, watching: boolean}} Scene
 */

export const TILE = 40; // units; the walls are made of such squares
export const RADIUS = 14; // of a ship
export const FULL_HP = 100;
export const FULL_SHIELD = 50;
export const FULL_AMMO = 24;
export const HIT_WALL = 1;
export const HIT_SHIP = 2;
export const PODIUM = 1;

/** By Ship.colour: light enough to read on the ground, and told apart by hue and lightness. */
export const COLOURS = [
  "#5eead4", "#ff7eb6", "#ffc857", "#8ab4ff", "#a6e22e", "#ff8a5c",
  "#c4a1ff", "#4fd1ff", "#f0e68c", "#ff5d73", "#7ee787", "#f4a7ff",
];

/** By Pickup.kind. */
export const PICKUPS = [
  { colour: "#6ee787", label: "Health", gives: "Up to 50 health back" },
  { colour: "#c4b5fd", label: "Ammunition", gives: "30 more shots" },
  { colour: "#ffc857", label: "Rapid fire", gives: "Rapid fire for 8 seconds" },
  { colour: "#6bb8ff", label: "Shield", gives: "A shield for the next 50 damage" },
];

/**
 * The shape of a ship, by Ship.colour: those that a colour-blind eye takes for one colour differ in shape. The test of the
 * palette has three simulated eyes look at all pairs.
 */
export const HULLS = [3, 0, 0, 0, 1, 3, 1, 2, 2, 2, 1, 3];

/** @param {number} index */
export const hullOf = (index) => HULLS[index % HULLS.length];

/** @param {number} index */
export const colourOf = (index) => COLOURS[index % COLOURS.length];
