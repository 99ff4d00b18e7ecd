// The pure parts of the single-page app's page.

import assert from "node:assert/strict";
import { test } from "node:test";

import { noteOf } from "../assets/spa/address.js";
import { failuresInForce } from "../assets/spa/failures.js";
import { unavailability } from "../assets/spa/unavailable.js";
import { readable } from "../assets/spa/values.js";

test("a note is in the query or behind the #, and is bounded", () => {
  assert.equal(noteOf({ search: "?note=%3Cb%3E", hash: "" }), "<b>");
  assert.equal(noteOf({ search: "", hash: "#note=x" }), "x");
  assert.equal(noteOf({ search: "", hash: "#other=x" }), null);
  assert.equal(noteOf({ search: "", hash: "" }), null);
  assert.equal(noteOf({ search: `?note=${"x".repeat(9000)}`, hash: "" }).length, 4096);
});

const SECRET = "kJ3x_0PqTzW9vR5uYb7NcD1eFgHiLmAo2sBtCwVxZyE";

test("a value that proves something is shown by its beginning alone", () => {
  for (const name of ["code", "state", "nonce", "code_verifier", "state that was sent", "nonce that was sent"]) {
    assert.equal(readable(name, SECRET), "kJ3x_0… (43 characters)", name);
  }
  assert.equal(readable("code_challenge", SECRET), SECRET);
  assert.equal(readable("state", "the same"), "the same");
  assert.ok(!readable("refresh_token", SECRET.repeat(2)).includes(SECRET));
  assert.equal(readable("expires_in", 900), "900");
});

test("an answer of 503 is no violation of the protocol: the page repeats the service's sentence", async () => {
  const failed = (status, body) => Object.assign(new Error("not conform"), { cause: new Response(body, { status }) });
  const busy = JSON.stringify({ error: "temporarily_unavailable", error_description: "The store does not answer." });
  assert.equal(await unavailability(failed(503, busy)), "The service is temporarily unavailable (503). Try again in a moment. It says: The store does not answer.");
  assert.equal(await unavailability(failed(503, "<html>")), "The service is temporarily unavailable (503). Try again in a moment.");
  assert.match(await unavailability(failed(500, "{}")), /^The service is failing \(500\)/);
  assert.ok((await unavailability(failed(503, JSON.stringify({ detail: "x".repeat(5000) })))).length < 400);
  assert.equal(await unavailability(failed(400, busy)), null);
  assert.equal(await unavailability(new Error("other")), null);
});

test("the page's own server says what the lab has let fail, and only in a lab", async () => {
  const asked = [];
  const answering = (body, status = 200) => async (url) => {
    asked.push(url);
    return new Response(body, { status });
  };
  const down = answering(JSON.stringify({ in_force: ["idp: switched off.", 7] }));
  assert.deepEqual(await failuresInForce(true, down), ["idp: switched off."]);
  assert.deepEqual(asked, ["/lab/failures"]);
  assert.deepEqual(await failuresInForce(false, down), []);
  assert.equal(asked.length, 1);
  for (const odd of [answering("no JSON"), answering("{}"), answering("{}", 404), async () => { throw new TypeError("gone"); }]) {
    assert.deepEqual(await failuresInForce(true, odd), []);
  }
});
