// The single-page app in a journey: its pass, and its reports.

import assert from "node:assert/strict";
import { test } from "node:test";
import { checking, Guest, send, traceOf } from "../assets/spa/lab.js";

const IDS = { trace: "7".repeat(32), span: "8".repeat(16) };

/** A server that gives passes, and what it was asked. */
function server({ status = 200 } = {}) {
  const asked = [];
  let passes = 0;
  const fetch = async (url, init) => {
    asked.push({ url, init });
    if (url === "/lab/steps") return new Response(null, { status: 204 });
    passes += 1;
    const body = JSON.stringify({ state: `sso-lab=pass${passes}`, seconds: 900, now: 1_800_000_000_000_000 });
    return new Response(body, { status });
  };
  return { asked, fetch };
}

test("the trace is the one that the services derive from state", async () => {
  // The same as in crates/kit/src/telemetry/login_trace.rs.
  assert.deepEqual(await traceOf("S555"), { trace: "8320a5114131c612af17994ed442ea9e", span: "f527df6c10956ac1" });
});

test("requests carry the pass, which is renewed before it ends", async () => {
  const { asked, fetch } = server();
  let now = 1000;
  const guest = new Guest(IDS, { fetch, now: () => now });
  assert.deepEqual(guest.headers(), {});
  await guest.renew();
  assert.equal(asked[0].url, `/lab/pass?trace=${IDS.trace}`);
  assert.deepEqual(guest.headers(), { traceparent: `00-${IDS.trace}-${IDS.span}-00`, tracestate: "sso-lab=pass1" });
  now += 800_000;
  await guest.renew();
  assert.equal(asked.length, 1);
  now += 50_000;
  await guest.renew();
  assert.equal(guest.headers().tracestate, "sso-lab=pass2");
});

test("a report has a name, times by the server's clock and an outcome, and nothing else", async () => {
  const { asked, fetch } = server();
  let now = 1000;
  const guest = new Guest(IDS, { fetch, now: () => now });
  await guest.tell("page.key", 1000);
  assert.equal(asked.length, 0, "without a pass there is no report");
  await guest.renew();
  now = 1007.5;
  await guest.tell("page.id_token_check", 1005, false);
  const { url, init } = asked[1];
  assert.equal(url, "/lab/steps");
  assert.equal(init.headers.tracestate, "sso-lab=pass1");
  assert.deepEqual(JSON.parse(init.body), [{ name: "page.id_token_check", at: 1_800_000_000_005_000, took: 2500, ok: false }]);
});

test("a page whose server answers late asks for the time again, a few times at most", async () => {
  const { asked, fetch } = server();
  const clock = (delays) => {
    let now = 0;
    let at = 0;
    return {
      now: () => now,
      // The server's clock shows 1 800 000 000 000 000 µs when the page's shows 0.
      fetch: async (url, init) => {
        const answer = await fetch(url, init);
        if (url === "/lab/steps") return answer;
        const { before, after } = delays[Math.min(at++, delays.length - 1)];
        const body = await answer.json();
        body.now += (now + before) * 1000;
        now += before + after;
        return new Response(JSON.stringify(body));
      },
    };
  };
  const toldAt = async (delays) => {
    asked.length = 0;
    const guest = new Guest(IDS, clock(delays));
    await guest.renew();
    const passes = asked.length;
    await guest.tell("page.key", 1000);
    return [passes, JSON.parse(asked.at(-1).init.body)[0].at - 1_800_000_001_000_000];
  };
  assert.deepEqual(await toldAt([{ before: 1, after: 1 }]), [1, 0]);
  assert.deepEqual(await toldAt([{ before: 2, after: 90 }, { before: 1, after: 1 }]), [2, 0]);
  const [passes, error] = await toldAt([{ before: 0, after: 80 }, { before: 60, after: 2 }, { before: 30, after: 30 }]);
  assert.equal(passes, 2, "both answers together leave 2 ms open");
  assert.ok(Math.abs(error) <= 1000, `${error} µs`);
  assert.deepEqual((await toldAt([{ before: 40, after: 40 }]))[0], 5);
});

test("the browser's own times of the request count, if it has them", async () => {
  const { asked, fetch } = server();
  let now = 1000;
  const timing = (url, since) => ({ sent: since + 1, came: since + 3 });
  const guest = new Guest(IDS, { fetch, now: () => (now += 50), timing });
  await guest.renew();
  // The clock is at 1100 when the page asks, so the middle is at 1102.
  await guest.tell("page.key", 1102);
  assert.equal(JSON.parse(asked.at(-1).init.body)[0].at, 1_800_000_000_000_000);
});

test("a refused pass leaves the page without one", async () => {
  const guest = new Guest(IDS, { fetch: server({ status: 404 }).fetch, now: () => 1000 });
  await assert.rejects(guest.renew(), /no pass: 404/);
  assert.deepEqual(guest.headers(), {});
});

test("outside a journey a check and a request are what they were", async () => {
  assert.equal(checking("page.answer_check", () => 5), 5);
  assert.equal(await checking("page.answer_check", async () => 6), 6);
  assert.throws(() => checking("page.answer_check", () => { throw new Error("no"); }), /no/);
  await assert.rejects(checking("page.answer_check", async () => { throw new Error("no"); }), /no/);
  const before = globalThis.fetch;
  globalThis.fetch = async (url, init) => ({ url, init });
  try {
    assert.deepEqual(await send("http://idp.localhost/token", { method: "POST" }), { url: "http://idp.localhost/token", init: { method: "POST" } });
  } finally {
    globalThis.fetch = before;
  }
});
