// The picture in the page: keeps the elements of rows that have not changed, so that a
// new arrow costs one element; arrows take the focus, one of them by Tab.

import { heads, legend, lifelines, rowNode, spoken } from "./picture.js";
import { SIZE } from "./layout.js";
import { element, svg } from "./svg.js";

/** The least width of the picture, in its own units: that of a login to one app. */
const NARROWEST = 1200;
/** The smallest scale. The style sheet enlarges the picture to the width of its place. */
const SMALLEST = 0.8;

/** Writes what the kinds of arrows mean into the list `place`. */
export function writeLegend(place) {
  for (const { sample, words } of legend()) {
    const picture = svg("sample");
    picture.setAttribute("viewBox", "0 0 56 18");
    picture.setAttribute("aria-hidden", "true");
    picture.append(...sample.map(element));
    const item = document.createElement("li");
    item.append(picture, words);
    place.append(item);
  }
}

/** A diagram inside `place`. `onOpen(key)` is called for the message that is opened, `onFocus(key)` for that in focus. */
export class Drawing {
  constructor(place, { onOpen, onFocus }) {
    this.place = place;
    this.head = svg("heads");
    this.head.setAttribute("aria-hidden", "true");
    this.body = svg("rows");
    this.body.setAttribute("role", "group");
    this.body.setAttribute("aria-label", "Sequence diagram. Up and down arrow keys move between steps, Enter opens one.");
    this.lines = element({ tag: "g", attrs: {} });
    this.rows = element({ tag: "g", attrs: {} });
    this.body.append(this.lines, this.rows);
    place.append(this.head, this.body);
    this.drawn = new Map();
    this.order = [];
    this.current = null;
    this.onFocus = onFocus;
    this.onOpen = onOpen;
    this.rows.addEventListener("click", (event) => this.open(this.keyOf(event.target)));
    this.rows.addEventListener("keydown", (event) => this.key(event));
  }

  /** Shows `layout`. */
  show(layout) {
    const { width, height } = layout;
    // Few columns stay as large as many, and many shrink no further than can be read.
    const total = Math.max(width, NARROWEST);
    for (const [part, tall] of [[this.head, SIZE.head], [this.body, height]]) {
      part.setAttribute("viewBox", `0 0 ${total} ${tall}`);
      part.setAttribute("width", String(Math.round(total * SMALLEST)));
    }
    this.head.replaceChildren(...heads(layout).map(element));
    this.lines.replaceChildren(...lifelines(layout).map(element));
    this.update(layout, total);
  }

  update(layout, total) {
    const kept = new Map();
    let at = this.rows.firstChild;
    for (const row of layout.rows) {
      const made = rowNode(row, total);
      const print = JSON.stringify(made);
      const old = this.drawn.get(row.key);
      const same = old?.print === print && !kept.has(row.key);
      const group = same ? old.group : this.group(row, made, old === undefined && this.drawn.size > 0);
      kept.set(row.key, { group, print });
      if (group === at) at = at.nextSibling;
      else this.rows.insertBefore(group, at);
    }
    while (at) {
      const next = at.nextSibling;
      at.remove();
      at = next;
    }
    const had = this.rows.contains(document.activeElement);
    this.drawn = kept;
    this.order = layout.rows.filter((row) => row.message).map((row) => row.key);
    if (!this.drawn.has(this.current)) this.current = this.order[0] ?? null;
    this.mark(this.current, had);
  }

  group(row, made, isNew) {
    const group = element(made);
    if (!row.message) return group;
    group.setAttribute("class", isNew ? "message new" : "message");
    group.setAttribute("role", "button");
    group.setAttribute("tabindex", "-1");
    group.setAttribute("aria-label", spoken(row));
    group.dataset.key = row.key;
    group.addEventListener("focus", () => {
      this.mark(row.key, false);
      this.onFocus?.(row.key);
    });
    return group;
  }

  keyOf(target) {
    return target.closest?.("[data-key]")?.dataset.key ?? null;
  }

  /** Tab reaches one message: the one that last had the focus. */
  mark(key, focus) {
    this.drawn.get(this.current)?.group.setAttribute("tabindex", "-1");
    this.current = key;
    const group = this.drawn.get(key)?.group;
    if (!group) return;
    group.setAttribute("tabindex", "0");
    if (focus && document.activeElement !== group) group.focus({ preventScroll: true });
  }

  /** Which message's panel is open. */
  select(key) {
    for (const chosen of this.rows.querySelectorAll(".chosen")) chosen.classList.remove("chosen");
    this.drawn.get(key)?.group.classList.add("chosen");
  }

  focus(key) {
    this.drawn.get(key)?.group.focus({ preventScroll: true });
    this.reveal(key);
  }

  /** Scrolls the picture, and not the page, so that the message is in sight below the names. */
  reveal(key) {
    const group = this.drawn.get(key)?.group;
    if (!group) return;
    const [seen, own, head] = [this.place, group, this.head].map((part) => part.getBoundingClientRect());
    const above = own.top - (seen.top + head.height) - 12;
    const below = own.bottom - seen.bottom + 12;
    if (above < 0) this.place.scrollTop += above;
    else if (below > 0) this.place.scrollTop += Math.min(below, above);
    if (own.left < seen.left) this.place.scrollLeft += own.left - seen.left;
    else if (own.right > seen.right) this.place.scrollLeft += Math.min(own.right - seen.right, own.left - seen.left);
  }

  open(key) {
    if (key === null) return;
    this.mark(key, true);
    this.onOpen(key);
  }

  /** The message in focus, if one is. */
  focused() {
    return this.rows.contains(document.activeElement) ? this.current : null;
  }

  /** The message `by` places after the current one. */
  beside(by) {
    const at = Math.max(0, this.order.indexOf(this.current));
    return this.order[Math.min(this.order.length - 1, Math.max(0, at + by))] ?? null;
  }

  key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const moves = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10, Home: -Infinity, End: Infinity };
    if (event.key === "Enter" || event.key === " ") this.open(this.keyOf(event.target));
    else if (event.key in moves) this.focus(this.beside(moves[event.key]));
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}
