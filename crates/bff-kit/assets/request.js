// Requests of this page to its own app.

/**
 * `fetch` for this app only. Another site's page can send X-CSRF only after a preflight,
 * which this app does not answer.
 */
export function request(path, options = {}) {
  const headers = { "X-CSRF": "1", Accept: "application/json", ...options.headers };
  return fetch(path, { ...options, headers, credentials: "same-origin", redirect: "error" });
}
