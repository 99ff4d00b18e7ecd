// The inspector's countdown.

import assert from "node:assert/strict";
import { test } from "node:test";

import { words } from "../assets/inspector/lives.js";

test("a life ticks by the second, and one of days is in days", () => {
  assert.deepEqual([5, 61, 3600, 86_399, 7 * 86_400 - 60].map(words), ["5\u00a0s", "1\u00a0min 1\u00a0s", "1\u00a0h 0\u00a0min 0\u00a0s", "23\u00a0h 59\u00a0min 59\u00a0s", "6\u00a0d 23\u00a0h 59\u00a0min"]);
});
