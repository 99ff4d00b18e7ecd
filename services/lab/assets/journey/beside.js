// A window beside this one.

/** How much lower and narrower each further window of one place is, in px, and how often. */
const STEP = 36;
const STEPS = 6;
/** The part of the height that stays free above a window of the lower row. */
const UPPER = 0.45;

/** The top and the height of `row`: 0 is all of it, odd ones are the lower part, others the upper one. */
function part(row, height) {
  const upper = Math.floor(height * UPPER);
  if (row === 0) return [0, height];
  return row % 2 === 1 ? [upper, height - upper] : [0, upper];
}

/**
 * The place of the right half of a screen, and the size of the left one; `null` where a half
 * is too narrow for a page. `row` is the part of the right half; `again` says how many windows
 * were opened there before, each of which stays in sight.
 */
export function halves({ availWidth, availHeight, availLeft = 0, availTop = 0 }, { row = 0, again = 0 } = {}) {
  if (availWidth < 1000) return null;
  const width = Math.floor(availWidth / 2);
  const [top, height] = part(row, availHeight);
  const moved = STEP * (again % STEPS);
  const right = { left: availLeft + width + moved, top: availTop + top + moved, width: width - moved, height: Math.max(height - moved, Math.floor(height / 2)) };
  return {
    left: { x: availLeft, y: availTop, width, height: availHeight },
    right: `popup,${Object.entries(right).map(([name, value]) => `${name}=${value}`).join(",")}`,
  };
}

/** How many windows this page has opened in each row. */
const opened = new Map();

/** Opens the window `name` beside this one, for a form or a link that has it as its target. */
export function openBeside(name, row = 0) {
  const again = opened.get(row) ?? 0;
  const place = halves(screen, { row, again });
  if (!place) return;
  opened.set(row, again + 1);
  // Works where this window is one that a script may move; elsewhere nothing happens.
  window.moveTo(place.left.x, place.left.y);
  window.resizeTo(place.left.width, place.left.height);
  window.open("", name, place.right);
}
