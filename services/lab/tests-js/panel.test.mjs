// What the panel says, and that nothing secret is in it or in a file.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { describe, duration } from "../assets/journey/detail.js";
import { readRecording, recording, scaleFor, svgFile } from "../assets/journey/export.js";
import { layOut } from "../assets/journey/layout.js";
import { cookieAttributes, meaning } from "../assets/journey/meanings.js";
import { mermaid } from "../assets/journey/mermaid.js";
import { COLOURS } from "../assets/journey/picture.js";
import { rule, ruleOf, sectionOf } from "../assets/journey/rules.js";
import { arrange } from "../assets/journey/steps.js";
import { oneLine } from "../assets/journey/wording.js";
import { JOURNEY } from "./fixture.mjs";
import { step } from "./support.mjs";

const { messages } = arrange(JOURNEY);
const find = (name, kind) => messages.find((one) => one.step.name === name && one.kind === kind);
const detail = (name, kind) => describe(find(name, kind), messages);
const colours = Object.fromEntries(COLOURS.map((name) => [name, "#123456"]));

/** The names of the registry's spans and requests, from its source. */
function registry() {
  const at = new URL("../../../crates/kit/src/telemetry/names/", import.meta.url);
  const spans = readFileSync(new URL("spans.rs", at), "utf8").matchAll(/^ {4}[A-Z_]+ = "([^"]+)",/gm);
  const requests = readFileSync(new URL("requests.rs", at), "utf8").matchAll(/"((?:GET|POST) \/[^"]*|sso\.[\w.]+\/\w+)"/g);
  return [...spans, ...requests].map(([, name]) => name);
}

test("every span and request of the telemetry registry has its rule", () => {
  const names = registry();
  assert.ok(names.length > 60, `${names.length}`);
  assert.deepEqual(names.filter((name) => !rule(name)), []);
});

test("every parameter, header and cookie of a login has its meaning", () => {
  const unknown = messages.flatMap((one) => one.items).filter((item) => !meaning(item) && item.place !== "token").map((item) => item.name);
  assert.deepEqual(unknown, []);
});

test("the panel says which step has the same value: the state that left is the one that came back", () => {
  const [query] = detail("GET /callback", "request").sections.filter((section) => section.title === "Parameters in the address");
  const state = query.rows.find((row) => row.name === "state");
  assert.deepEqual(state.same.map((one) => one.number), [4, 5, 13]);
  assert.equal(state.value, null);
  const idToken = detail("POST /token", "answer").tokens.find((token) => token.name === "id_token");
  assert.equal(idToken.rows.find((row) => row.name === "nonce").now, "●n0nce1");
  const nonce = detail("GET /authorize", "request").sections[0].rows.find((row) => row.name === "nonce");
  assert.ok(nonce.same.some((one) => one.name === "id_token.nonce"));
});

test("at an exchange both tokens stand beside each other: aud, act, scope (RFC 8693 §4.1)", () => {
  const [token] = detail("sso.idp.v1.TokenExchange/Exchange", "answer").tokens;
  assert.equal(token.former.name, "subject_token");
  const row = (name) => token.rows.find((one) => one.name === name);
  assert.deepEqual([row("aud").before, row("aud").now, row("aud").changed], ["https://api-1", "https://api-2", true]);
  assert.deepEqual([row("act").before, row("act").now], [null, '{"sub":"api-1"}']);
  assert.deepEqual([row("sub").changed, row("scope").changed], [false, true]);
  assert.ok(row("aud").meaning.section === "RFC 7519 §4.1.3");
});

test("the same token again is not compared with itself", () => {
  const [token] = detail("sso.inventory.v1.Inventory/List", "request").tokens;
  assert.equal(token.former, null);
});

test("the panel has method, path, status, duration, store commands, rule and section", () => {
  const made = detail("GET /login", "answer");
  const facts = Object.fromEntries(made.facts);
  assert.deepEqual([facts.Method, facts.Path, facts.Status, facts.Took, facts["Store commands"]], ["GET", "/login", "302", "3.2\u00a0ms", "2"]);
  assert.equal(made.rules[0].spec, "OIDC Core §3.1.2.1");
  const cookie = made.sections.find((section) => /Cookies/.test(section.title)).rows[0];
  assert.deepEqual(cookie.attributes.map((one) => one.attribute), ["HttpOnly", "Secure", "SameSite=Lax", "Path=/", "Max-Age=600"]);
  const called = detail("POST /token", "request");
  assert.deepEqual(called.rules.map((one) => one.words), ["The app redeems the code", "The token request"]);
  assert.equal(called.partner.kind, "answer");
});

test("the provider and the APIs do not count their commands: those below the request are counted, and the service's own alone", () => {
  const facts = (name, kind) => Object.fromEntries(detail(name, kind).facts);
  assert.equal(facts("POST /token", "answer")["Store commands"], "4");
  assert.equal(facts("POST /token", "request")["Store commands"], "4");
  assert.equal(facts("sso.inventory.v1.Inventory/List", "answer")["Store commands"], "0");
  const command = (span, parent, service) => step({ span, parent, kind: "store", service, from: service, to: `${service}-store`, name: "store" });
  const nested = arrange([
    step({ span: "a", kind: "request", service: "api-1", from: "client", to: "api-1", name: "GET /report" }), command("b", "a", "api-1"),
    step({ span: "c", parent: "a", kind: "request", service: "api-2", from: "client", to: "api-2", name: "GET /resource" }), command("d", "c", "api-2"), command("e", "c", "api-2"),
    step({ span: "f", parent: "a", kind: "request", service: "spa", from: "client", to: "spa", name: "GET /x" }),
  ]).messages;
  const cost = (name) => Object.fromEntries(describe(nested.find((one) => one.kind === "answer" && one.step.name === name), nested).facts)["Store commands"];
  assert.deepEqual(["GET /report", "GET /resource", "GET /x"].map(cost), ["1", "2", undefined]);
});

test("the token endpoint has a sentence for each grant type, and a code is named where there is one", () => {
  const said = (value) => ruleOf(step({ name: "POST /token", request: value ? [{ place: "form", name: "grant_type", value }] : [] }));
  const urn = "urn:ietf:params:oauth:grant-type:";
  const grants = ["authorization_code", "refresh_token", "client_credentials", `${urn}token-exchange`, `${urn}jwt-bearer`, `${urn}device_code`];
  assert.equal(new Set(grants.map(said)).size, grants.length);
  for (const grant of grants) assert.ok(said(grant).startsWith(`${rule("POST /token")} Here `), grant);
  assert.deepEqual(grants.filter((grant) => /Here a code becomes tokens/.test(said(grant))), ["authorization_code"]);
  for (const odd of [undefined, "constructor", "password"]) assert.equal(said(odd), rule("POST /token"));
});

test("a call to an API without an access token says what it brings in its place", () => {
  const call = (name, credential) => step({ name, spec: "", attributes: { "sso.credential": credential } });
  for (const name of ["proxy.upstream", "GET /resource"]) {
    const [key, header] = ["api_key", "identity_header"].map((credential) => call(name, credential));
    assert.match(ruleOf(key), /^The call brings an API key /);
    assert.match(ruleOf(header), /^The call states who the user is/);
    assert.ok(sectionOf(key) && sectionOf(header));
    for (const other of ["refresh", "constructor", undefined]) assert.equal(ruleOf(call(name, other)), rule(name));
  }
});

test("a check's sentence stands once in the panel, and its section with the rule", () => {
  const made = detail("login.pre_session", "note");
  assert.deepEqual(made.title, ["The app makes state, nonce and PKCE verifier and stores them"]);
  assert.deepEqual(made.rules.map(({ words, spec }) => [words, spec]), [["", "RFC 9700 §2.1"]]);
});

test("every arrow and check of a journey has a sentence and a section, a page and the store too", () => {
  const pages = arrange([
    step({ span: "1", kind: "request", service: "app1-bff", from: "browser", to: "app1-bff", name: "GET /" }),
    step({ span: "2", kind: "request", service: "app1-bff", from: "browser", to: "app1-bff", name: "GET /sessions", start: 20 }),
    step({ span: "3", kind: "request", service: "app1-bff", from: "browser", to: "app1-bff", name: "GET /api1/report", step: "A call", start: 30 }),
    step({ span: "4", parent: "3", service: "app1-bff", from: "app1-bff", to: "app1-bff", name: "session.load", start: 31 }),
    step({ span: "5", parent: "4", kind: "store", service: "app1-bff", from: "app1-bff", to: "app1-store", name: "store", start: 32 }),
  ]).messages;
  for (const all of [messages, pages]) {
    for (const message of all) {
      const [last] = describe(message, all).rules.slice(-1);
      assert.ok(last?.text && last.spec, `${message.step.name} ${message.kind}`);
    }
  }
});

test("what API-1 knows a caller by has a meaning", () => {
  for (const name of ["X-API-Key", "x-identity"]) assert.ok(meaning({ place: "header", name }).text);
});

test("durations have the unit that reads best", () => {
  assert.deepEqual([12, 3200, 45_000, 2_500_000, -1, undefined].map(duration), ["12\u00a0µs", "3.2\u00a0ms", "45\u00a0ms", "2.5\u00a0s", null, null]);
});

test("cookie attributes are told apart, with what each does", () => {
  assert.deepEqual(cookieAttributes("HttpOnly; SameSite=Lax;").map((one) => one.text !== ""), [true, true]);
  assert.deepEqual(cookieAttributes(undefined), []);
});

/** Names whose values no page may show, each with a value that a careless server sends. */
const LEAK = "LEAKED-SECRET";
const PLACES = [["query", "code"], ["query", "state"], ["form", "password"], ["form", "client_secret"], ["form", "code_verifier"], ["form", "Client_Assertion"],
  ["form", "refresh_token"], ["json", "access_token"], ["json", "id_token"], ["header", "Authorization"], ["header", "DPoP"], ["cookie", "any"], ["token", "access_token"], ["query", "id_token_hint"]];
const CARELESS = [step({
  kind: "request", from: "browser", to: "idp", name: "POST /sign-in", status: 302,
  request: PLACES.map(([place, name]) => ({ place, name, value: LEAK, size: 13, ...(place === "token" ? { claims: { sub: "u" } } : {}) })),
  response: PLACES.map(([place, name]) => ({ place, name, value: LEAK, size: 13 })),
})];

test("a value that is secret is in no label, panel or file, even if the server sends it", () => {
  const arranged = arrange(CARELESS);
  const said = arranged.messages.map((one) => [oneLine(one), describe(one, arranged.messages)]);
  const files = [svgFile(layOut(arranged), colours).text, mermaid(arranged), recording(CARELESS), readRecording(JSON.stringify({ version: 1, steps: CARELESS }))];
  assert.ok(!JSON.stringify(said).includes(LEAK));
  assert.ok(!JSON.stringify(files).includes(LEAK));
});

test("unknown names and missing members have a panel too", () => {
  const odd = [step({ span: "1", kind: "call", to: "x", name: "constructor", request: [{}, { place: "token", claims: { __proto__: 1, toString: 2, exp: 1e300 } }, { place: "query", name: 5, fingerprint: {} }] }),
    step({ span: "2", response: [{ place: "token", name: "t", claims: [], header: "x" }] }), {}];
  const arranged = arrange(odd);
  for (const message of arranged.messages) assert.ok(describe(message, arranged.messages).title.length > 0);
});

test("a recording opens again, and another file is refused with a sentence", () => {
  const text = JSON.stringify(recording(JOURNEY));
  assert.equal(JSON.parse(text).started, Math.min(...JOURNEY.map((one) => one.start)));
  assert.deepEqual(arrange(readRecording(text)).messages.map(oneLine), messages.map(oneLine));
  for (const wrong of ["", "{", "null", "[]", '{"version":2,"steps":[]}', '{"version":1}', JSON.stringify({ version: 1, steps: Array(5001).fill({}) })]) {
    assert.throws(() => readRecording(wrong), /recording/);
  }
  assert.deepEqual(readRecording('{"version":1,"steps":[null,3]}'), []);
  // A file that anybody may have written.
  const items = Array.from({ length: 1000 }, () => ({ place: "query", name: "x" }));
  const odd = readRecording(JSON.stringify({ version: 1, steps: [{ trace: { toString: 1 }, span: "a", name: [], request: items, response: "x" }] }));
  assert.doesNotThrow(() => arrange(odd, { settled: true }));
  assert.ok(odd[0].request.length <= 200 && odd[0].response.length === 0);
});

test("the SVG file has its colours in it, is well-formed and escapes what others wrote", () => {
  const { text } = svgFile(layOut(arrange(JOURNEY)), colours);
  assert.ok(!/var\(|class=|<style|undefined|NaN|@/.test(text));
  const open = [];
  for (const [, ends, name, closed] of text.matchAll(/<(\/?)(\w+)[^<>]*?(\/?)>/g)) {
    if (ends) assert.equal(open.pop(), name);
    else if (!closed) open.push(name);
  }
  assert.deepEqual(open, []);
  const odd = svgFile(layOut(arrange([step({ name: "<script>&\"'\u0000\ud800", outcome: "<b>" })])), colours).text;
  assert.ok(!/<script|<b>|\u0000|\ud800/.test(odd) && odd.includes("&lt;script&gt;&amp;"), odd);
});

test("a picture that no browser can draw is refused", () => {
  assert.equal(scaleFor({ width: 1300, height: 3000 }), 2);
  assert.equal(scaleFor({ width: 1300, height: 15_000 }), 1);
  assert.equal(scaleFor({ width: 1300, height: 400_000 }), 0);
});

test("the Mermaid text has the seed's form and escapes what has a meaning there", () => {
  const text = mermaid(arrange(JOURNEY));
  assert.match(text, /^sequenceDiagram\n {4}autonumber\n {4}actor p1 as User\n/);
  const lines = text.split("\n").map((line) => line.trim()).filter(Boolean);
  const known = /^(sequenceDiagram|autonumber|end|(actor|participant) p\d+ as [\w -]+|rect rgb\(255,200,200\)|Note over p\d+(,p\d+)?: .+|p\d+ -?->> p\d+: .+)$/;
  assert.deepEqual(lines.filter((line) => !known.test(line)), []);
  assert.equal(lines.filter((line) => /->>/.test(line)).length, messages.filter((one) => one.number !== null).length);
  assert.equal(lines.filter((line) => line.startsWith("rect")).length, lines.filter((line) => line === "end").length);
  const odd = mermaid(arrange([step({ step: 'a;b#c<d>%%e\nend: "x" {y} `z` \\ &lt;', spec: "" })]));
  const [, label] = /Note over p1: (a.*)/.exec(odd);
  assert.ok(!/[<>%{}`"\\\n]|\bend\b/.test(label.replaceAll("<br/>", "")), label);
  assert.ok(!/;/.test(label.replace(/#(\w+);/g, "")), label);
});
