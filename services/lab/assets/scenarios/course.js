// The keys of the course. Pure.

/**
 * Where a key leads in the course: `"next"`, `"before"`, or `null`. The plain arrow keys
 * belong to the diagram as soon as that has arrows.
 */
export function courseKey(event, hasArrows) {
  if (event.defaultPrevented || event.altKey || event.ctrlKey || event.metaKey) return null;
  if (event.target?.closest?.("input, select, textarea, dialog, pre")) return null;
  if (!event.shiftKey && hasArrows) return null;
  return { ArrowRight: "next", ArrowLeft: "before" }[event.key] ?? null;
}
