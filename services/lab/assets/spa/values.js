// How the page shows a value. Pure.

/** Longer than every value here except a token. */
const LONG = 160;
/** The values of one login that prove something: the page shows where they begin, so that equal ones can be told. */
const ONE_TIME = /^(code|state|nonce|code_verifier)( |$)/;
const BEGINNING = 6;
/** Words about such a value are shorter. */
const SHORTEST = 20;

function shortened(name, text) {
  if (ONE_TIME.test(name) && text.length >= SHORTEST) return `${text.slice(0, BEGINNING)}… (${text.length} characters)`;
  const isToken = /_token\b/.test(name) && text.length > 40;
  return isToken || text.length > LONG ? `${text.slice(0, 18)} … ${text.slice(-12)} (${text.length} characters)` : text;
}

/** The value `value` of `name` as text. */
export function readable(name, value) {
  if (typeof value !== "object") return shortened(name, String(value));
  const line = JSON.stringify(value);
  return line.length > LONG ? JSON.stringify(value, null, 1) : line;
}
