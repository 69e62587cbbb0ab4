// The notices: every one of them, in order, newest on top, and which of them have been read.

import { element, node, write } from "../page.js";

/** @typedef {{number: number, at: number, kind: string, symbol: string, text: string}} Notice */

const KEPT = 200;

/** By Notice.kind. @type {Record<string, string>} */
const LABELS = { open: "Open", halt: "Halt", resume: "Resumed", news: "News" };

export class Notices {
  /** All that have come, oldest first: for the probe. @type {Notice[]} */
  all = [];
  /** Notices that are missing between two that came: never, unless there is a mistake somewhere. */
  gaps = 0;
  #unread = 0;

  constructor() {
    element("read").addEventListener("click", () => this.read());
  }

  get unread() {
    return this.#unread;
  }

  /** Takes those of before, which a reader gets with its seat. @param {Notice[] | null} list */
  start(list) {
    this.all = [];
    element("notices").replaceChildren();
    for (const notice of list ?? []) this.#add(notice);
    this.read();
  }

  /** @param {Notice} notice */
  add(notice) {
    const newest = this.all.at(-1)?.number ?? 0;
    if (newest > 0 && notice.number !== newest + 1) this.gaps++;
    this.#add(notice).classList.add("unread");
    this.#unread++;
    this.#count();
  }

  /** Counts all as read. */
  read() {
    this.#unread = 0;
    for (const line of document.querySelectorAll("#notices .unread")) line.classList.remove("unread");
    this.#count();
  }

  /** @param {Notice} notice */
  #add(notice) {
    this.all.push(notice);
    if (this.all.length > KEPT) this.all.shift();
    const line = node("li", notice.kind), head = node("small");
    head.append(node("i", "", LABELS[notice.kind] ?? notice.kind));
    if (notice.symbol) head.append(node("b", "", notice.symbol));
    const time = `${Math.floor(notice.at / 60)}:${String(notice.at % 60).padStart(2, "0")}`;
    head.append(node("span", "", `#${notice.number} · ${time}`));
    line.append(head, notice.text);
    const list = element("notices");
    list.prepend(line);
    while (list.children.length > KEPT) list.lastElementChild?.remove();
    return line;
  }

  #count() {
    const words = this.#unread > 99 ? "99+" : String(this.#unread);
    for (const id of ["unread", "unread-tab"]) {
      write(element(id), words);
      element(id).hidden = this.#unread === 0;
    }
    /** @type {HTMLButtonElement} */ (element("read")).disabled = this.#unread === 0;
    document.title = `${this.#unread ? `(${words}) ` : ""}Market feed · Tickhall`;
  }
}
