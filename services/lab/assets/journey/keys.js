// The presenter's keys: a teacher moves through the steps without a pointer.

/** Whether a key belongs to the element itself: to a field, or to an open dialog. */
function isTaken(event) {
  if (event.defaultPrevented || event.altKey || event.ctrlKey || event.metaKey) return true;
  return event.target.closest?.("input, select, textarea, dialog") !== null;
}

/** Calls `actions.larger`, `.next`, `.former`, `.help`, `.leave`. */
export function listen(actions) {
  const keys = { f: actions.larger, F: actions.larger, ArrowRight: actions.next, ArrowLeft: actions.former, "?": actions.help, Escape: actions.leave };
  addEventListener("keydown", (event) => {
    if (isTaken(event) || !Object.hasOwn(keys, event.key)) return;
    keys[event.key]();
    if (event.key !== "Escape") event.preventDefault();
  });
}
