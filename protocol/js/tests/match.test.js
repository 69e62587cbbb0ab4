// Getting in: modes, guests, tokens, the queue, spectators, the list of rooms.

import assert from "node:assert/strict";
import test from "node:test";
import { TickhallError, connect, listRooms } from "../tickhall.js";
import { BYE, DELTA, Fake, INPUT, KEY, settle, welcome } from "./fake.js";

const fails = (code) => (e) => e instanceof TickhallError && e.code === code;
const SEAT = { body: { room: "r1", ticket: "t", url: "ws://game.test/v1/connect?ticket=t", player: "u1" } };
const seat = (more) => ({ body: { ...SEAT.body, ...more } });
const queued = (more) => ({ status: 202, body: { queue: "q/1", waited: 0, waiting: 1, window: 50, missing: 0, ...more } });
const refuse = (status, code, retryAfter) => ({ status, body: { code, message: "no" }, retryAfter });
const OFFLINE = new Error("offline");

/** A Fake that gives these answers one after another, the last again and again; null hangs until it is aborted. */
function answering(...answers) {
  const fake = new Fake();
  fake.answer = ({ init }) => {
    if (init.method === "DELETE") return { status: 204, body: null };
    return answers.length > 1 ? answers.shift() : answers[0];
  };
  return fake;
}

const posted = (fake) => fake.requests.filter((r) => r.init.method === "POST").map((r) => JSON.parse(r.init.body));
const lines = (fake) => fake.requests.map((r) => `${r.init.method ?? "GET"} ${r.url.replace("http://game.test", "")}`);

class Store extends Map {
  getItem = (key) => this.get(key) ?? null;
  setItem = (key, value) => this.set(key, value);
}

test("each mode says what it wants", async () => {
  for (const [options, want] of [
    [{ filter: { map: "ice" }, options: { bots: 3 }, spectate: true }, { kind: "arena", mode: "quick", name: "Ada", filter: { map: "ice" }, options: { bots: 3 }, spectate: true }],
    [{ mode: "create", password: "sesame", private: true }, { kind: "arena", mode: "create", name: "Ada", password: "sesame", private: true }],
    [{ mode: "join", kind: undefined, room: "k7-wq", password: "sesame" }, { mode: "join", name: "Ada", room: "k7-wq", password: "sesame" }],
    [{ mode: "queue", skill: 1500, properties: { region: "eu" }, party: "us", partySize: 2 },
      { kind: "arena", mode: "queue", name: "Ada", skill: 1500, properties: { region: "eu" }, party: "us", party_size: 2 }],
  ]) {
    const fake = answering(SEAT);
    await fake.join(undefined, {}, options);
    assert.deepEqual(posted(fake), [want]);
  }
  await assert.rejects(connect({ ...new Fake().options, mode: "join" }), fails("invalid"));
  await assert.rejects(connect({ ...new Fake().options, kind: undefined, mode: "create" }), fails("invalid"));
});

test("a guest is kept and stays the same", async () => {
  const storage = new Store(), fake = answering(seat({ guest: "g1" }));
  await fake.join(undefined, {}, { storage });
  assert.equal(posted(fake)[0].guest, undefined);
  assert.deepEqual([...storage], [["tickhall.guest", "g1"]]);
  const again = answering(seat({ guest: "g2" }), SEAT), room = await again.join(undefined, {}, { storage });
  again.socket.lose(4103);
  await again.advance(125);
  assert.deepEqual(posted(again).map((r) => r.guest), ["g1", "g2"]);
  assert.equal(storage.get("tickhall.guest"), "g2");
  await Promise.all([room.leave(), again.advance(2000)]);
});

/** A server that knows no guest, and makes a new one of each that it does not know. */
function guestHouse() {
  const fake = new Fake(), known = [];
  fake.answer = ({ init }) => {
    const { guest } = JSON.parse(init.body);
    if (known.includes(guest)) return SEAT;
    known.push(`g${known.length + 1}`);
    return seat({ guest: known.at(-1) });
  };
  return { fake, known };
}

test("rooms that are joined at once are of one guest, also when the server does not know it any more", async () => {
  const storage = new Store(), rooms = [];
  for (const old of [undefined, "forgotten"]) {
    if (old) storage.set("tickhall.guest", old);
    const { fake, known } = guestHouse();
    const joining = [1, 2, 3].map(() => connect({ ...fake.options, storage }));
    for (let i = 0; i < 3; i++) await settle();
    for (const socket of fake.sockets) socket.deliver(welcome(), [KEY, 10, 10, 1, 1, [], [], []]);
    rooms.push(...(await Promise.all(joining)));
    assert.deepEqual(posted(fake).map((r) => r.guest), [old, "g1", "g1"]);
    // Started again, with another key.
    known.splice(0, 1, "g0");
    for (const socket of fake.sockets.slice()) socket.lose(4102);
    await fake.advance(125);
    assert.deepEqual(posted(fake).slice(3).map((r) => r.guest), ["g1", "g2", "g2"]);
    await Promise.all([...rooms.splice(0).map((room) => room.leave()), fake.advance(2000)]);
  }
});

test("a match that hangs holds up the next one for a moment only, and not one that is given up", async () => {
  const storage = new Store(), fake = answering(SEAT), answer = fake.options.fetch;
  let hangs = true;
  const fetch = (url, init) => (hangs ? new Promise(() => fake.requests.push({ url, init })) : answer(url, init));
  const first = connect({ ...fake.options, storage, fetch });
  first.catch(() => {});
  await settle();
  hangs = false;
  const stop = new AbortController(), second = connect({ ...fake.options, storage, signal: stop.signal });
  const third = fake.join(undefined, {}, { storage, fetch });
  third.catch(() => {}); // its world comes before its match
  await settle();
  assert.equal(posted(fake).length, 1, "the others wait");
  stop.abort();
  await assert.rejects(second, fails("aborted"));
  await fake.advance(2000);
  assert.equal(posted(fake).length, 2);
});

test("storage that is refused, odd or missing harms nobody", async () => {
  const refused = () => { throw new Error("SecurityError"); };
  for (const storage of [{ getItem: refused, setItem: refused }, { getItem: () => 5, setItem: refused }, {}, null]) {
    const fake = answering(seat({ guest: "g" }));
    await fake.join(undefined, {}, { storage });
    fake.socket.lose(4103);
    await fake.advance(125);
    assert.deepEqual(posted(fake).map((r) => r.guest), [undefined, "g"], "this room knows all the same");
  }
});

test("localStorage is where a guest is kept, if it can be had", async () => {
  const before = Object.getOwnPropertyDescriptor(globalThis, "localStorage");
  try {
    const store = new Store();
    Object.defineProperty(globalThis, "localStorage", { configurable: true, get: () => store });
    await answering(seat({ guest: "g" })).join();
    assert.equal(store.get("tickhall.guest"), "g");
    Object.defineProperty(globalThis, "localStorage", { configurable: true, get: () => { throw new Error("SecurityError"); } });
    await answering(seat({ guest: "g" })).join();
  } finally {
    if (before) Object.defineProperty(globalThis, "localStorage", before);
    else delete globalThis.localStorage;
  }
});

test("a token goes with each request, and no guest", async () => {
  let calls = 0;
  for (const token of ["t1", () => `t${++calls}`, async () => `t${++calls}`]) {
    calls = 0;
    const fake = answering(SEAT);
    await fake.join(undefined, {}, { token, storage: new Store([["tickhall.guest", "g"]]) });
    fake.socket.lose(4103);
    await fake.advance(125);
    assert.deepEqual(fake.requests.map((r) => r.init.headers.Authorization), ["Bearer t1", calls ? "Bearer t2" : "Bearer t1"]);
    assert.equal(posted(fake)[0].guest, undefined);
  }
  const fake = answering(SEAT), none = () => Promise.reject(new Error("signed out"));
  await assert.rejects(connect({ ...fake.options, token: none }), (e) => fails("token")(e) && e.cause.message === "signed out");
  assert.deepEqual([fake.requests.length, fake.timers.size], [0, 0]);
  await assert.rejects(connect({ ...answering(refuse(401, "unauthorized")).options, token: "t" }), fails("unauthorized"));
});

test("the queue is waited in, through failures, until there is a seat", async () => {
  const fake = answering(queued({ missing: 1, guest: "g" }), OFFLINE, refuse(502, "bad"), queued({ waited: 3, waiting: "x" }), seat({ team: 2 }));
  const told = [], storage = new Store();
  const joining = connect({ ...fake.options, mode: "queue", storage, onQueue: (p) => told.push(p) });
  await fake.advance(0);
  assert.deepEqual(told, [{ waited: 0, waiting: 1, window: 50, missing: 1 }]);
  assert.equal(storage.get("tickhall.guest"), "g");
  await fake.advance(249);
  assert.equal(fake.requests.length, 1, "not asked too often");
  await fake.advance(1);
  assert.equal(fake.requests.length, 2);
  await fake.advance(125);
  assert.equal(fake.requests.length, 3, "after a failure, with backoff");
  await fake.advance(199);
  assert.equal(fake.requests.length, 3);
  await fake.advance(1);
  assert.deepEqual(told[1], { waited: 3, waiting: 0, window: 50, missing: 0 });
  await fake.advance(250);
  fake.socket.deliver(welcome(), [KEY, 10, 10, 1, 1, [], [], []]);
  const room = await joining, poll = "GET /v1/match/q%2F1";
  assert.deepEqual(lines(fake), ["POST /v1/match", poll, poll, poll, poll]);
  assert.deepEqual([room.team, room.spectator], [2, false]);
});

test("an answer that is cut off is asked for again", async () => {
  const fake = answering(queued(), { body: null }, SEAT), { options } = fake, { fetch } = options;
  options.fetch = async (url, init) => {
    const res = await fetch(url, init);
    return fake.requests.length === 2 ? { ...res, json: () => Promise.reject(new SyntaxError("cut off")) } : res;
  };
  connect({ ...options, mode: "queue" }).catch(() => {});
  await fake.advance(250 + 125);
  assert.equal(fake.requests.length, 3);
  assert.equal(fake.sockets.length, 1);
});

test("a poll that hangs is given up before the server forgets", async () => {
  const fake = answering(queued(), null, SEAT), { options } = fake;
  let aborts = 0;
  options.fetch = hanging(options.fetch, () => aborts++);
  connect({ ...options, mode: "queue" }).catch(() => {});
  await fake.advance(250 + 25_000);
  assert.equal(aborts, 1);
  await fake.advance(125);
  assert.equal(fake.requests.length, 3);
  assert.equal(fake.sockets.length, 1);
});

/** A fetch that hangs where fetch answers null. */
function hanging(fetch, onAbort) {
  return async (url, init) => {
    try {
      return await fetch(url, init);
    } catch (err) {
      if (!(err instanceof TypeError)) throw err; // null has no status
      return new Promise((_, reject) => init.signal.addEventListener("abort", () => {
        onAbort();
        reject(init.signal.reason);
      }));
    }
  };
}

test("a place in the queue that is forgotten is taken anew, ever more slowly", async () => {
  const unknown = refuse(404, "queue_unknown");
  const fake = answering(queued(), unknown, queued({ queue: "b" }), unknown, queued({ queue: "c" }), SEAT);
  connect({ ...fake.options, mode: "queue" }).catch(() => {});
  await fake.advance(250 + 124);
  assert.equal(fake.requests.length, 2);
  await fake.advance(1 + 250 + 199);
  assert.equal(fake.requests.length, 4);
  await fake.advance(1 + 250);
  assert.deepEqual(lines(fake).map((l) => l.split("/").at(-1)), ["match", "q%2F1", "match", "b", "match", "c"]);
  assert.equal(fake.sockets.length, 1);
});

test("a refusal for good ends the queue, and leaves it", async () => {
  const fake = answering(queued(), refuse(403, "banned"));
  const joining = connect({ ...fake.options, mode: "queue" });
  joining.catch(() => {});
  await fake.advance(250);
  await assert.rejects(joining, fails("banned"));
  assert.equal(lines(fake).at(-1), "DELETE /v1/match/q%2F1");
  await assert.rejects(connect({ ...answering(queued({ queue: 5 })).options, mode: "queue" }), fails("protocol"));
  assert.equal(fake.timers.size, 0);
});

test("a place that another tab has replaced is not taken again", async () => {
  const fake = answering(queued(), refuse(410, "queue_replaced"));
  const joining = connect({ ...fake.options, mode: "queue" });
  joining.catch(() => {});
  await fake.advance(250);
  await assert.rejects(joining, fails("queue_replaced"));
  assert.deepEqual(lines(fake).filter((line) => line.startsWith("POST")), ["POST /v1/match"]);
  assert.equal(fake.timers.size, 0);
});

test("a signal gives up wherever connect is, and leaves the queue", async () => {
  for (const [answers, ms, deletes] of [
    [[null], 0, 0], // POST is under way
    [[queued(), null], 100, 1], // between two polls
    [[queued(), null], 300, 1], // a poll is under way
    [[queued(), OFFLINE], 300, 1], // after a failure
    [[SEAT], 0, 0], // the WebSocket opens
  ]) {
    const fake = answering(...answers), { options } = fake, abort = new AbortController(), reason = new Error("no patience");
    options.fetch = hanging(options.fetch, () => {});
    const joining = connect({ ...options, mode: "queue", signal: abort.signal });
    joining.catch(() => {});
    await fake.advance(ms);
    abort.abort(reason);
    await assert.rejects(joining, (e) => fails("aborted")(e) && e.cause === reason && e.advice === "stop");
    await settle();
    assert.equal(lines(fake).filter((l) => l === "DELETE /v1/match/q%2F1").length, deletes);
    assert.equal(fake.timers.size, 0);
    if (fake.socket) assert.equal(fake.socket.closed.code, 1000);
    const { length } = fake.requests;
    fake.window.dispatchEvent(new Event("online"));
    await fake.advance(60_000);
    assert.equal(fake.requests.length, length);
  }
  const fake = new Fake();
  await assert.rejects(connect({ ...fake.options, signal: AbortSignal.abort() }), fails("aborted"));
  assert.equal(fake.requests.length, 0);
});

test("once joined, the signal no longer counts", async () => {
  const abort = new AbortController(), fake = new Fake(), room = await fake.join(undefined, {}, { signal: abort.signal });
  abort.abort();
  await settle();
  assert.equal(room.state, "joined");
});

test("who loses a match from the queue queues again, and leaves it by leaving the room", async () => {
  const fake = answering(SEAT, queued()), told = [];
  const room = await fake.join(undefined, {}, { mode: "queue", onQueue: (p) => told.push(p) });
  fake.socket.deliver([BYE, 4102, "stopping", "match", null]);
  await fake.advance(125);
  assert.deepEqual([room.state, told.length], ["reconnecting", 1]);
  await room.leave();
  await settle();
  assert.equal(lines(fake).at(-1), "DELETE /v1/match/q%2F1");
  assert.equal(fake.timers.size, 0);
});

test("a created room that is gone is created again; a joined one is not looked for elsewhere", async () => {
  const fake = answering(SEAT), room = await fake.join(undefined, {}, { mode: "create", private: true });
  fake.socket.lose(4103);
  await fake.advance(125);
  assert.deepEqual(posted(fake)[1], posted(fake)[0]);
  fake.socket.deliver(welcome({ room: "r2" }), [KEY, 1, 1, 1, 1, [], [], []]);
  assert.equal(room.id, "r2");

  const other = answering(SEAT, refuse(404, "room_unknown")), closed = [];
  (await other.join(undefined, {}, { mode: "join", room: "r1" })).on("close", (c) => closed.push(c));
  other.socket.lose(4103);
  await other.advance(125);
  assert.deepEqual([closed[0].code, closed[0].error.code], [404, "room_unknown"]);
  for (const code of ["room_full", "room_locked", "password_wrong"]) {
    await assert.rejects(connect({ ...answering(refuse(409, code)).options, mode: "join", room: "r1" }), fails(code));
  }
});

test("a spectator sends no inputs, and matches again instead of resuming", async () => {
  const fake = answering(seat({ spectator: true })), room = await fake.join([KEY, 10, 10, 1, 1, [], [], [1, 3]], { player: 0, token: "" }, { spectate: true });
  assert.deepEqual([room.spectator, room.player, room.team], [true, 0, 0]);
  room.input({ Jump: true });
  fake.socket.deliver([DELTA, 11, 1]);
  await fake.advance(500);
  assert.deepEqual(fake.socket.took(INPUT), []);
  const lost = assert.rejects(room.call("say"), fails("lost"));
  fake.socket.lose();
  await lost;
  await fake.advance(125);
  assert.deepEqual([posted(fake).length, fake.socket.url], [2, "ws://game.test/v1/connect?ticket=t"]);
  fake.socket.deliver(welcome({ player: 0 }), [KEY, 12, 12, 1, 1, [], [], [1, 3]]);
  assert.deepEqual([room.state, room.table("rock").size], ["joined", 1]);
});

test("rooms are listed, a page at a time", async () => {
  const info = { id: "k7wq", kind: "arena", players: 2, max_players: 8 };
  const fake = answering({ body: { rooms: [info, { ...info, spectators: 1, locked: true, password: true, data: { map: "ice" } }], next: "n" } });
  const list = await listRooms({ ...fake.options, filter: { map: "ice", laps: 3 }, limit: 2, after: "a b", token: () => "t" });
  assert.equal(fake.requests[0].url, "http://game.test/v1/rooms?kind=arena&limit=2&after=a+b&prop=map%3Aice&prop=laps%3A3");
  assert.equal(fake.requests[0].init.headers.Authorization, "Bearer t");
  const common = { id: "k7wq", kind: "arena", players: 2, maxPlayers: 8 };
  assert.deepEqual(list, {
    rooms: [{ ...common, spectators: 0, locked: false, password: false, data: null }, { ...common, spectators: 1, locked: true, password: true, data: { map: "ice" } }],
    next: "n",
  });
  assert.equal(fake.timers.size, 0);

  const { kind, ...rest } = answering({ body: { rooms: [] } }).options;
  assert.deepEqual(await listRooms(rest), { rooms: [], next: "" });
  await assert.rejects(listRooms({}), fails("invalid"));
  await assert.rejects(listRooms({ ...rest, filter: { "a:b": "" } }), fails("invalid"));
  await assert.rejects(listRooms(answering(refuse(400, "unknown_kind")).options), fails("unknown_kind"));
  await assert.rejects(listRooms(answering({ body: null }).options), fails("protocol"));
  await assert.rejects(listRooms(answering(OFFLINE).options), fails("network"));
  await assert.rejects(listRooms({ ...answering(OFFLINE).options, signal: AbortSignal.abort() }), fails("aborted"));
});

class Tab extends Store {
  removeItem = (key) => this.delete(key);
}

test("a page that is loaded again takes its seat back, if it kept it", async () => {
  const keep = new Tab(), first = answering(SEAT);
  await first.join(undefined, {}, { keep });
  assert.deepEqual([...keep.keys()], ["tickhall.seat.arena"]);
  first.socket.lose();
  await first.advance(250);
  first.socket.deliver(welcome({ resumed: true, token: "tok2" }), [KEY, 20, 20, 1, 1, [], [], []]);

  assert(first.sockets[0].attempt < first.sockets[1].attempt, "a later attempt has a larger number");
  const again = answering(SEAT), joining = connect({ ...again.options, keep });
  await settle();
  assert(first.sockets[1].attempt <= again.socket.attempt, "as has that of a page that was loaded again");
  assert.deepEqual([again.requests.length, again.socket.url, again.socket.protocols[1]],
    [0, "ws://game.test/v1/connect?tick=0&key=1", "tickhall.resume.tok2"]);
  again.socket.deliver(welcome({ resumed: true, token: "tok3", lastInput: 9 }), [KEY, 30, 30, 1, 1, [], [7, 80, 64, 10, "Ada", 1], []]);
  const room = await joining;
  assert.deepEqual([room.state, room.table("ship").size, JSON.parse(keep.get("tickhall.seat.arena")).token], ["joined", 1, "tok3"]);
  await again.advance(0);
  room.input({ DX: 1, Fire: false });
  assert.equal(again.socket.took(INPUT)[0][1], 10, "inputs go on from the last one consumed");
});

test("a seat that is gone, given up or taken by another tab is kept no longer", async () => {
  const kept = async () => {
    const keep = new Tab(), fake = answering(SEAT), room = await fake.join(undefined, {}, { keep });
    assert.equal(keep.size, 1);
    return { keep, fake, room };
  };
  const left = await kept();
  await Promise.all([left.room.leave(), left.fake.advance(3000)]);
  assert.equal(left.keep.size, 0);

  const tab = await kept(); // and does not fight for it
  tab.fake.socket.deliver([BYE, 4203, "taken over", "stop", null]);
  await tab.fake.advance(60_000);
  assert.deepEqual([tab.keep.size, tab.room.state, tab.fake.sockets.length], [0, "closed", 1]);

  const ended = await kept(), late = answering(SEAT), joining = connect({ ...late.options, keep: ended.keep });
  joining.catch(() => {});
  await settle();
  late.socket.deliver([BYE, 4205, "over", "stop", { winner: 7 }]);
  const err = await joining.catch((e) => e);
  assert.deepEqual([err.code, err.result, ended.keep.size], ["room_ended", { winner: 7 }, 0]);

  const gone = await kept(); const other = answering(refuse(404, "token_unknown"), SEAT), matching = connect({ ...other.options, keep: gone.keep });
  await settle();
  other.socket.lose();
  await other.advance(250);
  assert.equal(other.socket.url, "ws://game.test/v1/connect?ticket=t");
  other.socket.deliver(welcome({ token: "new" }), [KEY, 5, 5, 1, 1, [], [], []]);
  await matching;
  assert.equal(JSON.parse(gone.keep.get("tickhall.seat.arena")).token, "new");
});

test("the seat in a room of one's own, or a friend's, is kept under the room's id, however that was typed", async () => {
  for (const options of [{ mode: "create" }, { mode: "join", room: "R-1" }, { mode: "join", room: "r l" }]) {
    const keep = new Tab(), first = answering(SEAT);
    await first.join(undefined, {}, { keep, ...options });
    assert.deepEqual([...keep.keys()], ["tickhall.seat.r1"]);
    const again = answering(SEAT), joining = connect({ ...again.options, keep, mode: "join", room: "r1" });
    await settle();
    assert.deepEqual([again.requests.length, again.socket.protocols[1]], [0, "tickhall.resume." + JSON.parse(keep.get("tickhall.seat.r1")).token]);
    again.socket.deliver(welcome({ resumed: true }), [KEY, 30, 30, 1, 1, [], [7, 80, 64, 10, "Ada", 1], []]);
    await joining;
  }
});

test("a kept seat is that of the same server and room; what can't be read is none", async () => {
  for (const [text, options] of [
    ["{", {}], ['{"token":5}', {}], [JSON.stringify({ url: "ws://evil.test/c", token: "t", server: "http://evil.test" }), {}],
    [JSON.stringify({ url: "ws://game.test/c", token: "t", server: "http://game.test" }), { mode: "join", room: "r9" }],
    [JSON.stringify({ url: "ws://game.test/c", token: "t", server: "http://game.test" }), { mode: "create" }],
    [JSON.stringify({ url: "ws://game.test/c", token: "t", server: "http://game.test" }), { spectate: true }],
  ]) {
    const keep = new Tab([["tickhall.seat.arena", text]]), fake = answering(SEAT);
    await fake.join(undefined, {}, { keep, ...options });
    assert.equal(fake.sockets[0].url, "ws://game.test/v1/connect?ticket=t", text);
  }
});
