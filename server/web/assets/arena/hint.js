// How the game is played, for who has not played it yet: gone for good once they have moved and fired.

import { element } from "../page.js";

/** @typedef {import("./controls.js").Move} Move */

const KNOWN = "tickhall.arena.known"; // in localStorage: "yes" or not there

const WORDS = {
  keys: ["W A S D or arrows", "to move", "Mouse", "to aim, hold to fire", "J L and space", "to turn and fire, too"],
  thumbs: ["Left thumb", "moves", "Right thumb", "aims and fires"],
};

export class Hint {
  #known = false;
  #moved = false;
  #fired = false;
  #shown = "";

  constructor() {
    try {
      this.#known = localStorage.getItem(KNOWN) === "yes";
    } catch {
      // Storage is forbidden: it is shown each time.
    }
  }

  /** Looks at what the player does. @param {boolean} touch @param {Move} move @param {boolean} alive */
  observe(touch, move, alive) {
    if (this.#known) return;
    this.#moved ||= alive && (move.dx !== 0 || move.dy !== 0);
    this.#fired ||= alive && move.fire;
    if (this.#moved && this.#fired) return this.#learn();
    this.#show(touch ? "thumbs" : "keys");
  }

  #learn() {
    this.#known = true;
    element("hint").hidden = true;
    try {
      localStorage.setItem(KNOWN, "yes");
    } catch {
      // It will be told again.
    }
  }

  /** @param {"keys" | "thumbs"} which */
  #show(which) {
    const hint = element("hint");
    if (this.#shown !== which) {
      this.#shown = which;
      hint.replaceChildren(...WORDS[which].map((words, i) => Object.assign(document.createElement(i % 2 ? "span" : "b"), { textContent: words })));
      hint.hidden = false;
    }
    hint.classList.toggle("moved", this.#moved);
    hint.classList.toggle("fired", this.#fired);
  }
}
