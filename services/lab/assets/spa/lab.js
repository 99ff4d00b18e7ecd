// This page in a journey of the lab. Its requests to the provider and the API carry no cookie,
// so the page gets a pass from its own server and sends it with them. What it does between its
// requests it reports there, by name and time alone. Outside a journey nothing of this happens.

/** A pass is renewed when so much of its life is left, in ms. */
const MARGIN = 60_000;
/** The time limit of a call to the own server, in ms. */
const PATIENCE = 2000;

const isInJourney = () => globalThis.document?.getElementById("spa")?.dataset.inJourney === "true";
const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

/** The ids of the trace of the login with this `state`, and of its first span, as the services derive them. */
export async function traceOf(state) {
  const text = new TextEncoder().encode(`sso-lab journey v1\n${state}`);
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", text));
  return { trace: hex(hash.slice(0, 16)), span: hex(hash.slice(16, 24)) };
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

  constructor(ids, { fetch = (...all) => globalThis.fetch(...all), now = () => performance.now() } = {}) {
    this.#ids = ids;
    this.#fetch = fetch;
    this.#now = now;
  }

  /** Gets a pass, unless there is one that is good for a while. */
  async renew() {
    if (this.#now() < this.#until - MARGIN) return;
    const answer = await this.#fetch(`/lab/pass?trace=${this.#ids.trace}`, { signal: AbortSignal.timeout(PATIENCE) });
    if (!answer.ok) throw new Error(`no pass: ${answer.status}`);
    const { state, seconds, now } = await answer.json();
    this.#state = state;
    this.#until = this.#now() + seconds * 1000;
    this.#offset = now - this.#arrived(answer.url) * 1000;
  }

  /** When the answer of `url` arrived at the browser: this page may have been busy then. */
  #arrived(url) {
    const timings = globalThis.performance?.getEntriesByName?.(url, "resource") ?? [];
    return timings.at(-1)?.responseStart || this.#now();
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
