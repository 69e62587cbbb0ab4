// A server's side of the world, written in another way than the client: whole worlds are compared,
// predictions made in bigints and checksums of whole buffers.

import { DELTA, KEY, OWN } from "./fake.js";

const gcd = (a, b) => (b ? gcd(b, a % b) : a);
const floorDiv = (a, b) => (a - (((a % b) + b) % b)) / b;

export class Model {
  tick = 0;
  /** Per table, entities by id: {owner, values}. */
  tables;
  lastID = 0;

  constructor(schema, rate) {
    this.schema = schema.map(([name, fields]) => ({
      name,
      fields: fields.map(([name, type, num, den, rate, flags], index) => ({ name, type, num, den, rate, owner: flags === 1, index })),
    }));
    this.rate = rate;
    this.tables = schema.map(() => new Map());
  }

  shared = (t) => this.schema[t].fields.filter((f) => !f.owner);
  owned = (t) => this.schema[t].fields.filter((f) => f.owner);

  clone() {
    return this.tables.map((table) => new Map([...table].map(([id, e]) => [id, { owner: e.owner, values: [...e.values] }])));
  }

  predict(t, f, was, now, span) {
    const x = was[f.index];
    if (f.rate < 0) return x;
    const v = this.schema[t].fields[f.rate];
    let a = BigInt(v.num) * BigInt(f.den), b = BigInt(v.den) * BigInt(f.num) * BigInt(this.rate);
    const g = gcd(a, b);
    a /= g;
    b /= g;
    const k = BigInt(Math.min(span, 63)), sum = BigInt(was[v.index]) + BigInt(now[v.index]);
    return x + Number(floorDiv(sum * k * a + b, 2n * b));
  }

  key() {
    return [KEY, this.tick, this.tick, 1, 1, [], ...this.tables.map((table, t) => [...table].flatMap(([id, e]) => [id, ...this.shared(t).map((f) => e.values[f.index])]))];
  }

  /** The DELTA from an older clone() taken at `since`. */
  delta(old, since) {
    const span = this.tick - since, out = [DELTA, this.tick, span];
    this.tables.forEach((table, t) => {
      const changes = [], enters = [], leaves = [...old[t].keys()].filter((id) => !table.has(id));
      for (const [id, e] of table) {
        const was = old[t].get(id)?.values;
        if (!was) {
          enters.push(id, ...this.shared(t).map((f) => e.values[f.index]));
          continue;
        }
        let mask = 0;
        const residuals = [];
        this.shared(t).forEach((f, i) => {
          const now = e.values[f.index];
          let r;
          if (f.type === 4) r = now === was[f.index] ? 0 : now;
          else r = now - this.predict(t, f, was, e.values, span);
          if (r === 0) return;
          if (f.type === 3 && i % 2) r += r > 0 ? -f.den : f.den; // the other way round leads there too
          mask += 2 ** i;
          residuals.push(Math.abs(r) === 2 ** 53 ? BigInt(r) : r); // no safe integer
        });
        if (mask) changes.push(id, mask, ...residuals);
      }
      if (changes.length + enters.length + leaves.length) out.push(t, leaves, changes, enters);
    });
    return out;
  }

  /** The OWN of a player, all fields of all of its entities. */
  own(player, lastInput = 0, slack = 0) {
    const out = [OWN, lastInput, slack];
    this.tables.forEach((table, t) => {
      for (const [id, e] of table) {
        if (e.owner === player) out.push(t, id, 2 ** this.owned(t).length - 1, ...this.owned(t).map((f) => e.values[f.index]));
      }
    });
    return out;
  }

  checksum(player) {
    let sum = 0;
    this.tables.forEach((table, t) => {
      for (const [id, e] of table) {
        const parts = [u32(t), u32(id)];
        for (const f of [...this.shared(t), ...(e.owner === player ? this.owned(t) : [])]) {
          const v = e.values[f.index];
          if (f.type !== 4) parts.push(i64(v));
          else {
            const s = Buffer.from(v);
            parts.push(u32(s.length), s, Buffer.alloc((4 - (s.length % 4)) % 4));
          }
        }
        sum = (sum + murmur3(Buffer.concat(parts))) >>> 0;
      }
    });
    return sum;
  }

  /** Lets chance play a tick. */
  step(r) {
    this.tick++;
    const pick = (n) => Math.floor(r() * n);
    this.tables.forEach((table, t) => {
      for (const [id, e] of [...table]) {
        if (r() < 0.03) {
          table.delete(id);
          continue;
        }
        const was = [...e.values];
        for (const f of this.schema[t].fields) {
          if (f.rate < 0 && r() < 0.3) e.values[f.index] = any(f, r);
        }
        for (const f of this.schema[t].fields) {
          if (f.rate >= 0) e.values[f.index] = Math.max(-(2 ** 31) + 1, Math.min(2 ** 31 - 1, this.predict(t, f, was, e.values, 1) + (r() < 0.2 ? pick(9) - 4 : 0)));
        }
      }
      if (table.size < 30 && r() < 0.6) table.set(++this.lastID, { owner: pick(4), values: this.schema[t].fields.map((f) => any(f, r)) });
    });
  }
}

function any(f, r) {
  const pick = (n) => Math.floor(r() * n);
  switch (f.type) {
    case 0: return r() < 0.1 ? (r() < 0.5 ? -1 : 1) * 2 ** 52 : pick(2001) - 1000;
    case 1: return pick(2);
    case 2: return pick(4001) - 2000;
    case 3: return pick(f.den);
  }
  return ["", "Ada", "Zoë", "名前", "😀".repeat(pick(4)), "x".repeat(pick(40))][pick(6)];
}

const u32 = (v) => {
  const b = Buffer.alloc(4);
  b.writeUInt32LE(v);
  return b;
};
const i64 = (v) => {
  const b = Buffer.alloc(8);
  b.writeBigInt64LE(BigInt(v));
  return b;
};

/** MurmurHash3_x86_32 of whole words, seed 0, in bigints. */
export function murmur3(b) {
  const m = 0xffffffffn, rot = (x, n) => ((x << n) | (x >> (32n - n))) & m;
  let h = 0n;
  for (let i = 0; i < b.length; i += 4) {
    let k = (BigInt(b.readUInt32LE(i)) * 0xcc9e2d51n) & m;
    k = (rot(k, 15n) * 0x1b873593n) & m;
    h = (rot(h ^ k, 13n) * 5n + 0xe6546b64n) & m;
  }
  h ^= BigInt(b.length);
  h = ((h ^ (h >> 16n)) * 0x85ebca6bn) & m;
  h = ((h ^ (h >> 13n)) * 0xc2b2ae35n) & m;
  return Number(h ^ (h >> 16n));
}
