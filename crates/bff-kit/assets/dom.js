// Elements made from text: received text never becomes markup.

/** The element `name` with `className`, around `children` (elements or text). */
export function element(name, className, ...children) {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.append(...children);
  return made;
}
