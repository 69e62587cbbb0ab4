// The list beside the lines: channels, direct messages, and who is here.

import { element, node } from "../page.js";
import { hueOf } from "./log.js";

/** @typedef {import("./channel.js").Channel} Channel */
/** @typedef {import("./directs.js").Direct} Direct */

/**
 * @typedef {object} Acts
 * @property {(key: string) => void} open
 * @property {(c: Channel) => void} leave
 * @property {(user: string, name: string) => void} write
 */

const STATES = /** @type {Record<string, string>} */ ({ joining: "joining", reconnecting: "reconnecting", closed: "closed" });

export class Side {
  #side = element("side");
  #shade = element("shade");
  #menu = element("menu");

  /** @param {Acts} acts */
  constructor(acts) {
    this.acts = acts;
    this.#menu.addEventListener("click", () => this.toggle(true));
    this.#shade.addEventListener("click", () => this.toggle(false));
    window.addEventListener("keydown", (event) => event.key === "Escape" && this.toggle(false));
  }

  /** Opens the list over the lines, where a narrow page hides it. @param {boolean} open */
  toggle(open) {
    if (this.#side.classList.contains("open") === open) return;
    this.#side.classList.toggle("open", open);
    this.#shade.hidden = !open;
    this.#menu.setAttribute("aria-expanded", String(open));
    if (open) /** @type {HTMLElement | null} */ (this.#side.querySelector("li button"))?.focus();
    else this.#menu.focus();
  }

  /** @param {Iterable<Channel>} channels @param {Iterable<Direct>} directs @param {Channel | Direct} current */
  conversations(channels, directs, current) {
    this.#fill("channels", [...channels].map((c) => {
      const item = this.#item(c, `# ${c.topic}`, c === current, STATES[c.state] ?? "");
      const leave = node("button", "leave", "×");
      leave.type = "button";
      leave.title = `Leave ${c.key}`;
      leave.setAttribute("aria-label", `Leave ${c.key}`);
      leave.addEventListener("click", () => this.acts.leave(c));
      item.append(leave);
      return item;
    }));
    const letters = [...directs].map((d) => this.#item(d, d.name, d === current, ""));
    this.#fill("directs", letters);
    element("no-directs").hidden = letters.length > 0;
    let elsewhere = 0;
    for (const c of [...channels, ...directs]) if (c !== current) elsewhere += c.unread;
    element("elsewhere").textContent = elsewhere > 99 ? "99+" : String(elsewhere);
    element("elsewhere").hidden = elsewhere === 0;
  }

  /** @param {Channel | Direct} c @param {string} label @param {boolean} current @param {string} state */
  #item(c, label, current, state) {
    const item = node("li"), button = node("button", "conversation");
    button.type = "button";
    button.dataset.key = c.key;
    button.append(node("span", "label", label));
    if (state) button.append(node("span", "state", state));
    if (c.unread > 0) {
      const badge = node("span", "badge", c.unread > 99 ? "99+" : String(c.unread));
      badge.setAttribute("aria-label", `${c.unread} unread`);
      button.append(badge);
    }
    if (current) button.setAttribute("aria-current", "true");
    button.classList.toggle("unread", c.unread > 0);
    button.addEventListener("click", () => this.acts.open(c.key));
    item.append(button);
    return item;
  }

  /** @param {import("./channel.js").Member[]} people none hides the list @param {string} me user id */
  people(people, me) {
    element("here").hidden = people.length === 0;
    element("people-title").textContent = `Here: ${people.length}`;
    this.#fill("people", people.map((m) => {
      const item = node("li"), button = node("button", `person${m.away ? " away" : ""}`);
      button.type = "button";
      button.dataset.key = m.user;
      button.append(node("span", `label ${hueOf(m.user)}`, m.name));
      const state = m.user === me ? "you" : m.away ? "away" : m.typing ? "typing…" : "";
      if (state) button.append(node("span", "state", state));
      if (m.user === me) button.disabled = true;
      else {
        button.title = `Write to ${m.name}`;
        button.addEventListener("click", () => this.acts.write(m.user, m.name));
      }
      item.append(button);
      return item;
    }));
  }

  /**
   * Makes a list hold these items. What is there already and looks the same stays, so that no click and no focus is
   * lost when something else in the list changes.
   * @param {string} id @param {HTMLElement[]} items
   */
  #fill(id, items) {
    const list = element(id), old = /** @type {HTMLElement[]} */ ([...list.children]);
    const keyOf = (/** @type {HTMLElement} */ item) => item.querySelector("button")?.dataset.key ?? "";
    const focused = old.find((item) => item.contains(document.activeElement));
    const next = items.map((item) => old.find((there) => keyOf(there) === keyOf(item) && there.isEqualNode(item)) ?? item);
    for (const item of old) if (!next.includes(item)) item.remove();
    next.forEach((item, i) => list.children[i] !== item && list.insertBefore(item, list.children[i] ?? null));
    if (focused && !next.includes(focused)) next.find((item) => keyOf(item) === keyOf(focused))?.querySelector("button")?.focus();
  }
}
