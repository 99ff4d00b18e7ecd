// The commands of a page and the value that puts them into the journey.

import assert from "node:assert/strict";
import { test } from "node:test";
import { keepGood } from "../assets/journey/pass.js";

const place = (kind) => ({ dataset: { pass: kind }, textContent: "" });
const root = (...places) => ({ querySelectorAll: () => places });
const settled = () => new Promise((done) => setTimeout(done, 0));

test("each command gets its value, which is renewed before it ends", async () => {
  const places = [place("flag"), place("curl"), place("unknown")];
  const waits = [];
  let asked = 0;
  const get = async () => {
    asked += 1;
    return new Response(JSON.stringify({ flag: `--journey v${asked}`, curl: "-H 'a: b'", seconds: 900 }));
  };
  keepGood(root(...places), { get, wait: (run, ms) => { waits.push([run, ms]); return () => {}; } });
  await settled();
  assert.deepEqual(places.map((one) => one.textContent), [" --journey v1", " -H 'a: b'", ""]);
  assert.ok(waits[0][1] > 60_000 && waits[0][1] < 900_000, String(waits[0][1]));
  await waits[0][0]();
  assert.equal(places[0].textContent, " --journey v2");
});

test("a value of a journey that has ended goes away; one that cannot be renewed stays", async () => {
  const [one] = [place("flag")];
  one.textContent = " --journey old";
  const answers = [async () => { throw new Error("away"); }, async () => new Response("{}", { status: 404 })];
  const waits = [];
  keepGood(root(one), { get: () => answers.shift()(), wait: (run) => { waits.push(run); return () => {}; } });
  await settled();
  assert.equal(one.textContent, " --journey old");
  await waits[0]();
  assert.equal(one.textContent, "");
});

test("a page without commands asks for nothing", async () => {
  keepGood(root(), { get: () => assert.fail("it asks") });
  await settled();
});
