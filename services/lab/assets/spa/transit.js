// What has to outlive the way to the provider and back: state, nonce and
// code_verifier of one login. The page is gone meanwhile, so they wait in this
// tab's sessionStorage, and are deleted when they are used. No token is ever here.

const KEY = "login";

/** Keeps the login that begins. One a tab: a newer one takes its place. */
export function keep(login) {
  sessionStorage.setItem(KEY, JSON.stringify(login));
}

/** The login that waits, once; null without one. */
export function take() {
  const kept = sessionStorage.getItem(KEY);
  sessionStorage.removeItem(KEY);
  return kept && JSON.parse(kept);
}
