// Plays on a real server which is stopped and started again on the same port, and checks that the client is
// back in a room within two seconds of the server's return. Fakes can't show what a WebSocket that did not open does:
// Node's own tells of it by "error" alone, the package ws by "error" and "close".
//
//     node restart.js SERVER [WS]
//
// SERVER is the server's binary, WS the module of another WebSocket class. It ends by itself once the room is left:
// a timer or a socket that was forgotten would keep it.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { connect } from "../tickhall.js";

const [, , binary, module] = process.argv;
const WebSocket = module ? (await import(pathToFileURL(module).href)).default : globalThis.WebSocket;
assert(WebSocket, `Node ${process.version} has no WebSocket of its own`);
const BACK_WITHIN = 2000; // milliseconds

// Below the ports from which connections go out: one of the client's to itself would take the server's place.
const port = 20_000 + Math.floor(Math.random() * 10_000), url = `http://127.0.0.1:${port}`;

let server;

/** Starts the server and resolves when it is ready. */
async function start() {
  server = spawn(binary, ["--listen", `127.0.0.1:${port}`], { stdio: ["ignore", "pipe", "pipe"] });
  const lines = [];
  await new Promise((resolve, reject) => {
    for (const out of [server.stdout, server.stderr]) {
      createInterface({ input: out }).on("line", (line) => {
        lines.push(line);
        if (line.includes("ready: ")) resolve();
      });
    }
    server.once("exit", () => reject(new Error(`the server ended:\n${lines.join("\n")}`)));
  });
  server.removeAllListeners("exit");
}

async function stop(signal) {
  const gone = once(server, "exit");
  server.kill(signal);
  await gone;
}

/** Resolves when a snapshot has come after this moment. */
const snapshot = (room) => new Promise((resolve) => {
  const off = room.on("snapshot", () => {
    off();
    resolve();
  });
});

try {
  await start();
  const joining = connect({ url, kind: "nothing of the kind", WebSocket, storage: null });
  await assert.rejects(joining, (e) => e.code === "unknown_kind");
  const room = await connect({ url, kind: "arena", name: "Ada", WebSocket, storage: null });
  await snapshot(room);

  for (const [signal, down] of [["SIGKILL", 0], ["SIGKILL", 4000], ["SIGTERM", 1500], ["SIGKILL", 9000]]) {
    const tries = [];
    const off = room.on("reconnecting", ({ delay, error }) => tries.push(`${error.code} ${Math.round(delay)}`));
    await stop(signal);
    await sleep(down);
    await start();
    const began = performance.now();
    while (room.state !== "joined" && performance.now() - began < BACK_WITHIN) await sleep(5);
    const took = Math.round(performance.now() - began);
    assert.equal(room.state, "joined", `not back ${took} ms after a server that was down for ${down} ms: ${tries.join(", ")}`);
    await snapshot(room);
    off();
    console.log(`${signal}, down for ${down} ms: back ${took} ms after the server, in ${tries.length} tries`);
  }

  // Leaving with a connection that does not open: ws tells of an error once it is closed.
  await stop("SIGKILL");
  while (room.state === "joined") await sleep(10);
  await sleep(300);
  await room.leave();
  const stuck = setTimeout(() => {
    console.error("something that the room has started keeps the process alive");
    process.exit(1);
  }, 5000);
  stuck.unref();
} finally {
  server.kill("SIGKILL");
}
