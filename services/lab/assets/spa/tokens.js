// The complete tokens, as any script in this page can read them.

import { element, facts } from "./dom.js";

const KINDS = [
  ["access_token", "Access token", "For the API. The page only passes it on; what it says is between provider and API."],
  ["id_token", "ID token", "For this page: who has signed in."],
  ["refresh_token", "Refresh token", "For the provider alone: new tokens without a new login. Worth the most to a thief."],
];

/** Shows `tokens` in `place`; nothing when there are none. */
export function show(place, tokens) {
  const present = KINDS.filter(([kind]) => tokens?.[kind]);
  place.replaceChildren(...present.map(([kind, title, about]) => panel(kind, title, about, tokens[kind])));
}

function panel(kind, title, about, token) {
  const whole = element("code", "token", token);
  whole.dataset.token = kind;
  const says = payload(token);
  return element(
    "details", "",
    element("summary", "", title),
    element("p", "small muted", about),
    ...(says ? [facts(says)] : []),
    element("p", "small", whole),
  );
}

/** The claims of a JWT (RFC 7519 §3), not verified; null for another token. */
function payload(token) {
  const base64 = token.split(".")[1]?.replace(/-/g, "+").replace(/_/g, "/");
  try {
    const bytes = Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return null;
  }
}
