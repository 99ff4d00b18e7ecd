// Elements of a picture in the page.

const SVG = "http://www.w3.org/2000/svg";

/** A colour's name becomes the page's variable: light, dark and print follow by themselves. */
function value(text) {
  return typeof text === "string" && text.startsWith("@") ? `var(--${text.slice(1)})` : String(text);
}

/** The element of a node of picture.js. */
export function element({ tag, attrs, children = [], text, className }) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, set] of Object.entries(attrs)) made.setAttribute(name, value(set));
  if (className) made.setAttribute("class", className);
  if (text !== undefined) made.textContent = text;
  made.append(...children.map(element));
  return made;
}

/** An empty picture. */
export function svg(className) {
  const made = document.createElementNS(SVG, "svg");
  made.setAttribute("class", className);
  return made;
}
