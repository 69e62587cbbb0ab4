// What a page pays for a room, of which it should not notice anything: `node --expose-gc tests/bench.js`.
// The world is 100 ships of the reference trace's seven fields, 70 of them moving, 60 snapshots a second.

import { performance } from "node:perf_hooks";
import { encode } from "../tickhall.js";
import { DELTA, Fake, HASH, KEY, random } from "./fake.js";
import { Model } from "./model.js";

const SCHEMA = [["ship", [
  ["x", 2, 1, 8, 5, 0], ["y", 2, 1, 8, 6, 0], ["a", 3, 1, 256, -1, 0], ["hp", 0, 1, 1, -1, 0], ["score", 0, 1, 1, -1, 0],
  ["vx", 2, 1, 2, -1, 0], ["vy", 2, 1, 2, -1, 0],
]]];
const RATE = 60, SNAPSHOTS = 6000, WARM = 1200;

const r = random(7), model = new Model(SCHEMA, RATE), ships = model.tables[0];
model.tick = 1;
for (let id = 1; id <= 100; id++) ships.set(id, { owner: 0, values: [r() * 16000, r() * 16000, r() * 256, 100, 0, 0, 0].map(Math.floor) });
const key = model.key(), messages = [];
for (let i = 0; i < SNAPSHOTS; i++) {
  const old = model.clone();
  model.tick++;
  for (const [id, { values: v }] of ships) {
    const was = [...v];
    if (id <= 70) {
      for (const f of [5, 6]) v[f] = Math.max(-440, Math.min(440, v[f] + Math.floor(r() * 21) - 10));
      v[2] = (v[2] + Math.floor(r() * 5) + 254) % 256;
    }
    if (r() < 0.01) v[3] = Math.floor(r() * 100);
    for (const f of model.schema[0].fields) if (f.rate >= 0) v[f.index] = model.predict(0, f, was, v, 1) + Math.floor(r() * 3) - 1;
  }
  messages.push(encode(model.delta(old, model.tick - 1)));
  if (i % RATE === 0) messages[i] = Uint8Array.from([...messages[i], ...encode([HASH, model.tick, model.checksum(0)])]);
}

const fake = new Fake(), options = fake.options;
const room = await fake.join(key, { schema: SCHEMA, rate: RATE, tick: 1 }, { ...options, now: () => fake.time });
const ws = fake.socket;
ws.send = () => {}; // what the browser does is not ours

/** Gives the room all messages; returns microseconds and bytes of garbage per snapshot. */
function run(name, each) {
  let from = 0, heap = 0;
  for (let i = 0; i < messages.length; i++) {
    if (i === WARM) {
      globalThis.gc?.();
      heap = process.memoryUsage().heapUsed;
      from = performance.now();
    }
    fake.time += 1000 / RATE;
    ws.raw(messages[i].buffer);
    each?.();
  }
  const n = messages.length - WARM, us = ((performance.now() - from) * 1000) / n;
  console.log(`${name}: ${us.toFixed(1)} us and ${((process.memoryUsage().heapUsed - heap) / n / 1024).toFixed(2)} KiB of heap per snapshot`);
}

const again = () => ws.deliver([KEY, 1, 1, 1, 1, [], ...key.slice(6)]);
console.log(`${(messages.reduce((n, m) => n + m.length, 0) / messages.length).toFixed(0)} B per snapshot`);
run("decode and apply");
again();
let x = 0;
room.table("ship").on("change", (s) => void (x += s.x));
run("with a change callback");
again();
room.interpolate();
run("with interpolation, a frame per snapshot", () => {
  for (const s of room.interpolate().table("ship").values()) x += s.x;
});
const { hashes, hashMismatches, faults } = room.stats;
console.log(`${hashes} checksums, ${hashMismatches} wrong, ${faults} faults`);
if (hashMismatches || faults || room.tick !== SNAPSHOTS + 1) process.exitCode = 1;
