// The list of a journey's parts: a reader looks at all of it, at the newest part, or at one.

import { part, partsOf } from "./steps.js";
import { groupTitle } from "./wording.js";

const ALL = "all";
const NEWEST = "newest";

export class Parts {
  /** `place` is the select; `onChange()` is called when the reader has chosen. */
  constructor(place, onChange) {
    this.place = place;
    this.print = "";
    place.addEventListener("change", onChange);
  }

  /** What is shown of `arranged`; the list has all parts of it. */
  shown(arranged) {
    const parts = partsOf(arranged);
    this.list(parts);
    const chosen = this.place.value;
    if (chosen === ALL || parts.length === 0) return arranged;
    return part(arranged, chosen === NEWEST ? parts.at(-1).id : chosen);
  }

  list(parts) {
    const rows = parts.map(({ id, group, number }) => [id, `${number ?? ""} ${groupTitle({ ...group, continued: false })}`.trim()]);
    const print = JSON.stringify(rows);
    if (print === this.print) return;
    this.print = print;
    const had = this.place.value;
    const options = [[ALL, "Whole journey"], [NEWEST, "Newest part"], ...rows].map(([id, text]) => new Option(text, id));
    this.place.replaceChildren(...options);
    this.place.value = had;
    if (this.place.selectedIndex < 0) this.all();
  }

  all() {
    this.place.value = ALL;
  }
}
