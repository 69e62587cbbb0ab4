// What a client does, in the golden cases of protocol/testdata/client.json, which the Go client makes and passes too.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { Pacer, Playhead, Pulse, RULES, Reader, Replica, RoomClock, Steering, View, backoff, encode } from "../tickhall.js";
import { Fake, KEY } from "./fake.js";

const golden = JSON.parse(readFileSync(new URL("../../testdata/client.json", import.meta.url), "utf8"));
const near = (got, want, margin, what) => assert.ok(Math.abs(got - want) <= margin, `${what}: ${got}, not ${want}`);

test("the constants are those of the Go client", () => assert.deepEqual({ ...RULES }, golden.constants));

test("waits between attempts", () => {
  for (const { attempt, most } of golden.backoff) near(backoff(attempt), most, 1e-3, `attempt ${attempt}`);
});

test("refusals", async () => {
  for (const { status, body, retryAfter, code, advice, wait } of golden.refusals) {
    const fake = new Fake(), room = await fake.join();
    let json;
    try {
      json = JSON.parse(body);
    } catch { // no JSON
    }
    fake.answer = () => ({ status, body: json, retryAfter });
    let error;
    room.on("reconnecting", (d) => (error = d.error));
    room.on("close", (d) => (error = d.error));
    fake.socket.lose(4103);
    await fake.advance(125);
    assert.deepEqual([error.code, error.advice, error.retryAfter, room.state], [code, advice, wait, advice === "stop" ? "closed" : "reconnecting"], `${status} ${body}`);
  }
});

test("the clock", () => {
  for (const { note, steps } of golden.clock) {
    const clock = new RoomClock();
    for (const { what, sent = 0, now, room = 0, at, arriving } of steps) {
      if (what === "answer") clock.add(sent, now, room);
      else if (what === "snapshot") clock.snapshot(now, room);
      else clock.reroute();
      near(clock.at(now), at, 1e-3, `${note}, at ${now}`);
      near(clock.arriving(now), arriving, 1e-3, `${note}, at ${now}`);
    }
  }
});

test("the moment that is shown", () => {
  const head = new Playhead();
  for (const { now, target, at } of golden.playhead) near(head.advance(now, target), at, 1e-3, now);
});

test("whether a connection is dead", () => {
  const pulse = new Pulse();
  for (const { what, now, dead } of golden.pulse) {
    if (what === "heard") pulse.heard();
    else pulse.asked(now);
    assert.equal(pulse.dead(now), dead, now);
  }
});

test("the pace of inputs", () => {
  const steering = new Steering();
  for (const { slack, period } of golden.steering) {
    steering.told(slack);
    near(steering.period, period, 1e-6, slack);
  }
});

test("the pace of what has waited", () => {
  const pacer = new Pacer();
  for (const { now, bytes, wait } of golden.pacer) assert.equal(pacer.take(now, bytes), wait, now);
});

test("entities between snapshots, and jumps", () => {
  const schema = [["body", [["x", 2, 1, 8, 1, 0], ["vx", 2, 1, 2, -1, 0], ["heading", 3, 1, 256, -1, 0], ["heat", 2, 1, 10, -1, 0]]]];
  for (const { note, rate, snapshots, shown } of golden.motion) {
    const replica = new Replica(new Reader(encode(schema)), rate), view = new View();
    for (const { tick, x, vx, heading, heat } of snapshots) {
      const r = new Reader(encode([KEY, tick, tick, 1, 1, [], [7, x, vx, heading, heat]]));
      const n = r.array();
      r.uint32();
      replica.key(r, n);
      view.record(replica);
    }
    for (const want of shown) {
      view.render(replica, want.tick);
      const got = view.table("body").get(7);
      for (const name of ["x", "vx", "heading", "heat"]) near(got[name], want[name], 2e-3, `${note}, ${name} at ${want.tick}`);
    }
  }
});
