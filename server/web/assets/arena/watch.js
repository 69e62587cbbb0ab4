// Watching without a seat: which ship the camera follows.

import { element, wayIn, write } from "../page.js";

/** @typedef {import("./world.js").Ship} Ship */

const STAYS = 2; // seconds that the camera stays where its ship was shot down

export class Watch {
  #ship = 0; // id
  #down = 0; // seconds since it was shot down

  /** Begins if there is no seat in the room, and leads to one in the same room if the address named it. @param {import("../../js/tickhall.js").Room} room */
  enter(room) {
    document.body.classList.toggle("watching", room.spectator);
    element("watching").hidden = !room.spectator;
    element("stage").setAttribute("aria-label", room.spectator ? "The arena, which you watch" : "The arena");
    /** @type {HTMLAnchorElement} */ (element("join")).href = wayIn().room ? `?room=${room.id}` : location.pathname;
  }

  /** The ship to follow: the same one until it is gone, then the best of those on the ground. @param {import("../../js/tickhall.js").EntityMap<any>} ships @param {number} dt seconds @returns {Ship | undefined} */
  follow(ships, dt) {
    const now = ships.get(this.#ship);
    this.#down = now?.hp > 0 ? 0 : this.#down + dt;
    if (now && this.#down < STAYS) return now;
    let best = now;
    for (const s of ships.values()) if (s.hp > 0 && (!(best?.hp > 0) || s.kills > best.kills)) best = s;
    this.#ship = best?.id ?? 0;
    this.#down = 0;
    write(element("watched"), best ? `You are watching ${best.name}` : "Nobody flies here right now: you see the first who does");
    return best;
  }
}
