// The start page: keeps the name for the games' pages, and shows how many are playing.

/** @typedef {{name: string, players: number, rooms: number, full?: boolean}} KindInfo */

const NAME = "tickhall.name"; // in localStorage; the games' pages read it
const EVERY = 3000; // milliseconds between two looks at the counts

const field = /** @type {HTMLInputElement} */ (document.getElementById("name"));

/** Storage may be forbidden by the browser's settings; the page works without. */
function stored() {
  try {
    return localStorage.getItem(NAME) ?? "";
  } catch {
    return "";
  }
}

/** @param {string} name */
function store(name) {
  try {
    localStorage.setItem(NAME, name);
  } catch {
    // The games will give a name.
  }
}

field.value = stored();
field.addEventListener("input", () => store(field.value.trim()));
document.getElementById("who")?.addEventListener("submit", (event) => {
  event.preventDefault();
  /** @type {HTMLAnchorElement | null} */ (document.querySelector(".games a.button"))?.focus();
});

/** @param {KindInfo} kind */
function show(kind) {
  const card = document.querySelector(`[data-kind="${CSS.escape(kind.name)}"]`);
  const count = card?.querySelector("[data-count]");
  if (!count) return;
  const rooms = kind.rooms > 1 ? `, in ${kind.rooms} rooms` : "";
  const here = kind.players > 0 ? `${kind.players} here now${rooms}` : "Nobody here right now: be the first";
  const words = kind.full ? `Full right now${kind.players > 0 ? `: ${here}` : ""}. You can wait for a seat there.` : here;
  if (count.textContent !== words) count.textContent = words;
  count.classList.toggle("live", kind.players > 0 && !kind.full);
  count.classList.toggle("full", kind.full === true);
}

/** Says that the server is away, or that it is back. @param {string} words */
function down(words) {
  const line = /** @type {HTMLElement} */ (document.getElementById("down"));
  if (line.textContent !== words) line.textContent = words;
  line.hidden = words === "";
  document.body.classList.toggle("stale", words !== "");
}

let failures = 0;

async function refresh() {
  if (document.hidden) return;
  try {
    const answer = await fetch(new URL("../v1/kinds", import.meta.url), { signal: AbortSignal.timeout(EVERY) });
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    for (const kind of /** @type {KindInfo[]} */ (await answer.json())) show(kind);
    failures = 0;
    down("");
  } catch {
    // One look may fail for a moment's matter.
    if (++failures > 1) down("The server does not answer right now. The numbers are from before, and come again with it.");
  }
}

void refresh();
setInterval(refresh, EVERY);
document.addEventListener("visibilitychange", refresh);
