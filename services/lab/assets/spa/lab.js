// This page in a journey of the lab. Its requests to the provider and the API carry no cookie,
// so the page gets a pass from its own server and sends it with them. What it does between its
// requests it reports there, by name and time alone. Outside a journey nothing of this happens.

/** A pass is renewed when so much of its life is left, in ms. */
const MARGIN = 60_000;
/** The time limit of a call to the own server, in ms. */
const PATIENCE = 2000;
/**
 * A request that takes so long, in ms, tells the server's time too roughly: a step of the page
 * would stand on the wrong side of a request. The page then asks again, so many times at most.
 */
const EXACT = 4;
const SAMPLES = 5;

const isInJourney = () => globalThis.document?.getElementById("spa")?.dataset.inJourney === "true";
const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

/** The ids of the trace of the login with this `state`, and of its first span, as the services derive them. */
export async function traceOf(state) {
  const text = new TextEncoder().encode(`sso-lab journey v1\n${state}`);
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", text));
  return { trace: hex(hash.slice(0, 16)), span: hex(hash.slice(16, 24)) };
}

/** The times of the request for `url` that began after `asked`; `null` if the browser has none yet. */
function timingOf(url, asked) {
  const timings = globalThis.performance?.getEntriesByName?.(url, "resource") ?? [];
  const { requestStart: sent, responseStart: came } = timings.findLast((one) => one.startTime >= asked) ?? {};
  return sent > 0 && came > 0 ? { sent, came } : null;
}

/** The page's part of one login: its trace and the pass for it. */
export class Guest {
  #ids;
  #fetch;
  #now;
  #state = null;
  #until = 0;
  /** What the server's clock shows when this page's clock shows 0, in µs. */
  #offset = 0;
  /** When a request left the browser and when its answer came: this page may have been busy. */
  #timing;

  constructor(ids, { fetch = (...all) => globalThis.fetch(...all), now = () => performance.now(), timing = timingOf } = {}) {
    this.#ids = ids;
    this.#fetch = fetch;
    this.#now = now;
    this.#timing = timing;
  }

  /** Gets a pass, unless there is one that is good for a while. */
  async renew() {
    if (this.#now() < this.#until - MARGIN) return;
    // The server read its clock between `sent` and `came`: the more answers, the less is open.
    let [least, most] = [-Infinity, Infinity];
    for (let sample = 0; sample < SAMPLES && most - least > EXACT * 1000; sample += 1) {
      const { sent, came, now } = await this.#ask();
      least = Math.max(least, now - came * 1000);
      most = Math.min(most, now - sent * 1000);
    }
    this.#offset = (least + most) / 2;
  }

  /** Gets a pass, with the server's time and the page's times around it. */
  async #ask() {
    const asked = this.#now();
    const answer = await this.#fetch(`/lab/pass?trace=${this.#ids.trace}`, { signal: AbortSignal.timeout(PATIENCE) });
    if (!answer.ok) throw new Error(`no pass: ${answer.status}`);
    const { state, seconds, now } = await answer.json();
    this.#state = state;
    this.#until = this.#now() + seconds * 1000;
    return { ...(this.#timing(answer.url, asked) ?? { sent: asked, came: this.#now() }), now };
  }

  /** The headers that make a request part of the journey; none without a pass. */
  headers() {
    if (this.#state === null) return {};
    return { traceparent: `00-${this.#ids.trace}-${this.#ids.span}-00`, tracestate: this.#state };
  }

  /** Reports the step `name`, which began at `began` and ends now. */
  async tell(name, began, ok = true) {
    if (this.#state === null) return;
    const told = [{ name, at: Math.round(this.#offset + began * 1000), took: Math.round((this.#now() - began) * 1000), ok }];
    await this.#fetch("/lab/steps", {
      method: "POST",
      headers: { "content-type": "application/json", ...this.headers() },
      body: JSON.stringify(told),
      // The page may be about to go elsewhere.
      keepalive: true,
    });
  }
}

let guest = null;

/** Now, for `tell`. */
export const begin = () => performance.now();

/** From now on this page's requests are part of the login with this `state`, in a journey. */
export async function enter(state) {
  if (!isInJourney()) return;
  try {
    const own = new Guest(await traceOf(state));
    await own.renew();
    guest = own;
  } catch (error) {
    // The login goes on; the diagram lacks the page's part.
    console.warn("The lab's journey does not show this page:", error.message);
    guest = null;
  }
}

/** Reports the step `name`, which began at `began` and ends now. */
export function tell(name, began = begin(), ok = true) {
  guest?.tell(name, began, ok).catch(() => {});
}

/** Runs `check` and reports it as the step `name`. */
export function checking(name, check) {
  const began = begin();
  const failed = (error) => {
    tell(name, began, false);
    throw error;
  };
  const passed = (value) => {
    tell(name, began);
    return value;
  };
  try {
    const value = check();
    return value instanceof Promise ? value.then(passed, failed) : passed(value);
  } catch (error) {
    return failed(error);
  }
}

/** As `fetch`, with the journey of this page. */
export async function send(url, init) {
  if (guest === null) return fetch(url, init);
  await guest.renew().catch(() => {});
  const headers = new Headers(init?.headers);
  for (const [name, value] of Object.entries(guest.headers())) headers.set(name, value);
  return fetch(url, { ...init, headers });
}
