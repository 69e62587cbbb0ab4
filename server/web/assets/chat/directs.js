// Direct messages: one conversation per user, whichever channels both are in. They live as long as the page.

/** @typedef {import("./channel.js").Letter} Letter */
/** @typedef {import("./channel.js").Line} Line */

const REMEMBERED = 500; // ids: a letter comes once for each channel that the page is in

export class Direct {
  unread = 0;
  /** @type {Line[]} */
  lines = [];

  /** @param {string} user @param {string} name */
  constructor(user, name) {
    this.user = user;
    this.name = name;
  }

  get key() {
    return `@${this.user}`;
  }
}

export class Directs {
  /** By user id. @type {Map<string, Direct>} */
  all = new Map();
  /** @type {Set<number>} */
  #seen = new Set();

  /** @param {string} user @param {string} name */
  open(user, name) {
    const there = this.all.get(user) ?? new Direct(user, name);
    this.all.set(user, there);
    return there;
  }

  /**
   * Files a letter. Returns nothing if it was here already.
   * @param {Letter} l @param {string} me user id
   */
  take(l, me) {
    if (this.#seen.has(l.id)) return undefined;
    this.#seen.add(l.id);
    if (this.#seen.size > REMEMBERED) this.#seen.delete(/** @type {number} */ (this.#seen.values().next().value));
    const mine = l.from === me, direct = this.open(mine ? l.to : l.from, mine ? l.whom : l.name);
    const line = { key: l.id, user: l.from, name: l.name, text: l.text, when: new Date() };
    direct.lines.push(line);
    return { direct, line, mine };
  }
}
