// The notices at the top of every page: they count down, and the lab is asked with measure.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

const text = readFileSync(new URL("../../../crates/web-kit/assets/notices.js", import.meta.url), "utf8");
const { ending, noticesOf, watch } = await import(`data:text/javascript,${encodeURIComponent(text)}`);

const notice = (more) => ({ text: "idp: down.", remaining_ms: 5000, href: "/failures", ...more });

test("a notice counts down in whole seconds to its end", () => {
  assert.deepEqual([41_500, 1, 0, -5].map(ending), ["It ends in 42\u00a0s.", "It ends in 1\u00a0s.", "It has ended.", "It has ended."]);
});

test("what is no notice is passed over, and no link leads to a script", () => {
  for (const odd of [null, 5, {}, { notices: 1 }, { notices: [null, 5, {}] }]) assert.deepEqual(noticesOf(odd), []);
  const links = ["/failures", "http://lab.localhost/failures", "https://lab/x", "javascript:alert(1)", "//evil", ""];
  assert.deepEqual(noticesOf({ notices: links.map((href) => notice({ href })) }).map((one) => one.href), links.slice(0, 3));
  assert.equal(noticesOf({ notices: Array(500).fill(notice()) }).length, 40);
});

/** A watch whose time a test moves. */
function watching(answer) {
  const seen = { asked: 0, shown: [], pauses: [] };
  let run;
  let visible = true;
  watch({
    ask: async () => {
      seen.asked += 1;
      return answer();
    },
    show: (list) => seen.shown.push(list.length), isSeen: () => visible,
    wait: (next, pause) => {
      run = next;
      seen.pauses.push(pause);
    },
  });
  return { seen, next: () => run(), hide: () => { visible = false; } };
}

test("a page asks every three seconds, learns what begins and what ends, and not while it is out of sight", async () => {
  let notices = [];
  const { seen, next, hide } = watching(() => ({ notices }));
  await next();
  notices = [notice()];
  await next();
  notices = [];
  await next();
  assert.deepEqual(seen.shown, [0, 1, 0]);
  hide();
  await next();
  assert.equal(seen.asked, 3);
  assert.deepEqual([...new Set(seen.pauses)], [3000]);
});

test("while the lab does not answer it is asked less and less often, at most once a minute", async () => {
  let away = true;
  const { seen, next } = watching(() => {
    if (away) throw new Error("away");
    return { notices: [] };
  });
  for (let at = 0; at < 8; at += 1) await next();
  assert.deepEqual(seen.pauses.slice(0, 4), [3000, 6000, 12_000, 24_000]);
  assert.equal(Math.max(...seen.pauses), 60_000);
  away = false;
  await next();
  assert.equal(seen.pauses.at(-1), 3000);
});

test("the page of the switches counts the rows of its own list, and leaves the notices to their script", () => {
  const list = readFileSync(new URL("../assets/failures/failures.js", import.meta.url), "utf8");
  const selectors = [...list.matchAll(/querySelectorAll\("([^"]+)"\)/g)].map(([, selector]) => selector);
  assert.deepEqual(selectors, [".in-force [data-remaining]"]);
});
