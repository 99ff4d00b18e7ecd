// Elements made from text: what came over the wire never becomes markup.

/** The element `name` with `className`, around `children` (elements or text). */
export function element(name, className, ...children) {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.append(...children);
  return made;
}
