// A window beside this one.

/**
 * The place of the right half of a screen, and the size of the left one; `null` where a half
 * is too narrow for a page.
 */
export function halves({ availWidth, availHeight, availLeft = 0, availTop = 0 }) {
  if (availWidth < 1000) return null;
  const width = Math.floor(availWidth / 2);
  return {
    left: { x: availLeft, y: availTop, width, height: availHeight },
    right: `popup,left=${availLeft + width},top=${availTop},width=${width},height=${availHeight}`,
  };
}

/** Opens the window `name` beside this one, for a form or a link that has it as its target. */
export function openBeside(name) {
  const place = halves(screen);
  if (!place) return;
  // Works where this window is one that a script may move; elsewhere nothing happens.
  window.moveTo(place.left.x, place.left.y);
  window.resizeTo(place.left.width, place.left.height);
  window.open("", name, place.right);
}
