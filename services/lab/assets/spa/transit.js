// The values of one login that must survive the redirect to the provider: state, nonce
// and code_verifier. They are in this tab's sessionStorage until they are used. Tokens are
// never stored here.

const KEY = "login";

/** Stores the login in progress. A tab has one: a newer login replaces it. */
export function keep(login) {
  sessionStorage.setItem(KEY, JSON.stringify(login));
}

/** Takes the login in progress; null if there is none. */
export function take() {
  const kept = sessionStorage.getItem(KEY);
  sessionStorage.removeItem(KEY);
  return kept && JSON.parse(kept);
}
