// Elements made from text: received text never becomes markup.

/** The element `name` with `className`, around `children` (elements or text). */
export function element(name, className, ...children) {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

/** Longer than every value here except a token. */
const LONG = 160;

/** Shortens a token to its two ends. */
function shortened(name, text) {
  const isToken = /_token\b/.test(name) && text.length > 40;
  return isToken || text.length > LONG ? `${text.slice(0, 18)} … ${text.slice(-12)} (${text.length} characters)` : text;
}

function readable(name, value) {
  if (typeof value !== "object") return shortened(name, String(value));
  const line = JSON.stringify(value);
  return line.length > LONG ? JSON.stringify(value, null, 1) : line;
}

/** `values` as a list of names and values. */
export function facts(values) {
  const list = element("dl", "facts small");
  for (const [name, value] of Object.entries(values)) {
    list.append(element("dt", "", name), element("dd", "", element("code", "", readable(name, value))));
  }
  return list;
}
