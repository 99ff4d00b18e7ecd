// What a page may show of an item: the value of what is public, and of all else its
// fingerprint. The server decides; a name in this list is never shown whatever it sends.

const SECRET = new Set([
  "access_token", "refresh_token", "id_token", "id_token_hint", "token", "subject_token", "actor_token", "logout_token",
  "code", "device_code", "user_code", "code_verifier", "client_secret", "client_assertion", "assertion", "request",
  "password", "state", "nonce", "csrf_token", "form_token", "session_id", "api_key", "x-api-key", "secret", "sid",
  "authorization", "proxy-authorization", "cookie", "set-cookie", "dpop", "x-csrf-token", "request_uri",
]);

/** The most characters of a value on the page. */
const LONGEST = 2000;

/** The schemes of a header Authorization, which are all that is shown of it. */
const SCHEMES = /^(Bearer|DPoP|Basic)$/i;

/** Whether the value of `item` stays hidden. */
function isSecret(item) {
  if (item.place === "header" && /^authorization$/i.test(item.name)) return !SCHEMES.test(item.value);
  return item.place === "cookie" || item.place === "token" || SECRET.has(String(item.name ?? "").toLowerCase());
}

/** The public value of `item` as text, or `null`. */
export function publicValue(item) {
  if (isSecret(item) || item.value === undefined || item.value === null) return null;
  const text = typeof item.value === "object" ? JSON.stringify(item.value) : String(item.value);
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text;
}

/** The fingerprint of a value that is not shown, or `null`. */
export function fingerprint(item) {
  const print = item?.fingerprint;
  return typeof print === "string" && print !== "" ? print.slice(0, 16) : null;
}

/** A value in a label: itself, or a dot with its fingerprint. */
export function short(item, longest = 28) {
  const value = publicValue(item);
  if (value === null) return `●${fingerprint(item) ?? ""}`;
  return value.length > longest ? "…" : value;
}

/** `step` without the values that must not leave the page. */
export function withoutSecrets(step) {
  const clean = (items) => (Array.isArray(items) ? items.map((item) => {
    if (item === null || typeof item !== "object" || !isSecret(item)) return item;
    const { value: _hidden, ...rest } = item;
    return rest;
  }) : []);
  return { ...step, request: clean(step.request), response: clean(step.response) };
}
