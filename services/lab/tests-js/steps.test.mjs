// From raw steps to messages: which arrows there are, in which order, with which number.

import assert from "node:assert/strict";
import { test } from "node:test";

import { arrange, MAX_STEPS, part, partsOf } from "../assets/journey/steps.js";
import { oneLine } from "../assets/journey/wording.js";
import { BFF_LOGIN, EXCHANGE, JOURNEY, shuffled } from "./fixture.mjs";
import { permutations, step, written } from "./support.mjs";

/** The arrows of the seed's diagram "Authorization Code Flow (Confidential Client) with BFF
    pattern": sender, receiver, and what its label says. Swagger is the browser's page. */
const SEED = [
  ["user", "browser", /^Click/],
  ["browser", "app1-bff", /^GET \/login/],
  ["app1-bff", "app1-store", /^Save pre_session/],
  ["app1-bff", "browser", /^302 \/authorize\?.*client_id=app1.*state=●k3f9a2&nonce=●n0nce1/],
  ["browser", "idp", /^GET \/authorize\?.*state=●k3f9a2/],
  ["idp", "idp-store", /^Save authorization_session/],
  ["user", "browser", /^Name and password/],
  ["idp", "idp-store", /^Update authorization_session, Save login_session/],
  ["idp", "idp-store", /^Save authorization_code/],
  ["idp", "browser", /^302 \/callback\?code=●c0de77&state=●k3f9a2.*Set-Cookie: __Host-idp_session/],
  ["browser", "app1-bff", /^GET \/callback\?code=●c0de77&state=●k3f9a2/],
  ["app1-bff", "app1-store", /^Load pre_session once/],
  ["app1-bff", "idp", /^POST \/token grant_type=authorization_code, code=●c0de77/],
  ["idp", "app1-bff", /^200 \{access_token, id_token, refresh_token/],
  ["app1-bff", "app1-store", /^Save session/],
  ["app1-bff", "browser", /^302 \/, Set-Cookie: __Host-session_id/],
  ["browser", "app1-bff", /^GET \/, Cookie: __Host-session_id/],
  ["app1-bff", "app1-store", /^Load session/],
  ["app1-bff", "browser", /^200/],
];

/** The seed's notes of this flow, by the span that each is. */
const SEED_NOTES = ["login.pre_session", "callback.check", "callback.code_exchange", "token.grant", "callback.session_save"];

test("a BFF login has every arrow of the seed's diagram, in its order", () => {
  const arrows = arrange(BFF_LOGIN).messages.filter((one) => one.number !== null);
  let at = 0;
  for (const [from, to, label] of SEED) {
    const found = arrows.findIndex((one, place) => place >= at && one.from === from && one.to === to && label.test(oneLine(one)));
    assert.ok(found >= 0, `${from} → ${to}: ${label}`);
    at = found + 1;
  }
  assert.equal(at, arrows.length, "the last arrow is the seed's last");
});

test("a BFF login has the seed's notes", () => {
  const { messages } = arrange(BFF_LOGIN);
  for (const name of SEED_NOTES) assert.ok(messages.some((one) => one.step.name === name || one.call?.name === name), name);
});

test("arrows have the numbers 1, 2, 3 …, and notes have none (autonumber)", () => {
  const { messages, arrows } = arrange(JOURNEY);
  const numbers = messages.filter((one) => one.kind !== "note").map((one) => one.number);
  assert.deepEqual(numbers, numbers.map((_, at) => at + 1));
  assert.equal(arrows, numbers.length);
  assert.ok(messages.filter((one) => one.kind === "note").every((one) => one.number === null));
});

test("an exchange is nested: the API's call ends after the calls that it makes", () => {
  const lines = written(EXCHANGE);
  const place = (pattern) => lines.findIndex((line) => pattern.test(line));
  const order = [
    /browser → app1-bff: GET \/api1\/report/, /app1-bff → idp: POST \/token grant_type=refresh_token/, /app1-bff → api-1: GET \/report/,
    /api-1 → idp: gRPC TokenExchange\/Exchange grant_type=token-exchange/, /idp → api-1: OK \{access_token\}/, /api-1 → api-2: gRPC Inventory\/List/,
    /api-2 → api-1: OK/, /api-1 → app1-bff: 200/, /app1-bff → browser: 200/,
  ].map(place);
  assert.ok(order.every((one, at) => one >= 0 && (at === 0 || one > order[at - 1])), `${order}\n${lines.join("\n")}`);
});

test("the order of arrival does not matter", () => {
  const expected = written(JOURNEY);
  for (let seed = 1; seed <= 300; seed += 1) assert.deepEqual(written(shuffled(JOURNEY, seed)), expected, `seed ${seed}`);
});

test("call and request are one pair of arrows, in each order of arrival", () => {
  const all = [
    step({ seq: 1, span: "r", kind: "request", service: "app1-bff", from: "browser", to: "app1-bff", name: "GET /callback", start: 0, end: 100, status: 302 }),
    step({ seq: 2, span: "c", parent: "r", kind: "call", service: "app1-bff", from: "app1-bff", to: "idp", name: "callback.code_exchange", start: 10, end: 60 }),
    step({ seq: 3, span: "s", parent: "c", kind: "request", service: "idp", from: "client", to: "idp", name: "POST /token", start: 20, end: 50, status: 200 }),
    step({ seq: 4, span: "n", parent: "s", name: "token.grant", start: 30, end: 40 }),
    step({ seq: 5, span: "d", parent: "n", kind: "store", from: "idp", to: "idp-store", name: "store", start: 32, end: 34 }),
  ];
  for (const order of permutations(all)) {
    assert.deepEqual(arrange(order).messages.map((one) => [one.number, one.kind, one.from, one.to]), [
      [1, "request", "browser", "app1-bff"], [2, "request", "app1-bff", "idp"], [null, "note", "idp", "idp"],
      [3, "store", "idp", "idp-store"], [4, "answer", "idp", "app1-bff"], [5, "answer", "app1-bff", "browser"],
    ]);
  }
});

test("a step waits for what caused it, and appears at the latest when all is settled", () => {
  const note = step({ span: "n", parent: "open", name: "token.grant" });
  const count = (raw, settled) => arrange(raw, { settled }).messages.length;
  assert.deepEqual([count([note], false), count([note], true)], [0, 1]);
  assert.equal(count([note, step({ span: "y", start: 300_000, end: 300_001 })], false), 2);
  const visit = step({ span: "v", parent: "open", kind: "request", from: "browser", name: "GET /authorize" });
  assert.equal(count([visit], false), 2);
});

test("a request whose caller has not arrived waits too", () => {
  const request = step({ span: "s", parent: "c", kind: "request", from: "client", to: "idp", name: "POST /token" });
  const call = step({ seq: 2, span: "c", kind: "call", service: "app1-bff", from: "app1-bff", to: "idp", name: "tokens.refresh" });
  const later = step({ seq: 3, span: "z", start: 2_000_000, end: 2_000_001 });
  const senders = (raw, settled) => arrange(raw, { settled }).messages.filter((one) => one.kind === "request").map((one) => one.from);
  assert.deepEqual(senders([request], false), []);
  assert.deepEqual(senders([request], true), ["client"]);
  assert.deepEqual(senders([request, later], false), ["client"]);
  assert.deepEqual(senders([request, call], false), ["app1-bff"]);
});

test("of two attempts in one call the last one is the call's own, and a fetch of keys is none", () => {
  const call = step({ span: "c", kind: "call", service: "app1-bff", from: "app1-bff", to: "idp", name: "tokens.refresh", start: 0, end: 90 });
  const request = (seq, span, name, start, status) => step({ seq, span, parent: "c", kind: "request", from: "client", to: "idp", name, start, end: start + 5, status });
  const all = [call, request(2, "k", "GET /jwks", 60, 200), request(3, "a", "POST /token", 10, 400), request(4, "b", "POST /token", 30, 200)];
  const pairs = arrange(all).messages.filter((one) => one.kind === "request");
  assert.deepEqual(pairs.map((one) => [one.from, one.step.name, one.call?.name ?? null]), [
    ["app1-bff", "POST /token", null], ["app1-bff", "POST /token", "tokens.refresh"], ["app1-bff", "GET /jwks", null],
  ]);
});

test("a script's requests and its page's steps are the browser's, and stand by themselves", () => {
  const authorize = step({ span: "a", trace: "t", kind: "request", service: "idp", from: "browser", to: "idp", name: "GET /authorize", start: 0, end: 10 });
  const made = step({ seq: 2, span: "b", trace: "t", parent: "a", service: "spa", from: "browser", to: "browser", name: "page.answer_check", start: 20, end: 21 });
  const token = step({ seq: 3, span: "c", trace: "t", parent: "a", kind: "request", service: "idp", from: "browser", to: "idp", name: "POST /token", start: 30, end: 40, direct: true });
  const { messages, groups } = arrange([token, made, authorize], { settled: false });
  assert.deepEqual(messages.map((one) => [one.kind, one.from, one.to, one.channel]), [
    ["request", "browser", "idp", "front"], ["answer", "idp", "browser", "front"], ["note", "browser", "browser", "inside"],
    ["request", "browser", "idp", "back"], ["answer", "idp", "browser", "back"],
  ]);
  assert.equal(groups.length, 1);
});

test("a terminal's request stands by itself, at once, on the back channel", () => {
  const asked = step({ span: "a", parent: "z", kind: "request", service: "idp", from: "terminal", to: "idp", name: "POST /device_authorization" });
  const { messages, participants } = arrange([asked], { settled: false });
  assert.deepEqual(messages.map((one) => [one.from, one.to, one.channel]), [["terminal", "idp", "back"], ["idp", "terminal", "back"]]);
  assert.deepEqual(participants, ["terminal", "idp"]);
});

test("front channel, back channel and store are told apart", () => {
  const channels = new Map(arrange(JOURNEY).messages.map((one) => [`${one.from} ${one.to}`, one.channel]));
  assert.equal(channels.get("browser idp"), "front");
  assert.equal(channels.get("user browser"), "front");
  assert.equal(channels.get("app1-bff idp"), "back");
  assert.equal(channels.get("app1-bff app1-store"), "store");
  assert.equal(channels.get("idp idp"), "inside");
});

test("a trace is a group; one that another interrupts goes on in a second group", () => {
  const visit = (seq, trace, span, start, parent = null) => step({ seq, trace, span, parent, kind: "request", service: "app1-bff", from: "browser", to: "app1-bff", name: "GET /login", start, end: start + 1 });
  const { groups } = arrange([visit(1, "t1", "a", 0), visit(2, "t2", "b", 10), visit(3, "t1", "c", 20, "a"), visit(4, "t1", "d", 30, "a")]);
  assert.deepEqual(groups.map(({ trace, continued }) => [trace, continued]), [["t1", false], ["t2", false], ["t1", true]]);
  assert.deepEqual(arrange(JOURNEY).groups.length, 3);
});

test("a part has the messages of its trace alone, with their numbers and participants", () => {
  const all = arrange(JOURNEY);
  const parts = partsOf(all);
  assert.deepEqual(parts.map((one) => one.number), [1, 24, 27]);
  const shown = parts.map((one) => part(all, one.id));
  assert.deepEqual(shown.flatMap((one) => one.messages), all.messages);
  assert.deepEqual(shown[1].participants, ["browser", "app1-bff", "app1-store"]);
  assert.deepEqual(shown[1].messages.map((one) => one.number), [24, null, 25, 26]);
  assert.deepEqual(part(all, "unknown").messages, []);
});

test("commands to a store that follow each other are one arrow, named by what they read and change", () => {
  const command = (at, operation, kind, under = "a", more = {}) => step({
    seq: at, span: `c${at}`, parent: under, kind: "store", from: "idp", to: "idp-store", name: "store", start: at, end: at + 1, outcome: "ok", attributes: { "db.operation.name": operation, "db.collection.name": kind }, ...more,
  });
  const request = step({ span: "a", kind: "request", service: "idp", from: "browser", to: "idp", name: "POST /sign-in", start: 0, end: 90, status: 303 });
  const note = step({ span: "b", parent: "a", name: "authorize.code_issue", start: 50, end: 60 });
  const stores = (all) => arrange(all).messages.filter((one) => one.kind === "store").map((one) => [oneLine(one), one.failed]);
  assert.deepEqual(stores([request, command(5, "get", "authorization"), command(6, "count", "failed"), command(7, "get", "authorization"), command(8, "rank", "logins-of"), note, command(51, "put", "code", "b")]), [
    ["Load authorization_session, 4 commands", false], ["Save authorization_code", false],
  ]);
  assert.deepEqual(stores([request, command(5, "rank", "logins-of"), command(6, "ranked", "logins-of", "a", { outcome: "error" })]), [["Add to the index of login_session, 2 commands", true]]);
  assert.deepEqual(stores([request, command(5, "get", "note")]), [["Load note", false]]);
  assert.deepEqual(stores([request, command(5, "get")]), [["Load record", false]]);
  const ofApp = { service: "app1-bff", from: "app1-bff", to: "app1-store" };
  assert.deepEqual(stores([request, command(5, "take", "login", "a", ofApp)]), [["Load pre_session once", false]]);
});

test("a user is drawn only where the browser says that the user acted", () => {
  const login = (request) => arrange([step({ kind: "request", from: "browser", to: "app1-bff", name: "GET /login", request })]).messages[0].kind;
  const header = (name, value) => ({ place: "header", name, value });
  assert.equal(login([]), "user");
  assert.equal(login([header("Sec-Fetch-Mode", "navigate"), header("Sec-Fetch-User", "?1")]), "user");
  assert.equal(login([header("sec-fetch-mode", "no-cors"), header("sec-fetch-dest", "image")]), "request");
});

test("a step that arrives twice is one step", () => {
  assert.deepEqual(written([...JOURNEY, ...JOURNEY]), written(JOURNEY));
});

test("unknown names, missing members and circles do not stop it", () => {
  const odd = [
    null, 5, "x", [], {}, { seq: 1 }, { span: "q", kind: "new kind", from: "mars", to: "venus" }, step({ span: "u", name: undefined, outcome: null, request: "x", response: [null, 3, {}] }),
    step({ span: "1", parent: "2" }), step({ span: "2", parent: "1" }), step({ span: "3", parent: "3" }), step({ span: "o", start: "x", end: NaN }),
    step({ span: "p", kind: "call", from: "idp", to: "__proto__", name: "constructor" }), step({ span: "v", attributes: null, kind: "store", from: "idp", to: "idp-store" }),
  ];
  const { messages } = arrange(odd);
  assert.ok(messages.length >= 7);
  for (const message of messages) assert.equal(typeof oneLine(message), "string");
});

test("what failed is the answer, or the check inside, and no request", () => {
  const token = step({ span: "a", kind: "request", from: "client", to: "idp", name: "POST /token", status: 400, outcome: "invalid_grant" });
  const check = step({ span: "b", parent: "a", name: "token.grant", outcome: "invalid_grant" });
  const { messages } = arrange([token, check]);
  assert.deepEqual(messages.map((one) => [one.kind, one.failed]), [["request", false], ["note", true], ["answer", true]]);
  assert.equal(oneLine(messages[2]), "400 Bad Request, invalid_grant");
});

test("a check that a weakness let pass has failed, and says which weakness", () => {
  const attributes = { "sso.weakness": "alg-none" };
  const check = step({ kind: "check", name: "api.token_check", service: "api-1", from: "api-1", to: "api-1", outcome: "ok", attributes });
  const { messages } = arrange([check]);
  const note = messages.find((one) => one.kind === "note");
  assert.equal(note.failed, true);
  assert.match(oneLine(note), /weakened: alg-none$/);
});

test("2,000 steps, and steps nested deeply, are all shown", () => {
  const many = Array.from({ length: 40 }, (_, round) => JOURNEY.map((one) => ({
    ...one, trace: `${round}${one.trace}`, seq: round * 100 + one.seq, start: one.start + round * 1e8, end: one.end + round * 1e8,
  }))).flat();
  assert.ok(many.length >= 2000);
  const { messages } = arrange(many);
  assert.equal(messages.length, 40 * arrange(JOURNEY).messages.length);
  const deep = Array.from({ length: MAX_STEPS }, (_, at) => step({ seq: at, span: `d${at}`, parent: at === 0 ? null : `d${at - 1}`, start: at }));
  assert.equal(arrange(deep).messages.length, MAX_STEPS);
});

test("a page of explain mode is named at the answer", () => {
  const request = (more) => step({ kind: "request", service: "idp", from: "browser", to: "idp", name: "GET /authorize", status: 200, ...more });
  const before = arrange([request({ attributes: { "sso.explained": "before" } })]).messages;
  assert.equal(oneLine(before[1]), "200 Explain mode waits");
  const location = { place: "header", name: "Location", value: "http://app1.localhost/callback" };
  const redirect = arrange([request({ status: 302, response: [location], attributes: { "sso.explained": "redirect" } })]).messages;
  assert.equal(oneLine(redirect[1]), "302 /callback, Explain mode waits");
});
