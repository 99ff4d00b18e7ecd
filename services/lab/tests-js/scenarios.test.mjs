// The pure parts of the scenarios' pages, and the modules as a whole.

import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";

import { halves } from "../assets/journey/beside.js";
import { courseKey } from "../assets/scenarios/course.js";
import { pricesOf } from "../assets/scenarios/prices.js";
import { permutations, step } from "./support.mjs";

const press = (key, more = {}) => ({ key, target: { closest: () => null }, ...more });

test("plain arrow keys lead through the course until the diagram has arrows", () => {
  assert.equal(courseKey(press("ArrowRight"), false), "next");
  assert.equal(courseKey(press("ArrowLeft"), false), "before");
  assert.equal(courseKey(press("ArrowRight"), true), null);
  assert.equal(courseKey(press("ArrowRight", { shiftKey: true }), true), "next");
  assert.equal(courseKey(press("ArrowLeft", { shiftKey: true }), true), "before");
});

test("a key that belongs to a field, to the browser or to nobody leads nowhere", () => {
  for (const event of [
    press("f"), press("Enter"), press("ArrowUp"),
    press("ArrowRight", { altKey: true }), press("ArrowRight", { ctrlKey: true }), press("ArrowRight", { metaKey: true }),
    press("ArrowRight", { defaultPrevented: true }),
    press("ArrowRight", { target: { closest: (css) => (css.includes("input") ? {} : null) } }),
  ]) assert.equal(courseKey(event, false), null);
});

test("the window beside takes the right half, and a narrow screen has none", () => {
  const place = halves({ availWidth: 1921, availHeight: 1000, availLeft: 10, availTop: 20 });
  assert.deepEqual(place.left, { x: 10, y: 20, width: 960, height: 1000 });
  assert.equal(place.right, "popup,left=970,top=20,width=960,height=1000");
  assert.equal(halves({ availWidth: 999, availHeight: 700 }), null);
});

test("a further window leaves the first one in sight", () => {
  const screen = { availWidth: 1280, availHeight: 720 };
  const right = (more) => Object.fromEntries(halves(screen, more).right.split(",").slice(1).map((pair) => pair.split("=")).map(([name, value]) => [name, Number(value)]));
  // The second press of one button: lower, and further right.
  assert.deepEqual(right({ again: 1 }), { left: 676, top: 36, width: 604, height: 684 });
  // The second step leaves the upper part of the first window, the third one all of the second.
  const [second, third] = [right({ row: 1 }), right({ row: 2 })];
  assert.deepEqual(second, { left: 640, top: 324, width: 640, height: 396 });
  assert.equal(third.top + third.height, second.top);
  for (let again = 0; again < 40; again += 1) {
    const { left, top, width, height } = right({ row: 1, again });
    assert.ok(left + width <= 1280 && top + height <= 1280 && width > 400 && height >= 198, `${again}`);
  }
});

const cookie = (name, size) => ({ place: "cookie", name, size, fingerprint: "aaaaaa" });
const call = (span, start, more = {}) =>
  step({ span, start, kind: "request", service: "app1-bff", from: "browser", to: "app1-bff", name: "GET /api1/data", status: 200, micros: 900, store_commands: 1, request: [cookie("__Host-session_id", 43)], ...more });
const load = (span, parent, mode) => step({ span, parent, service: "app1-bff", name: "session.load", attributes: { "sso.session_mode": mode } });

test("the price of a mode is that of its latest call, whatever the order of arrival", () => {
  const steps = [
    call("a", 10), load("b", "a", "stateful"),
    call("c", 20, { micros: 700 }), load("d", "c", "stateful"),
    call("e", 15, { store_commands: 0, request: [cookie("__Host-session_id", 43), cookie("__Secure-access_api1", 700), cookie("__Host-lab_journey", 90)] }), load("f", "e", "hybrid"),
  ];
  for (const order of permutations(steps)) {
    const prices = pricesOf(order);
    assert.deepEqual(prices.get("stateful"), { bytes: 61, commands: 1, micros: 700, call: "GET /api1/data" });
    assert.deepEqual(prices.get("hybrid"), { bytes: 61 + 2 + 721, commands: 0, micros: 900, call: "GET /api1/data" });
    assert.equal(prices.size, 2);
  }
});

test("only an answered call has a price: no page, no refusal, no check without its request", () => {
  const none = [
    [load("b", "gone", "stateful")],
    [call("a", 1, { status: 401 }), load("b", "a", "stateful")],
    [call("a", 1, { name: "GET /" }), load("b", "a", "stateful")],
    [call("a", 1), load("b", "a", undefined)],
    [step({ span: "a", parent: "b", name: "session.load", attributes: { "sso.session_mode": "cached" } }), step({ span: "b", parent: "a", name: "x" })],
  ];
  for (const steps of none) assert.equal(pricesOf(steps).size, 0);
});

const ASSETS = new URL("../assets/scenarios/", import.meta.url);
const modules = new Map(readdirSync(ASSETS).filter((name) => name.endsWith(".js")).map((name) => [name, readFileSync(new URL(name, ASSETS), "utf8")]));
const templates = new URL("../templates/scenarios/", import.meta.url);
const page = readdirSync(templates).map((name) => readFileSync(new URL(name, templates), "utf8")).join("\n");
const diagram = readFileSync(new URL("../templates/journey/page.html", import.meta.url), "utf8");

test("the modules fit together and to the page, and write no markup and no style", () => {
  for (const [name, text] of modules) {
    for (const [, other] of text.matchAll(/from "\.\/([\w.]+)"/g)) assert.ok(modules.has(other) || existsSync(new URL(`../assets/journey/${other}`, import.meta.url)), `${name}: ${other}`);
    for (const [, id] of text.matchAll(/\bat\("([\w-]+)"\)/g)) assert.ok(`${page}${diagram}`.includes(` id="${id}"`), `${name}: ${id}`);
    for (const way of [/innerHTML|outerHTML|insertAdjacentHTML|document\.write/, /\beval\(|new Function/, /\.style\b|"style"/, /localStorage|sessionStorage|document\.cookie/]) {
      assert.ok(!way.test(text), `${name}: ${way}`);
    }
  }
  assert.match(readFileSync(new URL("../assets/journey/page.js", import.meta.url), "utf8"), /CustomEvent\("journey-step"/);
});
