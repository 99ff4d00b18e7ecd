// The hook for the steps inside this page. It calls the page's listeners and sends
// nothing.

/** All steps, in the order of a first login. */
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

/** Calls `listener(name, details)` for each later step. */
export function onStep(listener) {
  listeners.add(listener);
}

/**
 * Reports the step `name`. `details`: `sent` and `got`, the values of the request and of
 * the response by name, and `refused`, a sentence after a failure.
 */
export function step(name, details = {}) {
  if (!STEPS.includes(name)) throw new Error(`there is no step ${name}`);
  for (const listener of listeners) listener(name, details);
}
