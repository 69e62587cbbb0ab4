/**
 * Browser client of Tickhall: match, connect, resume, world copy, input stream, interpolation.
 *
 * One module without dependencies. `connect` is the way in and `Room` what it gives; protocol/README.md
 * specifies the wire. Reader, Replica, RoomClock, Playhead, encode and decode are exported for tests and tools.
 *
 * Nothing here runs by itself but what a Room starts: one WebSocket and a few timers, all of which end
 * when the room is closed. What a page's callbacks throw is reported, and never reaches the decoder.
 *
 * @module
 */

const SUBPROTOCOL = "tickhall.1";
const RESUME_PREFIX = "tickhall.resume."; // before the token, in a subprotocol of its own
const VERSION = 1;

const MAX_INBOUND = 4096; // bytes of a message that the server accepts
const MAX_OUTBOUND = 64 << 10; // bytes of a message that the server may send
const MAX_INPUTS = 32; // inputs in one INPUT
const MAX_NAME = 64; // bytes of a message's name
const MAX_STRING = 1024; // bytes of a string field
const MAX_DEPTH_IN = 32; // levels of arrays and maps in a server's message, its own array included
const MAX_DEPTH_OUT = 16; // and in one of ours
const MAX_UINT32 = 2 ** 32 - 1;
const MAX_INT = 2 ** 52;
const MAX_FLOAT = 2 ** 31 - 1;
const MAX_PARTS = 256; // of a KEY
const MAX_SPAN = 63; // a prediction looks no further ahead
const TURN = 2 * Math.PI;

const WELCOME = 1, KEY = 2, DELTA = 3, OWN = 4, EVENT = 5, REPLY = 6, ERROR = 7, CLOCK = 8, HASH = 9, BYE = 10, DROPPED = 11;
const INPUT = 1, MESSAGE = 2, ACK = 3, TIME = 4, LEAVE = 5;
const INT = 0, BOOL = 1, FLOAT = 2, ANGLE = 3, STRING = 4;

/** Times in milliseconds, unless a name says otherwise. */
const JOIN_TIMEOUT = 10_000; // to open, and to get WELCOME and KEY
const POLL_TIMEOUT = 25_000; // the server answers within 20 s, and gives our place in the queue away after 30 s
const POLL_EVERY = 250; // a queue in which much happens is not asked more often
const CALL_TIMEOUT = 30_000; // outlasts the default grace of 20 s, so that a resume can still answer
const BACKOFF_FIRST = 250, BACKOFF_GROWTH = 1.6;
const BACKOFF_SOON = 1_200, SOON_TRIES = 60; // while the server may be back at any moment and still hold the seat
const BACKOFF_MOST = 5_000; // later
const MAX_RETRY_AFTER = 60_000;
const MAX_FOREIGN = 60; // answers since the last join that are not Tickhall's, before giving up: see isForeign
const TICKET_LIFE = 15_000;
const STABLE = 5_000; // a connection that stood so long clears the count of attempts
const TIME_EVERY = 2_000, TIME_BURST = 5, TIME_BURST_EVERY = 100;
const DEAD_AFTER = 6_000, DEAD_TIMES = 3; // nothing for so long, and after so many TIMEs: the connection is dead
const ASK_AFTER = 250; // of quiet, a page that wants to know has the server asked for a sign
const RTT_WINDOW = 10_000, RTT_SAMPLES = 16, RTT_SLACK = 1.2, RTT_MOST = 30_000;
const CLOSE_WAIT = 100; // after a WebSocket's "error": for the "close" that tells more, which some never send
const CLOCK_GAIN = 0.1, CLOCK_SNAP = 250;
const EXTRAPOLATE = 250;
const DELAY_TICKS = 2; // how far interpolation stays behind what has just arrived
const HISTORY = 16; // snapshots kept for interpolation
const JUMP_FACTOR = 4, JUMP_STEPS = 64; // see jumps
const MAX_FAULTS = 5; // unreadable messages in a row, each soon after joining, before giving up
const KEPT_INPUTS = 128, KEPT_BYTES = 16 << 10; // not known to be consumed: beyond, the oldest go
const MAX_SEQ_JUMP = 1024; // how far an input may be ahead of those that the room has received
const MAX_CATCH_UP = 4; // inputs that one late timer makes up for
const MAX_OUTBOX = 64; // messages that wait for a resume
const PACE_MESSAGES = 60, PACE_MESSAGES_BURST = 32, PACE_BYTES = 16 << 10, PACE_BYTES_BURST = 8 << 10; // a second: what has waited, half of what a player may send
const LEAVE_TIMEOUT = 2_000; // for the BYE
const SLACK_GAIN = 0.1, SLACK_MOST = 8, STEER_GAIN = 0.02, STEER_MOST = 0.1;
const SLACK = 0.5; // inputs that wait at the room when it takes one: enough for some jitter, and little delay
const CONGESTED = 128; // bytes that the WebSocket has not got rid of

/** What a client does, in numbers: the same as in Go. protocol/README.md says what for. Times are in milliseconds. */
export const RULES = Object.freeze({
  joinTimeout: JOIN_TIMEOUT, pollTimeout: POLL_TIMEOUT, pollEvery: POLL_EVERY, leaveTimeout: LEAVE_TIMEOUT,
  backoffFirst: BACKOFF_FIRST, backoffGrowth: BACKOFF_GROWTH, backoffSoon: BACKOFF_SOON, soonTries: SOON_TRIES,
  backoffMost: BACKOFF_MOST, stable: STABLE, maxRetryAfter: MAX_RETRY_AFTER, maxForeign: MAX_FOREIGN, maxFaults: MAX_FAULTS,
  timeEvery: TIME_EVERY, timeBurst: TIME_BURST, timeBurstEvery: TIME_BURST_EVERY, deadAfter: DEAD_AFTER, deadTimes: DEAD_TIMES,
  rttWindow: RTT_WINDOW, rttSamples: RTT_SAMPLES, rttSlack: RTT_SLACK, rttMost: RTT_MOST, clockGain: CLOCK_GAIN, clockSnap: CLOCK_SNAP,
  delayTicks: DELAY_TICKS, extrapolate: EXTRAPOLATE, history: HISTORY, jumpFactor: JUMP_FACTOR, jumpSteps: JUMP_STEPS,
  slack: SLACK, slackGain: SLACK_GAIN, slackMost: SLACK_MOST, steerGain: STEER_GAIN, steerMost: STEER_MOST, maxCatchUp: MAX_CATCH_UP,
  keptInputs: KEPT_INPUTS, keptBytes: KEPT_BYTES, maxWaiting: MAX_OUTBOX,
  paceMessages: PACE_MESSAGES, paceMessagesBurst: PACE_MESSAGES_BURST, paceBytes: PACE_BYTES, paceBytesBurst: PACE_BYTES_BURST,
});

/** @typedef {"resume" | "match" | "stop"} Advice */

/**
 * Why something failed. `code` is stable and for programs: a code of the HTTP API ("server_full"), of an
 * ERROR that the game sent, the name of a close code ("kicked"), or one of the client's own: "network",
 * "timeout", "websocket", "redirected", "version", "protocol", "hash", "lost", "closed", "aborted", "token", "invalid",
 * "too_large", "backlog", "callback". `message` is for a person.
 */
export class TickhallError extends Error {
  /**
   * @param {string} code
   * @param {string} message
   * @param {{status?: number, advice?: Advice, retryAfter?: number, result?: unknown, cause?: unknown}} [more]
   */
  constructor(code, message, more = {}) {
    super(message, more.cause === undefined ? undefined : { cause: more.cause });
    this.name = "TickhallError";
    this.code = code;
    /** HTTP status or WebSocket close code, 0 if there was none. */
    this.status = more.status ?? 0;
    /** What a client does next: try the same again, match again, or leave it to the person. */
    this.advice = more.advice ?? "stop";
    /** Milliseconds to wait before another try, 0 if the server named none. */
    this.retryAfter = more.retryAfter ?? 0;
    /** The result that a room ended with, else null. @type {any} */
    this.result = more.result ?? null;
    /** What the game sent before it refused a join. @type {{name: string, body: any, tick: number}[]} */
    this.events = [];
  }
}

/** @param {string} message */
const protocolError = (message) => new TickhallError("protocol", message, { advice: "resume" });

/** @param {string} message */
const invalid = (message) => new TickhallError("invalid", message);

const NO_BYTES = new Uint8Array(0);
const utf8 = new TextEncoder();
// A byte order mark is a character like any other here, else lengths and checksums would differ.
const utf8Strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Reader walks msgpack values in bytes that nobody vouches for. It checks each length against what is
 * left before it allocates, and throws a TickhallError of code "protocol" at the first fault.
 */
export class Reader {
  /** @param {Uint8Array} [bytes] */
  constructor(bytes = NO_BYTES) {
    this.bytes = bytes;
    this.at = 0;
    /** @type {DataView | null} */
    this.view = null;
  }

  /** Starts over with other bytes. @param {Uint8Array} bytes */
  reset(bytes) {
    this.bytes = bytes;
    this.at = 0;
    this.view = null;
  }

  /** How many bytes have not been read. */
  get rest() {
    return this.bytes.length - this.at;
  }

  /** Makes the error that the caller throws. @param {string} what */
  fault(what) {
    return protocolError(`${what} (at byte ${this.at})`);
  }

  /** Makes sure of n more bytes and returns where they start. @param {number} n */
  #take(n) {
    const at = this.at;
    if (n > this.bytes.length - at) throw this.fault("message ends in the middle of a value");
    this.at = at + n;
    return at;
  }

  /** Reads n bytes, 1 to 4, as an unsigned big-endian number. @param {number} n */
  #unsigned(n) {
    const b = this.bytes;
    let at = this.#take(n), v = 0;
    for (; n > 0; n--) v = v * 256 + b[at++];
    return v;
  }

  /** Reads a length of n bytes. @param {number} n */
  #length(n) {
    const v = this.#unsigned(n);
    if (v > this.rest) throw this.fault("length is larger than the rest of the message");
    return v;
  }

  #float64() {
    this.view ??= new DataView(this.bytes.buffer, this.bytes.byteOffset, this.bytes.byteLength);
    return this.view.getFloat64(this.#take(8));
  }

  #float32() {
    this.view ??= new DataView(this.bytes.buffer, this.bytes.byteOffset, this.bytes.byteLength);
    return this.view.getFloat32(this.#take(4));
  }

  /** Reads an integer at most 2^53 away from 0: the difference of two ints can be as large. */
  int() {
    const c = this.bytes[this.#take(1)];
    if (c < 0x80) return c;
    if (c >= 0xe0) return c - 256;
    switch (c) {
      case 0xcc: return this.#unsigned(1);
      case 0xcd: return this.#unsigned(2);
      case 0xce: return this.#unsigned(4);
      case 0xd0: return (this.#unsigned(1) << 24) >> 24;
      case 0xd1: return (this.#unsigned(2) << 16) >> 16;
      case 0xd2: return this.#unsigned(4) | 0;
      case 0xcf:
      case 0xd3: {
        const high = this.#unsigned(4), low = this.#unsigned(4);
        const v = (c === 0xcf ? high : high | 0) * 2 ** 32 + low;
        // 2^53 itself may be the rounded sum of what is above it.
        if (Math.abs(v) > 2 ** 53 || (Math.abs(v) === 2 ** 53 && low > 0)) throw this.fault("number is out of range");
        return v;
      }
    }
    throw this.#wrong();
  }

  #wrong() {
    this.at--;
    return this.fault("value has another type than the message calls for");
  }

  /** Reads an integer from 0 to 2^32-1. */
  uint32() {
    const v = this.int();
    if (v < 0 || v > MAX_UINT32) throw this.fault("number is out of range");
    return v;
  }

  /** Reads a float of either width, or an integer. */
  float() {
    switch (this.bytes[this.at]) {
      case 0xca: this.at++; return this.#float32();
      case 0xcb: this.at++; return this.#float64();
    }
    return this.int();
  }

  bool() {
    const c = this.bytes[this.#take(1)];
    if (c !== 0xc2 && c !== 0xc3) throw this.#wrong();
    return c === 0xc3;
  }

  /** Reads a str of valid UTF-8. @param {number} [max] bytes at most */
  string(max = Infinity) {
    const c = this.bytes[this.#take(1)];
    let n = c & 0x1f;
    if (c === 0xd9) n = this.#length(1);
    else if (c === 0xda) n = this.#length(2);
    else if (c === 0xdb) n = this.#length(4);
    else if (c < 0xa0 || c > 0xbf) throw this.#wrong();
    if (n > max) throw this.fault("string is too long");
    return this.#text(n);
  }

  /** @param {number} n */
  #text(n) {
    const b = this.bytes, from = this.#take(n);
    let s = "", i = from;
    if (n <= 24) { // most are names: cheaper than a call of the decoder
      for (const to = from + n; i < to && b[i] < 0x80; i++) s += String.fromCharCode(b[i]);
      if (i === from + n) return s;
    }
    try {
      return utf8Strict.decode(b.subarray(from, from + n));
    } catch {
      throw this.fault("string is not valid UTF-8");
    }
  }

  /** Reads an array's header: how many elements follow, never more than bytes are left. */
  array() {
    const c = this.bytes[this.#take(1)];
    if (c === 0xdc) return this.#length(2);
    if (c === 0xdd) return this.#length(4);
    if (c < 0x90 || c > 0x9f) throw this.#wrong();
    const n = c & 0x0f;
    if (n > this.rest) throw this.fault("length is larger than the rest of the message");
    return n;
  }

  /**
   * Reads one value of any type that JavaScript has: null, boolean, number, string, Uint8Array, array or
   * object. An integer that a number can't hold becomes a bigint. Extension types are refused.
   *
   * @param {number} [levels] of arrays and maps that the value may have
   * @returns {any}
   */
  value(levels = MAX_DEPTH_IN) {
    const c = this.bytes[this.#take(1)];
    if (c < 0x80) return c;
    if (c >= 0xe0) return c - 256;
    if (c < 0x90) return this.#map(c & 0x0f, levels);
    if (c < 0xa0) return this.#list(c & 0x0f, levels);
    if (c < 0xc0) return this.#text(c & 0x1f);
    switch (c) {
      case 0xc0: return null;
      case 0xc2: return false;
      case 0xc3: return true;
      case 0xc4: return this.#binary(this.#length(1));
      case 0xc5: return this.#binary(this.#length(2));
      case 0xc6: return this.#binary(this.#length(4));
      case 0xca: return this.#float32();
      case 0xcb: return this.#float64();
      case 0xcf:
      case 0xd3: return this.#wide(c === 0xd3);
      case 0xd9: return this.#text(this.#length(1));
      case 0xda: return this.#text(this.#length(2));
      case 0xdb: return this.#text(this.#length(4));
      case 0xdc: return this.#list(this.#length(2), levels);
      case 0xdd: return this.#list(this.#length(4), levels);
      case 0xde: return this.#map(this.#length(2), levels);
      case 0xdf: return this.#map(this.#length(4), levels);
      case 0xcc:
      case 0xcd:
      case 0xce:
      case 0xd0:
      case 0xd1:
      case 0xd2:
        this.at--;
        return this.int();
    }
    this.at--;
    throw this.fault(c === 0xc1 ? "byte 0xc1 is no value" : "extension types are not supported");
  }

  /** @param {boolean} signed */
  #wide(signed) {
    const high = this.#unsigned(4), low = this.#unsigned(4);
    const v = (signed ? high | 0 : high) * 2 ** 32 + low;
    if (Number.isSafeInteger(v)) return v;
    return (BigInt(signed ? high | 0 : high) << 32n) | BigInt(low);
  }

  /** @param {number} n */
  #binary(n) {
    const from = this.#take(n);
    return this.bytes.slice(from, from + n); // a copy, so that it does not keep the whole message alive
  }

  /** @param {number} n @param {number} levels */
  #list(n, levels) {
    if (levels === 0) throw this.fault("arrays and maps are nested too deeply");
    if (n > this.rest) throw this.fault("length is larger than the rest of the message");
    /** @type {any[]} */
    const list = [];
    for (; n > 0; n--) list.push(this.value(levels - 1));
    return list;
  }

  /** Reads a map's key: a str, or an integer of at most 53 bits. */
  #key() {
    const c = this.bytes[this.at];
    if ((c >= 0xa0 && c <= 0xbf) || (c >= 0xd9 && c <= 0xdb)) return this.string();
    if (c < 0x80 || c >= 0xe0 || (c >= 0xcc && c <= 0xd3)) {
      const key = this.int();
      if (Number.isSafeInteger(key)) return key;
    }
    throw this.fault("a map's key is neither a str nor an integer of at most 53 bits");
  }

  /** @param {number} n @param {number} levels */
  #map(n, levels) {
    if (levels === 0) throw this.fault("arrays and maps are nested too deeply");
    if (2 * n > this.rest) throw this.fault("length is larger than the rest of the message");
    /** @type {Record<string, any>} */
    const map = {};
    for (; n > 0; n--) {
      const key = this.#key(), value = this.value(levels - 1);
      // Assigning to this one would change the object's prototype instead.
      if (key === "__proto__") Object.defineProperty(map, key, { value, enumerable: true, configurable: true, writable: true });
      else map[key] = value;
    }
    return map;
  }
}

/** Decodes one msgpack value that fills the bytes. @param {Uint8Array} bytes @returns {any} */
export function decode(bytes) {
  const r = new Reader(bytes);
  const v = r.value();
  if (r.rest > 0) throw r.fault("bytes are left after the last value");
  return v;
}

/** Writer appends msgpack values to a buffer that grows and is used again. */
class Writer {
  #bytes = new Uint8Array(256);
  #view = new DataView(this.#bytes.buffer);
  #n = 0;

  get length() {
    return this.#n;
  }

  /** Forgets what was written. */
  reset() {
    this.#n = 0;
    return this;
  }

  /** A copy of what was written. */
  bytes() {
    return this.#bytes.slice(0, this.#n);
  }

  /** Makes room for n more bytes and returns where they start. @param {number} n */
  #grow(n) {
    const at = this.#n;
    if (at + n > this.#bytes.length) {
      const old = this.#bytes;
      this.#bytes = new Uint8Array(Math.max(2 * old.length, at + n));
      this.#bytes.set(old);
      this.#view = new DataView(this.#bytes.buffer);
    }
    this.#n = at + n;
    return at;
  }

  /** @param {Uint8Array} bytes */
  raw(bytes) {
    const at = this.#grow(bytes.length); // first: it may replace the buffer
    this.#bytes.set(bytes, at);
  }

  /** @param {number} byte */
  #byte(byte) {
    const at = this.#grow(1);
    this.#bytes[at] = byte;
  }

  /** Appends a code, then v in 1, 2 or 4 bytes. @param {number} code @param {number} n @param {number} v */
  #sized(code, n, v) {
    const at = this.#grow(1 + n);
    this.#bytes[at] = code;
    if (n === 1) this.#view.setUint8(at + 1, v);
    else if (n === 2) this.#view.setUint16(at + 1, v);
    else this.#view.setUint32(at + 1, v);
  }

  /**
   * Appends a header whose length takes as few bytes as it can.
   * @param {number} n @param {number} fix @param {number} fixed @param {number} code8 0 for none @param {number} code16
   */
  #header(n, fix, fixed, code8, code16) {
    if (n < fixed) this.#byte(fix | n);
    else if (code8 && n < 256) this.#sized(code8, 1, n);
    else if (n < 65536) this.#sized(code16, 2, n);
    else this.#sized(code16 + 1, 4, n);
  }

  /** @param {number} n */
  array(n) {
    this.#header(n, 0x90, 16, 0, 0xdc);
  }

  /** @param {number} n */
  map(n) {
    this.#header(n, 0x80, 16, 0, 0xde);
  }

  /** @param {string} s */
  string(s) {
    const b = utf8.encode(s);
    this.#header(b.length, 0xa0, 32, 0xd9, 0xda);
    this.raw(b);
  }

  /** @param {number} v a safe integer */
  int(v) {
    if (v >= 0) {
      if (v < 128) this.#byte(v);
      else if (v < 256) this.#sized(0xcc, 1, v);
      else if (v < 65536) this.#sized(0xcd, 2, v);
      else if (v < 2 ** 32) this.#sized(0xce, 4, v);
      else this.#wide(0xcf, BigInt(v));
    } else if (v >= -32) this.#byte(v & 0xff);
    else if (v >= -128) this.#sized(0xd0, 1, v);
    else if (v >= -32768) this.#sized(0xd1, 2, v);
    else if (v >= -(2 ** 31)) this.#sized(0xd2, 4, v);
    else this.#wide(0xd3, BigInt(v));
  }

  /** @param {number} code @param {bigint} v */
  #wide(code, v) {
    const at = this.#grow(9);
    this.#bytes[at] = code;
    this.#view.setBigUint64(at + 1, BigInt.asUintN(64, v));
  }

  /** @param {number} v */
  float(v) {
    const at = this.#grow(9);
    this.#bytes[at] = 0xcb;
    this.#view.setFloat64(at + 1, v);
  }

  /** @param {unknown} v @param {number} levels of arrays and objects that it may have */
  value(v, levels) {
    switch (typeof v) {
      case "undefined": return this.#byte(0xc0);
      case "boolean": return this.#byte(v ? 0xc3 : 0xc2);
      case "number": return Number.isSafeInteger(v) ? this.int(v) : this.float(v);
      case "string": return this.string(v);
      case "bigint":
        if (v !== BigInt.asIntN(64, v) && v !== BigInt.asUintN(64, v)) throw invalid("a bigint has more than 64 bits");
        return this.#wide(v < 0n ? 0xd3 : 0xcf, v);
      case "object": return this.#object(v, levels);
    }
    throw invalid(`a ${typeof v} can't be sent`);
  }

  /** @param {object | null} v @param {number} levels */
  #object(v, levels) {
    if (v === null) return this.#byte(0xc0);
    if (v instanceof Uint8Array) {
      this.#header(v.length, 0, 0, 0xc4, 0xc5);
      return this.raw(v);
    }
    if (levels === 0) throw invalid("the value is nested too deeply");
    if (Array.isArray(v)) {
      this.array(v.length);
      for (const item of v) this.value(item, levels - 1);
      return;
    }
    const prototype = Object.getPrototypeOf(v);
    if (prototype !== null && prototype !== Object.prototype) {
      throw invalid(`a ${v.constructor?.name ?? "class instance"} can't be sent: make it a plain object`);
    }
    const entries = Object.entries(v).filter(([, item]) => item !== undefined);
    this.map(entries.length);
    for (const [key, item] of entries) {
      this.string(key);
      this.value(item, levels - 1);
    }
  }
}

/**
 * Encodes a value as msgpack: null, booleans, numbers, bigints, strings, Uint8Array, arrays and plain
 * objects. What is undefined is left out of an object, and null elsewhere.
 *
 * @param {unknown} value
 * @param {number} [levels] of arrays and objects that it may have; as many as a server may send by default
 */
export function encode(value, levels = MAX_DEPTH_IN) {
  const w = new Writer();
  w.value(value, levels);
  return w.bytes();
}

/**
 * @typedef {object} Field
 * @property {string} name
 * @property {number} index position in the table's field list, and in a row's values
 * @property {number} type
 * @property {number} num
 * @property {number} den
 * @property {number} rate index of the field that is this one's rate, or -1
 * @property {boolean} owner
 * @property {boolean} isRate another field's rate
 * @property {number} move index of its Move in the table, or -1
 */

/**
 * A Move predicts the field x from its rate v: x + floor(((v0 + v1) * k * a + b) / (2 * b)).
 * @typedef {{x: Field, v: Field, a: number, b: number}} Move
 */

/** One entity as it stands on the wire: a number for each field, a string for each string field. */
class Row {
  /** @param {number} id @param {number} fields @param {boolean} strings */
  constructor(id, fields, strings) {
    this.id = id;
    this.n = new Float64Array(fields);
    /** @type {string[] | null} */
    this.s = strings ? new Array(fields).fill("") : null;
    this.mine = false;
    this.gone = false;
    this.dirty = false;
    this.stamp = 0; // the last pass over the table that met this row
    /** @type {Entity | null} what the page sees of it */
    this.entity = null;
    /** @type {Track | null} what interpolation keeps of it */
    this.track = null;
  }
}

/** @param {bigint} a @param {bigint} b @returns {bigint} */
const gcd = (a, b) => (b === 0n ? a : gcd(b, a % b));

/** Store is one table of a Replica: its layout and its rows. */
class Store {
  /** @param {number} index @param {string} name @param {Field[]} fields @param {number} rate ticks per second */
  constructor(index, name, fields, rate) {
    this.index = index;
    this.name = name;
    this.fields = fields;
    this.shared = fields.filter((f) => !f.owner);
    this.owner = fields.filter((f) => f.owner);
    this.strings = fields.some((f) => f.type === STRING);
    /** @type {Map<number, Row>} */
    this.rows = new Map();
    /** Rows that entered or changed since the page was last told. @type {Row[]} */
    this.dirty = [];
    /** Rows that left since the page was last told. @type {Row[]} */
    this.left = [];
    /** Ids that are another entity's in the KEY that is coming. @type {Set<number>} */
    this.renewed = new Set();
    /** @type {Move[]} */
    this.moves = [];
    for (const x of this.shared) {
      if (x.rate < 0) continue;
      const v = fields[x.rate];
      const p = BigInt(v.num) * BigInt(x.den), q = BigInt(v.den) * BigInt(x.num) * BigInt(rate), g = gcd(p, q);
      if (p / g > 2n ** 14n || q / g > 2n ** 31n) throw protocolError(`field ${x.name}: the prediction's fraction is too large`);
      x.move = this.moves.push({ x, v, a: Number(p / g), b: Number(q / g) }) - 1;
    }
    this.stamp = 0;
    this.rates = new Float64Array(this.moves.length); // of the row at hand, before its record
    this.residuals = new Float64Array(this.moves.length);
  }

  /** @param {Row} row */
  mark(row) {
    if (row.dirty) return;
    row.dirty = true;
    this.dirty.push(row);
  }

  /** @param {Row} row */
  remove(row) {
    row.gone = true;
    this.rows.delete(row.id);
    this.left.push(row);
  }

  /** Reads an absolute value of f into row. @param {Reader} r @param {Row} row @param {Field} f */
  read(r, row, f) {
    if (f.type === STRING) /** @type {string[]} */ (row.s)[f.index] = r.string(MAX_STRING);
    else this.set(r, row, f, r.int());
  }

  /** @param {Reader} r @param {Row} row @param {Field} f @param {number} v */
  set(r, row, f, v) {
    let low = 0, high = 1;
    if (f.type === FLOAT) low = -(high = MAX_FLOAT);
    else if (f.type === INT) low = -(high = MAX_INT);
    else if (f.type === ANGLE) high = f.den - 1;
    if (v < low || v > high) throw r.fault(`${this.name} ${row.id}: ${f.name} is out of range`);
    row.n[f.index] = v === 0 ? 0 : v; // never minus zero
  }

  /**
   * Reads records as they stand in a KEY, or in the enters of a DELTA. A KEY may have several parts.
   * @param {Reader} r @param {boolean} key @param {boolean} [first] @param {boolean} [last]
   */
  enter(r, key, first = true, last = true) {
    const size = 1 + this.shared.length;
    let n = r.array();
    if (n % size !== 0) throw r.fault(`${this.name}: ${n} elements are no whole number of records`);
    if (first) this.stamp++;
    const { stamp } = this;
    for (; n > 0; n -= size) {
      const id = r.uint32();
      let row = this.rows.get(id);
      if (id === 0 || (row && (!key || row.stamp === stamp))) throw r.fault(`${this.name} ${id} can't enter`);
      if (row && this.renewed.has(id)) {
        this.remove(row);
        row = undefined;
      }
      if (!row) {
        row = new Row(id, this.fields.length, this.strings);
        this.rows.set(id, row);
      } else {
        row.mine = false;
        for (const f of this.owner) {
          row.n[f.index] = 0;
          if (row.s) row.s[f.index] = "";
        }
      }
      row.stamp = stamp;
      this.mark(row);
      for (const f of this.shared) this.read(r, row, f);
    }
    if (!key || !last) return;
    for (const row of this.rows.values()) if (row.stamp !== stamp) this.remove(row);
  }

  /** Reads this table's part of a DELTA over k ticks. @param {Reader} r @param {number} k */
  delta(r, k) {
    const limit = 2 ** this.shared.length - 1;
    for (let n = r.array(); n > 0; n--) this.remove(this.#known(r));
    const stamp = ++this.stamp;
    for (let n = r.array(); n > 0; ) {
      const row = this.#known(r), mask = r.uint32();
      n -= 2 + bits(mask);
      if (row.stamp === stamp || mask > limit || n < 0) throw r.fault(`${this.name} ${row.id}: no such change`);
      row.stamp = stamp;
      this.#change(r, row, mask, k);
    }
    this.follow(k, stamp);
    this.enter(r, false);
  }

  /** Reads the id of an entity that there is. @param {Reader} r */
  #known(r) {
    const id = r.uint32(), row = this.rows.get(id);
    if (!row) throw r.fault(`${this.name} ${id} is not known`);
    return row;
  }

  /** @param {Reader} r @param {Row} row @param {number} mask @param {number} k */
  #change(r, row, mask, k) {
    const { n } = row, { moves, rates, residuals, shared } = this;
    for (let i = 0; i < moves.length; i++) {
      rates[i] = n[moves[i].v.index];
      residuals[i] = 0;
    }
    for (let i = 0; mask !== 0; i++, mask >>>= 1) {
      if ((mask & 1) === 0) continue;
      const f = shared[i];
      if (f.move >= 0) residuals[f.move] = r.int();
      else if (f.type === STRING) this.read(r, row, f);
      else if (f.type === ANGLE) this.set(r, row, f, wrap(n[f.index] + r.int(), f.den));
      else this.set(r, row, f, n[f.index] + r.int());
    }
    for (let i = 0; i < moves.length; i++) {
      const { x, v } = moves[i];
      this.set(r, row, x, n[x.index] + moved(moves[i], rates[i] + n[v.index], k) + residuals[i]);
    }
    this.mark(row);
  }

  /**
   * Lets every row without the stamp follow its prediction.
   * @param {number} k @param {number} [stamp]
   */
  follow(k, stamp = -1) {
    const { moves } = this;
    if (moves.length === 0) return;
    for (const row of this.rows.values()) {
      if (row.stamp === stamp) continue;
      const { n } = row;
      for (let i = 0; i < moves.length; i++) {
        const { x, v } = moves[i], rate = n[v.index];
        if (rate === 0) continue;
        n[x.index] += moved(moves[i], 2 * rate, k);
        if (Math.abs(n[x.index]) > MAX_FLOAT) throw protocolError(`${this.name} ${row.id}: ${x.name} leaves its range`);
        this.mark(row);
      }
    }
  }

  /** The sum of this table's checksums, modulo 2^32. */
  checksum() {
    let sum = 0;
    for (const row of this.rows.values()) sum = (sum + this.#hash(row)) >>> 0;
    return sum;
  }

  /** MurmurHash3_x86_32 (Austin Appleby) of a row, which is always whole words long. @param {Row} row */
  #hash(row) {
    let h = mix(mix(0, this.index), row.id), words = 2;
    for (let list = this.shared; ; list = this.owner) {
      for (const f of list) {
        if (f.type !== STRING) {
          const v = row.n[f.index];
          h = mix(mix(h, v), Math.floor(v / 2 ** 32));
          words += 2;
          continue;
        }
        const { written } = utf8.encodeInto(/** @type {string[]} */ (row.s)[f.index], hashBytes);
        hashBytes.fill(0, written, written + 3);
        h = mix(h, written);
        words++;
        for (let i = 0; i < written; i += 4, words++) h = mix(h, hashView.getUint32(i, true));
      }
      if (!row.mine || list === this.owner) break;
    }
    h ^= 4 * words;
    h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
    h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
    return (h ^ (h >>> 16)) >>> 0;
  }
}

const hashBytes = new Uint8Array(MAX_STRING + 4);
const hashView = new DataView(hashBytes.buffer);

/** Mixes one word into h; a larger or negative k counts modulo 2^32. @param {number} h @param {number} k */
function mix(h, k) {
  k = Math.imul(k, 0xcc9e2d51);
  k = Math.imul((k << 15) | (k >>> 17), 0x1b873593);
  h ^= k;
  return (Math.imul((h << 13) | (h >>> 19), 5) + 0xe6546b64) | 0;
}

/** @param {number} mask */
function bits(mask) {
  let n = 0;
  for (; mask !== 0; mask &= mask - 1) n++;
  return n;
}

/** @param {number} v @param {number} den */
function wrap(v, den) {
  v %= den;
  return v < 0 ? v + den : v;
}

/**
 * How far a field moves in k ticks, sum being its rate before plus its rate after. The dividend is below
 * 2^53, so the quotient, although rounded, lies on the right side of every whole number.
 *
 * @param {Move} move @param {number} sum @param {number} k
 */
const moved = (move, sum, k) => Math.floor((sum * k * move.a + move.b) / (2 * move.b));

/**
 * Replica is the client's copy of a room's world. It applies KEY, DELTA and OWN exactly as the server
 * does, in the integers of the wire. After it threw, only a KEY makes it whole again.
 */
export class Replica {
  /**
   * @param {Reader} r stands before a schema, which is read
   * @param {number} rate ticks per second
   */
  constructor(r, rate) {
    this.rate = rate;
    /** The snapshot that it holds, 0 for none. */
    this.tick = 0;
    /** The last KEY or DELTA that it took: what is to be acknowledged. */
    this.taken = 0;
    /** The KEY of which parts have come: how many, of how many. */
    this.of = this.part = this.parts = 0;
    /** @type {Store[]} */
    this.stores = [];
    const names = new Set();
    let n = r.array();
    if (n > 64) throw r.fault("the schema has more than 64 tables");
    for (; n > 0; n--) {
      if (r.array() !== 2) throw r.fault("a table of the schema has not two elements");
      const name = r.string(MAX_NAME);
      if (name === "" || names.has(name)) throw r.fault(`two tables are called ${name}, or one has no name`);
      if (name === "id" || name === "__proto__") throw r.fault(`no table can be called ${name}`);
      names.add(name);
      this.stores.push(new Store(this.stores.length, name, readFields(r), rate));
    }
  }

  /** Whether some parts of a KEY have come and some not. Meanwhile there is no world. */
  get partial() {
    return this.part < this.parts;
  }

  /** Reads what follows the kind of a KEY, or of a part of one, of n elements. @param {Reader} r @param {number} n */
  key(r, n) {
    expect(r, KEY, n, 6 + this.stores.length);
    const { taken } = this, due = this.partial ? this.part + 1 : 1;
    this.tick = this.taken = 0;
    const tick = r.uint32(), of = r.uint32(), part = r.uint32(), parts = r.uint32();
    if (of === 0 || of > tick || part === 0 || part > parts || parts > MAX_PARTS || (parts === 1 && of !== tick)) {
      throw r.fault(`a KEY of tick ${tick}, ${of}, part ${part} of ${parts}`);
    }
    if (part > 1 && (part !== due || of !== this.of || parts !== this.parts || tick <= taken)) {
      throw r.fault(`part ${part} of ${parts} of a KEY where part ${due} of ${this.parts} is due`);
    }
    if (part === 1) for (const store of this.stores) store.renewed.clear();
    this.#renewed(r);
    Object.assign(this, { of, part, parts });
    for (const store of this.stores) store.enter(r, true, part === 1, part === parts);
    this.taken = tick;
    if (part === parts) this.tick = of;
  }

  /** Reads the list of entities that carry another's id. @param {Reader} r */
  #renewed(r) {
    let n = r.array();
    if (n % 2 !== 0) throw r.fault("a KEY with half an entry of a renewed entity");
    for (; n > 0; n -= 2) {
      const table = r.uint32(), id = r.uint32();
      if (table >= this.stores.length || id === 0) throw r.fault(`a KEY with a renewed entity ${id} of table ${table}`);
      this.stores[table].renewed.add(id);
    }
  }

  /** Reads what follows the kind of a DELTA of n elements. @param {Reader} r @param {number} n */
  delta(r, n) {
    if (n < 3 || n % 4 !== 3) throw r.fault(`a DELTA of ${n} elements`);
    const tick = r.uint32(), span = r.uint32(), k = Math.min(span, MAX_SPAN);
    if (this.tick === 0 || this.partial || span === 0 || tick - span !== this.tick) {
      throw r.fault(`a DELTA from ${tick - span} to ${tick}, where ${this.tick} is held`);
    }
    this.tick = 0;
    let next = 0;
    for (; n > 3; n -= 4) {
      const index = r.uint32();
      if (index < next || index >= this.stores.length) throw r.fault(`a DELTA with table ${index} after ${next - 1}`);
      for (; next < index; next++) this.stores[next].follow(k);
      this.stores[next++].delta(r, k);
    }
    for (; next < this.stores.length; next++) this.stores[next].follow(k);
    this.tick = this.taken = tick;
    return span;
  }

  /** Reads what follows the kind of an OWN of n elements. @param {Reader} r @param {number} n */
  own(r, n) {
    if (n < 3 || this.tick === 0) throw r.fault(n < 3 ? `an OWN of ${n} elements` : "an OWN without a world");
    const lastInput = r.uint32(), slack = r.int(), seen = new Set();
    if (Math.abs(slack) > MAX_FLOAT) throw r.fault("number is out of range");
    for (n -= 3; n > 0; ) {
      if (n < 3) throw r.fault("an OWN with part of a record");
      const store = this.stores[r.uint32()], id = r.uint32(), mask = r.uint32(), row = store?.rows.get(id);
      n -= 3 + bits(mask);
      if (!row || n < 0 || mask > 2 ** store.owner.length - 1) throw r.fault(`an OWN with no such entity or field: ${id}`);
      if (seen.has(row)) throw r.fault(`an OWN with ${store.name} ${id} twice`);
      seen.add(row);
      row.mine = true;
      store.mark(row);
      for (let i = 0; i < store.owner.length; i++) if ((mask >>> i) & 1) store.read(r, row, store.owner[i]);
    }
    return { lastInput, slack };
  }

  /** What HASH is compared with. */
  checksum() {
    let sum = 0;
    for (const store of this.stores) sum = (sum + store.checksum()) >>> 0;
    return sum;
  }
}

/** @param {Reader} r @param {number} kind @param {number} n @param {number} want */
function expect(r, kind, n, want) {
  if (n !== want) throw r.fault(`malformed message of kind ${kind}: ${n} elements, not ${want}`);
}

/** Reads the fields of a table of the schema. @param {Reader} r */
function readFields(r) {
  /** @type {Field[]} */
  const fields = [];
  const names = new Set();
  for (let n = r.array(); n > 0; n--) {
    if (r.array() !== 6) throw r.fault("a field of the schema has not six elements");
    const name = r.string(MAX_NAME), type = r.uint32(), num = r.uint32(), den = r.uint32(), rate = r.int(), flags = r.uint32();
    if (name === "" || names.has(name)) throw r.fault(`two fields are called ${name}, or one has no name`);
    if (name === "id" || name === "__proto__") throw r.fault(`no field can be called ${name}: an entity has that already`);
    if (type > STRING || flags > 1) throw r.fault(`field ${name} has the unknown type ${type} or flags ${flags}`);
    if (num === 0 || den === 0 || (type === ANGLE && num !== 1)) throw r.fault(`field ${name} has step ${num}/${den}`);
    names.add(name);
    fields.push({ name, index: fields.length, type, num, den, rate, owner: (flags & 1) === 1, isRate: false, move: -1 });
  }
  for (const f of fields) {
    if (f.rate === -1) continue;
    const v = fields[f.rate];
    if (!v || f.type !== FLOAT || v.type !== FLOAT || v.rate !== -1 || f.owner || v.owner) {
      throw r.fault(`field ${f.name} can't have rate ${f.rate}`);
    }
    v.isRate = true;
  }
  const owners = fields.filter((f) => f.owner).length;
  if (owners > 32 || fields.length - owners > 32) throw r.fault("a table has more than 32 shared or owner fields");
  return fields;
}

/** A float of the wire in the game's units. @param {Field} f @param {number} v */
const scaled = (f, v) => (v * f.num) / f.den;

/** A number of the wire as a page sees it. @param {Field} f @param {number} v */
function units(f, v) {
  switch (f.type) {
    case FLOAT: return scaled(f, v);
    case ANGLE: return (v / f.den) * TURN;
    case BOOL: return v === 1;
  }
  return v;
}

/**
 * RoomClock estimates the room's time, in milliseconds since its tick 0, from answers to TIME. An answer
 * counts if its round trip is within 1.2 times the shortest of the last 10 s: what took longer waited
 * somewhere, and nobody knows on which way (Mills, "Internet Time Synchronization: the Network Time Protocol", 1991,
 * calls it the minimum filter). A snapshot is never ahead of the room.
 */
export class RoomClock {
  /** Room time less local time, -Infinity while unknown. */
  offset = -Infinity;
  /** Half the round trip of the answers that count: how old a snapshot is when it arrives. */
  latency = 0;
  /** Whether an answer has counted yet. */
  synced = false;

  #floor = Infinity;
  #answers = 0; // up to TIME_BURST
  /** @type {{at: number, rtt: number}[]} */
  #window = [];

  /** Takes the time of a snapshot that has just arrived: the room's is at least that. @param {number} now @param {number} room */
  snapshot(now, room) {
    const behind = room - now - this.offset;
    if (!(behind > 0)) return;
    // A machine that slept: its clock stood still, and made the answers that waited for it look quick.
    if (this.synced && behind > CLOCK_SNAP) this.reroute();
    this.offset = room - now;
  }

  /** Takes an answer to a TIME. @param {number} sent @param {number} received @param {number} room the room's time in between */
  add(sent, received, room) {
    const rtt = received - sent;
    if (rtt > RTT_MOST) return;
    const window = this.#window.filter((s) => s.at > received - RTT_WINDOW);
    if (window.length === RTT_SAMPLES) window.shift();
    window.push({ at: received, rtt });
    this.#window = window;
    const before = this.#floor, early = this.#answers < TIME_BURST;
    if (early) this.#answers++;
    this.#floor = Math.min(...window.map((s) => s.rtt));
    if (rtt > RTT_SLACK * this.#floor) return;
    const offset = room - (sent + received) / 2, error = offset - this.offset;
    // Start over when what counted so far no longer would, or when a clock has stood still meanwhile.
    if (!this.synced || before > RTT_SLACK * rtt || Math.abs(error) > CLOCK_SNAP || (early && rtt === this.#floor)) {
      this.offset = offset;
      this.latency = rtt / 2;
    } else {
      this.offset += CLOCK_GAIN * error;
      this.latency += CLOCK_GAIN * (rtt / 2 - this.latency);
    }
    this.synced = true;
  }

  /** Forgets the round trips: the next connection may take another way. */
  reroute() {
    this.#floor = Infinity;
    this.#answers = 0;
    this.#window = [];
  }

  /** The room's time. @param {number} now */
  at(now) {
    return now + this.offset;
  }

  /** The room's time of which snapshots arrive now. @param {number} now */
  arriving(now) {
    return now + this.offset - this.latency;
  }
}

/**
 * Pulse tells whether a connection is dead: nothing has come for 6 s after a TIME, and three have gone unanswered. Both,
 * because a machine that slept finds much time gone by and answers not yet read.
 */
export class Pulse {
  /** When the first TIME was sent after which nothing has arrived. */
  since = Infinity;
  /** Such TIMEs. */
  unanswered = 0;

  /** Something has arrived. */
  heard() {
    this.since = Infinity;
    this.unanswered = 0;
  }

  /** Whether it is too late for another TIME. @param {number} now */
  dead(now) {
    return now - this.since >= DEAD_AFTER && this.unanswered >= DEAD_TIMES;
  }

  /** A TIME is sent. @param {number} now */
  asked(now) {
    this.since = Math.min(this.since, now);
    this.unanswered++;
  }
}

/** Steering paces inputs so that about half a one waits at the room when it takes one. */
export class Steering {
  /** How many inputs waited, smoothed. */
  slack = SLACK;

  /** Takes what the room tells. @param {number} slack */
  told(slack) {
    this.slack += SLACK_GAIN * (Math.max(-SLACK_MOST, Math.min(SLACK_MOST, slack)) - this.slack);
  }

  /** How many ticks lie between two inputs. */
  get period() {
    return 1 + Math.max(-STEER_MOST, Math.min(STEER_MOST, STEER_GAIN * (this.slack - SLACK)));
  }
}

/** Pacer spreads what has waited for the connection, so that the server's limits are kept: 60 messages and 16 KiB a second. */
export class Pacer {
  #messages = PACE_MESSAGES_BURST;
  #bytes = PACE_BYTES_BURST;
  #at = 0;

  /**
   * Milliseconds until a message of so many bytes may be sent. 0: it is sent now.
   * @param {number} now @param {number} bytes at most MAX_INBOUND
   */
  take(now, bytes) {
    const seconds = Math.max(0, now - this.#at) / 1000;
    this.#at = now;
    this.#messages = Math.min(PACE_MESSAGES_BURST, this.#messages + seconds * PACE_MESSAGES);
    this.#bytes = Math.min(PACE_BYTES_BURST, this.#bytes + seconds * PACE_BYTES);
    const wait = Math.max((1 - this.#messages) / PACE_MESSAGES, (bytes - this.#bytes) / PACE_BYTES);
    if (wait > 1e-6) return Math.ceil(1000 * wait);
    this.#messages--;
    this.#bytes -= bytes;
    return 0;
  }
}

/**
 * Playhead is the moment that is being shown. It follows a target at a pace within 10 % of real time, so
 * that corrections of the clock don't show; it jumps forward when far behind, and waits when far ahead.
 */
export class Playhead {
  constructor() {
    this.at = -Infinity;
    this.now = 0;
  }

  /** @param {number} now @param {number} target both in milliseconds */
  advance(now, target) {
    const elapsed = Math.max(0, now - this.now), error = target - (this.at + elapsed);
    this.now = now;
    if (error > CLOCK_SNAP) this.at = target;
    else if (error > -CLOCK_SNAP) this.at += elapsed * (1 + Math.max(-0.1, Math.min(0.1, error / 500)));
    return this.at;
  }
}

/**
 * Track is what interpolation keeps of an entity: its last values, and what the page is shown.
 * @typedef {object} Track
 * @property {Row} row
 * @property {Float64Array} n HISTORY times the row's numbers
 * @property {string[] | null} s likewise its strings
 * @property {number} born serial of the snapshot in which it entered
 * @property {number} died serial of the snapshot in which it left, Infinity before
 * @property {Entity} entity
 */

/**
 * Shown is a table of a View.
 * @typedef {object} Shown
 * @property {Map<number, Entity>} entities
 * @property {Map<number, Track>} shown the tracks whose entities those are
 * @property {Listeners<ViewEvent>} listeners
 * @property {ViewTable<any>} table
 * @property {Track[]} tracks oldest first
 */

/**
 * View is the world as it was a moment ago, between two snapshots: what to draw. `Room.interpolate`
 * brings it up to date; its entities are the same objects from frame to frame.
 */
export class View {
  /** The moment shown, in ticks. */
  tick = 0;

  /** @type {Map<string, Shown>} */
  #tables = new Map();
  #call;
  /** What the page has not been told of. @type {{fn: (entity: any) => void, entity: Entity}[]} */
  #news = [];
  #ticks = new Float64Array(HISTORY);
  #first = 0;
  #last = -1;

  /** @param {Caller} [call] calls a page's functions */
  constructor(call = (fn, entity) => fn(entity)) {
    this.#call = call;
  }

  /**
   * The entities of a table at this moment.
   * @template {Entity} [T=Entity]
   * @param {string} name
   * @returns {ViewTable<T>}
   */
  table(name) {
    return /** @type {ViewTable<any>} */ (this.#table(name).table);
  }

  /** @param {string} name */
  #table(name) {
    let t = this.#tables.get(name);
    if (!t) {
      const entities = new Map(), shown = new Map(), listeners = { enter: new Set(), leave: new Set() };
      const mine = (/** @type {number} */ id) => shown.get(id)?.row.mine ?? false;
      t = { entities, shown, listeners, table: new ViewTable(name, entities, mine, listeners, this.#call), tracks: [] };
      this.#tables.set(name, t);
    }
    return t;
  }

  /** Forgets everything: another room follows. */
  clear() {
    this.#first = 0;
    this.#last = -1;
    for (const t of this.#tables.values()) {
      for (const track of [...t.shown.values()]) this.#hide(t, track);
      t.tracks.length = 0;
    }
  }

  /** Notes the world as it stands after a snapshot. @param {Replica} replica */
  record(replica) {
    const serial = ++this.#last, slot = serial % HISTORY;
    this.#first = Math.max(this.#first, serial - HISTORY + 1);
    this.#ticks[slot] = replica.tick;
    for (const store of replica.stores) {
      const t = this.#table(store.name), size = store.fields.length;
      for (const row of store.rows.values()) {
        const track = (row.track ??= this.#begin(t.tracks, store, row, serial));
        track.n.set(row.n, slot * size);
        if (track.s && row.s) for (let i = 0; i < size; i++) track.s[slot * size + i] = row.s[i];
      }
      let kept = 0;
      for (const track of t.tracks) {
        if (track.row.gone && track.died === Infinity) track.died = serial;
        if (track.died > this.#first) t.tracks[kept++] = track;
        else this.#hide(t, track);
      }
      t.tracks.length = kept;
    }
  }

  /** @param {Track[]} tracks @param {Store} store @param {Row} row @param {number} serial @returns {Track} */
  #begin(tracks, store, row, serial) {
    const size = HISTORY * store.fields.length;
    const track = {
      row, n: new Float64Array(size), s: row.s && new Array(size).fill(""),
      born: serial, died: Infinity, entity: newEntity(store, row),
    };
    tracks.push(track);
    return track;
  }

  /** @param {Shown} t @param {Track} track */
  #show(t, track) {
    const { id } = track.row;
    if (t.shown.get(id) === track) return;
    t.shown.set(id, track);
    t.entities.set(id, track.entity);
    this.#note(t.listeners.enter, track.entity);
  }

  /** @param {Shown} t @param {Track} track */
  #hide(t, track) {
    const { id } = track.row;
    if (t.shown.get(id) !== track) return;
    t.shown.delete(id);
    t.entities.delete(id);
    this.#note(t.listeners.leave, track.entity);
  }

  /** @param {Set<(entity: any) => void>} listeners @param {Entity} entity */
  #note(listeners, entity) {
    for (const fn of listeners) this.#news.push({ fn, entity });
  }

  /** Shows the moment `tick`, and tells of what has come and gone. @param {Replica} replica @param {number} tick */
  render(replica, tick) {
    if (this.#last >= 0) this.#render(replica, tick);
    const news = this.#news;
    if (news.length === 0) return;
    this.#news = [];
    for (const { fn, entity } of news) this.#call(fn, entity);
  }

  /** @param {Replica} replica @param {number} tick */
  #render(replica, tick) {
    let a = this.#last;
    while (a > this.#first && this.#ticks[a % HISTORY] > tick) a--;
    const from = this.#ticks[a % HISTORY], limit = from + (EXTRAPOLATE / 1000) * replica.rate;
    const to = a < this.#last ? this.#ticks[(a + 1) % HISTORY] : limit;
    this.tick = Math.max(from, Math.min(tick, to));
    const before = a > this.#first ? this.#ticks[(a - 1) % HISTORY] : -Infinity;
    for (const store of replica.stores) {
      const t = this.#table(store.name);
      for (const track of t.tracks) {
        if (track.born > a || track.died <= a) {
          this.#hide(t, track);
          continue;
        }
        if (a < this.#last && track.died > a + 1 && !jumps(store, track, a, to - from, replica.rate)) {
          this.#between(store, track, a, this.tick - from, to - from, replica.rate);
        } else {
          const steady = track.born < a && !jumps(store, track, a - 1, from - before, replica.rate);
          this.#beyond(store, track, a, Math.min(this.tick, limit) - from, steady ? from - before : Infinity, replica.rate);
        }
        this.#show(t, track);
      }
    }
  }

  /**
   * Shows a track `ahead` ticks after snapshot a, the next one being `span` ticks after it.
   * @param {Store} store @param {Track} track @param {number} a @param {number} ahead @param {number} span @param {number} rate
   */
  #between(store, track, a, ahead, span, rate) {
    // What stands still is drawn still, whatever its rate: a ship that pushes against a wall.
    const { n, entity } = track, size = store.fields.length, u = ahead / span, seconds = span / rate;
    const i0 = (a % HISTORY) * size, i1 = ((a + 1) % HISTORY) * size;
    for (const f of store.fields) {
      const p0 = n[i0 + f.index], p1 = n[i1 + f.index];
      if (f.type === STRING) entity[f.name] = /** @type {string[]} */ (track.s)[i0 + f.index];
      else if (f.type === ANGLE) entity[f.name] = units(f, wrap(p0 + turned(p0, p1, f.den) * u, f.den));
      else if (f.type !== FLOAT) entity[f.name] = units(f, p0);
      else if (f.rate < 0 || p0 === p1) entity[f.name] = scaled(f, p0 + (p1 - p0) * u);
      else {
        const v = store.fields[f.rate];
        const m0 = scaled(v, n[i0 + v.index]) * seconds, m1 = scaled(v, n[i1 + v.index]) * seconds;
        entity[f.name] = hermite(u, scaled(f, p0), m0, scaled(f, p1), m1);
      }
    }
  }

  /**
   * Shows a track `ahead` ticks after snapshot a, without regard to the next one; the one before is `span` ticks older,
   * or tells nothing if span is Infinity.
   * @param {Store} store @param {Track} track @param {number} a @param {number} ahead @param {number} span @param {number} rate
   */
  #beyond(store, track, a, ahead, span, rate) {
    const { n, entity } = track, size = store.fields.length, u = ahead / span;
    const i0 = (a % HISTORY) * size, i1 = u > 0 ? ((a - 1) % HISTORY) * size : i0;
    for (const f of store.fields) {
      const p0 = n[i0 + f.index], p1 = n[i1 + f.index];
      if (f.type === STRING) entity[f.name] = /** @type {string[]} */ (track.s)[i0 + f.index];
      else if (f.type === ANGLE) entity[f.name] = units(f, wrap(p0 - turned(p0, p1, f.den) * u, f.den));
      else if (f.type !== FLOAT || f.isRate) entity[f.name] = units(f, p0);
      else if (f.rate < 0) entity[f.name] = scaled(f, p0 + (p0 - p1) * u);
      else {
        const v = store.fields[f.rate];
        entity[f.name] = scaled(f, p0) + (scaled(v, n[i0 + v.index]) * ahead) / rate;
      }
    }
  }
}

/**
 * Whether a track is somewhere else in snapshot a + 1, `span` ticks after a, rather than on its way there: a
 * field with a rate has gone more than JUMP_FACTOR times as far as the faster of both rates would take it, and
 * more than JUMP_STEPS steps besides. Nothing is said of long gaps, in which much can have happened.
 *
 * @param {Store} store @param {Track} track @param {number} a @param {number} span @param {number} rate
 */
function jumps(store, track, a, span, rate) {
  if (span > (EXTRAPOLATE / 1000) * rate) return false;
  const { n } = track, size = store.fields.length, i0 = (a % HISTORY) * size, i1 = ((a + 1) % HISTORY) * size;
  for (const { x, v, a: num, b: den } of store.moves) {
    const fastest = Math.max(Math.abs(n[i0 + v.index]), Math.abs(n[i1 + v.index]));
    if (Math.abs(n[i1 + x.index] - n[i0 + x.index]) > JUMP_STEPS + (JUMP_FACTOR * fastest * span * num) / den) return true;
  }
  return false;
}

/** The shortest way from angle p0 to p1. @param {number} p0 @param {number} p1 @param {number} den */
function turned(p0, p1, den) {
  const d = wrap(p1 - p0, den);
  return d > den / 2 ? d - den : d;
}

/**
 * The cubic from p0 to p1 that starts with slope m0 and ends with m1.
 * @param {number} u from 0 to 1 @param {number} p0 @param {number} m0 @param {number} p1 @param {number} m1
 */
function hermite(u, p0, m0, p1, m1) {
  const d = p1 - p0;
  return p0 + u * (m0 + u * (3 * d - 2 * m0 - m1 + u * (m0 + m1 - 2 * d)));
}

/**
 * An entity as a page sees it: a plain object with its fields by name. Floats are in the game's units,
 * angles in radians from 0 to 2 pi. Pages read it and don't write to it.
 *
 * @typedef {{readonly id: number} & Record<string, any>} Entity
 */

/** @param {Store} store @param {Row} row @returns {Entity} */
function newEntity(store, row) {
  /** @type {Record<string, any>} */
  const entity = { id: row.id };
  for (const f of store.fields) entity[f.name] = f.type === STRING ? row.s?.[f.index] : units(f, row.n[f.index]);
  return /** @type {Entity} */ (entity);
}

/** Brings an entity up to date, and tells whether that changed it. @param {Store} store @param {Row} row @param {Entity} entity */
function refresh(store, row, entity) {
  let changed = false;
  for (const f of store.fields) {
    const v = f.type === STRING ? /** @type {string[]} */ (row.s)[f.index] : units(f, row.n[f.index]);
    if (entity[f.name] === v) continue;
    entity[f.name] = v;
    changed = true;
  }
  return changed;
}

/**
 * EntityMap is a table's entities by id.
 * @template {Entity} [T=Entity]
 */
export class EntityMap {
  #entities;
  #mine;

  /** @param {string} name @param {Map<number, any>} entities @param {(id: number) => boolean} mine */
  constructor(name, entities, mine) {
    this.name = name;
    this.#entities = entities;
    this.#mine = mine;
  }

  get size() {
    return this.#entities.size;
  }

  /** @param {number} id @returns {T | undefined} */
  get(id) {
    return this.#entities.get(id);
  }

  /** @param {number} id */
  has(id) {
    return this.#entities.has(id);
  }

  /** @returns {IterableIterator<T>} */
  values() {
    return this.#entities.values();
  }

  [Symbol.iterator]() {
    return this.values();
  }

  /** The entity that has been there longest, such as the only one of a table that holds the score. @returns {T | undefined} */
  first() {
    return this.values().next().value;
  }

  /** Whether the entity is this player's own. @param {number} id */
  mine(id) {
    return this.#mine(id);
  }

  /** This player's own entities. @returns {IterableIterator<T>} */
  *own() {
    for (const entity of this.values()) if (this.#mine(entity.id)) yield entity;
  }
}

/**
 * What a table tells its listeners with.
 * @template {string} K
 * @typedef {Record<K, Set<(entity: any) => void>>} Listeners
 */

/** Calls a page's function. @typedef {(fn: (entity: any) => void, entity: Entity) => void} Caller */

/**
 * Adds fn to the listeners of type. One that wants to know what enters is told at once of what is there.
 * @template {string} K
 * @param {EntityMap<any>} table @param {Listeners<K>} listeners @param {Caller} call @param {K} type @param {(entity: any) => void} fn
 */
function listenTo(table, listeners, call, type, fn) {
  if (!Object.hasOwn(listeners, type)) throw invalid(`no table event "${type}": there are ${Object.keys(listeners).join(", ")}`);
  const mine = (/** @type {any} */ entity) => fn(entity); // so that the same fn can be given twice
  listeners[type].add(mine);
  if (type === "enter") for (const entity of [...table.values()]) call(mine, entity);
  return () => void listeners[type].delete(mine);
}

/** @typedef {"enter" | "leave"} ViewEvent */

/**
 * ViewTable is a table as a View shows it.
 * @template {Entity} [T=Entity]
 * @extends {EntityMap<T>}
 */
export class ViewTable extends EntityMap {
  #listeners;
  #call;

  /**
   * @param {string} name @param {Map<number, any>} entities @param {(id: number) => boolean} mine
   * @param {Listeners<ViewEvent>} listeners @param {Caller} call
   */
  constructor(name, entities, mine, listeners, call) {
    super(name, entities, mine);
    this.#listeners = listeners;
    this.#call = call;
  }

  /**
   * Calls fn when an entity appears in the view or vanishes from it: within Room.interpolate, once the view is
   * up to date. "enter" is also called at once for those that are there already. What comes and goes
   * between two frames is not told.
   *
   * @param {ViewEvent} type
   * @param {(entity: T) => void} fn
   * @returns {() => void} ends the calls
   */
  on(type, fn) {
    return listenTo(this, this.#listeners, this.#call, type, fn);
  }
}

/** @typedef {"enter" | "change" | "leave"} TableEvent */

/**
 * Mirror is a table as the page knows it. It outlives the Store that it shows, which goes with its room.
 * @typedef {object} Mirror
 * @property {Table<any>} table
 * @property {Map<number, Entity>} entities
 * @property {Store | null} store
 * @property {Listeners<TableEvent>} listeners
 * @property {Caller} call
 */

/**
 * Table is a table of the room's newest snapshot.
 * @template {Entity} [T=Entity]
 * @extends {EntityMap<T>}
 */
export class Table extends EntityMap {
  #mirror;

  /** @param {string} name @param {Mirror} mirror */
  constructor(name, mirror) {
    super(name, mirror.entities, (id) => mirror.store?.rows.get(id)?.mine ?? false);
    this.#mirror = mirror;
  }

  /**
   * Calls fn when an entity enters, has changed or has left. "enter" is also called at once for those
   * that are there already.
   *
   * @param {TableEvent} type
   * @param {(entity: T) => void} fn
   * @returns {() => void} ends the calls
   */
  on(type, fn) {
    return listenTo(this, this.#mirror.listeners, this.#mirror.call, type, fn);
  }
}

/** @typedef {"joined" | "reconnecting" | "closed"} RoomState */

/**
 * @typedef {object} ConnectOptions
 * @property {string | URL} url the server, such as location.origin
 * @property {string} [kind] the game, such as "arena"; only a join can do without
 * @property {"quick" | "create" | "join" | "queue"} [mode] how to get in: the fullest open room that fits, or a new one
 *   ("quick", if left out); a room of one's own; the room named by `room`; or with others of the same skill
 * @property {string} [name] display name, 1 to 32 characters
 * @property {string} [room] join: the room's id, which is also its code; case and dashes don't count
 * @property {string} [password] create: sets it; join: must be it
 * @property {boolean} [private] create: the room is not listed, and quick does not find it
 * @property {Record<string, any>} [options] create, quick: for the game that is made, if one is
 * @property {Record<string, any>} [filter] quick: only rooms whose listing data has these properties
 * @property {boolean} [spectate] quick, join: watch without a seat
 * @property {number} [skill] queue: the player's rating, where the kind lets clients say it
 * @property {Record<string, string>} [properties] queue: must be equal within a match, such as region
 * @property {string} [party] queue: a code that friends share, to be matched together
 * @property {number} [partySize] queue: how many friends share it, oneself included
 * @property {(progress: QueueProgress) => void} [onQueue] queue: hears how it stands, whenever there is news
 * @property {AbortSignal} [signal] gives up, and leaves the queue, while connect has not resolved; then see Room.leave
 * @property {string | (() => string | Promise<string>)} [token] who the player is, where the server asks for it (a JWT);
 *   a function is called for each request, so that it can renew the token
 * @property {{getItem(key: string): string | null, setItem(key: string, value: string): void} | null} [storage] keeps a
 *   guest the same guest, under "tickhall.guest"; localStorage if left out and there is one, null for none
 * @property {{getItem(key: string): string | null, setItem(key: string, value: string): void, removeItem(key: string): void} | null} [keep]
 *   keeps the token of the seat, so that a page that is loaded again takes the seat back: sessionStorage, which is a
 *   tab's own. It stands under "tickhall.seat." and the kind; after "join" and "create" the room's id, for a page that then
 *   joins by id. For spectators nothing is kept. A page that keeps its seat does not leave the room when it goes
 * @property {typeof globalThis.WebSocket} [WebSocket]
 * @property {(url: string, init?: any) => Promise<any>} [fetch]
 * @property {() => number} [now] milliseconds that never run backwards; performance.now if left out
 * @property {(fn: () => void, ms: number) => any} [setTimeout]
 * @property {(id: any) => void} [clearTimeout]
 * @property {() => number} [random] from 0 to 1
 * @property {any} [window] where "online", "pagehide" and "pageshow" are heard, and document.visibilitychange; globalThis if left out
 */

/**
 * How it stands in the queue.
 * @typedef {object} QueueProgress
 * @property {number} waited seconds so far
 * @property {number} waiting players in this queue
 * @property {number} window the largest difference in skill that is accepted by now
 * @property {number} missing friends of the party who have not come yet
 */

/**
 * What Room.on can listen to, and what it gives.
 * @typedef {object} RoomEvents
 * @property {{tick: number, span: number}} snapshot a snapshot was applied; span is 0 for a whole world
 * @property {RoomState} state
 * @property {{name: string, body: any, tick: number}} event any event of the game; see also onEvent
 * @property {{tick: number, count: number}} dropped so many events were lost at this place: more waited for this client than the server keeps
 * @property {TickhallError} error a notice from the server, such as "rate_limited", or what a callback threw
 * @property {TickhallError} desync the copy of the world can't be trusted and is fetched again
 * @property {{attempt: number, delay: number, error: TickhallError}} reconnecting the next try is in delay ms
 * @property {{resumed: boolean}} joined after a reconnect: to the seat that was held, or to another room
 * @property {{code: number, reason: string, result: any, error: TickhallError}} close for good
 */

const ROOM_EVENTS = ["snapshot", "state", "event", "dropped", "error", "desync", "reconnecting", "joined", "close"];

/** @typedef {{resolve: (body: any) => void, reject: (err: TickhallError) => void, timer: any}} Call */

/** Names of close codes, as they stand in TickhallError.code. @type {Record<number, string>} */
const CLOSE_CODES = {
  1000: "normal", 4000: "slow_reader", 4001: "pong_timeout", 4002: "unacknowledged", 4003: "lost",
  4100: "room_failed", 4101: "room_stuck", 4102: "shutting_down", 4103: "gone", 4105: "refused_now",
  4200: "protocol", 4201: "flood", 4202: "kicked", 4203: "replaced", 4204: "refused", 4205: "room_ended", 4206: "idle",
};

/** @param {number} code @returns {Advice} */
function adviceOf(code) {
  if (code === 1000 || code >= 4200) return "stop";
  if (code === 1002 || code === 1003 || (code >= 1007 && code <= 1010)) return "stop"; // what we sent was at fault
  return code < 4100 ? "resume" : "match";
}

/** @param {number} code @param {string} reason @param {unknown} [advice] @param {unknown} [result] */
function closeError(code, reason, advice, result) {
  const name = CLOSE_CODES[code] ?? (code < 4000 ? "lost" : `code_${code}`);
  const known = advice === "resume" || advice === "match" || advice === "stop";
  return new TickhallError(name, reason || `the connection was closed with code ${code}`, {
    status: code, advice: known ? advice : adviceOf(code), result,
  });
}

/**
 * The codes of Tickhall's refusals over HTTP that ask for another match, or for the same again. Of the others those
 * with a status of 4xx are for good.
 * @type {Map<string, Advice>}
 */
const REFUSALS = new Map([
  ["queue_unknown", "match"], ["ticket_invalid", "match"], ["ticket_expired", "match"], ["ticket_used", "match"], ["token_unknown", "match"],
  ["server_full", "match"], ["shutting_down", "match"], ["upgrade_required", "resume"],
]);

/** Whether a status tells that it passes. @param {number} status */
const passes = (status) => status >= 500 || status === 408 || status === 425 || status === 429;

/**
 * Whether what failed may well be the doing of something between us and the server, such as a proxy or a hotel's
 * network: it passes, or it never does. @param {TickhallError} err
 */
const isForeign = (err) => err.code === "websocket" || err.code === "redirected" || err.code === "upgrade_required" ||
  (err.code === "protocol" && err.status >= 200 && err.status < 300) || (err.code === `http_${err.status}` && !passes(err.status));

const GUEST_KEY = "tickhall.guest";
const YIELD_FOR = 2000; // milliseconds that a match waits for the one before it

/**
 * The last match that was asked for with each place where a guest is kept. They take turns: of several at once, each would
 * make a guest of its own, when there is none yet, and when a server that was started again does not know the old one.
 * @type {WeakMap<object, Promise<void>>}
 */
const turns = new WeakMap();

/** The id of a room as the server spells it, however a person has typed it. @param {unknown} text */
const roomID = (text) => String(text).toLowerCase().replace(/[-_\s]/g, "").replace(/o/g, "0").replace(/[il]/g, "1");

/** Where a page keeps its guest, unless it says otherwise: a browser may refuse even to name the place. */
function localStore() {
  try {
    return globalThis.localStorage ?? null;
  } catch {
    return null;
  }
}

/** @param {ConnectOptions["token"]} token @returns {Promise<Record<string, string>>} */
async function authorization(token) {
  try {
    const value = typeof token === "function" ? await token() : token;
    return value ? { Authorization: `Bearer ${value}` } : {};
  } catch (cause) {
    throw new TickhallError("token", `the token could not be had: ${cause}`, { advice: "resume", cause });
  }
}

/**
 * Makes an HTTP request, whose answer may be a refusal. It ends after `timeout` ms, or when signal says so.
 * @param {Pick<Required<ConnectOptions>, "fetch" | "setTimeout" | "clearTimeout">} env
 * @param {string} url @param {any} init @param {number} timeout @param {AbortSignal} [signal]
 */
async function http(env, url, init, timeout, signal) {
  const abort = new AbortController(), end = () => abort.abort();
  if (signal?.aborted) end();
  signal?.addEventListener("abort", end);
  const timer = env.setTimeout(end, timeout);
  try {
    const res = await env.fetch(url, { ...init, signal: abort.signal, cache: "no-store" });
    /** @type {any} */
    let body, ok = res.ok;
    try {
      body = res.status === 204 ? null : await res.json();
    } catch (cause) {
      if (!(cause instanceof SyntaxError)) throw cause; // cut off
      ok = false; // not from Tickhall
    }
    const seconds = Number(res.headers?.get?.("Retry-After")), moved = res.redirected === true && res.url ? String(res.url) : "";
    return { ok, status: Number(res.status), body, retryAfter: seconds > 0 ? Math.min(1000 * seconds, MAX_RETRY_AFTER) : 0, moved };
  } catch (cause) {
    if (signal?.aborted) throw aborted(signal.reason);
    throw new TickhallError("network", "the server can't be reached", { advice: "resume", cause });
  } finally {
    env.clearTimeout(timer);
    signal?.removeEventListener("abort", end);
  }
}

/**
 * The longest wait after a failed attempt, from 1. What is waited is random between 0 and this ("full jitter": Brooker,
 * "Exponential Backoff And Jitter", AWS Architecture Blog 2015), so that those whom a server has lost don't come back at once.
 * @param {number} attempt
 */
export function backoff(attempt) {
  return Math.min(BACKOFF_FIRST * BACKOFF_GROWTH ** (attempt - 1), attempt > SOON_TRIES ? BACKOFF_MOST : BACKOFF_SOON);
}

/**
 * Where to ask from now on, if an answer came from the same place by https; else null.
 * @param {string | URL} from @param {string} to
 */
function secured(from, to) {
  if (to === "") return null;
  const a = new URL(from), b = new URL(to);
  return a.protocol === "http:" && b.protocol === "https:" && a.hostname === b.hostname && a.pathname === b.pathname ? b : null;
}

/** @param {unknown} cause */
const aborted = (cause) => new TickhallError("aborted", "it was given up", { cause });

/** What requests are made with, as far as the options leave it open. @param {Partial<ConnectOptions>} options */
function environment(options) {
  const g = /** @type {any} */ (globalThis);
  return {
    fetch: /** @type {Required<ConnectOptions>["fetch"]} */ (options.fetch ?? g.fetch?.bind(g)),
    setTimeout: options.setTimeout ?? ((/** @type {() => void} */ fn, /** @type {number} */ ms) => setTimeout(fn, ms)),
    clearTimeout: options.clearTimeout ?? ((/** @type {any} */ id) => clearTimeout(id)),
  };
}

/** @param {string} place */
const placePath = (place) => `/v1/match/${encodeURIComponent(place)}`;

/** @param {string | URL} url */
const withoutSlash = (url) => String(url).replace(/\/+$/, "");

/**
 * @typedef {object} ListOptions
 * @property {string | URL} url the server, such as location.origin
 * @property {string} [kind] only rooms of this kind
 * @property {Record<string, string | number | boolean>} [filter] only rooms whose listing data has these properties
 * @property {number} [limit] rooms at most in one answer
 * @property {string} [after] `next` of the answer before
 * @property {ConnectOptions["token"]} [token]
 * @property {AbortSignal} [signal]
 * @property {ConnectOptions["fetch"]} [fetch]
 * @property {ConnectOptions["setTimeout"]} [setTimeout]
 * @property {ConnectOptions["clearTimeout"]} [clearTimeout]
 */

/**
 * One listed room.
 * @typedef {object} RoomInfo
 * @property {string} id
 * @property {string} kind
 * @property {number} players seats taken or held
 * @property {number} maxPlayers
 * @property {number} spectators
 * @property {boolean} locked nobody may join at present
 * @property {boolean} password needed to join
 * @property {any} data what the game says about the room, or null
 */

/**
 * Asks for the rooms that are listed, a page at a time. Rejects with a TickhallError.
 *
 * @param {ListOptions} options
 * @returns {Promise<{rooms: RoomInfo[], next: string}>} next is empty on the last page
 */
export async function listRooms(options) {
  if (!options?.url) throw invalid("listRooms needs a url");
  const env = environment(options);
  if (!env.fetch) throw invalid("there is no fetch here: give it as an option");
  const query = new URLSearchParams();
  for (const key of /** @type {const} */ (["kind", "limit", "after"])) {
    if (options[key] !== undefined) query.set(key, String(options[key]));
  }
  for (const [key, value] of Object.entries(options.filter ?? {})) {
    if (key.includes(":")) throw invalid(`a filter's key has no colon: "${key}"`);
    query.append("prop", `${key}:${value}`);
  }
  const url = `${withoutSlash(options.url)}/v1/rooms?${query}`;
  const reply = await http(env, url, { headers: await authorization(options.token) }, JOIN_TIMEOUT, options.signal);
  if (!reply.ok) throw refusal(reply);
  if (!Array.isArray(reply.body?.rooms)) throw new TickhallError("protocol", "the answer has no rooms", { status: reply.status });
  return {
    rooms: reply.body.rooms.map((/** @type {any} */ r) => ({
      id: String(r.id), kind: String(r.kind), players: Number(r.players) || 0, maxPlayers: Number(r.max_players) || 0,
      spectators: Number(r.spectators) || 0, locked: r.locked === true, password: r.password === true, data: r.data ?? null,
    })),
    next: String(reply.body.next ?? ""),
  };
}

/** Set by Room, which alone can open one. @type {(room: Room, signal: AbortSignal | undefined) => Promise<void>} */
let start;

/**
 * Gets a seat in a room and resolves once its world is there. Rejects with a TickhallError whose code and
 * message tell why not. In mode "queue" that can take long: `onQueue` tells how it stands, `signal` ends it.
 *
 * @param {ConnectOptions} options
 * @returns {Promise<Room>}
 */
export async function connect(options) {
  const room = new Room(options);
  await start(room, options.signal);
  return room;
}

/**
 * Room is a seat in a room, or a spectator's place: a copy of its world, a way to talk to it, and the
 * connection beneath, which mends itself. `connect` makes one.
 */
export class Room {
  static {
    start = (room, signal) => room.#start(signal);
  }

  /** The room's id. */
  id = "";
  kind = "";
  /** Number of the player's seat in the room, 0 for a spectator. */
  player = 0;
  /** Whether there is no seat: a spectator sees everything, sends no inputs, and is refused every call. */
  spectator = false;
  /** The player's team, from 1, if the queue made teams; else 0. */
  team = 0;
  /** The player's user id. */
  user = "";
  /** Ticks per second. */
  rate = 0;
  /** Whether the room ticks only when something has arrived. */
  onDemand = false;
  /** Seconds for which the seat of a lost connection is kept; 0 for a spectator's. */
  grace = 0;
  /** The fields of an input, in order: their names, and types such as "int8". @type {{name: string, type: string}[]} */
  inputs = [];
  /** @type {RoomState} */
  state = "reconnecting";
  /** Counts since connect; rtt in milliseconds is that of the newest answer, slack the newest one told. */
  stats = {
    rtt: 0, slack: 0, bytesIn: 0, bytesOut: 0, snapshots: 0, skipped: 0,
    hashes: 0, hashMismatches: 0, faults: 0, reconnects: 0, inputs: 0, inputsSkipped: 0, dropped: 0,
  };

  // From the options.
  #base;
  #request;
  #token;
  #storage;
  #onQueue;
  #WebSocket;
  #env;
  #now;
  #setTimeout;
  #clearTimeout;
  #random;
  /** @type {(() => void)[]} */
  #unhook = [];

  // The connection.
  /** @type {WebSocket | null} */
  #ws = null;
  /** @type {any} */
  #endTimer = null; // an "error" has come, and no "close" yet
  #welcomed = false;
  /** @type {{resolve: () => void, reject: (err: TickhallError) => void, timer: any} | null} */
  #dialing = null;
  /** What the next attempt does. @type {"resume" | "match"} */
  #next = "match";
  #url = new URL("ws://localhost/"); // of the last ticket; a resume goes to the same place
  #ticketAt = -Infinity; // when that came, while it may still be good
  #seat = ""; // token of the seat, which a resume shows
  #team = 0; // of the last match
  /** What makes a guest the same guest, as this room knows it; "" if there is none. */
  #guest = "";
  /** Where the seat is kept for when the page is loaded again. @type {ConnectOptions["keep"]} */
  #keep = null;
  #attempt = 0;
  #closing = new AbortController(); // ends what is under way over HTTP
  #attempts = 0;
  #foreign = 0; // answers that were not Tickhall's, since the last join
  #aside = false; // the browser has stopped the page, or is about to
  #faults = 0; // unreadable messages since the last stable connection
  #notBefore = 0; // the server asked not to be asked earlier
  #joinedAt = 0;
  #joinedBefore = false;
  /** @type {any} */
  #retry = null;
  /** @type {any} */
  #leaving = null;

  // The world.
  /** @type {Replica | null} */
  #replica = null;
  #schema = NO_BYTES;
  #reader = new Reader();
  #resumed = false;
  #replaced = false; // the replica is new, and the page still sees the old one's entities
  #unrecorded = false; // the newest snapshot is not in the view yet
  #trusted = false; // the replica is what the server thinks it is
  #processed = 0; // tick of the last snapshot whose message was processed whole
  /** @type {Map<string, Mirror>} */
  #mirrors = new Map();
  /** @type {View | null} */
  #view = null;
  #viewedAt = -Infinity;
  #playhead = new Playhead();
  #clock = new RoomClock();
  /** @type {any} */
  #timeTimer = null;
  #timesSent = 0;
  #pulse = new Pulse();
  #heardAt = -Infinity; // when something arrived last

  // What goes out.
  #writer = new Writer();
  #requests = 0;
  /** @type {Map<number, Call>} */
  #calls = new Map();
  /** What has waited for the connection, and what came after it. @type {Uint8Array[]} */
  #outbox = [];
  #pacer = new Pacer();
  /** @type {any} */
  #paceTimer = null;
  /** @type {Record<string, any> | null} */
  #input = null;
  /** Booleans that were true since the last sample, and no longer are. @type {Set<string>} */
  #pressed = new Set();
  #sampled = true; // #input went out at least once
  #encoded = NO_BYTES;
  #seq = 0; // of the newest input sampled
  /** @type {{seq: number, bytes: Uint8Array}[]} */
  #unconsumed = [];
  #keptBytes = 0; // of these
  /** @type {any} */
  #inputTimer = null;
  #nextSample = 0;
  #lastSample = -Infinity;
  #steering = new Steering();

  // What the page hears of.
  /** @type {Map<string, Set<(detail: any) => void>>} */
  #listeners = new Map();
  /** @type {Map<string, Set<(body: any, tick: number) => void>>} */
  #eventListeners = new Map();
  /** Events that came before the page could listen. @type {{name: string, body: any, tick: number}[] | null} */
  #early = [];

  /** @param {ConnectOptions} options */
  constructor(options) {
    const g = /** @type {any} */ (globalThis), mode = options?.mode ?? "quick";
    if (!options?.url || (typeof options.kind !== "string" && mode !== "join")) throw invalid("connect needs a url and a kind");
    if (mode === "join" && !options.room) throw invalid("to join, connect needs a room");
    this.#base = withoutSlash(options.url);
    const { kind, name, room, password, options: forGame, filter, spectate, skill, properties, party, partySize } = options;
    this.#request = {
      kind, mode, name, room, password, private: options.private, spectate, options: forGame, filter,
      skill, properties, party, party_size: partySize,
    };
    this.#token = options.token;
    this.#storage = options.storage;
    if (options.keep && !spectate) {
      this.#keep = options.keep;
      if (mode !== "create") this.#findSeat();
    }
    this.#onQueue = options.onQueue;
    this.#WebSocket = options.WebSocket ?? g.WebSocket;
    this.#env = environment(options);
    if (!this.#WebSocket || !this.#env.fetch) throw invalid("there is no WebSocket or no fetch here: give them as options");
    this.#now = options.now ?? (() => performance.now());
    this.#setTimeout = this.#env.setTimeout;
    this.#clearTimeout = this.#env.clearTimeout;
    this.#random = options.random ?? Math.random;
    const page = options.window ?? g, wake = () => {
      if (page.document?.visibilityState !== "hidden") this.#wake();
    };
    // A browser that keeps a page it has left goes on answering heartbeats for it: the others would play
    // against somebody who is not there. The seat waits for the page's return as for any lost connection.
    const aside = (/** @type {PageTransitionEvent} */ event) => {
      if (event.type === "pagehide" && !event.persisted) return;
      this.#aside = this.#joinedBefore;
      if (this.#ws) this.#drop(new TickhallError("lost", "the page was put aside", { advice: "resume" }));
    };
    for (const [target, type, hear] of [
      [page, "online", wake], [page, "pageshow", wake], [page.document, "visibilitychange", wake], [page, "pagehide", aside],
      [page.document, "freeze", aside], [page.document, "resume", () => this.#wake()],
    ]) {
      if (!target?.addEventListener) continue;
      target.addEventListener(type, hear);
      this.#unhook.push(() => target.removeEventListener(type, hear));
    }
  }

  /** Tick of the newest snapshot. */
  get tick() {
    return this.#processed;
  }

  /** The room's time at this moment, in ticks, as far as it is known. */
  get time() {
    return (this.#clock.at(this.#now()) * this.rate) / 1000;
  }

  /**
   * For how many milliseconds the server has been silent where it should have spoken; 0 while nothing is missing. A page that
   * tells the player calls it some times a second. A room that ticks by itself is quiet for up to a second when nothing
   * happens in it: this then asks for a sign, so that silence shows within half a second. In one on demand nothing is due for
   * long, and silence shows within three seconds. While reconnecting it counts from the last message.
   */
  silence() {
    const now = this.#now(), quiet = now - this.#heardAt;
    if (this.state !== "joined") return quiet;
    if (!this.onDemand && quiet >= ASK_AFTER && this.#pulse.unanswered === 0) this.#sendTime();
    const waited = now - this.#pulse.since;
    if (waited < Math.max(ASK_AFTER, 2 * this.stats.rtt)) return 0;
    return this.onDemand ? waited : quiet;
  }

  /**
   * A table of the newest snapshot. The object stays the same through reconnects and other rooms.
   *
   * @template {Entity} [T=Entity]
   * @param {string} name
   * @returns {Table<T>}
   */
  table(name) {
    const mirror = this.#mirrors.get(name);
    if (!mirror) throw invalid(`no table "${name}": this room has ${[...this.#mirrors.keys()].join(", ") || "none"}`);
    return mirror.table;
  }

  /**
   * Calls fn whenever something happens to the room; see RoomEvents.
   *
   * @template {keyof RoomEvents} K
   * @param {K} type
   * @param {(detail: RoomEvents[K]) => void} fn
   * @returns {() => void} ends the calls
   */
  on(type, fn) {
    if (!ROOM_EVENTS.includes(type)) throw invalid(`no room event "${type}": there are ${ROOM_EVENTS.join(", ")}; for the game's own see onEvent`);
    return listen(this.#listeners, type, fn);
  }

  /**
   * Calls fn with the body of each event of the game that has this name.
   *
   * @template [T=any] what the game's author knows the body to be
   * @param {string} name
   * @param {(body: T, tick: number) => void} fn
   * @returns {() => void} ends the calls
   */
  onEvent(name, fn) {
    return listen(this.#eventListeners, name, fn);
  }

  /**
   * Sends a message and resolves with the body of its reply. Rejects with the error that the game
   * answered; with "lost" if the seat was lost meanwhile; with "timeout" after 30 s.
   *
   * @template [T=any] what the game's author knows the reply to be
   * @param {string} name
   * @param {unknown} [body]
   * @returns {Promise<T>}
   */
  async call(name, body = null) {
    const request = (this.#requests = (this.#requests % MAX_UINT32) + 1);
    const bytes = this.#message(request, name, body);
    return new Promise((resolve, reject) => {
      const late = () => this.#answer(request)?.reject(new TickhallError("timeout", `no answer to ${name}`));
      this.#calls.set(request, { resolve, reject, timer: this.#setTimeout(late, CALL_TIMEOUT) });
      const err = this.#post(bytes);
      if (err) this.#answer(request)?.reject(err);
    });
  }

  /**
   * Sends a message that wants no answer. While reconnecting it waits, if not too many do. Throws a
   * TickhallError if it can't be sent.
   *
   * @param {string} name
   * @param {unknown} [body]
   */
  send(name, body = null) {
    const err = this.#post(this.#message(0, name, body));
    if (err) throw err;
  }

  /**
   * Sets the input that is sent once per tick from now on, until another is set; null stops. What the
   * room's inputs name and `input` leaves out is zero. A boolean that is true for less than a tick is
   * still sent once. A spectator's go nowhere, so that a page need not ask.
   *
   * @param {Record<string, any> | null} input
   */
  input(input) {
    if (this.spectator) return;
    if (input === null) {
      this.#input = null;
      this.#pressed.clear();
      this.#stopInput();
      return;
    }
    const old = this.#sampled ? null : this.#input, next = { ...input };
    this.#encoded = this.#encodeInput(next); // throws before anything has changed
    if (old) for (const key of Object.keys(old)) if (old[key] === true) this.#pressed.add(key);
    this.#input = next;
    this.#sampled = false;
    this.#startInput();
  }

  /**
   * Brings the view of the world to this moment, about two ticks behind what has just arrived, and
   * returns it: what to draw. Call it once per animation frame. The view and its entities are the same
   * objects each time.
   */
  interpolate() {
    const replica = /** @type {Replica} */ (this.#replica), now = this.#now();
    if (!this.#view) {
      this.#view = new View((fn, entity) => this.#guard(() => fn(entity)));
      if (this.#trusted) this.#view.record(replica);
    }
    this.#viewedAt = now;
    let tick = replica.tick || this.#processed;
    if (!this.onDemand) { // such a room's ticks don't tell the time
      const ms = 1000 / this.rate;
      tick = this.#playhead.advance(now, this.#clock.arriving(now) - DELAY_TICKS * ms) / ms;
    }
    this.#view.render(replica, tick);
    return this.#view;
  }

  /** Gives the seat up, or the place in the queue. Resolves when the room is closed. @returns {Promise<void>} */
  leave() {
    if (this.state === "closed") return Promise.resolve();
    return new Promise((resolve) => {
      this.on("close", () => resolve());
      const end = () => this.#finish(closeError(1000, "you left"));
      if (this.state !== "joined") return end();
      this.input(null);
      for (const bytes of this.#outbox.splice(0)) this.#transmit(bytes);
      this.#transmit(Uint8Array.of(0x91, LEAVE));
      this.#clearTimeout(this.#leaving);
      this.#leaving = this.#setTimeout(end, LEAVE_TIMEOUT); // should the BYE not come
    });
  }

  // Connecting.

  /** @param {AbortSignal} [signal] @returns {Promise<void>} */
  #start(signal) {
    return new Promise((resolve, reject) => {
      const giveUp = () => {
        const err = aborted(signal?.reason);
        this.#finish(err);
        reject(err);
      };
      if (signal?.aborted) return giveUp();
      signal?.addEventListener("abort", giveUp);
      this.#join().then(resolve, reject).finally(() => signal?.removeEventListener("abort", giveUp));
    });
  }

  async #join() {
    for (let tries = 1; ; tries++) {
      /** @type {URL} */
      let url;
      try {
        url = this.#held() ?? await this.#match();
        if (this.state === "closed") throw aborted(null); // a moment before the answer
      } catch (err) {
        this.#abandon();
        throw err;
      }
      try {
        await this.#dial(url);
        // The page can listen only after its await: what has come with the world waits until then.
        this.#setTimeout(() => this.#flushEarly(), 0);
        return;
      } catch (e) {
        const err = /** @type {TickhallError} */ (e);
        if (err.advice === "stop" || tries === 3) {
          if (err.advice === "stop") this.#keepSeat("");
          this.#abandon();
          throw err;
        }
        this.#lost(err);
        await this.#sleep(this.#backoff(tries, err));
      }
    }
  }

  /** Where a seat is held for us, if one may be. */
  #held() {
    if (this.#next === "resume") return this.#resumeURL();
    return this.#now() - this.#ticketAt < TICKET_LIFE ? this.#url : null;
  }

  /** Gives up what err tells is gone: the seat, or the ticket for it. @param {TickhallError} err */
  #lost(err) {
    if (err.advice !== "match") return;
    this.#keepSeat("");
    this.#next = "match";
    this.#ticketAt = -Infinity;
  }

  #abandon() {
    this.state = "closed";
    for (const unhook of this.#unhook) unhook();
    this.#closing.abort();
  }

  /** Waits; rejects if the room is closed meanwhile. @param {number} ms @param {Promise<void>} [sooner] ends it too @returns {Promise<void>} */
  #sleep(ms, sooner) {
    const { signal } = this.#closing;
    return new Promise((resolve, reject) => {
      const end = () => {
        this.#clearTimeout(timer);
        reject(aborted(signal.reason));
      };
      const wake = () => {
        this.#clearTimeout(timer);
        signal.removeEventListener("abort", end);
        resolve();
      };
      const timer = this.#setTimeout(wake, ms);
      void sooner?.then(wake);
      if (signal.aborted) end();
      else signal.addEventListener("abort", end, { once: true });
    });
  }

  /** Gets a seat, however long a queue takes, and returns where to connect to. */
  async #match() {
    let place = "", queued = false, failures = 0;
    for (;;) {
      const asked = this.#now();
      /** @type {TickhallError | null} */
      let failed = null;
      try {
        const reply = place === "" ? await this.#ask() : await this.#poll(place);
        if (this.#closing.signal.aborted) throw aborted(this.#closing.signal.reason);
        if (!reply.ok) throw refusal(reply);
        this.#keepGuest(reply.body?.guest); // a poll's; one that asked has it by now
        if (reply.status !== 202) return this.#seated(reply);
        if (typeof reply.body?.queue !== "string" || reply.body.queue === "") {
          throw this.#odd("the answer names no place in the queue", 202);
        }
        if (place !== "") failures = 0; // a place that nobody knows when asked for it is none
        place = reply.body.queue;
        queued = true;
        this.#tellQueue(reply.body);
      } catch (e) {
        failed = /** @type {TickhallError} */ (e);
        if (queued) failed = this.#judged(failed);
      }
      try {
        // Who never had a place hears at once what is wrong; one who waits does not lose it so easily.
        if (failed && (!queued || failed.advice === "stop")) throw failed;
        if (failed?.advice === "match") place = "";
        await this.#sleep(failed ? this.#backoff(++failures, failed) : Math.max(0, POLL_EVERY - (this.#now() - asked)));
      } catch (err) {
        if (place !== "") void this.#leaveQueue(place);
        throw err;
      }
    }
  }

  /** Asks for a seat, or for a place in the queue. */
  async #ask() {
    const headers = await authorization(this.#token), place = this.#guests();
    if (headers.Authorization || !place) return this.#postMatch(headers);
    const before = turns.get(place);
    let done = () => {};
    turns.set(place, new Promise((resolve) => (done = resolve)));
    try {
      if (before) await this.#sleep(YIELD_FOR, before);
      const reply = await this.#postMatch(headers);
      if (reply.ok) this.#keepGuest(reply.body?.guest);
      return reply;
    } finally {
      done();
    }
  }

  /** @param {Record<string, string>} headers */
  #postMatch(headers) {
    const guest = headers.Authorization ? undefined : this.#findGuest() || undefined;
    return this.#http("/v1/match", {
      method: "POST", headers: { "Content-Type": "application/json", ...headers }, body: JSON.stringify({ ...this.#request, guest }),
    });
  }

  /** Waits for news of a place in the queue. @param {string} place */
  async #poll(place) {
    return this.#http(placePath(place), { headers: await authorization(this.#token) }, POLL_TIMEOUT);
  }

  /** Says that nobody waits any more; unsaid, the server finds out after 30 s. @param {string} place */
  async #leaveQueue(place) {
    try {
      // The room is closed, which must not end this request too; nor must the page, if it goes.
      await http(this.#env, this.#base + placePath(place), { method: "DELETE", headers: await authorization(this.#token), keepalive: true }, JOIN_TIMEOUT);
    } catch { // then it finds out
    }
  }

  /** @param {any} reply a QueueReply */
  #tellQueue(reply) {
    const number = (/** @type {unknown} */ v) => (typeof v === "number" ? v : 0);
    const progress = { waited: number(reply.waited), waiting: number(reply.waiting), window: number(reply.window), missing: number(reply.missing) };
    this.#guard(() => this.#onQueue?.(progress));
  }

  /** Takes a MatchReply. @param {{status: number, body: any}} reply */
  #seated({ status, body }) {
    try {
      if (typeof body.url !== "string" || typeof body.ticket !== "string") throw new TypeError("no string");
      // Of a server that does not know its public address, the url is a guess: a proxy may hide host, path and scheme from it.
      const url = new URL(body.public === true ? body.url : `${this.#base}/v1/connect?ticket=${encodeURIComponent(body.ticket)}`);
      // From a page of https: nothing but wss: works.
      url.protocol = this.#base.startsWith("https:") ? "wss:" : url.protocol.replace(/^http/, "ws");
      if (!/^wss?:$/.test(url.protocol)) throw new TypeError("no WebSocket");
      this.#team = Number.isSafeInteger(body.team) ? body.team : 0;
      this.#ticketAt = this.#now();
      return (this.#url = url);
    } catch (cause) {
      throw this.#odd("the answer to a match has no url or no ticket", status, cause);
    }
  }

  /** An answer that no server of ours gives. Where one has answered before, it comes from something in between. @param {string} message @param {number} status @param {unknown} [cause] */
  #odd(message, status, cause) {
    return new TickhallError("protocol", message, { status, cause, advice: this.#joinedBefore ? "resume" : "stop" });
  }

  /** Where the guest is kept, if anywhere. */
  #guests() {
    return this.#storage === undefined ? localStore() : this.#storage;
  }

  /** Under what the seat is kept: the id of a room that was asked for or made, else the kind. */
  #seatKey() {
    const { mode, kind, room } = this.#request;
    return `tickhall.seat.${mode === "create" ? this.id : mode === "join" ? roomID(room) : kind}`;
  }

  /** Takes up the seat that the page had before it was loaded again, if that was kept. */
  #findSeat() {
    try {
      const { url, token, server } = JSON.parse(this.#keep?.getItem(this.#seatKey()) ?? "{}");
      if (typeof token !== "string" || token === "" || server !== this.#base) return;
      this.#url = new URL(url);
      this.#seat = token;
      this.#next = "resume"; // without a world, which #resumeURL says
    } catch { // nothing that we wrote, or a browser that keeps nothing
    }
  }

  /** Keeps the seat's token, or with "" forgets it. @param {string} token */
  #keepSeat(token) {
    try {
      const url = new URL(this.#url);
      url.search = ""; // a ticket is no use any more
      if (token === "") this.#keep?.removeItem(this.#seatKey());
      else this.#keep?.setItem(this.#seatKey(), JSON.stringify({ url: url.href, token, server: this.#base }));
    } catch { // then a page that is loaded again begins anew
    }
  }

  /** The guest as it was kept last, by whichever room of the page: a server that was started again makes new ones. */
  #findGuest() {
    try {
      const kept = this.#guests()?.getItem(GUEST_KEY);
      if (typeof kept === "string" && kept !== "") this.#guest = kept;
    } catch { // a browser that keeps nothing
    }
    return this.#guest;
  }

  /** @param {unknown} guest */
  #keepGuest(guest) {
    if (typeof guest !== "string" || guest === "" || guest === this.#guest) return;
    this.#guest = guest;
    try {
      this.#guests()?.setItem(GUEST_KEY, guest);
    } catch { // this room at least knows
    }
  }

  /** Where the seat is taken back. Its token stands among the subprotocols, which no proxy logs. */
  #resumeURL() {
    const url = new URL(this.#url);
    url.search = "";
    url.searchParams.set("tick", String(this.#processed));
    if (!this.#trusted) url.searchParams.set("key", "1");
    return url;
  }

  /**
   * Makes a request at the server. Where it has moved to https, it is asked there from now on.
   * @param {string} path @param {any} init
   */
  async #http(path, init, timeout = JOIN_TIMEOUT) {
    const url = this.#base + path, { signal } = this.#closing, reply = await http(this.#env, url, init, timeout, signal);
    const https = secured(url, reply.moved);
    if (!https) return reply;
    this.#base = withoutSlash(https.href.slice(0, -path.length));
    // On the way a POST may have become a GET, and Authorization is left out.
    if (reply.ok && !init.headers?.Authorization) return reply;
    return http(this.#env, this.#base + path, init, timeout, signal);
  }

  /** Opens a connection; resolves once joined. @param {URL} url with a ticket, or one that resumes @returns {Promise<void>} */
  #dial(url) {
    const ticket = url.searchParams.get("ticket"), resume = this.#seat, attempt = new URL(url);
    // An attempt that was given up may reach a server that stood still after the next one.
    this.#attempt = Math.max(this.#attempt + 1, Date.now());
    attempt.searchParams.set("attempt", String(this.#attempt));
    return new Promise((resolve, reject) => {
      /** @type {WebSocket} */
      let ws;
      try {
        ws = new this.#WebSocket(attempt.href, ticket === null ? [SUBPROTOCOL, RESUME_PREFIX + resume] : [SUBPROTOCOL]);
      } catch (cause) { // such as ws: from a page of https:; what worked before will again
        throw new TickhallError("websocket", `the browser refuses to connect: ${cause}`, { advice: this.#joinedBefore ? "resume" : "stop", cause });
      }
      const end = (/** @type {number} */ code, /** @type {string} */ reason) => {
        if (ws !== this.#ws) return;
        this.#quiet(ws);
        if (this.#welcomed || code >= 4000) this.#drop(closeError(code, reason));
        else void this.#probe(url, ticket === null ? { resume } : { ticket });
      };
      this.#ws = ws;
      this.#welcomed = false;
      this.#dialing = { resolve, reject, timer: null };
      this.#patient();
      ws.binaryType = "arraybuffer";
      ws.onmessage = (e) => this.#receive(e.data);
      // A connection ends with "error", "close" or both: Node's own WebSocket has no "close" for one that did not open.
      ws.onclose = (e) => end(Number(e?.code) || 1006, String(e?.reason ?? ""));
      ws.onerror = () => {
        if (ws === this.#ws) this.#endTimer ??= this.#setTimeout(() => end(1006, ""), CLOSE_WAIT);
      };
    });
  }

  /** Hears no more of a WebSocket. An "error" of the package ws without a listener would end a Node process. @param {WebSocket} ws */
  #quiet(ws) {
    ws.onmessage = ws.onclose = null;
    ws.onerror = () => {};
    this.#clearTimeout(this.#endTimer);
    this.#endTimer = null;
  }

  /** Gives the room time for the first world, or for its next part. */
  #patient() {
    const dialing = this.#dialing;
    if (!dialing) return;
    this.#clearTimeout(dialing.timer);
    const late = () => this.#drop(new TickhallError("timeout", "the room did not answer in time", { advice: "resume" }));
    dialing.timer = this.#setTimeout(late, JOIN_TIMEOUT);
  }

  /**
   * Finds out why a WebSocket did not open, which browsers keep to themselves.
   * @param {URL} url @param {{ticket: string} | {resume: string}} body what it was opened with
   */
  async #probe(url, body) {
    const ws = this.#ws, probe = new URL(url);
    probe.protocol = probe.protocol.replace(/^ws/, "http");
    probe.search = "";
    /** @type {TickhallError} */
    let err;
    try {
      const reply = await http(this.#env, probe.href, {
        method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
      }, JOIN_TIMEOUT, this.#closing.signal);
      const https = secured(probe, reply.moved);
      if (https) {
        this.#url.protocol = "wss:";
        this.#url.host = https.host;
        err = new TickhallError("redirected", `the server has moved to ${https.origin}`, { advice: "resume", status: reply.status });
      } else {
        err = refusal(reply);
      }
      if (err.code === "upgrade_required") { // all is well with the ticket or token
        err = new TickhallError("websocket", "the server is there, but the WebSocket did not open", { advice: "resume", status: 426 });
      }
    } catch (e) {
      err = /** @type {TickhallError} */ (e);
    }
    if (ws === this.#ws) this.#drop(err);
  }

  /** Ends the connection, if there is one, because of err. @param {TickhallError} err */
  #drop(err) {
    const ws = this.#ws, dialing = this.#dialing;
    this.#ws = this.#dialing = null;
    this.#stopInput();
    for (const timer of [this.#timeTimer, this.#paceTimer]) this.#clearTimeout(timer);
    if (ws) {
      this.#quiet(ws);
      try {
        // Who is answered has closed already; for the rest, 1000 would give the seat up.
        if (err.status >= 1000) ws.close(1000);
        else ws.close(4003, err.code);
      } catch { // it was closed already
      }
    }
    if (dialing) {
      this.#clearTimeout(dialing.timer);
      dialing.reject(err);
    } else if (ws) this.#recover(err);
  }

  /** Follows the advice of err: tries again later, or closes the room. @param {TickhallError} err */
  #recover(err) {
    if (this.state === "closed") return;
    if (this.#leaving !== null) return this.#finish(closeError(1000, "you left"));
    err = this.#judged(err);
    if (err.advice === "stop") return this.#finish(err);
    if (this.state === "joined" && this.#now() - this.#joinedAt > STABLE) this.#attempts = this.#faults = 0;
    this.#lost(err);
    // The server is back, and has only the seat not: the waits, long by now, have done their work.
    if (err.code === "token_unknown") this.#attempts = 0;
    if (this.#next === "match") this.#forget();
    const attempt = ++this.#attempts, delay = this.#aside ? BACKOFF_MOST : this.#backoff(attempt, err);
    this.#notBefore = this.#now() + err.retryAfter;
    this.#retry = this.#setTimeout(() => void this.#reconnect(), delay);
    this.#setState("reconnecting");
    this.#emit("reconnecting", { attempt, delay, error: err });
  }

  /** How long to wait after a failed attempt, from 1. @param {number} attempt @param {TickhallError} err */
  #backoff(attempt, err) {
    return err.retryAfter + this.#random() * backoff(attempt);
  }

  async #reconnect() {
    this.#retry = null;
    this.#aside = false;
    try {
      const url = this.#held() ?? await this.#match();
      if (this.state === "closed") return;
      await this.#dial(url);
    } catch (err) {
      this.#recover(/** @type {TickhallError} */ (err));
    }
  }

  /** Counts what is not Tickhall's doing, and no longer believes that it passes when there has been too much. @param {TickhallError} err */
  #judged(err) {
    if (err.advice === "stop" || !isForeign(err) || ++this.#foreign <= MAX_FOREIGN) return err;
    return new TickhallError(err.code, err.message, { status: err.status, cause: err });
  }

  /** The network, or the person, may be back. */
  #wake() {
    this.#aside = false;
    if (this.#retry !== null) {
      if (this.#now() < this.#notBefore) return;
      this.#clearTimeout(this.#retry);
      void this.#reconnect();
    } else if (this.state === "joined") this.#sendTime();
  }

  /** Closes the room for good. @param {TickhallError} err */
  #finish(err) {
    if (this.state === "closed") return;
    const ws = this.#ws;
    this.#ws = null;
    if (ws) {
      this.#quiet(ws);
      try {
        ws.close(1000);
      } catch { // it was closed already
      }
    }
    this.#stopInput();
    const dialing = this.#dialing;
    for (const timer of [this.#timeTimer, this.#paceTimer, this.#retry, this.#leaving, dialing?.timer]) this.#clearTimeout(timer);
    this.#dialing = this.#retry = null;
    this.#keepSeat(""); // it is over: who loads the page again begins anew
    this.#abandon();
    dialing?.reject(err);
    this.#rejectCalls(new TickhallError("closed", err.message, { status: err.status }));
    this.#outbox = [];
    this.#emit("state", "closed");
    this.#emit("close", { code: err.status, reason: err.message, result: err.result, error: err });
  }

  /** Gives up what only the seat that is lost could have finished. */
  #forget() {
    this.#rejectCalls(new TickhallError("lost", "the seat was lost before the answer came", { advice: "match" }));
    this.#outbox = [];
    this.#unconsumed = [];
    this.#keptBytes = 0;
    this.#pressed.clear();
  }

  // Receiving.

  /** @param {unknown} data */
  #receive(data) {
    const now = this.#now();
    this.#heardAt = now;
    this.#pulse.heard();
    /** @type {Incoming} */
    const incoming = { later: [], tick: 0, taken: 0, span: 0, bye: null, mismatch: null };
    try {
      this.#decode(data, now, incoming);
    } catch (e) {
      return this.#fault(e instanceof TickhallError ? e : protocolError(String(e)));
    }
    const joining = this.#dialing !== null && this.#welcomed && this.#trusted && incoming.tick > 0;
    const changes = incoming.tick > 0 ? this.#reflect() : [];
    if (incoming.taken > 0) this.#processed = incoming.taken;
    if (joining) this.#joined(now);
    for (const { mirror, type, entity } of changes) for (const fn of mirror.listeners[type]) mirror.call(fn, entity);
    if (incoming.tick > 0) this.#emit("snapshot", { tick: incoming.tick, span: incoming.span });
    for (const f of incoming.later) f();
    if (incoming.taken > 0) this.#acknowledge(now);
    if (joining) this.#catchUp();
    if (incoming.bye) {
      if (!this.#joinedBefore) incoming.bye.events = this.#early ?? []; // nobody could listen yet
      this.#drop(incoming.bye);
    } else if (incoming.mismatch) this.#desync(incoming.mismatch);
  }

  /** Deals with a message that can't be read. @param {TickhallError} err */
  #fault(err) {
    this.stats.faults++;
    // Reliable events come again after a resume: what can't be read today can't be read tomorrow.
    if (err.code === "protocol" && ++this.#faults >= MAX_FAULTS) {
      err = new TickhallError("protocol", `gave up: ${err.message}`, { status: 4200 });
    }
    this.#desync(err);
  }

  /** Fetches the world again. @param {TickhallError} err */
  #desync(err) {
    this.#trusted = false;
    if (this.#replica) this.#replica.tick = 0;
    this.#emit("desync", err);
    this.#drop(err);
  }

  /**
   * Reads a WebSocket message whole, and applies its snapshots. What the page hears of goes to incoming.
   * @param {unknown} data @param {number} now @param {Incoming} incoming
   */
  #decode(data, now, incoming) {
    if (!(data instanceof ArrayBuffer)) throw protocolError("a text message");
    if (data.byteLength > MAX_OUTBOUND) throw protocolError(`a message of ${data.byteLength} bytes`);
    this.stats.bytesIn += data.byteLength;
    const r = this.#reader;
    r.reset(new Uint8Array(data));
    do {
      const n = r.array();
      if (n === 0 || incoming.bye) throw r.fault(n === 0 ? "a message without a kind" : "a message after BYE");
      this.#read(r, n, r.uint32(), now, incoming);
    } while (r.rest > 0);
    r.reset(NO_BYTES);
    this.#record();
  }

  /** @param {Reader} r @param {number} n @param {number} kind @param {number} now @param {Incoming} incoming */
  #read(r, n, kind, now, incoming) {
    const replica = this.#replica, { later } = incoming;
    if (kind === WELCOME) return this.#welcome(r, n);
    if (kind === BYE) {
      expect(r, kind, n, 5);
      const code = r.uint32(), reason = r.string(), advice = r.string();
      if (code > 4999) throw r.fault("number is out of range");
      incoming.bye = closeError(code, reason, advice, r.value(MAX_DEPTH_IN - 1));
      return;
    }
    if (!this.#welcomed || !replica) throw r.fault(`a message of kind ${kind} before WELCOME`);
    switch (kind) {
      case KEY:
      case DELTA: {
        this.#record();
        incoming.span = 0;
        if (kind === KEY) replica.key(r, n);
        else this.stats.skipped += (incoming.span = replica.delta(r, n)) - 1;
        incoming.tick = replica.tick;
        incoming.taken = replica.taken;
        if (replica.partial) return this.#patient();
        this.#clock.snapshot(now, (replica.tick * 1000) / this.rate);
        this.#trusted = this.#unrecorded = true;
        this.stats.snapshots++;
        return;
      }
      case OWN: {
        const { lastInput, slack } = replica.own(r, n);
        this.#consumed(lastInput);
        if (this.#inputTimer !== null) this.#steering.told(slack);
        this.stats.slack = slack;
        return;
      }
      case EVENT: {
        expect(r, kind, n, 4);
        const tick = r.uint32(), name = r.string(), body = r.value(MAX_DEPTH_IN - 1);
        later.push(() => this.#event({ name, body, tick }));
        return;
      }
      case DROPPED: {
        expect(r, kind, n, 3);
        const tick = r.uint32(), count = r.uint32();
        if (count === 0) throw r.fault("a DROPPED of nothing");
        later.push(() => {
          this.stats.dropped += count;
          this.#emit("dropped", { tick, count });
        });
        return;
      }
      case REPLY: {
        expect(r, kind, n, 4);
        r.uint32();
        const request = r.uint32(), body = r.value(MAX_DEPTH_IN - 1);
        later.push(() => this.#answer(request)?.resolve(body));
        return;
      }
      case ERROR: {
        expect(r, kind, n, 5);
        r.uint32();
        const request = r.uint32(), err = new TickhallError(r.string(), r.string());
        later.push(() => (request === 0 ? this.#emit("error", err) : this.#answer(request)?.reject(err)));
        return;
      }
      case CLOCK: {
        expect(r, kind, n, 4);
        const sent = r.float(), tick = r.uint32(), fraction = r.uint32();
        if (fraction > 255) throw r.fault("number is out of range");
        if (!(sent <= now)) return; // no clock of ours: nothing can be learnt from it
        this.stats.rtt = now - sent;
        this.#clock.add(sent, now, ((tick + fraction / 256) * 1000) / this.rate);
        return;
      }
      case HASH: {
        expect(r, kind, n, 3);
        const tick = r.uint32(), checksum = r.uint32();
        if (tick !== incoming.tick) throw r.fault(`a HASH of tick ${tick} after the snapshot of ${incoming.tick}`);
        this.stats.hashes++;
        if (replica.checksum() === checksum) return;
        this.stats.hashMismatches++;
        incoming.mismatch = new TickhallError("hash", `the copy of the world at tick ${tick} is not the server's`, { advice: "resume" });
        return;
      }
    }
    throw r.fault(`a message of unknown kind ${kind}`);
  }

  /** @param {Reader} r @param {number} n */
  #welcome(r, n) {
    if (this.#welcomed || n < 2) throw r.fault("a second WELCOME, or an empty one");
    const version = r.uint32();
    if (version !== VERSION) {
      throw new TickhallError("version", `the server speaks protocol version ${version}, not ${VERSION}: load the client again`);
    }
    expect(r, WELCOME, n, 15);
    const id = r.string(), kind = r.string(), player = r.uint32(), user = r.string(), token = r.string();
    const rate = r.uint32(), onDemand = r.bool();
    r.uint32(); // the tick: snapshots tell it, and CLOCK more exactly
    const lastInput = r.uint32();
    if (rate === 0 || rate > 1000) throw r.fault("number is out of range");
    const from = r.at, replica = new Replica(r, rate), schema = r.bytes.slice(from, r.at);
    const inputs = [];
    for (let left = r.array(); left > 0; left--) {
      if (r.array() !== 2) throw r.fault("a field of an input is a name and a type");
      inputs.push({ name: r.string(), type: r.string() });
    }
    const resumed = r.bool(), grace = r.uint32();

    this.#welcomed = true;
    this.#ticketAt = -Infinity; // used
    this.spectator = player === 0;
    this.#next = this.spectator || token === "" ? "match" : "resume"; // a spectator has no seat to come back to
    this.#seat = token;
    this.#resumed = resumed;
    if (!resumed || !this.#replica || rate !== this.rate || !sameBytes(schema, this.#schema)) {
      this.#replica = replica;
      this.#schema = schema;
      this.#replaced = true;
      this.#trusted = false;
      this.#view?.clear();
      for (const { name } of replica.stores) this.#mirror(name);
    }
    if (resumed) {
      this.#clock.reroute();
      this.#consumed(lastInput);
      // Too far ahead of what the room may have received, an input would be a protocol error.
      if ((this.#unconsumed[0]?.seq ?? this.#seq) > lastInput + MAX_SEQ_JUMP / 2) {
        this.#unconsumed = [];
        this.#keptBytes = 0;
        this.#seq = lastInput;
      }
      this.#seq = Math.max(this.#seq, lastInput);
    } else {
      this.#forget();
      this.#clock = new RoomClock();
      this.#playhead = new Playhead();
      this.#processed = 0;
      this.#seq = lastInput;
    }
    Object.assign(this, { id, kind, player, user, rate, onDemand, inputs, grace, team: this.#team });
    this.#keepSeat(token);
  }

  /** @param {number} lastInput */
  #consumed(lastInput) {
    let n = 0;
    while (n < this.#unconsumed.length && this.#unconsumed[n].seq <= lastInput) n++;
    this.#forgetInputs(n);
  }

  /** Forgets the n oldest inputs. @param {number} n */
  #forgetInputs(n) {
    if (n === 0) return;
    for (const { bytes } of this.#unconsumed.splice(0, n)) this.#keptBytes -= bytes.length;
  }

  /** Gives the newest snapshot to the view, its OWN included. */
  #record() {
    if (this.#unrecorded && this.#replica) this.#view?.record(this.#replica);
    this.#unrecorded = false;
  }

  /** @param {string} name */
  #mirror(name) {
    if (this.#mirrors.has(name)) return;
    const mirror = /** @type {Mirror} */ ({
      entities: new Map(), store: null,
      listeners: { enter: new Set(), change: new Set(), leave: new Set() },
      call: (fn, entity) => this.#guard(() => fn(entity)),
    });
    mirror.table = new Table(name, mirror);
    this.#mirrors.set(name, mirror);
  }

  /** Brings the page's entities up to the replica, and returns whom to tell what. */
  #reflect() {
    const { stores } = /** @type {Replica} */ (this.#replica);
    /** @type {{mirror: Mirror, type: TableEvent, entity: Entity}[]} */
    const changes = [];
    /** @param {Mirror} mirror @param {TableEvent} type @param {Entity} entity */
    const note = (mirror, type, entity) => {
      if (mirror.listeners[type].size > 0) changes.push({ mirror, type, entity });
    };
    if (this.#replaced) {
      this.#replaced = false;
      for (const mirror of this.#mirrors.values()) {
        for (const entity of mirror.entities.values()) note(mirror, "leave", entity);
        mirror.entities.clear();
        mirror.store = null;
      }
    }
    for (const store of stores) {
      const mirror = /** @type {Mirror} */ (this.#mirrors.get(store.name)), { entities } = mirror;
      mirror.store = store;
      for (const row of store.left) {
        if (!row.entity) continue; // came and went unseen
        entities.delete(row.id);
        note(mirror, "leave", row.entity);
      }
      store.left.length = 0;
      for (const row of store.dirty) {
        row.dirty = false;
        if (row.gone) continue;
        if (!row.entity) {
          row.entity = newEntity(store, row);
          entities.set(row.id, row.entity);
          note(mirror, "enter", row.entity);
        } else if (refresh(store, row, row.entity)) note(mirror, "change", row.entity);
      }
      store.dirty.length = 0;
    }
    return changes;
  }

  /** @param {number} now */
  #joined(now) {
    const dialing = this.#dialing, again = this.#joinedBefore;
    this.#dialing = null;
    this.#joinedAt = now;
    this.#foreign = 0;
    this.#joinedBefore = true;
    this.#clearTimeout(dialing?.timer);
    dialing?.resolve();
    this.#setState("joined");
    if (!again) return;
    this.stats.reconnects++;
    this.#emit("joined", { resumed: this.#resumed });
  }

  /** @param {{name: string, body: any, tick: number}} event */
  #event(event) {
    if (this.#early) {
      this.#early.push(event);
      return;
    }
    this.#emit("event", event);
    for (const fn of this.#eventListeners.get(event.name) ?? []) this.#guard(() => fn(event.body, event.tick));
  }

  #flushEarly() {
    const early = this.#early ?? [];
    this.#early = null;
    for (const event of early) this.#event(event);
  }

  // Telling the page.

  /** @param {RoomState} state */
  #setState(state) {
    if (this.state === state) return;
    this.state = state;
    this.#emit("state", state);
  }

  /** @template {keyof RoomEvents} K @param {K} type @param {RoomEvents[K]} detail */
  #emit(type, detail) {
    for (const fn of this.#listeners.get(type) ?? []) this.#guard(() => fn(detail), type);
  }

  /** Runs a page's callback; what it throws must not reach us. @param {() => void} f @param {string} [type] */
  #guard(f, type) {
    try {
      f();
    } catch (cause) {
      console.error(cause);
      if (type !== "error") this.#emit("error", new TickhallError("callback", `a callback failed: ${cause}`, { cause }));
    }
  }

  // Sending.

  /** @param {Uint8Array} bytes */
  #transmit(bytes) {
    if (this.#ws === null || !this.#welcomed) return;
    this.stats.bytesOut += bytes.length;
    try {
      this.#ws.send(/** @type {any} */ (bytes));
    } catch { // it is closing: its end comes by itself
    }
  }

  /** @param {number} request @param {string} name @param {unknown} body */
  #message(request, name, body) {
    if (name.length === 0 || utf8.encode(name).length > MAX_NAME) throw invalid(`a message's name has 1 to ${MAX_NAME} bytes`);
    const bytes = encode([MESSAGE, request, name, body], MAX_DEPTH_OUT);
    if (bytes.length > MAX_INBOUND) throw new TickhallError("too_large", `${name} takes ${bytes.length} bytes of at most ${MAX_INBOUND}`);
    return bytes;
  }

  /** Sends a message, now or after a reconnect; returns why it can't. @param {Uint8Array} bytes */
  #post(bytes) {
    if (this.state === "closed") return new TickhallError("closed", "the room is closed");
    if (this.state === "joined" && this.#outbox.length === 0) this.#transmit(bytes);
    else if (this.#outbox.length === MAX_OUTBOX) return new TickhallError("backlog", "too many messages wait for the connection");
    else this.#outbox.push(bytes);
    return null;
  }

  /** Takes a call out of those that wait. @param {number} request */
  #answer(request) {
    const call = this.#calls.get(request);
    this.#calls.delete(request);
    this.#clearTimeout(call?.timer);
    return call;
  }

  /** @param {TickhallError} err */
  #rejectCalls(err) {
    for (const request of [...this.#calls.keys()]) this.#answer(request)?.reject(err);
  }

  /** Sends what has waited for the connection. */
  #catchUp() {
    if (this.state !== "joined") return;
    this.#sendInputs(this.#unconsumed);
    this.#sendWaiting();
    this.#timesSent = 0;
    this.#sendTime();
    if (this.#input === null) return;
    try {
      this.#encoded = this.#encodeInput(this.#input);
      this.#startInput();
    } catch (err) { // another room, with other inputs
      this.#input = null;
      this.#emit("error", /** @type {TickhallError} */ (err));
    }
  }

  /** Sends what has waited, no faster than the server allows. */
  #sendWaiting() {
    this.#clearTimeout(this.#paceTimer);
    this.#paceTimer = null;
    while (this.state === "joined" && this.#outbox.length > 0) {
      const wait = this.#pacer.take(this.#now(), this.#outbox[0].length);
      if (wait > 0) {
        this.#paceTimer = this.#setTimeout(() => this.#sendWaiting(), wait);
        return;
      }
      this.#transmit(/** @type {Uint8Array} */ (this.#outbox.shift()));
    }
  }

  /** An input that is due soon says it too, and so saves a message. @param {number} now */
  #acknowledge(now) {
    if (this.#inputTimer !== null && now - this.#lastSample < 1.5 * this.#period()) return;
    const w = this.#writer.reset();
    w.array(2);
    w.int(ACK);
    w.int(this.#processed);
    this.#transmit(w.bytes());
  }

  #sendTime() {
    const now = this.#now();
    this.#clearTimeout(this.#timeTimer);
    if (this.#pulse.dead(now)) return this.#drop(new TickhallError("lost", "the server has gone silent", { advice: "resume" }));
    this.#pulse.asked(now);
    const w = this.#writer.reset();
    w.array(2);
    w.int(TIME);
    w.float(now);
    this.#transmit(w.bytes());
    this.#timeTimer = this.#setTimeout(() => this.#sendTime(), ++this.#timesSent < TIME_BURST ? TIME_BURST_EVERY : TIME_EVERY);
  }

  /** @param {Record<string, any>} input */
  #encodeInput(input) {
    const keys = Object.keys(input).filter((key) => input[key] !== undefined);
    for (const key of keys) {
      if (!this.inputs.some(({ name }) => name === key)) {
        throw invalid(`an input has no "${key}": this room's have ${this.inputs.map(({ name }) => name).join(", ") || "no fields"}`);
      }
    }
    for (const key of keys) {
      if (typeof input[key] === "number" && !Number.isFinite(input[key])) throw invalid(`an input's "${key}" is ${input[key]}: no room takes that`);
    }
    // Without gaps the names need not be sent.
    const bytes = encode(keys.length === this.inputs.length ? this.inputs.map(({ name }) => input[name]) : input, MAX_DEPTH_OUT - 1);
    if (bytes.length > MAX_INBOUND - 32) throw new TickhallError("too_large", `an input takes ${bytes.length} bytes`);
    return bytes;
  }

  /** Milliseconds from one input to the next: a tick's, but for up to 10 % that steer the slack. */
  #period() {
    return (1000 / this.rate) * (this.onDemand ? 1 : this.#steering.period);
  }

  #startInput() {
    if (this.spectator) return;
    if (this.#inputTimer !== null || this.state !== "joined") return;
    const now = this.#now();
    this.#steering = new Steering();
    this.#nextSample = Math.max(now, this.#lastSample + this.#period());
    if (this.#nextSample > now) this.#inputTimer = this.#setTimeout(() => this.#sample(), this.#nextSample - now);
    else this.#sample();
  }

  #stopInput() {
    this.#clearTimeout(this.#inputTimer);
    this.#inputTimer = null;
  }

  /** Samples the input for the ticks that are due. */
  #sample() {
    const now = this.#now(), period = this.#period();
    let due = Math.max(1, 1 + Math.floor((now - this.#nextSample) / period));
    if (due > MAX_CATCH_UP) { // a tab that slept: those ticks are over
      due = 1;
      this.#nextSample = now;
    }
    this.#nextSample += due * period;
    this.#inputTimer = this.#setTimeout(() => this.#sample(), Math.max(0, this.#nextSample - now));
    if ((this.#ws?.bufferedAmount ?? 0) > CONGESTED) {
      this.stats.inputsSkipped += due;
      return;
    }
    const fresh = [];
    for (; due > 0; due--) fresh.push({ seq: ++this.#seq, bytes: this.#take() });
    this.#lastSample = now;
    for (const input of fresh) {
      this.#unconsumed.push(input);
      this.#keptBytes += input.bytes.length;
    }
    while (this.#unconsumed.length > KEPT_INPUTS || this.#keptBytes > KEPT_BYTES) this.#forgetInputs(1);
    this.#sendInputs(fresh);
  }

  /** The current input as bytes, with what was pressed since the last sample. */
  #take() {
    this.stats.inputs++;
    this.#sampled = true;
    if (this.#pressed.size === 0) return this.#encoded;
    const input = { ...this.#input };
    for (const key of this.#pressed) input[key] = true;
    this.#pressed.clear();
    return this.#encodeInput(input);
  }

  /** @param {{seq: number, bytes: Uint8Array}[]} list consecutive inputs */
  #sendInputs(list) {
    // What the player was looking at, if the page draws what interpolate gives, else the newest snapshot.
    const drawn = this.#view !== null && this.#now() - this.#viewedAt < EXTRAPOLATE ? this.#view.tick : this.#processed;
    const tick = Math.floor(drawn), fraction = Math.floor((drawn - tick) * 256), w = this.#writer;
    for (let i = 0, end = 0; i < list.length; i = end) {
      for (let size = 32; end < list.length && end - i < MAX_INPUTS; end++) { // 32 is more than what stands before the inputs
        size += list[end].bytes.length;
        if (size > MAX_INBOUND) break;
      }
      w.reset();
      w.array(5 + end - i);
      w.int(INPUT);
      w.int(list[i].seq);
      w.int(tick);
      w.int(fraction);
      w.int(this.#processed);
      for (let j = i; j < end; j++) w.raw(list[j].bytes);
      this.#transmit(w.bytes());
    }
  }
}

/**
 * What a WebSocket message has brought.
 * @typedef {object} Incoming
 * @property {(() => void)[]} later what to tell the page once the world is up to date, in order
 * @property {number} tick of the last snapshot in it, 0 for none
 * @property {number} taken what to acknowledge of it, 0 for nothing
 * @property {number} span
 * @property {TickhallError | null} bye
 * @property {TickhallError | null} mismatch
 */

/**
 * Adds fn to the listeners of type, and returns what removes it.
 * @param {Map<string, Set<any>>} map @param {string} type @param {(...a: any[]) => void} fn
 */
function listen(map, type, fn) {
  const set = map.get(type) ?? new Set();
  const own = (/** @type {any[]} */ ...args) => fn(...args); // so that the same fn can be given twice
  map.set(type, set.add(own));
  return () => void set.delete(own);
}

/** @param {Uint8Array} a @param {Uint8Array} b */
function sameBytes(a, b) {
  return a.length === b.length && a.every((v, i) => v === b[i]);
}

/** What a reply tells that is not what was asked for. @param {{status: number, body: any, retryAfter: number, moved: string}} reply */
function refusal({ status, body, retryAfter, moved }) {
  if (typeof body?.code === "string" && body.code !== "") {
    return new TickhallError(body.code, String(body.message || `the server refuses with status ${status}`), {
      status, retryAfter, advice: REFUSALS.get(body.code) ?? (passes(status) ? "resume" : "stop"),
    });
  }
  if (moved !== "") return new TickhallError("redirected", `the server redirects to ${moved}: give its address as url`, { status, retryAfter, advice: "resume" });
  return new TickhallError(`http_${status}`, `what answered, with status ${status}, is no Tickhall server`, { status, retryAfter, advice: "resume" });
}
