// The operator's dashboard: the fleet, and one device with its commands.

import { TickhallError } from "../../js/tickhall.js";
import { element, node, write } from "../page.js";
import { wordsFor } from "../words.js";

/** @typedef {import("../../js/tickhall.js").Room} Room */
/**
 * @typedef {object} Device
 * @property {number} id
 * @property {string} device its own id
 * @property {string} model
 * @property {number} state 0 offline, 1 online, 2 away
 * @property {number} seen seconds of the room's time
 * @property {number} temperature
 * @property {number} battery
 * @property {number} signal
 * @property {boolean} light
 * @property {number} reports 0: the numbers mean nothing yet
 */
/**
 * @typedef {object} Command
 * @property {number} id
 * @property {number} number
 * @property {number} status 0 waiting, 1 done, 2 failed, 3 timed out
 * @property {number} took milliseconds
 * @property {number} at
 * @property {string} device
 * @property {string} name
 * @property {string} args
 * @property {string} result
 * @property {string} operator
 */

const STATES = ["offline", "online", "away"];
const STATUSES = [["waiting", "waiting"], ["done", "done"], ["failed", "failed"], ["timeout", "timed out"]];
const TIMED_OUT = 3;

/** @typedef {{device: Device, line: HTMLLIElement, button: HTMLButtonElement, set: (now: number) => void}} Card */

export class Operator {
  /** @type {Room | null} */
  #room = null;
  /** @type {Map<number, Card>} */
  #cards = new Map();
  /** The device that is shown, by its own id. */
  #chosen = "";
  /** The command whose outcome is being waited for. */
  #asked = 0;

  constructor() {
    for (const button of document.querySelectorAll("[data-command]")) {
      const { command = "", args = "" } = /** @type {HTMLElement} */ (button).dataset;
      button.addEventListener("click", () => void this.#command(command, args));
    }
    element("custom").addEventListener("submit", (event) => {
      event.preventDefault();
      const name = /** @type {HTMLInputElement} */ (element("name")), args = /** @type {HTMLInputElement} */ (element("args"));
      void this.#command(name.value.trim(), args.value.trim());
    });
  }

  /** @param {Room} room */
  watch(room) {
    this.#room = room;
    const devices = /** @type {import("../../js/tickhall.js").Table<any>} */ (room.table("device"));
    devices.on("enter", (device) => this.#enter(device));
    devices.on("change", (device) => this.#change(device));
    devices.on("leave", (device) => this.#leave(device));
    // All that changes in one snapshot is shown at once.
    let changed = false;
    for (const type of /** @type {const} */ (["enter", "change", "leave"])) room.table("command").on(type, () => (changed = true));
    room.on("snapshot", () => {
      if (changed) this.#log();
      changed = false;
    });
  }

  /** Brings up to date what changes by itself: how long ago things were. */
  refresh() {
    if (!this.#room) return;
    const now = this.#now();
    const counts = [0, 0, 0];
    for (const card of this.#cards.values()) {
      card.set(now);
      counts[card.device.state]++;
    }
    STATES.forEach((state, i) => write(element(state), String(counts[i])));
    write(element("ping"), `${Math.round(this.#room.stats.rtt)} ms`);
    this.#detail();
  }

  /** Tells how a command went. @param {string} name of the event @param {{id: number, device: string, ok: boolean, result: string}} body */
  outcome(name, body) {
    if (body.id !== this.#asked) return; // the log has it
    const words = name === "timeout" ? `${body.device} did not answer in time.` : body.ok ? `${body.device}: ${body.result || "done"}` : `${body.device} refused: ${body.result || "no reason given"}`;
    this.#say(words, !body.ok);
  }

  /** Seconds of the room's time. */
  #now() {
    return this.#room ? this.#room.time / this.#room.rate : 0;
  }

  /** @param {Device} device */
  #enter(device) {
    const card = makeCard(device, () => this.#choose(device.device));
    this.#cards.set(device.id, card);
    if (!this.#chosen) this.#choose(device.device);
    this.#arrange();
    this.refresh();
  }

  /** @param {Device} device */
  #change(device) {
    this.#cards.get(device.id)?.set(this.#now());
    this.#arrange();
    this.refresh();
  }

  /** @param {Device} device */
  #leave(device) {
    this.#cards.get(device.id)?.line.remove();
    this.#cards.delete(device.id);
    this.#arrange();
    this.refresh();
  }

  /** @param {string} id */
  #choose(id) {
    if (id !== this.#chosen) this.#say("", false);
    this.#chosen = id;
    for (const card of this.#cards.values()) card.button.setAttribute("aria-pressed", String(card.device.device === id));
    this.#detail();
    this.#log();
  }

  /** Those who are there come first. */
  #arrange() {
    const rank = [2, 0, 1];
    const cards = [...this.#cards.values()].sort((a, b) => rank[a.device.state] - rank[b.device.state] || (a.device.device < b.device.device ? -1 : 1));
    const list = element("devices");
    cards.forEach((card, i) => {
      if (list.children[i] !== card.line) list.insertBefore(card.line, list.children[i] ?? null);
    });
    element("none").hidden = cards.length > 0;
    element("operator").classList.toggle("alone", cards.length === 0);
    element("detail").hidden = cards.length === 0;
  }

  #detail() {
    const device = [...this.#cards.values()].find((c) => c.device.device === this.#chosen)?.device;
    const state = STATES[device?.state ?? 0];
    write(element("detail-title"), this.#chosen);
    element("detail-dot").className = `dot ${state}`;
    write(element("detail-state"), device ? (state === "online" ? `Online, ${device.reports} reports` : `${state === "away" ? "Away" : "Offline"}, seen ${ago(this.#now() - device.seen)}`) : "Forgotten");
    for (const button of /** @type {NodeListOf<HTMLButtonElement>} */ (document.querySelectorAll(".commands button"))) button.disabled = state === "offline";
  }

  /** @param {string} name @param {string} args */
  async #command(name, args) {
    if (!this.#room || !name) return;
    const device = this.#chosen;
    try {
      const { id } = await this.#room.call("command", { device, name, args });
      this.#asked = id;
      this.#say(`Sent ${name} to ${device}, as number ${id}.`, false);
    } catch (err) {
      this.#say(wordsFor(err instanceof TickhallError ? err : String(err)), true);
    }
  }

  /** @param {string} words @param {boolean} bad */
  #say(words, bad) {
    write(element("outcome"), words);
    element("outcome").classList.toggle("bad", bad);
  }

  #log() {
    if (!this.#room) return;
    const commands = /** @type {Command[]} */ (/** @type {unknown} */ ([...this.#room.table("command")]));
    const mine = commands.filter((c) => c.device === this.#chosen).sort((a, b) => b.number - a.number);
    element("log").replaceChildren(...mine.map(entry));
    element("no-log").hidden = mine.length > 0;
  }
}

/** @param {Command} c */
function entry(c) {
  const [kind, words] = STATUSES[c.status], line = node("li"), what = node("span", "what", c.name);
  if (c.args) what.append(node("span", "", ` ${c.args}`));
  line.append(node("span", "number", `#${c.number}`), what, node("span", `how ${kind}`, words));
  const details = [c.result, c.status > 0 && c.status < TIMED_OUT ? `${c.took} ms` : "", c.operator ? `by ${c.operator}` : ""];
  line.append(node("span", "result", details.filter(Boolean).join(" · ")));
  return line;
}

/** @param {Device} device @param {() => void} choose @returns {Card} */
function makeCard(device, choose) {
  const line = node("li"), button = node("button"), head = node("span", "head"), bars = node("span", "bars");
  const dot = node("i", "dot"), seen = node("span", "seen"), bulb = node("i", "bulb"), model = node("span", "model", device.model);
  head.append(dot, node("b", "", device.device), model, bulb, seen);
  const meters = ["Temperature", "Battery", "Signal"].map((label) => {
    const meter = node("span"), value = node("strong"), bar = node("i");
    meter.append(node("span", "", label), value, bar);
    bars.append(meter);
    return { meter, value, bar };
  });
  button.type = "button";
  button.append(head, bars);
  button.setAttribute("aria-pressed", "false");
  button.addEventListener("click", choose);
  line.append(button);
  /** @param {number} i @param {string} words @param {number} part @param {string} kind */
  const meter = (i, words, part, kind) => {
    const m = meters[i];
    write(m.value, words);
    m.bar.style.setProperty("--part", String(Math.min(1, Math.max(0, part))));
    m.meter.className = kind;
  };
  return {
    device, line, button,
    set(now) {
      const state = STATES[device.state];
      button.className = `card-device ${state}`;
      dot.className = `dot ${state}`;
      dot.title = state;
      write(model, device.model);
      write(seen, state === "online" ? "online" : `${state}, ${ago(now - device.seen)}`);
      bulb.className = device.light ? "bulb on" : "bulb";
      bulb.title = device.light ? "The light is on" : "The light is off";
      if (device.reports === 0) return meters.forEach((_, i) => meter(i, "–", 0, ""));
      const { temperature: t, battery: b, signal: s } = device;
      meter(0, `${t.toFixed(1)} °C`, (t + 20) / 110, t > 70 ? "bad" : t > 50 ? "warn" : "");
      meter(1, `${b.toFixed(b % 1 ? 1 : 0)} %`, b / 100, b < 10 ? "bad" : b < 25 ? "warn" : "");
      meter(2, `${String(Math.round(s)).replace("-", "−")} dBm`, (s + 120) / 90, s < -105 ? "bad" : s < -90 ? "warn" : "");
    },
  };
}

/** @param {number} seconds */
function ago(seconds) {
  const s = Math.max(0, Math.floor(seconds));
  if (s < 2) return "just now";
  if (s < 60) return `${s} s ago`;
  if (s < 3600) return `${Math.floor(s / 60)} min ago`;
  return `${Math.floor(s / 3600)} h ago`;
}
