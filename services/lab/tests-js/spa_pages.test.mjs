// The pure parts of the single-page app's page.

import assert from "node:assert/strict";
import { test } from "node:test";

import { noteOf } from "../assets/spa/address.js";

test("a note is in the query or behind the #, and is bounded", () => {
  assert.equal(noteOf({ search: "?note=%3Cb%3E", hash: "" }), "<b>");
  assert.equal(noteOf({ search: "", hash: "#note=x" }), "x");
  assert.equal(noteOf({ search: "", hash: "#other=x" }), null);
  assert.equal(noteOf({ search: "", hash: "" }), null);
  assert.equal(noteOf({ search: `?note=${"x".repeat(9000)}`, hash: "" }).length, 4096);
});
