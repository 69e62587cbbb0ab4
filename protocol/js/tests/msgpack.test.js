import assert from "node:assert/strict";
import test from "node:test";
import { Reader, TickhallError, decode, encode } from "../tickhall.js";
import { random } from "./fake.js";

const bytes = (hex) => Uint8Array.from(hex.match(/../g) ?? [], (h) => parseInt(h, 16));
const hex = (b) => Buffer.from(b).toString("hex");
const isProtocolError = (e) => e instanceof TickhallError && e.code === "protocol";

test("integers take their shortest form, and come back", () => {
  for (const [v, want] of [
    [0, "00"], [127, "7f"], [128, "cc80"], [255, "ccff"], [256, "cd0100"], [65535, "cdffff"], [65536, "ce00010000"],
    [2 ** 32 - 1, "ceffffffff"], [2 ** 32, "cf0000000100000000"], [Number.MAX_SAFE_INTEGER, "cf001fffffffffffff"],
    [-1, "ff"], [-32, "e0"], [-33, "d0df"], [-128, "d080"], [-129, "d1ff7f"], [-32768, "d18000"], [-32769, "d2ffff7fff"],
    [-(2 ** 31), "d280000000"], [-(2 ** 31) - 1, "d3ffffffff7fffffff"], [Number.MIN_SAFE_INTEGER, "d3ffe0000000000001"],
  ]) {
    assert.equal(hex(encode(v)), want);
    assert.equal(decode(bytes(want)), v);
    assert.equal(new Reader(bytes(want)).int(), v);
  }
});

test("values of every kind come back", () => {
  for (const v of [
    null, true, false, 1.5, -0.1, Infinity, "", "Ada", "é☃😀", "\ufeffx", "x".repeat(40), "y".repeat(300), "z".repeat(70000),
    [], [1, [2, [3]]], new Array(20).fill(7), {}, { a: 1, b: { c: [true, null] } }, Uint8Array.of(1, 2, 3), new Uint8Array(300),
    2n ** 63n, -(2n ** 63n), Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`k${i}`, i])),
  ]) assert.deepEqual(decode(encode(v)), v);
  assert.ok(Number.isNaN(decode(encode(NaN))));
  assert.deepEqual(decode(encode({ a: undefined, b: [undefined] })), { b: [null] });
  assert.equal(decode(bytes("ca3fc00000")), 1.5);
  assert.deepEqual(decode(bytes("8201a178a17902")), { 1: "x", y: 2 });
});

test("a key called __proto__ is only a key", () => {
  const v = decode(bytes("81a95f5f70726f746f5f5f81a16101"));
  assert.equal(v.a, undefined);
  assert.equal(Object.getPrototypeOf(v), Object.prototype);
  assert.deepEqual(Object.keys(v), ["__proto__"]);
});

test("what can't be sent is refused", () => {
  const loop = [];
  loop.push(loop);
  for (const v of [() => 1, Symbol("x"), new Date(0), new Map(), new Float32Array(2), 2n ** 64n, loop]) {
    assert.throws(() => encode(v), (e) => e instanceof TickhallError && e.code === "invalid");
  }
});

test("malformed bytes are protocol errors", () => {
  for (const [what, h] of Object.entries({
    nothing: "", truncated: "cd01", "never used": "c1", "array longer than the message": "dd7fffffff", "map longer than the message": "df7fffffff",
    "str longer than the message": "dbffffffff", "bin longer than the message": "c6ffffffff", "bad UTF-8": "a2c328", "surrogate in UTF-8": "a3eda080",
    fixext: "d40100", "ext 8": "c7010000", trailing: "0000", "array as a map's key": "819000", "nil as a map's key": "81c000",
    "33 levels": "91".repeat(33) + "00", "33 levels, the last one empty": "91".repeat(32) + "80",
  })) assert.throws(() => decode(bytes(h)), isProtocolError, what);
  assert.doesNotThrow(() => decode(bytes("91".repeat(32) + "00")));
});

test("protocol integers are strict", () => {
  for (const h of ["cf0020000000000001", "d3ffdfffffffffffff", "ca00000000", "cb0000000000000000", "a131", "c0", "c3", ""]) {
    assert.throws(() => new Reader(bytes(h)).int(), isProtocolError, h);
  }
  for (const h of ["ff", "cf0000000100000000"]) assert.throws(() => new Reader(bytes(h)).uint32(), isProtocolError, h);
  assert.throws(() => new Reader(bytes("a3616263")).string(2), isProtocolError);
});

test("random bytes never do anything else than decode or fail", () => {
  const r = random(1);
  for (let i = 0; i < 20000; i++) {
    const b = Uint8Array.from({ length: Math.floor(r() * 40) }, () => Math.floor(r() * 256));
    try {
      decode(b);
    } catch (e) {
      assert.ok(isProtocolError(e), String(e));
    }
  }
});
