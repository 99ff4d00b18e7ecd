// The one hook through which the steps inside this page go. It calls whoever
// listens in the page, and sends nothing anywhere.

/** Every step that there is, in the order of a first walk. */
export const STEPS = Object.freeze([
  "login.discovery",
  "login.prepare",
  "login.redirect",
  "login.at_provider",
  "callback.received",
  "callback.check",
  "callback.code_exchange",
  "callback.id_token_check",
  "userinfo.call",
  "api.call",
  "tokens.refresh",
  "tokens.replay",
  "logout.revoke",
  "logout.forget",
  "logout.redirect",
]);

const listeners = new Set();

/** Calls `listener(name, details)` for each step from now on. */
export function onStep(listener) {
  listeners.add(listener);
}

/**
 * Says that the step `name` was taken. `details`: `sent` and `got`, what went out
 * and what came back by name, and `refused`, a sentence where it failed.
 */
export function step(name, details = {}) {
  if (!STEPS.includes(name)) throw new Error(`there is no step ${name}`);
  for (const listener of listeners) listener(name, details);
}
