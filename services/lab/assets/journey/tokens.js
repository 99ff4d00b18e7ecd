// A token's claims, what each is for, and what changed from the token before.

import { fingerprint } from "./items.js";
import { claimMeaning, headerMeaning } from "./meanings.js";

/** The claims that say most, first; all others follow as they come. */
const FIRST = ["iss", "sub", "aud", "client_id", "azp", "act", "may_act", "scope", "cnf", "nonce", "auth_time", "iat", "nbf", "exp", "jti"];
const TIMES = new Set(["exp", "iat", "nbf", "auth_time", "updated_at"]);
const MOST_CLAIMS = 60;

const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);

/** A claim as text: a time with its date, a hidden value as its fingerprint. */
function claimText(name, value) {
  if (value === undefined) return null;
  const print = fingerprint(value);
  if (print !== null) return `●${print}`;
  if (TIMES.has(name) && Number.isFinite(value) && Math.abs(value) < 8.64e12) {
    return `${new Date(value * 1000).toISOString().replace(".000Z", "Z").replace("T", " ")}`;
  }
  if (Array.isArray(value) && value.every((one) => typeof one === "string")) return value.join(", ");
  return (typeof value === "string" ? value : JSON.stringify(value)).slice(0, 1000);
}

/** The token that `item` of `message` took the place of: at an exchange the one that was exchanged. */
function former(item, message, messages) {
  const subject = (message.sent ?? []).find((one) => one.place === "token" && one.name === "subject_token" && isObject(one.claims));
  const request = messages.find((one) => one.kind === "request" && one.step === message.step);
  if (message.kind === "answer" && item.name === "access_token" && subject) return { item: subject, number: request?.number ?? null };
  const before = messages.slice(0, Math.max(0, messages.indexOf(message)));
  for (const one of before.reverse()) {
    const same = one.items.find((other) => other.place === "token" && other.name === item.name && isObject(other.claims));
    if (same) return { item: same, number: one.number };
  }
  return null;
}

function order(names) {
  const place = (name) => (FIRST.includes(name) ? FIRST.indexOf(name) : FIRST.length);
  return [...names].sort((a, b) => place(a) - place(b)).slice(0, MOST_CLAIMS);
}

/** The claims of both tokens beside each other. */
function compare(before, now) {
  const names = order(new Set([...Object.keys(now), ...Object.keys(before ?? {})]));
  return names.map((name) => {
    const [old, value] = [before ? claimText(name, before[name]) : null, claimText(name, now[name])];
    return { name, before: old, now: value, changed: before !== null && old !== value, meaning: claimMeaning(name) };
  });
}

/** What the panel says about the token `item` of `message`. */
export function describeToken(item, message, messages) {
  const claims = isObject(item.claims) ? item.claims : {};
  const earlier = former(item, message, messages);
  // The same token again has not changed.
  const isSame = earlier !== null && fingerprint(item) !== null && fingerprint(item) === fingerprint(earlier.item);
  const compared = isSame ? null : earlier;
  const header = isObject(item.header) ? item.header : {};
  return {
    name: item.name, print: fingerprint(item),
    header: Object.entries(header).slice(0, 10).map(([name, value]) => ({ name, value: claimText(name, value), meaning: headerMeaning(name) })),
    former: compared && { name: compared.item.name, number: compared.number },
    rows: compare(compared ? compared.item.claims : null, claims),
  };
}
