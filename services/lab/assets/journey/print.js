// The diagram on paper: in sheets that no page breaks, each with the names at its top.

import { layOut, SIZE } from "./layout.js";
import { heads, lifelines, rowNode } from "./picture.js";
import { pieces } from "./steps.js";
import { element, svg } from "./svg.js";

/** The height of a sheet, as a part of its width: one fits a page across, two a page along. */
const SHAPE = 0.52;
/** The most lifelines of a sheet, where one group has no more: then its text is as large as a book's. */
const COLUMNS = 6;

/** The rows of each sheet. A row that is higher than a sheet has one of its own. */
export function sheetsOf(layout) {
  const most = Math.max(layout.width, 1) * SHAPE;
  const sheets = [];
  for (const row of layout.rows) {
    const last = sheets.at(-1);
    if (last && row.top + row.height - last.top <= most) {
      last.rows.push(row);
      last.height = row.top + row.height - last.top;
    } else {
      sheets.push({ top: row.top, height: row.height, rows: [row] });
    }
  }
  return sheets;
}

function sheetPicture(layout, { top, height, rows }) {
  const made = svg("sheet-picture");
  made.setAttribute("viewBox", `0 0 ${layout.width} ${SIZE.head + height + 6}`);
  const moved = { transform: `translate(0 ${SIZE.head - top})` };
  const parts = [...lifelines(layout), ...rows.map((row) => rowNode(row, layout.width))];
  made.append(
    element({ tag: "g", attrs: moved, children: parts }),
    // Over the lifelines, which begin above the sheet.
    element({ tag: "rect", attrs: { x: 0, y: 0, width: layout.width, height: SIZE.head, fill: "@sheet" } }),
    ...heads(layout).map(element),
  );
  return made;
}

/** The layouts of `arranged` on paper: lifelines that a piece does not need take no room. */
export function onPaper(arranged) {
  return pieces(arranged, COLUMNS).map(layOut);
}

/** Fills `place` with the sheets of `shown()`, which is arranged, while the page is printed. */
export function printIn(place, shown) {
  addEventListener("beforeprint", () => {
    const sheets = onPaper(shown()).flatMap((layout) => sheetsOf(layout).map((sheet) => sheetPicture(layout, sheet)));
    place.replaceChildren(...sheets);
  });
  addEventListener("afterprint", () => place.replaceChildren());
}
