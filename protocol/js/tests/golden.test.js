// The golden vectors of protocol/testdata, which the Go tests write and read too.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { Reader, Replica, TickhallError, connect, decode, encode } from "../tickhall.js";
import { ACK, DELTA, Fake, HASH, INPUT, KEY, LEAVE, MESSAGE, OWN, TIME, random, settle, welcome } from "./fake.js";
import { murmur3 } from "./model.js";

const golden = (name) => JSON.parse(readFileSync(new URL(`../../testdata/${name}`, import.meta.url), "utf8"));
const bytes = (hex) => Uint8Array.from(Buffer.from(hex, "hex"));
const isProtocolError = (e) => e instanceof TickhallError && e.code === "protocol";
const values = (store, row) => store.fields.map((f) => (f.type === 4 ? row.s[f.index] : row.n[f.index]));

/** Applies a message; returns what a HASH says. */
function apply(rep, message) {
  const r = new Reader(message), n = r.array(), kind = r.uint32();
  let checksum;
  switch (kind) {
    case KEY: rep.key(r, n); break;
    case DELTA: rep.delta(r, n); break;
    case OWN: rep.own(r, n); break;
    case HASH:
      if (r.uint32() !== rep.tick) throw r.fault("a HASH of another tick");
      checksum = r.uint32();
      break;
    default: throw r.fault(`kind ${kind}`);
  }
  if (r.rest) throw r.fault("bytes are left");
  return checksum;
}

test("golden: a ticket is taken to the public address, or to the one that was asked", async () => {
  for (const { base, reply, want } of golden("urls.json")) {
    const fake = new Fake();
    fake.answer = () => ({ body: { room: "r1", player: "u1", ...reply } });
    connect({ ...fake.options, url: base }).catch(() => {});
    await settle();
    assert.equal(fake.socket?.url ?? "", want);
  }
});

test("checksums", () => {
  for (const { hex, hash } of golden("murmur.json")) assert.equal(murmur3(Buffer.from(hex, "hex")), hash);
});

test("schemas", () => {
  for (const { tables, hex } of golden("schema.json")) {
    const r = new Reader(bytes(hex)), rep = new Replica(r, 20);
    assert.equal(r.rest, 0);
    assert.deepEqual(
      rep.stores.map((s) => ({ Name: s.name, Fields: s.fields.map((f) => ({ Name: f.name, Type: f.type, Num: f.num, Den: f.den, Rate: f.rate, Owner: f.owner })) })),
      tables.map((t) => ({ Name: t.Name, Fields: t.Fields ?? [] })),
    );
  }
});

test("golden: schemas that break the rules", () => {
  for (const { hex, rate, reason } of golden("badschema.json")) assert.throws(() => new Replica(new Reader(bytes(hex)), rate), isProtocolError, reason);
});

test("a session", () => {
  const { rate, schema, steps } = golden("session.json");
  const rep = new Replica(new Reader(bytes(schema)), rate);
  for (const { note, messages, ack, tick, checksum, world } of steps) {
    for (const m of messages) {
      const said = apply(rep, bytes(m));
      if (said !== undefined) assert.equal(said, checksum, note);
    }
    assert.deepEqual([rep.taken, rep.tick], [ack, tick], note);
    assert.equal(rep.checksum(), checksum, note);
    for (const store of rep.stores) {
      const held = Object.fromEntries([...store.rows.values()].map((row) => [row.id, { mine: row.mine, values: values(store, row) }]));
      assert.deepEqual(held, world[store.name], note);
    }
  }
});

test("golden: predictions are divided towards minus infinity", () => {
  const list = golden("prediction.json");
  for (const { note, rate, schema, predicted, v1, key, delta } of list) {
    const rep = new Replica(new Reader(bytes(schema)), rate);
    apply(rep, bytes(key));
    apply(rep, bytes(delta));
    assert.deepEqual(values(rep.stores[0], rep.stores[0].rows.get(1)), [predicted, v1], note);
  }
  assert.ok(list.some(({ predicted, truncated }) => predicted !== truncated));
});

test("a mutated session never does anything else than apply or fail", () => {
  const { rate, schema, steps } = golden("session.json"), r = random(3);
  const messages = steps.flatMap((s) => s.messages.map(bytes)).filter((m) => m[1] !== HASH);
  for (let i = 0; i < 300; i++) {
    const rep = new Replica(new Reader(bytes(schema)), rate);
    for (const m of messages) {
      const b = Uint8Array.from(m);
      if (r() < 0.2) b[Math.floor(r() * b.length)] = Math.floor(r() * 256);
      try {
        apply(rep, b);
      } catch (e) {
        assert.ok(isProtocolError(e), e.stack);
      }
    }
    rep.checksum();
  }
});

test("primitives", () => {
  const { ints, floats, strings, accepted, values, refused } = golden("primitives.json");
  for (const { value, hex } of ints) {
    const v = BigInt(value), n = Number(v);
    assert.equal(Buffer.from(encode(Number.isSafeInteger(n) ? n : v)).toString("hex"), hex);
    assert.equal(BigInt(decode(bytes(hex))), v);
    if (Math.abs(n) <= 2 ** 53) assert.equal(new Reader(bytes(hex)).int(), n);
    else assert.throws(() => new Reader(bytes(hex)).int(), isProtocolError);
  }
  for (const { value, hex } of accepted) assert.equal(new Reader(bytes(hex)).int(), Number(value));
  for (const { value, hex } of floats) {
    const r = new Reader(bytes(hex));
    assert.equal(r.float(), value);
    if (!Number.isInteger(value)) assert.equal(Buffer.from(encode(value)).toString("hex"), hex);
  }
  for (const { value, repeat = 1, hex } of strings) {
    const s = value.repeat(repeat);
    assert.equal(Buffer.from(encode(s)).toString("hex"), hex);
    assert.equal(new Reader(bytes(hex)).string(), s);
  }
  for (const { hex } of values) assert.doesNotThrow(() => decode(bytes(hex)));
  for (const { hex, reason } of refused) assert.throws(() => decode(bytes(hex)), isProtocolError, reason);
});

test("messages that must be refused", () => {
  const { rate, schema, steps } = golden("session.json");
  for (const { hex, reason } of golden("malformed.json")) {
    const rep = new Replica(new Reader(bytes(schema)), rate);
    for (const m of steps[0].messages) apply(rep, bytes(m));
    assert.throws(() => apply(rep, bytes(hex)), isProtocolError, reason);
  }
});

test("messages to the server", () => {
  for (const { kind, fields: f, hex } of golden("messages.json").toServer) {
    const message = {
      INPUT: () => [INPUT, f.seq, f.viewTick, f.viewFraction, f.ack, ...f.inputs.map((b) => decode(bytes(b)))],
      MESSAGE: () => [MESSAGE, f.request, f.name, decode(bytes(f.body))], ACK: () => [ACK, f.ack], TIME: () => [TIME, f.clientTime], LEAVE: () => [LEAVE],
    }[kind]();
    assert.equal(Buffer.from(encode(message)).toString("hex"), hex);
  }
});

test("messages to the client", async () => {
  for (const { kind, fields: f, hex } of golden("messages.json").toClient) {
    const fake = new Fake(), message = bytes(hex), joining = connect(fake.options);
    joining.catch(() => {});
    await settle();
    const ws = fake.socket, seen = [];
    ws.raw(kind === "WELCOME" ? message.buffer : encode(welcome({ tick: f.tick ?? 1 })).buffer);
    const tables = kind === "WELCOME" ? decode(bytes(f.schema)).length : 2;
    const at = f.tick || 1;
    ws.deliver([KEY, at, at, 1, 1, [], ...new Array(tables).fill([])]);
    const room = await joining;
    await fake.advance(0);
    for (const type of ["event", "dropped", "error", "close", "desync"]) room.on(type, (d) => seen.push(d));
    const body = () => decode(bytes(f.body));
    switch (kind) {
      case "WELCOME":
        assert.deepEqual([room.id, room.kind, room.player, room.user, room.rate, room.onDemand, room.inputs.map(({ name, type }) => [name, type])], [f.room, f.kind, f.player, f.user, f.rate, f.onDemand, f.inputs]);
        continue;
      case "REPLY": {
        const calls = Array.from({ length: f.request }, () => room.call("x"));
        for (const call of calls) call.catch(() => {});
        ws.raw(message.buffer);
        assert.deepEqual(await calls.at(-1), body());
        break;
      }
      case "HASH":
        ws.raw(Uint8Array.from([...encode([KEY, f.tick, f.tick, 1, 1, [], [], []]), ...message]).buffer);
        assert.equal(room.stats.hashes, 1);
        continue;
      default: ws.raw(message.buffer);
    }
    assert.equal(room.stats.faults, 0, kind);
    if (kind === "EVENT") assert.deepEqual(seen, [{ name: f.name, body: body(), tick: f.tick }]);
    if (kind === "DROPPED") assert.deepEqual(seen, [{ tick: f.tick, count: f.count }]);
    if (kind === "ERROR" && f.request === 0) assert.deepEqual([seen[0].code, seen[0].message], [f.code, f.message]);
    if (kind === "BYE") {
      assert.equal(room.state, f.advice === "stop" ? "closed" : "reconnecting");
      if (f.advice === "stop") assert.deepEqual([seen[0].code, seen[0].reason, seen[0].result], [f.code, f.reason, f.result ? decode(bytes(f.result)) : null]);
    }
  }
});

test("golden: a whole transcript, with losses and resumes", async () => {
  const fake = new Fake(), told = [], left = [], came = [];
  const joining = connect(fake.options), reading = golden("transcript.json");
  let room, call;
  for (const [i, { tick, resume, lastInput, messages }] of reading.entries()) {
    await (i ? fake.advance(700) : settle());
    const ws = fake.socket;
    assert.equal(fake.sockets.length, i + 1);
    assert.equal(ws.url, `ws://game.test/v1/connect?${resume ? `tick=${tick}` : "ticket=t"}`);
    assert.deepEqual(ws.protocols, resume ? ["tickhall.1", `tickhall.resume.${resume}`] : ["tickhall.1"]);
    for (const { note, hex, lost, told: want, ack, ids, left: gone, came: new_ } of messages) {
      if (lost) continue;
      told.length = left.length = came.length = 0;
      ws.raw(bytes(hex).buffer);
      if (!room) {
        room = await joining;
        room.on("event", ({ name, body, tick }) => told.push({ event: name, tick, body: Buffer.from(encode(body)).toString("hex") }));
        room.on("dropped", ({ tick, count }) => told.push({ dropped: count, tick }));
        room.on("close", ({ code, reason, result }) => told.push({ bye: code, reason, result: Buffer.from(encode(result)).toString("hex") }));
        room.table("ship").on("leave", ({ id }) => left.push(id));
        room.table("ship").on("enter", ({ id }) => came.push(id));
        call = room.call("x");
      }
      await fake.advance(0);
      for (const t of want.filter((t) => t.reply)) assert.equal(Buffer.from(encode(await call)).toString("hex"), t.body);
      assert.deepEqual(told, want.filter((t) => !t.reply), note);
      assert.deepEqual([[...left].sort(), [...came].sort()], [gone, new_], note);
      assert.equal(room.tick, ack, note);
      assert.deepEqual([...room.table("ship")].map((s) => s.id).sort(), ids, note);
      assert.deepEqual([room.stats.faults, room.state === "closed"], [0, want.some((t) => t.bye)], note);
      if (room.state === "closed") continue;
      await fake.advance(60);
      assert.equal(ws.took(ACK).at(-1)?.[1], ack, note);
    }
    if (room.state !== "closed") ws.lose();
  }
  assert.equal(room.state, "closed");
});
