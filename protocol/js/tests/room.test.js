import assert from "node:assert/strict";
import test from "node:test";
import { TickhallError, connect } from "../tickhall.js";
import {
  ACK, BYE, CLOCK, DELTA, DROPPED, ERROR, EVENT, Fake, HASH, INPUT, KEY, LEAVE, MESSAGE, OWN, REPLY, TIME, settle, welcome,
} from "./fake.js";

const fails = (code) => (e) => e instanceof TickhallError && e.code === code;
const SHIP = [7, 80, 64, 10, "Ada", 1]; // x is 10 units

/** Joins with a ship in sight. */
async function joined(more, options) {
  const fake = new Fake(), room = await fake.join([KEY, 10, 10, 1, 1, [], SHIP, []], more, options);
  fake.socket.sent = [];
  return { fake, room, ws: fake.socket };
}

/** Notes what happens to a room. */
function watch(room, ...types) {
  const seen = [];
  for (const t of types) room.on(t, (d) => seen.push([t, d]));
  return seen;
}

test("matches, connects and shows the world", async () => {
  const fake = new Fake();
  const room = await fake.join([KEY, 10, 10, 1, 1, [], SHIP, [1, 3]]);
  assert.equal(fake.requests[0].url, "http://game.test/v1/match");
  assert.deepEqual(JSON.parse(fake.requests[0].init.body), { kind: "arena", mode: "quick", name: "Ada" });
  assert.deepEqual([fake.socket.url, fake.socket.protocols], ["ws://game.test/v1/connect?ticket=t", ["tickhall.1"]]);
  assert.deepEqual([room.state, room.id, room.kind, room.player, room.user, room.rate, room.tick], ["joined", "r1", "arena", 1, "u1", 20, 10]);
  assert.deepEqual(room.inputs, [{ name: "DX", type: "int8" }, { name: "Fire", type: "bool" }]);
  assert.equal(room.grace, 20);
  const ships = room.table("ship");
  assert.equal(ships.size, 1);
  assert.deepEqual(ships.get(7), { id: 7, x: 10, heading: Math.PI / 2, vx: 5, name: "Ada", shield: true, ammo: 0 });
  assert.deepEqual([...room.table("rock")], [{ id: 1, size: 3 }]);
  assert.equal(ships.mine(7), false);
  fake.socket.deliver([DELTA, 11, 1], [OWN, 0, 0, 0, 7, 1, 30]);
  assert.equal(ships.mine(7), true);
  assert.deepEqual([ships.get(7).ammo, ships.get(7).x], [30, 10.25]);
  assert.throws(() => room.table("shop"), fails("invalid"));
  assert.throws(() => room.on("kill", () => {}), fails("invalid"));
});

test("a player's own entities, in the newest snapshot and in the view", async () => {
  const { fake, room, ws } = await joined(), ids = (list) => [...list].map((s) => s.id);
  const ships = room.table("ship"), drawn = room.interpolate().table("ship");
  assert.deepEqual([ids(ships.own()), ships.first().id, room.table("rock").first()], [[], 7, undefined]);
  ws.deliver([DELTA, 11, 1, 0, [], [], [8, 0, 0, 0, "Bo", 0]], [OWN, 0, 0, 0, 8, 0]);
  assert.deepEqual(ids(ships.own()), [8]);
  assert.equal(ships.own().next().value, ships.get(8));
  await fake.advance(500);
  room.interpolate();
  assert.deepEqual([ids(drawn.own()), drawn.mine(7), drawn.mine(8), drawn.mine(9)], [[8], false, true, false]);
  ws.deliver([DELTA, 12, 1, 0, [8], [], []]);
  assert.deepEqual([ids(ships.own()), ids(drawn.own())], [[], [8]], "still drawn, and still one's own");
});

test("a view's callback that throws harms nobody", async (t) => {
  t.mock.method(console, "error", () => {});
  const { room } = await joined(), seen = watch(room, "error");
  room.interpolate().table("ship").on("enter", () => { throw new Error("oops"); });
  assert.equal(seen[0][1].code, "callback");
});

test("tells what changed, once the whole message is applied", async () => {
  const { room, ws } = await joined(), seen = [], ships = room.table("ship");
  ships.on("enter", (s) => seen.push(["enter", s.id, room.tick]));
  assert.deepEqual(seen.splice(0), [["enter", 7, 10]], "those that are there are told at once");
  const off = ships.on("change", (s) => seen.push(["change", s.id, s.x, ships.size]));
  ships.on("leave", (s) => seen.push(["leave", s.id, ships.has(s.id)]));
  room.on("snapshot", (s) => seen.push(["snapshot", s.tick, s.span]));
  room.onEvent("hit", (body, tick) => seen.push(["hit", body, tick, ships.size]));
  ws.deliver([EVENT, 11, "hit", { by: 8 }], [DELTA, 11, 1], [DELTA, 13, 2, 0, [], [], [8, 0, 0, 0, "Bo", 0]]);
  assert.deepEqual(seen.splice(0), [["change", 7, 10.75, 2], ["enter", 8, 13], ["snapshot", 13, 2], ["hit", { by: 8 }, 11, 2]]);
  const bo = ships.get(8);
  off();
  ws.deliver([DELTA, 14, 1, 0, [8], [], []]);
  assert.deepEqual(seen.splice(0), [["leave", 8, false], ["snapshot", 14, 1]]);
  assert.equal(bo.name, "Bo");
  assert.equal(room.stats.skipped, 1);
  assert.equal(room.stats.snapshots, 4);
});

test("what comes and goes within a message is not told, nor what did not change", async () => {
  const { room, ws } = await joined(), seen = [], ships = room.table("ship");
  for (const t of ["enter", "change", "leave"]) ships.on(t, (s) => seen.push([t, s.id]));
  seen.length = 0;
  ws.deliver([DELTA, 11, 1, 0, [], [7, 0b101, -2, -10], [8, 0, 0, 0, "Bo", 0]], [DELTA, 12, 1, 0, [8], [7, 0b101, 1, 10], []]);
  assert.deepEqual([ships.get(7).x, ships.get(7).vx], [10.125, 5]);
  ws.deliver([KEY, 13, 13, 1, 1, [], [7, 81, 64, 10, "Ada", 1], []]);
  assert.deepEqual(seen, [["change", 7]]);
});

test("events that come with the world wait for the page to listen", async () => {
  const fake = new Fake(), seen = [], joining = connect(fake.options);
  await settle();
  fake.socket.deliver(welcome(), [KEY, 10, 10, 1, 1, [], [], []], [EVENT, 10, "a", 1]);
  fake.socket.deliver([DELTA, 11, 1], [EVENT, 11, "b", 2]);
  const room = await joining;
  room.on("event", (e) => seen.push(e));
  await fake.advance(0);
  fake.socket.deliver([DELTA, 12, 1], [EVENT, 12, "c", 3]);
  assert.deepEqual(seen.map((e) => e.body), [1, 2, 3]);
});

test("a callback that throws harms nobody", async (t) => {
  t.mock.method(console, "error", () => {});
  const { room, ws } = await joined(), seen = watch(room, "error", "snapshot");
  room.table("ship").on("change", () => { throw new Error("oops"); });
  room.on("error", () => { throw new Error("again"); });
  room.onEvent("x", () => { throw new Error("more"); });
  ws.deliver([DELTA, 11, 1], [EVENT, 11, "x", null]);
  assert.deepEqual(seen.map(([t, d]) => d.code ?? t), ["callback", "snapshot", "callback"]);
  assert.equal(console.error.mock.callCount(), 4);
  assert.equal(room.state, "joined");
  assert.deepEqual(ws.took(ACK), [[ACK, 11]]);
});

test("acknowledges each message at once, or with the input that is due", async () => {
  const { fake, room, ws } = await joined();
  ws.deliver([DELTA, 11, 1], [DELTA, 12, 1]);
  assert.deepEqual(ws.took(ACK), [[ACK, 12]]);
  room.input({ DX: 1, Fire: false });
  assert.deepEqual(ws.took(INPUT), [[INPUT, 1, 12, 0, 12, [1, false]]]);
  ws.deliver([DELTA, 13, 1]);
  assert.deepEqual(ws.took(ACK), []);
  await fake.advance(50);
  assert.deepEqual(ws.took(INPUT), [[INPUT, 2, 13, 0, 13, [1, false]]]);
  // Timers that no longer fire, as in a tab out of sight, hold no ACK up.
  fake.time += 200;
  ws.deliver([DELTA, 14, 1]);
  assert.deepEqual(ws.took(ACK), [[ACK, 14]]);
});

test("samples the input once per tick, without drift and without floods", async () => {
  const { fake, room, ws } = await joined({ rate: 60 });
  ws.deliver([DELTA, 11, 1]);
  room.input({ DX: -1, Fire: true });
  await fake.advance(1001);
  assert.equal(ws.took(INPUT).reduce((n, m) => n + m.length - 5, 0), 61);
  ws.deliver([DELTA, 12, 1]);
  fake.time += 60_000; // the tab slept
  await fake.advance(0);
  assert.equal(ws.took(INPUT).reduce((n, m) => n + m.length - 5, 0), 1);
  ws.bufferedAmount = 4000;
  await fake.advance(500);
  assert.deepEqual(ws.took(INPUT), []);
  assert.ok(room.stats.inputsSkipped >= 29);
  ws.bufferedAmount = 0;
  room.input(null);
  await fake.advance(500);
  assert.deepEqual(ws.took(INPUT), []);
});

test("an input may leave fields out, and a short press is not lost", async () => {
  const { fake, room, ws } = await joined();
  room.input({ DX: 1 });
  assert.deepEqual(ws.took(INPUT)[0].at(-1), { DX: 1 });
  room.input({ DX: 0, Fire: true });
  room.input({ DX: 0, Fire: false });
  await fake.advance(100);
  assert.deepEqual(ws.took(INPUT).map((m) => m.at(-1)), [[0, true], [0, false]]);
  assert.throws(() => room.input({ dx: 1 }), (e) => fails("invalid")(e) && e.message.includes("DX, Fire"));
});

test("of inputs that the room does not consume the newest are kept", async () => {
  const { fake, room, ws } = await joined({ rate: 100 });
  room.input({ DX: 1, Fire: false });
  for (let i = 0; i < 20; i++) {
    await fake.advance(200);
    ws.deliver([DELTA, 11 + i, 1]);
  }
  assert.equal(ws.took(INPUT).at(-1)[1], 401, "and the player's are still sent");
  ws.lose();
  await fake.advance(125);
  fake.socket.deliver(welcome({ rate: 100, resumed: true, lastInput: 5 }), [DELTA, 31, 1]);
  const again = fake.socket.took(INPUT).slice(0, 4);
  assert.deepEqual(again.map((m) => [m[1], m.length - 5]), [[274, 32], [306, 32], [338, 32], [370, 32]]);
});

test("of large inputs fewer are kept, so that a resume does not flood the server", async () => {
  const { fake, room, ws } = await joined();
  room.input({ DX: "x".repeat(3000), Fire: false });
  await fake.advance(500);
  ws.deliver([DELTA, 11, 1]);
  ws.lose();
  await fake.advance(125);
  fake.socket.deliver(welcome({ resumed: true }), [DELTA, 12, 1]);
  assert.deepEqual(fake.socket.took(INPUT).map((m) => m[1]).slice(0, 6), [7, 8, 9, 10, 11, 12]);
});

test("inputs too far ahead of what the room has received are given up", async () => {
  const { fake, room, ws } = await joined({ rate: 1000 });
  room.input({ DX: 1, Fire: false });
  await fake.advance(700);
  ws.lose();
  await fake.advance(125);
  fake.socket.deliver(welcome({ rate: 1000, resumed: true, lastInput: 5 }), [DELTA, 11, 1]);
  assert.equal(fake.socket.took(INPUT)[0][1], 6);
});

test("inputs are sampled faster when the room waits for them, slower when they wait", async () => {
  for (const [slack, least, most] of [[-20, 109, 113], [20, 89, 93], [0, 99, 102]]) {
    const { fake, room, ws } = await joined({ rate: 100 });
    room.input({ DX: 1 });
    for (let i = 0; i < 200; i++) {
      await fake.advance(10);
      ws.deliver([DELTA, 11 + i, 1], [OWN, room.stats.inputs, slack]);
      if (i === 99) ws.took(INPUT);
    }
    const n = ws.took(INPUT).reduce((n, m) => n + m.length - 5, 0);
    assert.ok(n >= least && n <= most, `${n} inputs with slack ${slack}`);
  }
});

test("calls resolve with their reply, or reject with its error", async () => {
  const { fake, room, ws } = await joined(), seen = watch(room, "error");
  const a = room.call("say", { text: "hi" }), b = room.call("say", null), c = room.call("slow");
  room.send("wave", [1]);
  assert.deepEqual(ws.took(MESSAGE), [[MESSAGE, 1, "say", { text: "hi" }], [MESSAGE, 2, "say", null], [MESSAGE, 3, "slow", null], [MESSAGE, 0, "wave", [1]]]);
  ws.deliver([DELTA, 11, 1], [ERROR, 11, 2, "muted", "not now"], [REPLY, 11, 1, { ok: true }], [ERROR, 11, 0, "rate_limited", "slower"], [REPLY, 11, 99, 1]);
  assert.deepEqual(await a, { ok: true });
  await assert.rejects(b, fails("muted"));
  assert.deepEqual(seen.map(([, e]) => e.code), ["rate_limited"]);
  await Promise.all([assert.rejects(c, fails("timeout")), fake.advance(30_000)]);
  await assert.rejects(room.call("say", "x".repeat(5000)), fails("too_large"));
  await assert.rejects(room.call("n".repeat(65)), fails("invalid"));
  assert.throws(() => room.send("say", () => 1), fails("invalid"));
});

test("a lost connection is resumed, with the inputs, calls and messages that it cost", async () => {
  const { fake, room, ws } = await joined(), seen = watch(room, "state", "reconnecting", "joined");
  room.input({ DX: 1, Fire: false });
  await fake.advance(100);
  ws.deliver([DELTA, 12, 2], [OWN, 1, 0]);
  const call = room.call("say");
  ws.lose(1006);
  assert.equal(room.state, "reconnecting");
  room.send("later");
  await fake.advance(125); // half of 250 ms: random is 0.5
  assert.deepEqual([fake.socket.url, fake.socket.protocols], ["ws://game.test/v1/connect?tick=12", ["tickhall.1", "tickhall.resume.tok"]]);
  fake.socket.deliver(welcome({ resumed: true, lastInput: 2, token: "tok2" }));
  assert.deepEqual([room.state, fake.socket.sent], ["reconnecting", []], "nothing is sent before the snapshot after WELCOME");
  fake.socket.deliver([DELTA, 13, 1]);
  assert.equal(room.state, "joined");
  const sent = fake.socket.sent;
  assert.deepEqual(sent.filter((m) => m[0] === INPUT)[0], [INPUT, 3, 13, 0, 13, [1, false]]);
  assert.deepEqual(sent.filter((m) => m[0] === MESSAGE), [[MESSAGE, 0, "later", null]]);
  fake.socket.deliver([DELTA, 14, 1], [REPLY, 13, 1, "said"]);
  assert.equal(await call, "said");
  assert.deepEqual(seen.map(([t, d]) => [t, d.attempt ?? d.resumed ?? d]), [
    ["state", "reconnecting"], ["reconnecting", 1], ["state", "joined"], ["joined", true],
  ]);
  assert.equal(room.stats.reconnects, 1);
  await fake.advance(50);
  assert.deepEqual(fake.socket.took(INPUT).map((m) => m[1]), [3, 4, 5]);
  fake.socket.lose();
  await fake.advance(250);
  assert.equal(fake.socket.protocols[1], "tickhall.resume.tok2", "each connection is told a token of its own");
});

test("asks why a WebSocket did not open, by what it was opened with", async () => {
  const { fake, ws } = await joined(), probes = () => fake.requests.filter((r) => r.url === "http://game.test/v1/connect");
  ws.lose();
  await fake.advance(125);
  fake.socket.lose();
  await settle();
  assert.deepEqual(probes().map(({ init }) => [init.method, JSON.parse(init.body)]), [["POST", { resume: "tok" }]]);
  const other = new Fake(), joining = connect(other.options);
  joining.catch(() => {});
  await settle();
  other.answer = () => ({ status: 403, body: { code: "banned", message: "no" } });
  other.socket.lose();
  await assert.rejects(joining, fails("banned"));
  assert.deepEqual(JSON.parse(other.requests.at(-1).init.body), { ticket: "t" });
});

test("many unconsumed inputs are sent again 32 at a time", async () => {
  const { fake, room, ws } = await joined();
  room.input({ DX: 1, Fire: false });
  await fake.advance(50 * 69);
  assert.equal(ws.took(INPUT).at(-1)[1], 70);
  ws.lose();
  await fake.advance(200);
  fake.socket.deliver(welcome({ resumed: true, lastInput: 3 }), [DELTA, 11, 1]);
  assert.deepEqual(fake.socket.took(INPUT).slice(0, 3).map((m) => [m[1], m.length - 5]), [[4, 32], [36, 32], [68, 3]]);
});

test("without a network it keeps trying, with growing waits, and at once when that is back", async () => {
  const { fake, room, ws } = await joined(), seen = watch(room, "reconnecting");
  fake.answer = () => new Error("offline");
  ws.lose();
  for (let i = 0; i < 12; i++) {
    await fake.advance(5000);
    fake.socket.lose();
    await settle();
  }
  const delays = seen.map(([, d]) => Math.round(d.delay));
  assert.deepEqual(delays.slice(0, 4), [125, 200, 320, 512]);
  assert.deepEqual(delays.at(-1), 600);
  const n = fake.sockets.length;
  fake.window.dispatchEvent(new Event("online"));
  assert.equal(fake.sockets.length, n + 1);
  fake.window.document.dispatchEvent(new Event("visibilitychange"));
  assert.equal(fake.sockets.length, n + 1, "one attempt at a time");
  fake.socket.deliver(welcome({ resumed: true }), [DELTA, 11, 1]);
  assert.equal(room.state, "joined");
});

test("a WebSocket may end by an error, a close or both, before and after it has opened", async () => {
  const ends = {
    "error alone": [(ws) => ws.fail()], "close alone": [(ws) => ws.lose()],
    "error, then close": [(ws) => ws.fail(), (ws) => ws.lose()], "close, then error": [(ws) => ws.lose(), (ws) => ws.fail()],
    "error twice": [(ws) => ws.fail(), (ws) => ws.fail()],
  };
  for (const [name, acts] of Object.entries(ends)) {
    const { fake, room, ws } = await joined(), seen = watch(room, "reconnecting");
    for (const act of acts) act(ws);
    await fake.advance(100 + 125);
    assert.deepEqual([seen.length, fake.sockets.length], [1, 2], `${name}, once joined`);
    fake.answer = () => new Error("offline");
    for (const act of acts) act(fake.socket);
    await fake.advance(100 + 200);
    assert.deepEqual([seen.length, fake.sockets.length], [2, 3], `${name}, before it opened`);
    for (const act of acts) act(ws);
    await fake.advance(100);
    assert.equal(seen.length, 2, `${name}, of one that is given up`);
    fake.socket.deliver(welcome({ resumed: true }), [DELTA, 11, 1]);
    assert.equal(room.state, "joined");
    fake.socket.fail();
    await Promise.all([room.leave(), fake.advance(2000)]);
    assert.equal(fake.timers.size, 0, name);
  }
});

test("the close that follows an error still counts", async () => {
  const { fake, room, ws } = await joined(), seen = watch(room, "close");
  ws.fail();
  await fake.advance(50);
  ws.lose(4202, "be nice");
  assert.deepEqual([room.state, seen[0][1].error.code, fake.timers.size], ["closed", "kicked", 0]);
});

test("a WebSocket that can't be made ends connect, but not a room that had one", async () => {
  const { fake, room, ws } = await joined(), seen = watch(room, "reconnecting");
  const { sockets } = fake, push = sockets.push;
  sockets.push = () => { throw new SyntaxError("no"); };
  await assert.rejects(connect(fake.options), fails("websocket"));
  ws.lose();
  await fake.advance(125);
  sockets.push = push;
  assert.deepEqual(seen.map(([, d]) => d.error.code), ["lost", "websocket"]);
  await fake.advance(200);
  fake.socket.deliver(welcome({ resumed: true }), [DELTA, 11, 1]);
  assert.equal(room.state, "joined");
});

test("a WebSocket that throws when it is used harms nobody", async () => {
  const { fake, room, ws } = await joined();
  ws.send = ws.close = () => { throw new Error("InvalidStateError"); };
  room.send("wave");
  ws.lose();
  await fake.advance(125);
  fake.socket.send = fake.socket.close = ws.send;
  await room.leave();
  assert.equal(fake.timers.size, 0);
});

test("a page that the browser puts aside is away, and resumes when it is shown again", async () => {
  const { fake, room, ws } = await joined();
  fake.window.dispatchEvent(Object.assign(new Event("pagehide"), { persisted: false }));
  assert.equal(room.state, "joined", "a page that ends closes its sockets by itself");
  fake.window.dispatchEvent(Object.assign(new Event("pagehide"), { persisted: true }));
  assert.equal(room.state, "reconnecting");
  assert.equal(ws.closed?.code ?? 4003, 4003, "1000 would give the seat up");
  const n = fake.sockets.length;
  fake.window.dispatchEvent(new Event("pageshow"));
  assert.equal(fake.sockets.length, n + 1);
  fake.socket.deliver(welcome({ resumed: true }), [DELTA, 11, 1]);
  assert.equal(room.state, "joined");
});

test("a page that the browser stops is away, and back when it goes on, be it seen or not", async () => {
  const { fake, room, ws } = await joined(), page = fake.window.document;
  page.visibilityState = "hidden";
  page.dispatchEvent(new Event("visibilitychange"));
  assert.equal(room.state, "joined", "a page out of sight plays on");
  page.dispatchEvent(new Event("freeze"));
  assert.deepEqual([room.state, ws.closed?.code], ["reconnecting", 4003]);
  await fake.advance(2000);
  assert.equal(fake.sockets.length, 1, "no timer brings it back before it is stopped");
  page.dispatchEvent(new Event("freeze"));
  page.dispatchEvent(new Event("resume"));
  page.dispatchEvent(new Event("resume"));
  assert.equal(fake.sockets.length, 2);
  fake.socket.deliver(welcome({ resumed: true }), [DELTA, 11, 1]);
  assert.equal(room.state, "joined");
  page.dispatchEvent(new Event("freeze"));
  await fake.advance(5000);
  assert.equal(fake.sockets.length, 3, "time that goes on tells that it was not stopped");
  await room.leave();
  page.dispatchEvent(new Event("resume"));
  assert.deepEqual([fake.sockets.length, fake.timers.size], [3, 0]);
});

test("a KEY in parts makes the world with its last one, and each is acknowledged", async () => {
  const fake = new Fake(), joining = connect(fake.options);
  await settle();
  const ws = fake.socket;
  ws.deliver(welcome(), [KEY, 10, 10, 1, 3, [], [7, 80, 64, 10, "Ada", 1], []]);
  assert.deepEqual(ws.took(ACK), [[ACK, 10]]);
  await fake.advance(9000);
  ws.deliver([EVENT, 10, "a", 1]);
  ws.deliver([KEY, 11, 10, 2, 3, [], [], [1, 3]]);
  await fake.advance(9000);
  assert.deepEqual(ws.took(ACK), [[ACK, 11]]);
  ws.deliver([KEY, 15, 10, 3, 3, [], [8, 0, 0, 0, "Bo", 0], []], [OWN, 0, 0, 0, 7, 1, 30]);
  const room = await joining;
  assert.deepEqual([room.table("ship").size, room.table("ship").mine(7), room.stats.snapshots], [2, true, 1]);
  assert.deepEqual(ws.took(ACK), [[ACK, 15]]);
  ws.deliver([DELTA, 16, 6, 0, [8], [], []]);
  assert.equal(room.table("ship").size, 1, "the DELTA continues from the world, not from the last part's tick");
  // Another world: the one that is held stands until the last part.
  ws.deliver([KEY, 17, 17, 1, 2, [], [9, 0, 0, 0, "Cy", 0], []]);
  assert.deepEqual([...room.table("ship").values()].map((s) => s.name), ["Ada"]);
  ws.lose();
  await fake.advance(125);
  assert.equal(fake.socket.url, "ws://game.test/v1/connect?tick=17");
  fake.socket.deliver(welcome({ resumed: true }), [KEY, 20, 20, 1, 2, [], [9, 0, 0, 0, "Cy", 0], []]);
  assert.equal(room.state, "reconnecting");
  fake.socket.deliver([KEY, 21, 20, 2, 2, [], [], []]);
  assert.equal(room.state, "joined");
  assert.deepEqual([...room.table("ship").values()].map((s) => s.name), ["Cy"]);
});

test("between the parts of a KEY there is no DELTA, OWN or HASH, and none is left out", async () => {
  const part = (tick, n) => [KEY, tick, 11, n, 3, [], [], []];
  for (const bad of [[DELTA, 12, 2], [OWN, 0, 0], [HASH, 10, 0], part(12, 3), part(11, 2), [KEY, 12, 11, 2, 4, [], [], []]]) {
    const { room, ws } = await joined();
    ws.deliver(part(11, 1));
    ws.deliver(bad);
    assert.equal(room.stats.faults, 1, JSON.stringify(bad));
  }
});

test("events that were lost are told", async () => {
  const { room, ws } = await joined(), seen = watch(room, "event", "dropped");
  ws.deliver([DELTA, 11, 1], [EVENT, 11, "a", 1], [DROPPED, 11, 7], [EVENT, 11, "b", 1]);
  assert.deepEqual(seen.map(([t, d]) => [t, d.name ?? d.count]), [["event", "a"], ["dropped", 7], ["event", "b"]]);
  assert.equal(room.stats.dropped, 7);
});

test("a seat that is gone is matched again, into another world", async () => {
  const { fake, room, ws } = await joined(), seen = [], ships = room.table("ship");
  room.input({ DX: 1, Fire: false });
  ships.on("leave", (s) => seen.push(["leave", s.id, s.name]));
  ships.on("enter", (s) => seen.push(["enter", s.id, s.name]));
  seen.length = 0;
  const call = room.call("say");
  ws.lose();
  await fake.advance(125);
  fake.answer = ({ url }) => (url.endsWith("/v1/match") ? { body: { ticket: "t2", url: "ws://game.test/v1/connect?ticket=t2" } } : { status: 404, body: { code: "token_unknown", message: "gone" } });
  fake.socket.lose();
  await assert.rejects(call, fails("lost"));
  await fake.advance(200);
  assert.equal(fake.socket.url, "ws://game.test/v1/connect?ticket=t2");
  fake.socket.deliver(welcome({ room: "r2", lastInput: 40 }));
  assert.deepEqual([room.state, ships.size], ["reconnecting", 1], "the old world stands until the new one is there");
  fake.socket.deliver([KEY, 3, 3, 1, 1, [], [7, 0, 0, 0, "Eve", 0], []]);
  assert.deepEqual(seen, [["leave", 7, "Ada"], ["enter", 7, "Eve"]]);
  assert.deepEqual([room.id, room.tick, ships.get(7).name, room.state], ["r2", 3, "Eve", "joined"]);
  assert.equal(room.table("ship"), ships);
  await fake.advance(50);
  assert.deepEqual(fake.socket.took(INPUT)[0].slice(0, 5), [INPUT, 41, 3, 0, 3]);
});

test("who finds the server back without the seat does not wait as long as for the server", async () => {
  const { fake, ws } = await joined();
  ws.lose();
  fake.answer = () => new Error("offline");
  for (let tries = 1; tries < 12; tries++) {
    while (fake.sockets.length === tries) await fake.advance(50);
    fake.socket.lose();
    await settle();
  }
  const before = fake.sockets.length;
  while (fake.sockets.length === before) await fake.advance(50);
  fake.answer = ({ url }) => (url.endsWith("/v1/match") ? { body: { ticket: "t2", url: "ws://game.test/v1/connect?ticket=t2" } } : { status: 404, body: { code: "token_unknown", message: "gone" } });
  fake.socket.lose();
  await fake.advance(125);
  assert.equal(fake.socket.url, "ws://game.test/v1/connect?ticket=t2");
});

test("another world may have other tables and inputs", async () => {
  const { fake, room, ws } = await joined(), errors = watch(room, "error");
  room.input({ DX: 1 });
  ws.deliver([BYE, 4100, "the game failed", "match", null]);
  await fake.advance(125);
  fake.socket.deliver(welcome({ inputs: [["Go", "bool"]], schema: [["car", []]] }), [KEY, 1, 1, 1, 1, [], [5]]);
  assert.deepEqual([room.table("ship").size, [...room.table("car")]], [0, [{ id: 5 }]]);
  assert.deepEqual(errors.map(([, e]) => e.code), ["invalid"]);
});

test("follows the advice of a BYE", async () => {
  for (const [code, advice, state, path] of [
    [4000, "resume", "reconnecting", "/v1/connect?tick=10"], [4102, "match", "reconnecting", "/v1/connect?ticket=t"],
    [4203, "stop", "closed"], [4999, "unheard of", "closed"], [4150, "unheard of", "reconnecting", "/v1/connect?ticket=t"],
  ]) {
    const { fake, room, ws } = await joined();
    ws.deliver([BYE, code, "because", advice, null]);
    assert.equal(room.state, state);
    await fake.advance(125);
    assert.equal(fake.socket.url, `ws://game.test${path ?? "/v1/connect?ticket=t"}`);
    assert.equal(fake.sockets.length, path ? 2 : 1);
  }
});

test("a room that ends is closed with its result", async () => {
  const { fake, room, ws } = await joined(), seen = watch(room, "state", "close");
  const call = room.call("say");
  ws.deliver([DELTA, 11, 1], [BYE, 4205, "over", "stop", { winner: 7 }]);
  await assert.rejects(call, fails("closed"));
  const [, close] = seen[1];
  assert.deepEqual([seen[0][1], close.code, close.reason, close.result, close.error.code], ["closed", 4205, "over", { winner: 7 }, "room_ended"]);
  await fake.advance(60_000);
  assert.equal(fake.sockets.length, 1);
  assert.equal(fake.timers.size, 0);
  assert.throws(() => room.send("x"), fails("closed"));
  fake.window.dispatchEvent(new Event("online"));
  assert.equal(fake.sockets.length, 1);
});

test("close codes without a BYE carry their advice", async () => {
  for (const [code, state] of [[1000, "closed"], [1001, "reconnecting"], [1006, "reconnecting"], [4001, "reconnecting"], [4103, "reconnecting"], [4202, "closed"]]) {
    const { room, ws } = await joined();
    ws.lose(code);
    assert.equal(room.state, state, code);
  }
});

test("leaving gives the seat up and waits for the BYE, but not for long", async () => {
  for (const answer of [true, false]) {
    const { fake, room, ws } = await joined(), seen = watch(room, "close");
    const left = room.leave();
    assert.deepEqual(ws.sent, [[LEAVE]]);
    if (answer) ws.deliver([BYE, 1000, "bye", "stop", null]);
    await fake.advance(answer ? 0 : 2000);
    await left;
    assert.deepEqual([room.state, seen[0][1].code, fake.timers.size, ws.closed.code], ["closed", 1000, 0, 1000]);
    await room.leave();
  }
  const { fake, room, ws } = await joined();
  ws.lose();
  await room.leave();
  await fake.advance(10_000);
  assert.equal(fake.sockets.length, 1);
});

test("a wrong HASH is reported, and the world fetched again", async () => {
  const { fake, room, ws } = await joined(), seen = watch(room, "desync"), events = [];
  room.onEvent("hit", (b) => events.push(b));
  ws.deliver([DELTA, 11, 1], [HASH, 11, 1], [EVENT, 11, "hit", 1]);
  assert.deepEqual([seen[0][1].code, room.stats.hashMismatches, room.stats.hashes, room.stats.faults, events], ["hash", 1, 1, 0, [1]]);
  assert.equal(ws.closed.code, 4003);
  await fake.advance(125);
  assert.equal(fake.socket.url, "ws://game.test/v1/connect?tick=11&key=1");
  fake.socket.deliver(welcome({ resumed: true }));
  assert.deepEqual([room.state, fake.socket.sent], ["reconnecting", []], "nothing may be acknowledged yet");
  fake.socket.deliver([KEY, 15, 15, 1, 1, [], SHIP, []]);
  assert.equal(room.state, "joined");
  assert.deepEqual(fake.socket.took(ACK), [[ACK, 15]]);
});

test("a message that can't be read is not processed, and the world is fetched again", async () => {
  for (const bad of [[DELTA, 20, 1], [99], [EVENT, 11, 5, 1], [DELTA, 11, 1, 0, [], [1], []], [OWN, 0, 0, 9, 9, 0], [HASH, 9, 9], [CLOCK, 1, 1, 256], welcome(), [BYE, 5000, "", "stop", null]]) {
    const { fake, room, ws } = await joined(), seen = watch(room, "desync"), events = watch(room, "event", "snapshot");
    ws.deliver([EVENT, 10, "x", 1], bad);
    assert.deepEqual([seen[0]?.[1].code, room.stats.faults, events], ["protocol", 1, []], JSON.stringify(bad));
    assert.deepEqual(ws.took(ACK), []);
    await fake.advance(125);
    assert.equal(fake.socket.url, "ws://game.test/v1/connect?tick=10&key=1");
  }
  const { room, ws } = await joined();
  ws.raw("text");
  assert.equal(room.stats.faults, 1);
});

test("the page's world is left alone by a message that can't be read", async () => {
  const { fake, room, ws } = await joined(), ship = room.table("ship").get(7), seen = [];
  for (const t of ["change", "leave"]) room.table("ship").on(t, (s) => seen.push([t, s.id]));
  ws.deliver([DELTA, 11, 1, 0, [7], [], []], [99]);
  assert.equal(room.table("ship").get(7), ship);
  await fake.advance(125);
  fake.socket.deliver(welcome({ resumed: true }), [KEY, 12, 12, 1, 1, [], [7, 90, 64, 10, "Ada", 1], []]);
  assert.deepEqual(room.table("ship").get(7).x, 11.25);
  assert.equal(room.table("ship").size, 1);
});

test("what can't be read again and again ends it", async () => {
  const { fake, room, ws } = await joined();
  ws.raw(new ArrayBuffer(0));
  for (let i = 0; i < 10 && room.state !== "closed"; i++) {
    await fake.advance(5000);
    fake.socket.deliver(welcome({ resumed: true }), [KEY, 20, 20, 1, 1, [], [], []]);
    fake.socket.raw(Uint8Array.of(0x91, 0x63).buffer);
  }
  assert.equal(room.state, "closed");
  assert.equal(room.stats.faults, 5);
});

test("however often it is woken, one attempt is under way", async () => {
  const { fake, room, ws } = await joined();
  const wakeAll = () => {
    for (const type of ["online", "offline", "pageshow"]) fake.window.dispatchEvent(new Event(type));
    for (const type of ["visibilitychange", "resume"]) fake.window.document.dispatchEvent(new Event(type));
  };
  const matches = () => fake.requests.filter((r) => r.url.endsWith("/v1/match")).length;
  ws.lose(4103);
  wakeAll();
  wakeAll(); // while the match is under way
  await settle();
  wakeAll(); // while the WebSocket opens
  assert.deepEqual([matches(), fake.sockets.length], [2, 2]);
  fake.socket.lose();
  wakeAll();
  await settle(); // the probe has answered
  wakeAll();
  await settle();
  assert.equal(fake.sockets.length, 3);
  wakeAll();
  await fake.advance(5000);
  assert.equal(fake.sockets.length, 3);
  fake.socket.deliver(welcome(), [KEY, 1, 1, 1, 1, [], [], []]);
  assert.equal(room.state, "joined");
  wakeAll();
  await settle();
  assert.equal(fake.sockets.length, 3, "a connection that stands is asked for a sign, not made again");
  await Promise.all([room.leave(), fake.advance(2000)]);
  wakeAll();
  assert.deepEqual([fake.sockets.length, fake.timers.size], [3, 0]);
});

test("a server that stops in the middle of a match, or refuses for now, is asked again", async () => {
  const { fake, room, ws } = await joined(), { answer } = fake, seen = watch(room, "reconnecting");
  ws.lose(4102);
  for (const [given, delay] of [
    [new Error("reset"), 200], [{ status: 503, body: { code: "shutting_down", message: "no" }, retryAfter: "5" }, 5320],
    [{ status: 429, body: { code: "rate_limited", message: "no" }, retryAfter: "2" }, 2512], [{ status: 502 }, 600], [{ status: 503, retryAfter: "9999999999" }, 60_600],
  ]) {
    const before = seen.length;
    fake.answer = () => given;
    await fake.advance(seen.at(-1)[1].delay);
    assert.equal(seen.length, before + 1);
    assert.equal(Math.round(seen.at(-1)[1].delay), delay);
  }
  fake.answer = answer;
  await fake.advance(60_600);
  fake.socket.deliver(welcome(), [KEY, 1, 1, 1, 1, [], [], []]);
  assert.equal(room.state, "joined");
});

test("a silent connection is given up", async () => {
  const { fake, room, ws } = await joined();
  await fake.advance(9000);
  assert.ok(ws.closed);
  assert.equal(room.state, "reconnecting");
});

test("silence is told where the server should have spoken", async () => {
  const fake = new Fake(), room = await fake.join(), { socket } = fake;
  const clock = () => {
    for (const [, sent] of socket.took(TIME)) socket.deliver([CLOCK, sent, 10, 0]);
  };
  for (let i = 0; i < 50; i++) { // a quiet room, whose server answers
    await fake.advance(40);
    clock();
    await fake.advance(10);
    assert.equal(room.silence(), 0);
  }
  socket.deliver([DELTA, 11, 1]);
  for (let ms = 0; ms <= 450; ms += 50) { // nothing more
    assert.equal(room.silence(), 0);
    await fake.advance(50);
  }
  await fake.advance(50);
  assert.ok(room.silence() >= 500 && room.silence() < 600, String(room.silence()));
  assert.ok(socket.took(TIME).length <= 2, "it asks once");
  socket.deliver([DELTA, 12, 1]);
  assert.equal(room.silence(), 0);
  socket.lose();
  await fake.advance(100);
  assert.equal(room.silence(), 100);
});

test("a room on demand owes nothing but answers", async () => {
  const fake = new Fake(), room = await fake.join([KEY, 10, 10, 1, 1, [], [], []], { onDemand: true }), { socket } = fake;
  for (let i = 0; i < 100; i++) {
    for (const [, sent] of socket.took(TIME)) socket.deliver([CLOCK, sent, 10, 0]);
    await fake.advance(100);
    assert.equal(room.silence(), 0);
  }
  for (const [, sent] of socket.took(TIME)) socket.deliver([CLOCK, sent, 10, 0]);
  await fake.advance(3000);
  assert.ok(room.silence() >= 500 && room.silence() <= 3000, String(room.silence()));
});

test("TIME is sent in a burst, then every two seconds, and its answer counted", async () => {
  const fake = new Fake(), room = await fake.join();
  await fake.advance(450);
  assert.equal(fake.socket.took(TIME).length, 5);
  fake.socket.deliver([CLOCK, fake.time - 40, 10, 0]);
  assert.equal(room.stats.rtt, 40);
  assert.equal(room.time, 10 + 20 / 50);
  fake.socket.deliver([DELTA, 11, 1]);
  await fake.advance(4000);
  assert.equal(fake.socket.took(TIME).length, 2);
});

test("connect rejects with the reason of a refusal", async () => {
  for (const [answer, code] of [
    [{ status: 503, body: { code: "server_full", message: "full" }, retryAfter: "3" }, "server_full"], [{ status: 400, body: { code: "unknown_kind", message: "no" } }, "unknown_kind"],
    [{ status: 502, body: null }, "http_502"], [new Error("offline"), "network"], [{ body: {} }, "protocol"], [{ body: { url: "ws://" } }, "protocol"],
  ]) {
    const fake = new Fake();
    fake.answer = () => answer;
    const err = await connect(fake.options).catch((e) => e);
    assert.ok(fails(code)(err), `${err}`);
    assert.equal(err.retryAfter, answer.retryAfter ? 3000 : 0);
    assert.equal(fake.timers.size, 0);
  }
  await assert.rejects(connect({ url: "http://game.test" }), fails("invalid"));
});

test("connect matches again when the ticket no longer counts, a few times", async () => {
  const fake = new Fake();
  fake.answer = ({ url }) => (url.endsWith("/v1/match") ? { body: { ticket: "t", url: "ws://game.test/v1/connect?ticket=t" } } : { status: 410, body: { code: "ticket_expired", message: "late" } });
  const joining = connect(fake.options);
  joining.catch(() => {});
  for (let i = 0; i < 3; i++) {
    await fake.advance(1000);
    fake.socket.lose();
  }
  await assert.rejects(joining, fails("ticket_expired"));
  assert.equal(fake.sockets.length, 3);
  assert.equal(fake.timers.size, 0);
});

test("connect rejects when the game refuses the join, when the version is another, when nothing comes", async () => {
  for (const [act, code] of [
    [(ws) => ws.deliver([BYE, 4204, "full of bots", "stop", null]), "refused"],
    [(ws) => ws.deliver(welcome().with(1, 2)), "version"],
    [(ws) => ws.lose(4201, "flood"), "flood"],
  ]) {
    const fake = new Fake(), joining = connect(fake.options);
    joining.catch(() => {});
    await settle();
    act(fake.socket);
    await assert.rejects(joining, fails(code));
    assert.equal(fake.timers.size, 0);
  }
  const fake = new Fake(), joining = connect(fake.options);
  joining.catch(() => {});
  await fake.advance(40_000);
  await assert.rejects(joining, fails("timeout"));
});

test("a refusal that no waiting mends ends the reconnecting", async () => {
  const { fake, room, ws } = await joined(), seen = watch(room, "close");
  fake.answer = () => ({ status: 403, body: { code: "origin_refused", message: "no" } });
  ws.lose();
  await fake.advance(125);
  fake.socket.lose();
  await settle();
  assert.deepEqual([room.state, seen[0][1].code, seen[0][1].error.code], ["closed", 403, "origin_refused"]);
});

test("what a proxy answers while reconnecting passes, but not for ever", async () => {
  for (const answer of [{ status: 401 }, { status: 403, body: { error: "log in first" } }, { status: 404 }, { status: 200 }, { status: 426, body: { code: "upgrade_required" } }]) {
    const { fake, room, ws } = await joined(), seen = watch(room, "close");
    fake.answer = () => answer;
    ws.lose();
    for (let i = 0; i < 60; i++) {
      await fake.advance(600);
      fake.socket.lose();
      await settle();
    }
    assert.equal(room.state, "reconnecting", answer.status);
    await fake.advance(2500);
    fake.socket.lose();
    await settle();
    assert.deepEqual([room.state, seen[0][1].code, fake.timers.size], ["closed", answer.status, 0]);
  }
  // A match too; and what comes from the server itself starts the count over.
  const { fake, room, ws } = await joined();
  fake.answer = () => ({ status: 404 });
  ws.lose(4103);
  await fake.advance(30_000);
  fake.answer = new Fake().answer;
  await fake.advance(600);
  fake.socket.deliver(welcome(), [KEY, 1, 1, 1, 1, [], [], []]);
  assert.equal(room.state, "joined");
  fake.answer = () => ({ status: 404 });
  fake.socket.lose(4103);
  await fake.advance(30_000);
  assert.equal(room.state, "reconnecting");
  await fake.advance(120_000);
  assert.equal(room.state, "closed");
  for (const [answer, code] of [[{ status: 404 }, "http_404"], [{ status: 200 }, "http_200"], [{ status: 200, body: {} }, "protocol"]]) {
    const at = new Fake();
    at.answer = () => answer;
    await assert.rejects(connect(at.options), fails(code));
  }
});

test("a code that is not known ends it with a status of 4xx, and passes with another", async () => {
  for (const [status, code, state] of [
    [400, "bad_options", "closed"], [403, "constructor", "closed"], [410, "too_late", "closed"], [429, "too_many_seats", "reconnecting"],
    [503, "identity_unavailable", "reconnecting"], [500, "internal", "reconnecting"],
  ]) {
    const { fake, room, ws } = await joined();
    fake.answer = () => ({ status, body: { code, message: "no" } });
    ws.lose(4103);
    await fake.advance(125);
    assert.equal(room.state, state, code);
  }
});

test("a server that has moved to https is found there", async () => {
  const moved = (path) => `https://game.test${path}`, calls = (fake) => fake.requests.map((r) => `${r.init.method ?? "GET"} ${r.url}`);
  const seat = { body: { ticket: "t", url: "ws://game.test/v1/connect?ticket=t" } };
  const post = "POST http://game.test/v1/match", again = "POST https://game.test/v1/match";
  for (const [answer, options, want] of [
    [{ status: 405, moved: moved("/v1/match"), body: { code: "method_not_allowed", message: "no" } }, {}, [post, again]], // 301: by GET
    [{ status: 404, moved: moved("/v1/match") }, {}, [post, again]],
    [{ ...seat, moved: moved("/v1/match") }, {}, [post]], // 308: by POST
    [{ ...seat, moved: moved("/v1/match") }, { token: "t" }, [post, again]], // which loses the token
  ]) {
    const fake = new Fake();
    fake.answer = ({ url }) => (url.startsWith("http:") ? answer : seat);
    await fake.join(undefined, {}, options);
    assert.deepEqual(calls(fake), want);
    assert.equal(fake.socket.url, "wss://game.test/v1/connect?ticket=t");
    fake.socket.lose();
    await fake.advance(125);
    assert.equal(fake.socket.url, "wss://game.test/v1/connect?tick=10");
    fake.socket.lose(4103);
    await fake.advance(200);
    assert.equal(calls(fake).at(-1), again);
  }
  // Only the WebSocket is sent elsewhere.
  const { fake, room, ws } = await joined(), seen = watch(room, "reconnecting");
  fake.answer = () => ({ status: 404, moved: moved("/v1/connect"), body: { code: "not_found", message: "no" } });
  ws.lose();
  await fake.advance(125);
  assert.equal(fake.socket.url, "ws://game.test/v1/connect?tick=10");
  fake.socket.lose();
  await fake.advance(200);
  assert.deepEqual([fake.socket.url, seen[1][1].error.code], ["wss://game.test/v1/connect?tick=10", "redirected"]);
});

test("a redirect to another place is named, not followed", async () => {
  for (const to of ["https://login.test/v1/match", "https://game.test/login", "http://game.test:81/v1/match"]) {
    const fake = new Fake();
    fake.answer = () => ({ status: 200, moved: to });
    await assert.rejects(connect(fake.options), (e) => fails("redirected")(e) && e.message.includes(to));
    assert.equal(fake.requests.length, 1);
  }
});

test("a ticket that was not used is tried again, while it may be good", async () => {
  const { fake, ws } = await joined(), matches = () => fake.requests.filter((r) => r.url.endsWith("/v1/match")).length;
  ws.lose(4103);
  await fake.advance(125);
  assert.equal(matches(), 2);
  const { answer } = fake;
  fake.answer = (r) => (r.url.endsWith("/v1/match") ? answer(r) : new Error("offline"));
  for (let i = 2; i < 10; i++) {
    fake.socket.lose();
    await fake.advance(600);
    assert.deepEqual([matches(), fake.sockets.length], [2, i + 1]);
  }
  await fake.advance(10_000);
  fake.socket.lose();
  await fake.advance(600);
  assert.equal(matches(), 3, "it is too old");
  fake.answer = (r) => (r.url.endsWith("/v1/match") ? answer(r) : { status: 410, body: { code: "ticket_used", message: "used" } });
  fake.socket.lose();
  await fake.advance(600);
  assert.equal(matches(), 4);
});

test("a server that asks to wait is not asked before", async () => {
  const { fake, ws } = await joined();
  fake.answer = () => ({ status: 429, body: { code: "rate_limited", message: "slower" }, retryAfter: "30" });
  ws.lose();
  await fake.advance(125);
  fake.socket.lose();
  await fake.advance(29_000);
  fake.window.dispatchEvent(new Event("online"));
  assert.equal(fake.sockets.length, 2);
  await fake.advance(1500);
  assert.equal(fake.sockets.length, 3);
});

test("what has waited is sent no faster than the server takes it, and in order", async () => {
  const { fake, room, ws } = await joined(), sent = [];
  ws.lose();
  for (let i = 0; i < 60; i++) room.send("say", { i, text: "x".repeat(1000) });
  await fake.advance(125);
  fake.socket.deliver(welcome({ resumed: true }), [DELTA, 11, 1]);
  const at = fake.time;
  room.send("say", { i: 60, text: "" });
  let bytes = 0;
  for (let tick = 12; sent.length < 61 && tick < 400; tick++) {
    for (const [, , , body] of fake.socket.took(MESSAGE)) {
      sent.push(body.i);
      bytes += body.text.length;
    }
    const seconds = (fake.time - at) / 1000;
    assert.ok(bytes <= 8192 + seconds * 16384, `${bytes} bytes in ${seconds} s`);
    assert.ok(sent.length <= 32 + seconds * 60);
    await fake.advance(50);
    fake.socket.deliver([DELTA, tick, 1]);
  }
  assert.deepEqual(sent, Array.from({ length: 61 }, (_, i) => i));
  room.send("say", "at once again");
  assert.equal(fake.socket.took(MESSAGE).length, 1);
  // A connection that is lost meanwhile takes the rest along to the next.
  fake.socket.lose();
  for (let i = 0; i < 60; i++) room.send("say", "y".repeat(1000));
  await fake.advance(200);
  fake.socket.deliver(welcome({ resumed: true }), [DELTA, room.tick + 1, 1]);
  const first = fake.socket.took(MESSAGE).length;
  assert.ok(first > 0 && first < 60);
  fake.socket.lose();
  await fake.advance(500);
  fake.socket.deliver(welcome({ resumed: true }), [DELTA, room.tick + 1, 1]);
  const left = room.leave();
  assert.equal(first + fake.socket.took(MESSAGE).length, 60, "who leaves does not wait");
  fake.socket.deliver([BYE, 1000, "", "stop", null]);
  await left;
  assert.equal(fake.timers.size, 0);
});

test("messages wait for the connection, but not without limit", async () => {
  const { room, ws } = await joined();
  ws.lose();
  for (let i = 0; i < 64; i++) room.send("x");
  assert.throws(() => room.send("x"), fails("backlog"));
});

test("what a game says before it refuses a join comes with the refusal", async () => {
  const fake = new Fake(), joining = connect(fake.options);
  joining.catch(() => {});
  await settle();
  fake.socket.deliver(welcome({ token: "" }), [EVENT, 3, "why", "no ships left"]);
  fake.socket.deliver([BYE, 4204, "full", "stop", null]);
  const err = await joining.catch((e) => e);
  assert.deepEqual([err.code, err.events], ["refused", [{ name: "why", body: "no ships left", tick: 3 }]]);
  assert.equal(fake.timers.size, 0);
});

test("a join that is refused for now is tried again", async () => {
  const fake = new Fake(), joining = connect(fake.options);
  await settle();
  fake.socket.deliver([BYE, 4105, "the round has begun", "match", null]);
  await fake.advance(250);
  assert.equal(fake.sockets.length, 2);
  fake.socket.deliver(welcome(), [KEY, 10, 10, 1, 1, [], [], []]);
  assert.equal((await joining).state, "joined");
});

test("who was away when the room ended learns it on the next resume, and does not match again", async () => {
  for (const [code, name] of [[4205, "room_ended"], [4202, "kicked"]]) {
    const { fake, room, ws } = await joined(), seen = watch(room, "close");
    ws.lose();
    await fake.advance(125);
    const matches = fake.requests.length;
    fake.socket.deliver([BYE, code, "over", "stop", { winner: 7 }]);
    await fake.advance(60_000);
    assert.deepEqual([room.state, seen[0][1].error.code, seen[0][1].result], ["closed", name, { winner: 7 }]);
    assert.equal(fake.requests.length, matches);
    assert.equal(fake.timers.size, 0);
  }
});

test("an id that another entity has by now is a leave and an enter, after a KEY too", async () => {
  const { fake, room, ws } = await joined(), ships = room.table("ship"), seen = [], drawn = room.interpolate().table("ship"), shown = [];
  for (const t of ["enter", "change", "leave"]) ships.on(t, (s) => seen.push([t, s.id, s.name]));
  for (const t of ["enter", "leave"]) drawn.on(t, (s) => shown.push([t, s.id, s.name]));
  seen.length = 0;
  const ada = ships.get(7);
  ws.lose();
  await fake.advance(125);
  fake.socket.deliver(welcome({ resumed: true }), [KEY, 90, 90, 1, 1, [0, 7, 0, 9, 1, 3], [7, 80, 64, 10, "Eve", 1], []]);
  assert.deepEqual(seen, [["leave", 7, "Ada"], ["enter", 7, "Eve"]]);
  assert.notEqual(ships.get(7), ada);
  assert.deepEqual([ada.name, ships.size], ["Ada", 1]);
  await fake.advance(500);
  room.interpolate();
  assert.deepEqual(shown.slice(-2).map(([t, id, name]) => [t, id, name]).sort(), [["enter", 7, "Eve"], ["leave", 7, "Ada"]]);
  fake.socket.deliver([KEY, 91, 91, 1, 1, [], [7, 81, 64, 10, "Eve", 1], []]);
  assert.deepEqual(seen.slice(2), [["change", 7, "Eve"]], "the next KEY says nothing of it");
});

test("what no server takes is refused before it is sent", async () => {
  const { room } = await joined();
  const nest = (levels) => (levels === 0 ? 1 : [nest(levels - 1)]);
  assert.doesNotThrow(() => room.send("say", nest(15)));
  assert.throws(() => room.send("say", nest(16)), { code: "invalid" });
  assert.throws(() => room.send("say", { a: nest(15) }), { code: "invalid" });
  for (const bad of [NaN, Infinity]) assert.throws(() => room.input({ DX: bad }), { code: "invalid" });
});

test("an event may be as deep as a server's message, and no deeper", async () => {
  const { room, ws } = await joined(), events = watch(room, "event");
  const event = (levels) => Uint8Array.from([0x94, EVENT, 1, 0xa1, 0x78, ...new Array(levels).fill(0x91), 0xc0]).buffer;
  ws.raw(event(31));
  assert.equal(events.length, 1);
  assert.equal(room.stats.faults, 0);
  ws.raw(event(32));
  assert.equal(room.stats.faults, 1);
});

test("a map keyed by what JavaScript has not is a fault", async () => {
  for (const key of [[0xc3], [0xc0], [0xcf, 0, 0x20, 0, 0, 0, 0, 0, 0]]) {
    const { room, ws } = await joined();
    ws.raw(Uint8Array.from([0x94, EVENT, 1, 0xa1, 0x78, 0x81, ...key, 1]).buffer);
    assert.equal(room.stats.faults, 1);
  }
});
