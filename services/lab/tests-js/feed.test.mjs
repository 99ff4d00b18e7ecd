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

function started() {
  const sources = [];
  const seen = { steps: [], states: [] };
  const waiting = [];
  const stop = follow({
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

test("a refusal means that there is no journey, and is asked about again, less and less often", () => {
  const { sources, seen, stop, waiting } = started();
  const refuse = () => {
    sources.at(-1).readyState = 2;
    sources.at(-1).emit("error");
    return waiting.at(-1).ms;
  };
  assert.equal(refuse(), 2000);
  assert.deepEqual(seen.states, ["connecting", "none"]);
  waiting.pop().run();
  assert.equal(sources.length, 2);
  assert.equal(refuse(), 4000);
  stop();
  assert.deepEqual(waiting, []);
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
