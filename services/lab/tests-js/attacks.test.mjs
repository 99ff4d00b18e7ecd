// How a run of an attack ended, from the steps of its journey.

import assert from "node:assert/strict";
import { test } from "node:test";

import { EFFECT, Watcher } from "../assets/attacks/verdict.js";

const WATCH = {
  attacker: ["evil", "GET /image"],
  signs: [
    { service: "app1-bff", name: "GET /api1/order", refused: false, succeeded: true, says: "placed" },
    { service: "app1-bff", name: "GET /api1/order", refused: true, succeeded: false, says: "refused" },
  ],
  silence: "no cookie",
  blocked: "third-party cookies",
};

const step = (service, name, start, status = 200) => ({ kind: "request", service, name, start, status });

function watching(watch, ...steps) {
  const watcher = new Watcher(watch);
  watcher.begin(0);
  for (const one of steps) watcher.see(one);
  return watcher;
}

test("the status of the request that the attacker caused decides", () => {
  const attacked = step("evil", "GET /image", 10);
  const ended = (status) => watching(WATCH, attacked, step("app1-bff", "GET /api1/order", 11, status)).verdict();
  assert.deepEqual(ended(201), { succeeded: true, isBlocked: false, says: "placed" });
  assert.deepEqual(ended(403), { succeeded: false, isBlocked: false, says: "refused" });
});

test("steps are in the order of their start, however they arrive", () => {
  const order = step("app1-bff", "GET /api1/order", 11, 403);
  assert.equal(watching(WATCH, order).verdict(), null);
  assert.equal(watching(WATCH, order, step("evil", "GET /image", 10)).verdict().succeeded, false);
});

test("what came before the attacker's request, or before the run, decides nothing", () => {
  const before = step("app1-bff", "GET /api1/order", 9, 201);
  const watcher = watching(WATCH, before, step("evil", "GET /image", 10));
  assert.equal(watcher.verdict(), null);
  watcher.see(step("app1-bff", "GET /api1/order", 12, 201));
  assert.equal(watcher.verdict().succeeded, true);
  watcher.begin(13);
  assert.equal(watcher.verdict(), null);
  const idle = new Watcher(WATCH);
  idle.see(step("evil", "GET /image", 10));
  assert.equal(idle.attacked, undefined);
});

test("steps of a former run that arrive after the new one has begun decide nothing", () => {
  const watcher = new Watcher(WATCH);
  watcher.begin(15);
  for (const late of [step("evil", "GET /image", 10), step("app1-bff", "GET /api1/order", 11, 201)]) watcher.see(late);
  assert.equal(watcher.attacked, undefined);
  assert.equal(watcher.verdict(), null);
  for (const own of [step("evil", "GET /image", 15), step("app1-bff", "GET /api1/order", 16, 403)]) watcher.see(own);
  assert.deepEqual(watcher.verdict(), { succeeded: false, isBlocked: false, says: "refused" });
});

test("of a former run only the steps in its time count", () => {
  const steps = [
    step("evil", "GET /image", 10), step("app1-bff", "GET /api1/order", 11, 201),
    step("evil", "GET /image", 20), step("app1-bff", "GET /api1/order", 21, 403),
  ];
  const ended = (time) => {
    const watcher = new Watcher(WATCH, { time });
    for (const one of steps) watcher.see(one);
    return watcher.verdict();
  };
  assert.equal(ended({ from: 5, until: 15 }).says, "placed");
  assert.equal(ended({ from: 15, until: null }).says, "refused");
  assert.equal(ended({ from: 5, until: 11 }), null);
  assert.equal(ended({ from: 22, until: null }), null);
});

test("what this browser does after a silence decides nothing", () => {
  const late = step("app1-bff", "GET /api1/order", 10 + EFFECT, 201);
  assert.equal(watching(WATCH, step("evil", "GET /image", 10), late).verdict(), null);
  const open = { ...WATCH, silence: null };
  assert.equal(watching(open, step("evil", "GET /image", 10), late).verdict().succeeded, true);
});

test("silence says something only after the attacker's request", () => {
  assert.equal(watching(WATCH).silence(), null);
  assert.deepEqual(watching(WATCH, step("evil", "GET /image", 10)).silence(), { succeeded: false, isBlocked: false, says: "no cookie" });
  assert.equal(watching({ ...WATCH, silence: null }, step("evil", "GET /image", 10)).silence(), null);
});

test("without a request of the attacker any sign of the run counts, whatever its status", () => {
  const watch = { attacker: null, signs: [{ service: "spa", name: "GET unmatched", refused: null, succeeded: true, says: "ran" }], silence: null };
  assert.equal(watching(watch, step("spa", "GET /", 1)).verdict(), null);
  assert.equal(watching(watch, step("spa", "GET unmatched", 2, 404)).verdict().succeeded, true);
});

test("with the defence off, silence means that the browser has blocked the cookie", () => {
  const silenceOf = (watch, isWeakened) => {
    const watcher = new Watcher(watch, { isWeakened });
    watcher.begin(0);
    watcher.see(step("evil", "GET /image", 10));
    return watcher.silence();
  };
  assert.deepEqual(silenceOf(WATCH, true), { succeeded: false, isBlocked: true, says: "third-party cookies" });
  assert.equal(silenceOf(WATCH, false).says, "no cookie");
  assert.equal(silenceOf({ ...WATCH, blocked: null }, true).says, "no cookie");
});

test("what a page reports of itself decides a run, too", () => {
  const watch = { attacker: null, signs: [{ service: "spa", name: "page.note", refused: null, succeeded: false, says: "text" }], silence: null, blocked: null };
  const told = { kind: "check", service: "spa", name: "page.note", start: 3 };
  assert.equal(watching(watch, { ...told, name: "page.keep" }).verdict(), null);
  assert.deepEqual(watching(watch, told).verdict(), { succeeded: false, isBlocked: false, says: "text" });
});

test("checks and store commands are no requests", () => {
  const check = { ...step("app1-bff", "GET /api1/order", 11), kind: "check" };
  assert.equal(watching(WATCH, step("evil", "GET /image", 10), check).verdict(), null);
});
