// A device that the page plays: sliders are what it measures, and it answers commands.

import { element, node, write } from "../page.js";

/** @typedef {import("../../js/tickhall.js").Room} Room */
/** @typedef {{id: number, name: string, args: string, until: number}} Order */

const REPORT_EVERY = 250; // milliseconds at the least, below what the room allows
const QUIET_FOR = 5000; // then it reports without being moved
const REBOOT = 2000;
const KEPT = 50;

/** What a command comes to, if it is carried out. @typedef {{ok: boolean, result: string}} Answer */

export class Simulated {
  id;
  model = "Simulated lamp";
  /** @type {Room | null} */
  #room = null;
  #light = false;
  #timer = 0;
  #reported = 0;

  /** @param {string} id */
  constructor(id) {
    this.id = id;
    write(element("device-title"), id);
    write(element("device-model"), this.model);
    for (const name of ["temperature", "battery", "signal"]) element(name).addEventListener("input", () => this.#moved());
    this.#show();
  }

  /** @param {Room} room */
  watch(room) {
    this.#room = room;
  }

  /** Begins to report: the room knows the device now. */
  start() {
    this.#report();
  }

  stop() {
    clearTimeout(this.#timer);
  }

  /** @param {Order} order */
  order(order) {
    const words = order.args ? `${order.name} ${order.args}` : order.name;
    const how = node("span", "how", "working"), result = node("span", "result"), line = node("li");
    line.append(node("span", "number", `#${order.id}`), node("span", "what", words), how, result);
    element("orders").prepend(line);
    while (element("orders").children.length > KEPT) element("orders").lastElementChild?.remove();
    element("no-orders").hidden = true;
    /** @param {string} kind @param {string} status @param {string} said */
    const note = (kind, status, said) => {
      how.className = `how ${kind}`;
      write(how, status);
      write(result, said);
    };
    // It was away, or it was late: the operator has been told that there was no answer, and relies on it.
    if (!this.#room || this.#room.time >= order.until) return note("timeout", "too late", "It came after its time, and is not carried out.");
    if (/** @type {HTMLInputElement} */ (element("deaf")).checked) return note("", "ignored", "");
    void this.#carryOut(order).then(async (answer) => {
      note(answer.ok ? "done" : "failed", answer.ok ? "done" : "refused", answer.result);
      try {
        await this.#room?.call("answer", { id: order.id, ...answer });
      } catch (err) {
        note("failed", "not heard", err instanceof Error ? err.message : String(err));
      }
    });
  }

  /** @param {Order} order @returns {Promise<Answer>} */
  async #carryOut({ name, args }) {
    switch (name) {
      case "ping":
        return { ok: true, result: "pong" };
      case "led":
        if (args !== "on" && args !== "off") return { ok: false, result: "led takes on or off" };
        this.#light = args === "on";
        this.#moved();
        return { ok: true, result: `the light is ${args}` };
      case "reboot":
        element("lamp").classList.add("rebooting");
        await new Promise((done) => setTimeout(done, REBOOT));
        element("lamp").classList.remove("rebooting");
        this.#light = false;
        this.#moved();
        return { ok: true, result: "up again" };
    }
    return { ok: false, result: `it does not know ${name}` };
  }

  #moved() {
    this.#show();
    const wait = this.#reported + REPORT_EVERY - performance.now();
    clearTimeout(this.#timer);
    this.#timer = window.setTimeout(() => this.#report(), Math.max(0, wait));
  }

  #report() {
    clearTimeout(this.#timer);
    this.#timer = window.setTimeout(() => this.#report(), QUIET_FOR);
    if (this.#room?.state !== "joined") return; // the next one tells all
    this.#reported = performance.now();
    this.#room.send("report", { temperature: value("temperature"), battery: value("battery"), signal: value("signal"), light: this.#light });
  }

  #show() {
    write(element("temperature-now"), `${value("temperature").toFixed(1)} °C`);
    write(element("battery-now"), `${value("battery")} %`);
    write(element("signal-now"), `${String(value("signal")).replace("-", "−")} dBm`);
    element("lamp").classList.toggle("on", this.#light);
    element("lamp").setAttribute("aria-label", this.#light ? "The light is on" : "The light is off");
  }
}

/** @param {string} id */
const value = (id) => Number(/** @type {HTMLInputElement} */ (element(id)).value);
