// The inspector's countdown.

import assert from "node:assert/strict";
import { test } from "node:test";

import { words } from "../assets/inspector/lives.js";

test("a life ticks by the second, and one of days is in days", () => {
  assert.deepEqual([5, 61, 3600, 86_399, 7 * 86_400 - 60].map(words), ["5 s", "1 min 1 s", "1 h 0 min 0 s", "23 h 59 min 59 s", "6 d 23 h 59 min"]);
});
