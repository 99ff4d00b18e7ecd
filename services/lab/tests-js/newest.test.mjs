// The newest arrow stays in sight, and nobody who reads is moved.

import assert from "node:assert/strict";
import { test } from "node:test";

import { isAtEnd, windowMoves } from "../assets/journey/newest.js";

test("a reader near the end looks at it", () => {
  const place = (scrollTop) => ({ scrollTop, clientHeight: 400, scrollHeight: 1000 });
  assert.deepEqual([600, 530, 500, 0].map((top) => isAtEnd(place(top))), [true, true, false, false]);
  assert.ok(isAtEnd({ scrollTop: 0, clientHeight: 0, scrollHeight: 0 }));
});

test("the window moves at the first arrow, and while another window is in use", () => {
  const moves = (isPart, isFirst, hasFocus) => windowMoves({ isPart, isFirst, hasFocus });
  assert.ok(moves(false, true, true) && moves(false, false, false));
  assert.ok(!moves(false, false, true), "the reader of this window is not moved");
  assert.ok(!moves(true, true, false), "a page of a scenario moves by itself");
});
