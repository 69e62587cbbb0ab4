import assert from "node:assert/strict";
import test from "node:test";
import { Playhead, Reader, Replica, RoomClock, View, encode } from "../tickhall.js";
import { CLOCK, DELTA, Fake, INPUT, KEY, SCHEMA } from "./fake.js";

const near = (a, b, what) => assert.ok(Math.abs(a - b) < 1e-9, `${what ?? ""} ${a} is not ${b}`);

/** A view with a history: snapshots are KEYs and DELTAs. */
function history(messages, schema = SCHEMA, rate = 20) {
  const rep = new Replica(new Reader(encode(schema)), rate), view = new View();
  for (const m of messages) {
    const r = new Reader(encode(m)), n = r.array();
    if (r.uint32() === KEY) rep.key(r, n);
    else rep.delta(r, n);
    view.record(rep);
  }
  return { view, show: (tick) => view.render(rep, tick), rep, ship: (id = 7) => view.table("ship").get(id) };
}

test("floats without a rate go straight, angles the shorter way, the rest in steps", () => {
  const schema = [["ship", [["x", 2, 1, 4, -1, 0], ["a", 3, 1, 256, -1, 0], ["hp", 0, 1, 1, -1, 0], ["name", 4, 1, 1, -1, 0]]]];
  const { view, show, ship } = history([[KEY, 10, 10, 1, 1, [], [7, 40, 250, 9, "a"]], [DELTA, 12, 2, 0, [], [7, 15, 8, 12, -4, "b"], []]], schema);
  show(10.5);
  near(ship().x, 10.5);
  near(ship().a, ((250 + 3) / 256) * 2 * Math.PI);
  show(11.5);
  near(ship().a, (3 / 256) * 2 * Math.PI);
  assert.deepEqual([ship().hp, ship().name, view.tick], [9, "a", 11.5]);
  show(12);
  assert.deepEqual([ship().x, ship().hp, ship().name], [12, 5, "b"]);
  // The other way round.
  const back = history([[KEY, 1, 1, 1, 1, [], [7, 0, 2, 0, ""]], [DELTA, 2, 1, 0, [], [7, 2, -8], []]], schema);
  back.show(1.5);
  near(back.ship().a, (254 / 256) * 2 * Math.PI);
  back.show(1.75);
  near(back.ship().a, (252 / 256) * 2 * Math.PI);
});

test("a float with a rate follows the cubic", () => {
  // From 0 at 20 units/s to 1 at 0 units/s, in one tick of 1/20 s: slopes 1 and 0.
  const { show, ship } = history([[KEY, 1, 1, 1, 1, [], [7, 0, 0, 40, "", 0], []], [DELTA, 2, 1, 0, [], [7, 0b101, 4, -40], []]]);
  const seen = [0, 0.25, 0.5, 0.75, 1].map((u) => (show(1 + u), ship().x));
  [0, 0.296875, 0.625, 0.890625, 1].forEach((want, i) => near(seen[i], want));
  near(ship().vx, 0);
});

test("beyond the newest snapshot things go on for 250 ms and stop", () => {
  const { view, show, ship } = history([[KEY, 9, 9, 1, 1, [], [7, 0, 10, 40, "", 0], []], [DELTA, 10, 1, 0, [], [7, 2, 4], []]]); // x is 1, 20 units/s
  show(12);
  near(ship().x, 3);
  near(ship().heading, ((14 + 8) / 256) * 2 * Math.PI);
  near(ship().vx, 20);
  show(15);
  near(ship().x, 6);
  show(400);
  near(ship().x, 6);
  assert.equal(view.tick, 15);
});

test("entities appear and vanish at their moment", () => {
  const { view, show, ship, rep } = history([
    [KEY, 10, 10, 1, 1, [], [7, 0, 0, 0, "", 0], []], [DELTA, 13, 3, 0, [], [], [8, 1, 1, 1, "", 0]], [DELTA, 14, 1, 0, [7], [], []],
    [DELTA, 15, 1, 0, [8], [], [7, 800, 0, 0, "new", 0]],
  ]);
  const ids = (tick) => (show(tick), [...view.table("ship")].map((s) => `${s.id}${s.name}`));
  assert.deepEqual(ids(5), ["7"]);
  assert.equal(view.tick, 10);
  const first = ship();
  assert.deepEqual([ids(10), ids(12.9), ids(13), ids(13.99), ids(14), ids(14.9), ids(15)], [["7"], ["7"], ["7", "8"], ["7", "8"], ["8"], ["8"], ["7new"]]);
  assert.notEqual(ship(), first, "the same id, but another entity");
  const again = ship();
  show(15.5);
  assert.equal(ship(), again, "objects are used again");
  rep.stores[0].rows.clear();
  view.clear();
  assert.equal(view.table("ship").size, 0);
});

test("what comes and goes is told at its moment, once the view is up to date", () => {
  const { view, show } = history([
    [KEY, 10, 10, 1, 1, [], [7, 0, 0, 0, "", 0], []], [DELTA, 12, 2, 0, [], [], [8, 0, 0, 0, "", 0]], [DELTA, 13, 1, 0, [8], [], []], [DELTA, 14, 1, 0, [7], [], []],
    [DELTA, 15, 1, 0, [], [], [7, 800, 0, 0, "new", 0]],
  ]);
  const ships = view.table("ship"), seen = [], told = () => seen.splice(0);
  show(10);
  const off = ships.on("enter", (s) => seen.push(`+${s.id}${s.name} of ${ships.size}`));
  ships.on("leave", (s) => seen.push(`-${s.id}${s.name} of ${ships.size}`));
  assert.deepEqual(told(), ["+7 of 1"], "those that are there are told at once");
  assert.equal(ships.first().id, 7);
  show(11.9);
  assert.deepEqual(told(), []);
  show(12);
  assert.deepEqual(told(), ["+8 of 2"]);
  show(15);
  assert.deepEqual(told(), ["-7 of 1", "-8 of 1", "+7new of 1"], "the same id, but another entity");
  off();
  view.clear();
  assert.deepEqual([ships.size, ships.first(), told()], [0, undefined, []]);
  show(15);
  assert.deepEqual(told(), ["-7new of 0"], "told with the next frame");
  assert.throws(() => ships.on("change", () => {}), (e) => e.code === "invalid");
});

test("who comes and goes between two frames is not told; who fell out of the history is", () => {
  const rep = new Replica(new Reader(encode(SCHEMA)), 20), view = new View(), seen = [];
  const take = (message) => {
    const r = new Reader(encode(message)), n = r.array();
    if (r.uint32() === KEY) rep.key(r, n);
    else rep.delta(r, n);
    view.record(rep);
  };
  for (const type of ["enter", "leave"]) view.table("ship").on(type, (s) => seen.push([type, s.id]));
  take([KEY, 1, 1, 1, 1, [], [7, 0, 0, 0, "", 0], []]);
  view.render(rep, 1);
  take([DELTA, 2, 1, 0, [7], [], [8, 0, 0, 0, "", 0]]);
  take([DELTA, 3, 1, 0, [8], [], []]);
  for (let t = 4; t < 30; t++) take([DELTA, t, 1]); // no frame, as in a tab out of sight
  assert.deepEqual(seen.splice(0), [["enter", 7]]);
  view.render(rep, 29);
  assert.deepEqual(seen, [["leave", 7]]);
});

test("a jump that the rate does not explain is no way to go", () => {
  // x: 10 units at 20 units/s, 1 a tick; then 100 units further. The angle goes with it.
  const far = history([[KEY, 1, 1, 1, 1, [], [7, 80, 0, 40, "", 0], []], [DELTA, 2, 1], [DELTA, 3, 1, 0, [], [7, 0b11, 800, 64], []], [DELTA, 4, 1]]);
  const x = (h, tick) => (h.show(tick), h.ship().x), turn = (h, tick) => (h.show(tick), h.ship().heading);
  near(x(far, 2.5), 11.5, "it goes on as it went");
  near(turn(far, 2.5), 0);
  near(x(far, 3), 112);
  near(turn(far, 3), Math.PI / 2);
  near(x(far, 3.5), 112.5);
  // As far as the rates explain, in three ticks; and a push of a few steps of one that stood still.
  const fast = history([[KEY, 1, 1, 1, 1, [], [7, 0, 0, 40, "", 0], []], [DELTA, 4, 3, 0, [], [7, 1, 60], []]]); // 3 units explained, 10.5 gone
  assert.ok(x(fast, 2.5) > 3 && x(fast, 2.5) < 8);
  const pushed = history([[KEY, 1, 1, 1, 1, [], [7, 0, 0, 0, "", 0], []], [DELTA, 2, 1, 0, [], [7, 1, 64], []]]);
  near(x(pushed, 1.5), 4);
  const thrown = history([[KEY, 1, 1, 1, 1, [], [7, 0, 0, 0, "", 0], []], [DELTA, 2, 1, 0, [], [7, 1, 65], []]]);
  near(x(thrown, 1.5), 0);
  // Much can have happened in a long gap.
  const gap = history([[KEY, 1, 1, 1, 1, [], [7, 0, 0, 0, "", 0], []], [DELTA, 7, 6, 0, [], [7, 1, 800], []]]);
  near(x(gap, 4), 50);
});

test("after a jump nothing is taken from the way to it", () => {
  const schema = [["ship", [["x", 2, 1, 8, 1, 0], ["vx", 2, 1, 2, -1, 0], ["a", 3, 1, 256, -1, 0]]]];
  const h = history([[KEY, 1, 1, 1, 1, [], [7, 0, 0, 0]], [DELTA, 2, 1, 0, [], [7, 0b101, 800, 64], []]], schema);
  h.show(3);
  near(h.ship().a, Math.PI / 2);
  near(h.ship().x, 100);
});

test("history does not grow", () => {
  const messages = [[KEY, 1, 1, 1, 1, [], [1, 0, 0, 0, "", 0], []]];
  for (let t = 2; t < 200; t++) messages.push([DELTA, t, 1, 0, [t - 1], [], [t, 0, 0, 0, "", 0]]);
  const { view, show } = history(messages);
  show(199);
  assert.deepEqual([...view.table("ship")].map((s) => s.id), [199]);
  show(0);
  assert.equal(view.tick, 184);
});

test("a room is shown two ticks behind what arrives, whatever the latency", async () => {
  for (const latency of [0, 40, 200]) {
    const fake = new Fake(), room = await fake.join([KEY, 10, 10, 1, 1, [], [7, 0, 0, 40, "", 0], []]), started = fake.time;
    // The room's tick 10 was at `started`, as seen here without latency.
    const arrive = (tick, ...more) => fake.socket.deliver([DELTA, tick, 1], ...more);
    for (let tick = 11; tick < 60; tick++) {
      await fake.advance(started + (tick - 10) * 50 + latency - fake.time);
      arrive(tick);
      if (tick % 4) continue;
      const sent = fake.time - 2 * latency, at = 10 + (sent + latency - started) / 50;
      fake.socket.deliver([CLOCK, sent, Math.floor(at), Math.round((at % 1) * 256)]);
      room.interpolate();
    }
    const view = room.interpolate();
    assert.ok(Math.abs(view.tick - 57) < 0.02, `${view.tick} at ${latency} ms`);
    near(room.table("ship").get(7).x, 49);
    near(view.table("ship").get(7).x, view.tick - 10);
    await fake.advance(25);
    assert.equal(room.interpolate(), view);
    assert.ok(Math.abs(view.tick - 57.5) < 0.02);
    room.input({ DX: 1, Fire: false });
    const [, , tick, fraction] = fake.socket.took(INPUT)[0];
    assert.ok(Math.abs(tick + fraction / 256 - 57.5) < 0.03);
  }
});

test("a room without ticks of its own shows the newest snapshot", async () => {
  const fake = new Fake(), room = await fake.join([KEY, 10, 10, 1, 1, [], [7, 0, 0, 0, "a", 0], []], { onDemand: true });
  room.interpolate();
  await fake.advance(60);
  fake.socket.deliver([DELTA, 11, 1, 0, [], [7, 8, "b"], []]);
  assert.equal(room.interpolate().table("ship").get(7).name, "b");
});

test("the clock follows good answers and ignores late ones", () => {
  const c = new RoomClock();
  c.snapshot(1000, 400);
  assert.equal(c.arriving(1100), 500);
  c.add(1000, 1200, 600); // the room's 600 is our 1100
  assert.deepEqual([c.offset, c.latency], [-500, 100]);
  c.snapshot(1300, 790);
  assert.equal(c.offset, -500, "a snapshot may be old");
  c.add(1300, 1350, 845); // much quicker: start over
  assert.deepEqual([c.offset, c.latency], [-480, 25]);
  c.add(1400, 1500, 2000); // twice the floor
  assert.equal(c.offset, -480);
  c.add(1500, 1558, 1059); // a bit late: offset -470 counts a tenth
  near(c.offset, -479);
  near(c.latency, 25.4);
  c.add(20_000, 20_200, 19_621); // the floor is forgotten after 10 s
  near(c.offset, -479);
  c.add(20_300, 20_500, 60_000); // our clock had stopped
  assert.equal(c.offset, 60_000 - 20_400);
  c.reroute();
  c.add(21_000, 22_000, 61_100);
  near(c.offset, 39_600);
});

test("a snapshot ahead of the clock moves it", () => {
  const c = new RoomClock();
  for (let i = 0; i < 5; i++) c.add(1000 + 100 * i, 1040 + 100 * i, 520 + 100 * i); // the room's 0 is our 500
  c.snapshot(1500, 1000);
  assert.equal(c.offset, -500);
  c.snapshot(1500, 1010);
  assert.equal(c.offset, -490, "a little");
  // The machine sleeps for a minute, just after it has asked: the answer seems to have come at once.
  c.add(1600, 1601, 1120);
  c.snapshot(1602, 61_130);
  assert.equal(c.at(1602), 61_130, "at once");
  c.add(1700, 1740, 61_270);
  near(c.at(1740), 61_290, "and the quick answer counts no longer");
});

test("what is shown never goes back, and catches up unseen", () => {
  const p = new Playhead();
  assert.equal(p.advance(0, 1000), 1000);
  assert.equal(p.advance(10, 1010), 1010);
  let last = 1010;
  for (let now = 20; now < 2000; now += 10) { // 100 ms too far ahead
    const at = p.advance(now, now + 900);
    assert.ok(at - last >= 9 - 1e-9 && at - last <= 10, `${at - last}`);
    last = at;
  }
  assert.ok(Math.abs(last - 2890) < 10);
  assert.equal(p.advance(2000, 2000), last, "it waits when far ahead");
  assert.equal(p.advance(2010, 9000), 9000, "it jumps when far behind");
});
