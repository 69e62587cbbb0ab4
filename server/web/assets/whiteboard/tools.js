// The toolbar: colours, widths, and what can be done to the board.

import { element } from "../page.js";
import { INKS, INK_NAMES } from "./drawing.js";

const WIDTHS = [6, 14, 32, 80]; // units
const WIDTH_NAMES = ["Fine", "Medium", "Broad", "Very broad"];
const ERASER = 0;

/**
 * @typedef {object} Acts
 * @property {(colour: number, width: number) => void} chosen
 * @property {() => void} undo
 * @property {() => void} redo
 * @property {() => void} clear
 * @property {() => void} fit
 * @property {() => void} save
 * @property {() => void} invite
 */

export class Tools {
  #colour = 1;
  #width = 1; // index in WIDTHS
  #colours = INKS.map((ink, i) => this.#choice("colours", `${INK_NAMES[i]} (${i === ERASER ? "E" : i})`, i === ERASER ? "tool swatch eraser" : "tool swatch", ink, () => this.choose(i, this.#width)));
  #widths = WIDTHS.map((width, i) => this.#choice("widths", WIDTH_NAMES[i], `tool width width-${i}`, "", () => this.choose(this.#colour, i)));
  #undo = /** @type {HTMLButtonElement} */ (element("undo"));
  #redo = /** @type {HTMLButtonElement} */ (element("redo"));

  /** @param {Acts} acts */
  constructor(acts) {
    this.acts = acts;
    const ask = /** @type {HTMLDialogElement} */ (element("ask"));
    ask.addEventListener("close", () => ask.returnValue === "clear" && acts.clear());
    element("clear").addEventListener("click", () => {
      ask.returnValue = ""; // that of the last time stays otherwise
      ask.showModal();
    });
    this.#undo.addEventListener("click", acts.undo);
    this.#redo.addEventListener("click", acts.redo);
    element("fit").addEventListener("click", acts.fit);
    element("export").addEventListener("click", acts.save);
    element("invite").addEventListener("click", acts.invite);
    window.addEventListener("keydown", (e) => this.#key(e));
    this.choose(1, 1);
  }

  /** @param {string} group @param {string} name @param {string} className @param {string} ink @param {() => void} chosen */
  #choice(group, name, className, ink, chosen) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = className;
    button.title = name;
    button.setAttribute("role", "radio");
    button.setAttribute("aria-label", name);
    if (ink) button.style.setProperty("--ink", ink);
    button.addEventListener("click", chosen);
    button.addEventListener("keydown", (e) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[e.key];
      if (!step) return;
      e.preventDefault();
      const all = group === "colours" ? this.#colours : this.#widths;
      const next = all[(all.indexOf(button) + step + all.length) % all.length];
      next.focus();
      next.click();
    });
    element(group).append(button);
    return button;
  }

  /** @param {number} colour @param {number} width index */
  choose(colour, width) {
    this.#colour = colour;
    this.#width = width;
    for (const [buttons, chosen] of /** @type {const} */ ([[this.#colours, colour], [this.#widths, width]])) {
      buttons.forEach((b, i) => {
        b.setAttribute("aria-checked", String(i === chosen));
        b.tabIndex = i === chosen ? 0 : -1;
      });
    }
    this.acts.chosen(colour, WIDTHS[width] * (colour === ERASER ? 2 : 1));
  }

  /** @param {boolean} undo @param {boolean} redo */
  allow(undo, redo) {
    this.#undo.disabled = !undo;
    this.#redo.disabled = !redo;
  }

  /** @param {KeyboardEvent} e */
  #key(e) {
    const key = e.key.toLowerCase();
    if (e.altKey || element("ask").hasAttribute("open")) return;
    if (e.ctrlKey || e.metaKey) {
      if (key !== "z" && key !== "y") return;
      e.preventDefault();
      if (key === "y" || e.shiftKey) this.acts.redo();
      else this.acts.undo();
    } else if (key === "e") this.choose(ERASER, this.#width);
    else if (key >= "1" && key < String(INKS.length)) this.choose(Number(key), this.#width);
    else if (key === "[") this.choose(this.#colour, Math.max(0, this.#width - 1));
    else if (key === "]") this.choose(this.#colour, Math.min(WIDTHS.length - 1, this.#width + 1));
    else if (key === "0") this.acts.fit();
  }
}
