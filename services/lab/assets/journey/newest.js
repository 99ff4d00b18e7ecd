// The newest step stays in sight: in the diagram or the list, and in the window.

/** So close to the end of a place, in px, a reader looks at its end. */
const NEAR_END = 80;

/** Whether `place` shows its end. */
export function isAtEnd({ scrollTop, clientHeight, scrollHeight }) {
  return scrollTop + clientHeight >= scrollHeight - NEAR_END;
}

/**
 * Whether the window moves to the diagram: at its first arrow, and while the reader acts in
 * another window. Who reads in this one is not moved, and neither is a page of which the
 * diagram is only a part.
 */
export function windowMoves({ isPart, isFirst, hasFocus }) {
  return !isPart && (isFirst || !hasFocus);
}
