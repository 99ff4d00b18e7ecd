// The stream: its states, and what it does when the server is away or has no journey.

import assert from "node:assert/strict";
import { test } from "node:test";

import { follow } from "../assets/journey/feed.js";

/** An EventSource that a test drives. */
class Source extends EventTarget {
  readyState = 0;

  emit(type, data) {
    this.dispatchEvent(Object.assign(new Event(type), { data }));
  }

  close() {
    this.readyState = 2;
  }
}

function started(isKnown = async () => true) {
  const sources = [];
  const seen = { steps: [], states: [] };
  const waiting = [];
  const stop = follow({
    isKnown,
    onStep: (step) => seen.steps.push(step), onState: (state) => seen.states.push(state),
    open: () => {
      sources.push(new Source());
      return sources.at(-1);
    },
    wait: (run, ms) => {
      const one = { run, ms };
      waiting.push(one);
      return () => waiting.splice(waiting.indexOf(one), 1);
    },
  });
  return { sources, seen, stop, waiting };
}

test("steps arrive, and what is no JSON is passed over", () => {
  const { sources: [source], seen } = started();
  source.emit("open");
  for (const data of ['{"seq":1}', "{", "null", "7", '{"seq":2}']) source.emit("step", data);
  assert.deepEqual(seen.steps, [{ seq: 1 }, { seq: 2 }]);
  assert.deepEqual(seen.states, ["connecting", "live"]);
});

test("a lost connection is the browser's to mend: no second one is opened", () => {
  const { sources, seen } = started();
  sources[0].emit("open");
  sources[0].emit("error");
  sources[0].emit("open");
  assert.equal(sources.length, 1);
  assert.deepEqual(seen.states, ["connecting", "live", "connecting", "live"]);
});

/** The server refuses the stream, and what that leads to has happened. */
async function refuse({ sources, waiting }) {
  sources.at(-1).readyState = 2;
  sources.at(-1).emit("error");
  await new Promise((done) => setImmediate(done));
  return waiting.at(-1)?.ms;
}

test("a refusal of a journey that the lab knows is asked about again, less and less often", async () => {
  const all = started();
  const { sources, seen, stop, waiting } = all;
  assert.equal(await refuse(all), 2000);
  assert.deepEqual(seen.states, ["connecting", "none"]);
  waiting.pop().run();
  assert.equal(sources.length, 2);
  assert.equal(await refuse(all), 4000);
  stop();
  assert.deepEqual(waiting, []);
});

test("a lab that was started again does not know the journey: the page says so and asks no more", async () => {
  const all = started(async () => false);
  all.sources[0].emit("open");
  await refuse(all);
  assert.deepEqual(all.seen.states, ["connecting", "live", "gone"]);
  assert.deepEqual([all.waiting.length, all.sources.length], [0, 1]);
});

test("while the lab does not answer, the page goes on asking", async () => {
  const all = started(async () => null);
  assert.equal(await refuse(all), 2000);
  assert.equal(all.seen.states.at(-1), "none");
});

test("what ends while the lab is asked stays ended", async () => {
  let say;
  const all = started(() => new Promise((done) => { say = done; }));
  await refuse(all);
  all.stop();
  say(false);
  await new Promise((done) => setImmediate(done));
  assert.deepEqual(all.seen.states, ["connecting"]);
});

test("the end of a journey is final", () => {
  const { sources: [source], seen } = started();
  source.emit("open");
  source.emit("end");
  source.emit("error");
  assert.equal(seen.states.at(-1), "ended");
  assert.equal(source.readyState, 2);
  const full = started();
  full.sources[0].emit("end", '{"reason":"full"}');
  assert.equal(full.seen.states.at(-1), "full");
});
