// The table of prices: one row per quote, whose numbers flash when they change, and a line of the last minute.

import { element, node, write } from "../page.js";

/**
 * @typedef {object} Quote
 * @property {number} id
 * @property {string} symbol
 * @property {string} name
 * @property {number} last
 * @property {number} open
 * @property {number} high
 * @property {number} low
 * @property {number} volume
 * @property {number} trend
 * @property {boolean} halted
 */
/** @typedef {{id: number, number: number, price: number, quote: number}} Point */
/**
 * @typedef {object} Row
 * @property {Quote} quote
 * @property {HTMLTableRowElement} line
 * @property {HTMLCanvasElement} canvas
 * @property {Record<"last" | "percent" | "volume" | "range", HTMLTableCellElement>} cells
 * @property {number} shown the price that stands there
 * @property {Map<number, Point>} points by their own id
 * @property {boolean} dirty the line is to be drawn again
 */
/** @typedef {"symbol" | "last" | "percent" | "volume"} Column */

const price = new Intl.NumberFormat("en-GB", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const count = new Intl.NumberFormat("en-GB");
const light = matchMedia("(prefers-color-scheme: light)");
/** As in feed.css. */
const ways = () => (light.matches ? { up: "#0a6b3d", down: "#b01e38" } : { up: "#4ade9c", down: "#ff7b8d" });

/** @param {Quote} q */
export const percentOf = (q) => (q.open > 0 ? (q.last / q.open - 1) * 100 : 0);

export class Ticker {
  /** @type {Map<number, Row>} */
  #rows = new Map();
  /** Points whose quote has not come yet. @type {Point[]} */
  #early = [];
  /** @type {Column} */
  #column = "symbol";
  #descending = false;
  #still = matchMedia("(prefers-reduced-motion: reduce)");
  /** How many changes have been shown. */
  flashes = 0;

  constructor() {
    for (const button of document.querySelectorAll("[data-sort]")) {
      button.addEventListener("click", () => this.#sortBy(/** @type {Column} */ (/** @type {HTMLElement} */ (button).dataset.sort)));
    }
    const again = () => {
      for (const row of this.#rows.values()) row.dirty = true;
    };
    new ResizeObserver(again).observe(element("quotes"));
    light.addEventListener("change", again);
  }

  /** @param {Quote} quote */
  enter(quote) {
    const line = node("tr"), name = node("td", "name"), spark = node("td", "spark"), canvas = node("canvas");
    const cells = { last: node("td", "last"), percent: node("td", "percent"), volume: node("td", "volume wide"), range: node("td", "range wide") };
    name.append(node("b", "", quote.symbol), node("i", "halt", "Halted"), node("span", "", quote.name));
    name.title = quote.name;
    canvas.setAttribute("aria-hidden", "true");
    spark.append(canvas);
    line.append(name, spark, cells.last, cells.percent, cells.volume, cells.range);
    const row = { quote, line, canvas, cells, shown: quote.last, points: new Map(), dirty: true };
    this.#rows.set(quote.id, row);
    this.#early = this.#early.filter((p) => p.quote !== quote.id || !row.points.set(p.id, p));
    if (quote.trend !== 0) cells.last.dataset.way = quote.trend > 0 ? "up" : "down";
    this.#fill(row);
    element("empty").hidden = true;
    this.#arrange();
  }

  /** @param {Quote} quote */
  change(quote) {
    const row = this.#rows.get(quote.id);
    if (!row) return;
    if (quote.last !== row.shown) this.#flash(row, quote.last > row.shown);
    row.shown = quote.last;
    row.dirty = true;
    this.#fill(row);
  }

  /** @param {Quote} quote */
  leave(quote) {
    this.#rows.get(quote.id)?.line.remove();
    this.#rows.delete(quote.id);
    element("empty").hidden = this.#rows.size > 0;
  }

  /** @param {Point} point */
  point(point) {
    const row = this.#rows.get(point.quote);
    if (!row) return void this.#early.push(point);
    row.points.set(point.id, point);
    row.dirty = true;
  }

  /** Forgets points that no quote came for: another room's. */
  forget() {
    this.#early = [];
  }

  /** Draws the lines that have changed; once per frame at most. */
  draw() {
    for (const row of this.#rows.values()) {
      if (!row.dirty) continue;
      row.dirty = false;
      spark(row);
    }
  }

  /** Sorts again by what changes all the time; now and then, so that rows can be read. */
  resort() {
    if (this.#column !== "symbol") this.#arrange();
  }

  /** @param {Row} row @param {boolean} up */
  #flash(row, up) {
    this.flashes++;
    row.cells.last.dataset.way = up ? "up" : "down"; // stays, and is there for who can't tell the colours
    if (this.#still.matches || document.hidden) return;
    row.cells.last.animate([{ backgroundColor: up ? "#4ade9c40" : "#ff7b8d40" }, { backgroundColor: "transparent" }], { duration: 500, easing: "ease-out" });
  }

  /** @param {Row} row */
  #fill({ quote, line, cells }) {
    const percent = percentOf(quote), way = quote.last > quote.open ? "up" : quote.last < quote.open ? "down" : "";
    write(cells.last, price.format(quote.last));
    write(cells.percent, `${percent >= 0 ? "+" : "−"}${Math.abs(percent).toFixed(2)} %`);
    cells.percent.className = `percent ${way}`;
    write(cells.volume, count.format(quote.volume));
    write(cells.range, `${price.format(quote.low)} – ${price.format(quote.high)}`);
    line.classList.toggle("halted", quote.halted);
  }

  /** @param {Column} column */
  #sortBy(column) {
    this.#descending = column === this.#column ? !this.#descending : column !== "symbol";
    this.#column = column;
    for (const button of document.querySelectorAll("[data-sort]")) {
      const head = /** @type {HTMLElement} */ (button.closest("th"));
      if (/** @type {HTMLElement} */ (button).dataset.sort === column) head.setAttribute("aria-sort", this.#descending ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    }
    this.#arrange();
  }

  #arrange() {
    const column = this.#column, sign = this.#descending ? -1 : 1;
    /** @param {Quote} q */
    const key = (q) => (column === "percent" ? percentOf(q) : column === "symbol" ? 0 : q[column]);
    const rows = [...this.#rows.values()].sort((a, b) => sign * (key(a.quote) - key(b.quote) || (a.quote.symbol < b.quote.symbol ? -1 : 1)));
    const body = element("quotes");
    rows.forEach((row, i) => {
      if (body.children[i] !== row.line) body.insertBefore(row.line, body.children[i] ?? null);
    });
  }
}

/** Draws the former prices, and the present one at the right end. @param {Row} row */
function spark({ quote, canvas, points }) {
  const ratio = devicePixelRatio || 1, w = Math.round(canvas.clientWidth * ratio), h = Math.round(canvas.clientHeight * ratio);
  if (!w || !h) return;
  if (canvas.width !== w || canvas.height !== h) [canvas.width, canvas.height] = [w, h];
  const g = canvas.getContext("2d");
  if (!g) return;
  g.clearRect(0, 0, w, h);
  const past = [...points.values()].filter((p) => p.number > 0).sort((a, b) => a.number - b.number);
  if (past.length === 0) return;
  const values = [...past.map((p) => p.price), quote.last];
  const least = Math.min(...values), span = Math.max(...values) - least || 1, pad = 2 * ratio;
  const full = Math.max(points.size, 2), first = full + 1 - values.length; // what is missing is missing on the left
  /** @param {number} i @param {number} v */
  const at = (i, v) => /** @type {[number, number]} */ ([((first + i) / full) * (w - 2 * pad) + pad, h - pad - ((v - least) / span) * (h - 2 * pad)]);
  g.beginPath();
  values.forEach((v, i) => (i ? g.lineTo(...at(i, v)) : g.moveTo(...at(i, v))));
  g.strokeStyle = quote.last >= values[0] ? ways().up : ways().down;
  g.lineWidth = 1.3 * ratio;
  g.lineJoin = "round";
  g.stroke();
  g.beginPath();
  g.arc(...at(values.length - 1, quote.last), 1.8 * ratio, 0, 7);
  g.fillStyle = g.strokeStyle;
  g.fill();
}
