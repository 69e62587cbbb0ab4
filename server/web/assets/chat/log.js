// The lines of the conversation that is shown, and where its reader is.

import { element, node } from "../page.js";

/** @typedef {import("./channel.js").Line} Line */

const SAME = 5 * 60_000; // milliseconds within which a speaker's next line needs no name
const NEAR = 60; // pixels from the end that count as the end
const time = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const day = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });

/** The hue of a user's name, the same on every page: one of twelve classes. @param {string} user */
export function hueOf(user) {
  let h = 0;
  for (const c of user) h = (h * 31 + (c.codePointAt(0) ?? 0)) >>> 0;
  return `hue-${h % 12}`;
}

const ADDRESS = /https?:\/\/[^\s<>"]+/g;
const TAIL = /[.,:;!?'*_)\]}]+$/; // what ends a sentence around an address rather than the address

/** A line's text, in which the addresses of pages lead there. @param {string} text @returns {(string | Node)[]} */
export function linked(text) {
  const parts = /** @type {(string | Node)[]} */ ([]);
  let done = 0;
  for (const { 0: found, index } of text.matchAll(ADDRESS)) {
    const address = found.replace(TAIL, "");
    if (!URL.canParse(address)) continue;
    const link = node("a", "", address);
    link.href = address;
    link.target = "_blank";
    link.rel = "noopener noreferrer";
    parts.push(text.slice(done, index), link);
    done = index + address.length;
  }
  return [...parts, text.slice(done)];
}

/** @param {Date} when */
function dayOf(when) {
  const today = new Date(), yesterday = new Date();
  yesterday.setDate(today.getDate() - 1);
  if (when.toDateString() === today.toDateString()) return "Today";
  return when.toDateString() === yesterday.toDateString() ? "Yesterday" : day.format(when);
}

export class Log {
  #list = element("lines");
  #scroll = element("scroll");
  #pill = element("pill");
  /** @type {Line | null} */
  #last = null;
  #unseen = 0; // lines below what the reader sees
  #me = "";

  /** @param {(user: string, name: string) => void} write opens a conversation with a user */
  constructor(write) {
    this.write = write;
    this.#pill.addEventListener("click", () => this.toEnd());
    this.#scroll.addEventListener("scroll", () => this.#atEnd() && this.#seen(), { passive: true });
    new ResizeObserver(() => this.#stuck && this.toEnd()).observe(this.#scroll); // a phone's keyboard opens
  }

  #stuck = true; // the reader is at the end, and stays there

  #atEnd() {
    this.#stuck = this.#scroll.scrollHeight - this.#scroll.scrollTop - this.#scroll.clientHeight < NEAR;
    return this.#stuck;
  }

  #seen() {
    this.#unseen = 0;
    this.#pill.hidden = true;
  }

  toEnd() {
    this.#scroll.scrollTop = this.#scroll.scrollHeight;
    this.#stuck = true;
    this.#seen();
  }

  /**
   * Shows a conversation's lines. `keep` holds the place of who reads older ones.
   * @param {Line[]} lines @param {string} me user id @param {boolean} keep
   */
  show(lines, me, keep) {
    const below = this.#scroll.scrollHeight - this.#scroll.scrollTop, atEnd = this.#stuck;
    this.#me = me;
    this.#last = null;
    this.#list.setAttribute("aria-live", "off"); // these are not news
    this.#list.replaceChildren();
    for (const line of lines) this.#append(line);
    this.#list.setAttribute("aria-live", "polite");
    if (keep && !atEnd) this.#scroll.scrollTop = this.#scroll.scrollHeight - below;
    else this.toEnd();
  }

  /** Shows a line that has just come. @param {Line} line */
  add(line) {
    const follow = this.#stuck || line.user === this.#me;
    this.#append(line);
    if (follow) return this.toEnd();
    this.#unseen++;
    this.#pill.textContent = this.#unseen === 1 ? "1 new message ↓" : `${this.#unseen} new messages ↓`;
    this.#pill.hidden = false;
  }

  /** @param {Line} line */
  #append(line) {
    const last = this.#last, item = node("li", "line");
    const newDay = !last || last.when.toDateString() !== line.when.toDateString();
    if (newDay) {
      const divider = node("li", "day");
      divider.append(node("span", "", dayOf(line.when)));
      this.#list.append(divider);
    }
    const goesOn = !newDay && last?.user === line.user && line.when.getTime() - last.when.getTime() < SAME;
    const clock = node("time", "time", time.format(line.when));
    clock.dateTime = line.when.toISOString();
    const name = node("button", goesOn ? "unseen" : `name ${hueOf(line.user)}`, line.name);
    name.type = "button";
    if (line.user === this.#me || goesOn) {
      name.disabled = true;
    } else {
      name.title = `Write to ${line.name}`;
      name.addEventListener("click", () => this.write(line.user, line.name));
    }
    const text = node("p", "text");
    text.append(...linked(line.text));
    text.dir = "auto";
    item.classList.toggle("first", !goesOn);
    item.classList.toggle("mine", line.user === this.#me);
    item.append(name, clock, text);
    this.#list.append(item);
    this.#last = line;
  }
}
