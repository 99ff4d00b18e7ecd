// What a call costs in each session mode, from the steps of the journey. Pure.

/** The calls that are compared: they read through the app, and its session authorizes them. */
const CALLS = /^GET \/api[12]\/(data|whoami)$/;

const key = (step) => `${step.trace}/${step.span}`;

/** The bytes of a request's cookies, names and values, without the lab's own. */
function cookieBytes(step) {
  const cookies = (step.request ?? []).filter((item) => item.place === "cookie" && !/lab_journey$/.test(item.name));
  const known = cookies.filter((item) => Number.isFinite(item.size));
  return known.reduce((sum, item) => sum + item.name.length + 1 + item.size, 0) + 2 * Math.max(0, known.length - 1);
}

/** The request of an app's page inside which `step` happened, or `undefined`. */
function requestOf(step, steps) {
  let at = step;
  for (let depth = 0; at && depth < 50; depth += 1) {
    if (at.kind === "request") return at;
    at = steps.get(`${at.trace}/${at.parent}`);
  }
  return undefined;
}

/**
 * The price of the latest call in each mode: `Map(mode → { bytes, commands, micros, call })`.
 * `all` are the raw steps, in any order.
 */
export function pricesOf(all) {
  const steps = new Map(all.map((step) => [key(step), step]));
  const latest = new Map();
  for (const step of all) {
    const mode = step.attributes?.["sso.session_mode"];
    if (step.name !== "session.load" || !mode) continue;
    const call = requestOf(step, steps);
    if (!call || !CALLS.test(call.name) || call.status !== 200) continue;
    if ((latest.get(mode)?.start ?? -1) < call.start) latest.set(mode, call);
  }
  return new Map([...latest].map(([mode, call]) => [mode, {
    bytes: cookieBytes(call), commands: call.store_commands, micros: call.micros, call: call.name,
  }]));
}
