// The start page: keeps the name for the games' pages, and shows how many are playing.

/** @typedef {{name: string, players: number, rooms: number}} KindInfo */

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
  count.textContent = kind.players > 0 ? `${kind.players} here now${rooms}` : "Nobody here right now: be the first";
  count.classList.toggle("live", kind.players > 0);
}

async function refresh() {
  if (document.hidden) return;
  try {
    const answer = await fetch("/v1/kinds");
    if (!answer.ok) return;
    for (const kind of /** @type {KindInfo[]} */ (await answer.json())) show(kind);
  } catch {
    // The server is away: the counts stay as they were, and the next look may find it.
  }
}

void refresh();
setInterval(refresh, EVERY);
document.addEventListener("visibilitychange", refresh);
