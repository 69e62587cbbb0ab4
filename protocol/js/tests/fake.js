// A world in which a Room can be tested: time that stands still until told, a server that does what the
// test says, and WebSockets that end at it.

import assert from "node:assert/strict";
import { connect, decode, encode } from "../tickhall.js";

export const SCHEMA = [
  ["ship", [
    ["x", 2, 1, 8, 2, 0], ["heading", 3, 1, 256, -1, 0], ["vx", 2, 1, 2, -1, 0],
    ["name", 4, 1, 1, -1, 0], ["shield", 1, 1, 1, -1, 0], ["ammo", 0, 1, 1, -1, 1],
  ]],
  ["rock", [["size", 0, 1, 1, -1, 0]]],
];

export const WELCOME = 1, KEY = 2, DELTA = 3, OWN = 4, EVENT = 5, REPLY = 6, ERROR = 7, CLOCK = 8, HASH = 9, BYE = 10, DROPPED = 11;
export const INPUT = 1, MESSAGE = 2, ACK = 3, TIME = 4, LEAVE = 5;

/** A WELCOME, of which more can be given. */
export function welcome(more = {}) {
  const w = { room: "r1", kind: "arena", player: 1, user: "u1", token: "tok", rate: 20, onDemand: false, tick: 1, lastInput: 0,
    schema: SCHEMA, inputs: [["DX", "int8"], ["Fire", "bool"]], resumed: false, grace: 20, ...more };
  return [WELCOME, 1, w.room, w.kind, w.player, w.user, w.token, w.rate, w.onDemand, w.tick, w.lastInput, w.schema, w.inputs, w.resumed, w.grace];
}

/** Lets promises run. */
export const settle = async () => {
  for (let i = 0; i < 50; i++) await null;
};

/** Numbers from 0 to 1 that are the same in every run (mulberry32). */
export function random(seed) {
  let s = seed >>> 0;
  return () => {
    s = (s + 0x6d2b79f5) | 0;
    let t = Math.imul(s ^ (s >>> 15), 1 | s);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

export class Fake {
  time = 1000;
  timers = new Map();
  nextTimer = 1;
  /** Every WebSocket that was opened. */
  sockets = [];
  /** Every HTTP request: {url, init}. */
  requests = [];
  window = new EventTarget();

  /** Answers an HTTP request: {status, body, retryAfter, moved}, without body what is no JSON; an Error is no network. Tests replace it. */
  answer = ({ url }) => (url.endsWith("/v1/match") ? { body: { room: "r1", ticket: "t", url: "ws://game.test/v1/connect?ticket=t", player: "u1" } } : { status: 426, body: { code: "upgrade_required", message: "no" } });

  constructor() {
    this.window.document = new EventTarget();
    const fake = this;
    this.WebSocket = class {
      constructor(url, protocols) {
        const { searchParams } = new URL(url);
        this.attempt = Number(searchParams.get("attempt"));
        this.url = url.replace(/[?&]attempt=\d+$/, ""); // it is never the same
        this.protocols = protocols;
        this.bufferedAmount = 0;
        this.sent = [];
        fake.sockets.push(this);
      }
      send(bytes) {
        assert(bytes instanceof Uint8Array && bytes.length <= 4096);
        this.sent.push(decode(bytes));
      }
      close(code, reason) {
        this.closed ??= { code, reason };
      }
      /** Delivers messages in one WebSocket message. */
      deliver(...messages) {
        const parts = messages.map((m) => encode(m)), all = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
        let at = 0;
        for (const p of parts) {
          all.set(p, at);
          at += p.length;
        }
        this.raw(all.buffer);
      }
      raw(data) {
        this.onmessage?.({ data });
      }
      lose(code = 1006, reason = "") {
        this.onclose?.({ code, reason });
      }
      /** An error, as the package ws tells of one: nobody listening is fatal. */
      fail() {
        assert(this.onerror, "nobody hears the error");
        this.onerror({});
      }
      /** What was sent of a kind, which is forgotten. */
      took(kind) {
        const list = this.sent.filter((m) => m[0] === kind);
        this.sent = this.sent.filter((m) => m[0] !== kind);
        return list;
      }
    };
  }

  get options() {
    return {
      url: "http://game.test", kind: "arena", name: "Ada", WebSocket: this.WebSocket, window: this.window,
      now: () => this.time, random: () => 0.5,
      setTimeout: (fn, ms) => {
        assert(ms >= 0, `timer of ${ms} ms`);
        this.timers.set(this.nextTimer, { at: this.time + ms, fn });
        return this.nextTimer++;
      },
      clearTimeout: (id) => this.timers.delete(id),
      fetch: async (url, init) => {
        const request = { url, init };
        this.requests.push(request);
        const a = this.answer(request);
        if (a instanceof Error) throw a;
        const status = a.status ?? 200;
        const json = async () => (a.body === undefined ? JSON.parse("<html>") : a.body);
        return { ok: status < 300, status, json, headers: { get: () => a.retryAfter ?? null }, redirected: a.moved !== undefined, url: a.moved ?? url };
      },
    };
  }

  get socket() {
    return this.sockets.at(-1);
  }

  /** Moves time, running timers in order and letting promises run after each. */
  async advance(ms) {
    const until = this.time + ms;
    await settle();
    for (;;) {
      let next = null;
      for (const [id, t] of this.timers) if (t.at <= until && (next === null || t.at < next.t.at)) next = { id, t };
      if (next === null) break;
      this.timers.delete(next.id);
      this.time = Math.max(this.time, next.t.at);
      next.t.fn();
      await settle();
    }
    this.time = until;
  }

  /** Joins a room whose world is the given KEY, and answers nothing else. */
  async join(key = [KEY, 10, 10, 1, 1, [], [], []], more = {}, options = {}) {
    const joining = connect({ ...this.options, ...options });
    joining.catch(() => {});
    await settle();
    this.socket.deliver(welcome(more), key);
    const room = await joining;
    await this.advance(0);
    return room;
  }
}
