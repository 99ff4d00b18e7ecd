// Elements made from text: received text never becomes markup.

import { readable } from "./values.js";

/** The element `name` with `className`, around `children` (elements or text). */
export function element(name, className, ...children) {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

/** `values` as a list of names and values. */
export function facts(values) {
  const list = element("dl", "facts small");
  for (const [name, value] of Object.entries(values)) {
    list.append(element("dt", "", name), element("dd", "", element("code", "", readable(name, value))));
  }
  return list;
}
