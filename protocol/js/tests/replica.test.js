import assert from "node:assert/strict";
import test from "node:test";
import { Reader, Replica, TickhallError, encode } from "../tickhall.js";
import { DELTA, KEY, OWN, SCHEMA, random } from "./fake.js";
import { Model, murmur3 } from "./model.js";

const replica = (schema = SCHEMA, rate = 20) => new Replica(new Reader(encode(schema)), rate);

/** Gives a message to a replica, as the room does. */
function apply(rep, message) {
  const r = new Reader(message instanceof Uint8Array ? message : encode(message)), n = r.array();
  switch (r.uint32()) {
    case KEY: rep.key(r, n); break;
    case DELTA: rep.delta(r, n); break;
    case OWN: rep.own(r, n); break;
    default: throw r.fault("another kind");
  }
  if (r.rest) throw r.fault("bytes are left");
}

const values = (rep, t = 0) => [...rep.stores[t].rows.values()].map((row) => [row.id, ...rep.stores[t].fields.map((f) => (f.type === 4 ? row.s[f.index] : row.n[f.index]))]);
const isProtocolError = (e) => e instanceof TickhallError && e.code === "protocol";

test("murmur3 of the test itself is right", () => {
  assert.equal(murmur3(Buffer.from("")), 0);
  assert.equal(murmur3(Buffer.from("test")), 0xba6bd213);
});

test("a worked example", () => {
  const rep = replica();
  apply(rep, [KEY, 5, 5, 1, 1, [], [7, 100, 250, 10, "Ada", 1], [9, 3]]);
  apply(rep, [OWN, 0, 0, 0, 7, 1, 30]);
  assert.deepEqual(values(rep), [[7, 100, 250, 10, "Ada", 1, 30]]);
  // vx 10 * 1/2 unit/s = 5 unit/s = 40 steps/s of 1/8, at 20 Hz 2 steps per tick.
  apply(rep, [DELTA, 6, 1]);
  assert.deepEqual(values(rep), [[7, 102, 250, 10, "Ada", 1, 30]]);
  // vx becomes 20, so x moves 3 per tick on average, twice, and 5 more; the heading wraps.
  apply(rep, [DELTA, 8, 2, 0, [], [7, 0b10111, 5, 10, 10, -1], [8, 0, 0, 0, "Bo", 0], 1, [9], [], []]);
  assert.deepEqual(values(rep), [[7, 102 + 6 + 5, 4, 20, "Ada", 0, 30], [8, 0, 0, 0, "Bo", 0, 0]]);
  assert.deepEqual(values(rep, 1), []);
  // An id may leave and enter at once; it is another entity, and nobody's.
  apply(rep, [DELTA, 9, 1, 0, [7], [], [7, 1, 2, 3, "Cy", 1]]);
  assert.deepEqual(values(rep), [[8, 0, 0, 0, "Bo", 0, 0], [7, 1, 2, 3, "Cy", 1, 0]]);
  assert.equal(rep.stores[0].rows.get(7).mine, false);
});

test("halves are rounded up, below zero too", () => {
  // 1 step of v per second at 2 Hz: half a step of x per tick.
  const rep = replica([["p", [["x", 2, 1, 1, 1, 0], ["v", 2, 1, 1, -1, 0]]]], 2);
  apply(rep, [KEY, 1, 1, 1, 1, [], [1, 0, 1, 2, 0, -1]]);
  apply(rep, [DELTA, 2, 1]);
  assert.deepEqual(values(rep), [[1, 1, 1], [2, 0, -1]]);
});

test("a replica agrees with a server's model of chance", () => {
  for (const [seed, rate] of [[1, 20], [2, 60], [3, 30], [4, 1]]) {
    const r = random(seed), model = new Model(SCHEMA, rate), rep = replica(SCHEMA, rate);
    let old = null, since = 0;
    for (let i = 0; i < 400; i++) {
      model.step(r);
      if (r() < 0.4) continue; // a skipped tick
      apply(rep, old && r() > 0.02 ? model.delta(old, since) : model.key());
      apply(rep, model.own(1));
      assert.equal(rep.tick, model.tick);
      assert.equal(rep.checksum(), model.checksum(1), `seed ${seed}, tick ${model.tick}`);
      old = model.clone();
      since = model.tick;
      for (let idle = r() < 0.02 ? 100 : 0; idle > 0; idle--) model.step(r); // a span beyond 63
    }
  }
});

test("what the specification does not allow is a protocol error", () => {
  const key = [KEY, 5, 5, 1, 1, [], [7, 100, 250, 10, "Ada", 1], [9, 3]];
  for (const [what, message] of Object.entries({
    "too few tables": [KEY, 5, 5, 1, 1, [], []], "tick 0": [KEY, 0, 0, 1, 1, [], [], []], "half a record": [KEY, 5, 5, 1, 1, [], [7, 1], []], "id 0": [KEY, 5, 5, 1, 1, [], [], [0, 1]],
    "id twice": [KEY, 5, 5, 1, 1, [], [], [1, 1, 1, 1]], "bool of 2": [KEY, 5, 5, 1, 1, [], [7, 1, 1, 1, "", 2], []], "angle of den": [KEY, 5, 5, 1, 1, [], [7, 1, 256, 1, "", 1], []],
    "float too large": [KEY, 5, 5, 1, 1, [], [7, 2 ** 31, 1, 1, "", 1], []], "int too large": [KEY, 5, 5, 1, 1, [], [], [1, 2 ** 52 + 1]], "string too long": [KEY, 5, 5, 1, 1, [], [7, 1, 1, 1, "x".repeat(1025), 1], []],
    "number for a string": [KEY, 5, 5, 1, 1, [], [7, 1, 1, 1, 1, 1], []], "float for a number": [KEY, 5, 5, 1, 1, [], [], [1, 1.5]],
    "another baseline": [DELTA, 8, 2], "span 0": [DELTA, 5, 0], "three elements of a table": [DELTA, 6, 1, 0, [], []],
    "table twice": [DELTA, 6, 1, 0, [], [], [], 0, [], [], []], "unknown table": [DELTA, 6, 1, 2, [], [], []],
    "unknown entity changes": [DELTA, 6, 1, 0, [], [8, 1, 1], []], "unknown entity leaves": [DELTA, 6, 1, 0, [8], [], []],
    "leaver changes": [DELTA, 6, 1, 0, [7], [7, 1, 1], []], "leaves twice": [DELTA, 6, 1, 0, [7, 7], [], []],
    "enters twice": [DELTA, 6, 1, 1, [], [], [10, 1, 10, 1]], "enters again": [DELTA, 6, 1, 1, [], [], [9, 1]],
    "changes twice": [DELTA, 6, 1, 1, [], [9, 1, 1, 9, 1, 1], []], "mask too wide": [DELTA, 6, 1, 1, [], [9, 2, 1], []],
    "residual missing": [DELTA, 6, 1, 1, [], [9, 1], []], "bool runs over": [DELTA, 6, 1, 0, [], [7, 16, 1], []],
    "array in a record": [DELTA, 6, 1, 1, [], [9, 1, [1]], []], "own of unknown": [OWN, 0, 0, 0, 8, 0], "own of no table": [OWN, 0, 0, 5, 7, 0],
    "own mask too wide": [OWN, 0, 0, 0, 7, 2, 1], "own value missing": [OWN, 0, 0, 0, 7, 1], "own twice": [OWN, 0, 0, 0, 7, 0, 0, 7, 0], "own short": [OWN, 0],
  })) {
    const rep = replica();
    apply(rep, key);
    assert.throws(() => apply(rep, message), isProtocolError, what);
  }
  const rep = replica();
  assert.throws(() => apply(rep, [DELTA, 6, 1]), isProtocolError, "a DELTA before any KEY");
  apply(rep, key);
  assert.throws(() => apply(rep, [DELTA, 6, 1, 0, [], [8, 1, 1], []]), isProtocolError);
  assert.throws(() => apply(rep, [DELTA, 6, 1]), isProtocolError, "a DELTA after a fault");
  apply(rep, [KEY, 9, 9, 1, 1, [], [], []]);
  apply(rep, [DELTA, 10, 1]);
});

test("a schema that breaks the rules is a protocol error", () => {
  const f = (over) => Object.values({ name: "x", type: 2, num: 1, den: 8, rate: -1, flags: 0, ...over });
  for (const [what, schema] of Object.entries({
    "no array": 1, "table of three": [["a", [], 1]], "table twice": [["a", []], ["a", []]], "no name": [["", []]], "field twice": [["a", [f(), f()]]],
    "unknown type": [["a", [f({ type: 5 })]]], "step 0": [["a", [f({ den: 0 })]]], "angle of 2": [["a", [f({ type: 3, num: 2 })]]],
    "own rate": [["a", [f({ rate: 0 })]]], "rate out of range": [["a", [f({ rate: 1 })]]], "int rate": [["a", [f({ rate: 1 }), f({ name: "v", type: 0 })]]],
    "owner rate": [["a", [f({ rate: 1 }), f({ name: "v", flags: 1 })]]], "33 fields": [["a", Array.from({ length: 33 }, (_, i) => f({ name: `f${i}` }))]],
    "fraction too large": [["a", [f({ rate: 1, den: 2 ** 31 }), f({ name: "v", den: 1 })]]], "field called id": [["a", [f({ name: "id" })]]],
  })) assert.throws(() => replica(schema), isProtocolError, what);
});

test("mutated snapshots never do anything else than apply or fail", () => {
  const r = random(9), model = new Model(SCHEMA, 20);
  for (let i = 0; i < 10; i++) model.step(r);
  const key = encode(model.key()), old = model.clone(), since = model.tick;
  model.step(r);
  const delta = encode(model.delta(old, since)), own = encode(model.own(1));
  for (let i = 0; i < 6000; i++) {
    const rep = replica();
    try {
      for (const m of [key, delta, own]) {
        const b = Uint8Array.from(m);
        for (let flips = Math.floor(r() * 3); flips > 0; flips--) b[Math.floor(r() * b.length)] = Math.floor(r() * 256);
        apply(rep, r() < 0.1 ? b.subarray(0, Math.floor(r() * b.length)) : b);
      }
      rep.checksum();
    } catch (e) {
      assert.ok(isProtocolError(e), e.stack);
    }
  }
});
