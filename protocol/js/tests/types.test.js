import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import * as tickhall from "../tickhall.js";

test("tickhall.d.ts has what tickhall.js exports", () => {
  const types = readFileSync(new URL("../tickhall.d.ts", import.meta.url), "utf8");
  const declared = [...types.matchAll(/^export (?:class|function|const) (\w+)/gm)].map((m) => m[1]);
  assert.deepEqual(declared.sort(), Object.keys(tickhall).sort());
  for (const c of [tickhall.Room, tickhall.Table, tickhall.EntityMap, tickhall.View]) {
    const body = types.slice(types.search(new RegExp(`export class ${c.name}\\b`))).split("\n}\n")[0];
    for (const name of Object.getOwnPropertyNames(c.prototype).slice(1)) assert.match(body, new RegExp(`\\b${name}\\b`), `${c.name}.${name}`);
  }
});
