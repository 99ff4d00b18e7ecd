// From shapes to a picture: plain nodes `{ tag, look, attrs, children | text }`, which
// draw.js makes into elements of the page and export.js into a file. The style of each
// part is here, once, as SVG presentation attributes; `@name` is a colour of colours.css.

import { colour, label } from "./parties.js";
import { badgeWidth, SIZE } from "./layout.js";
import { reason } from "./wording.js";

const MONO = "ui-monospace, 'Cascadia Code', 'SF Mono', Menlo, Consolas, 'DejaVu Sans Mono', monospace";
const SANS = "ui-sans-serif, system-ui, 'Segoe UI', 'Helvetica Neue', 'Noto Sans', 'DejaVu Sans', sans-serif";

/** Every colour that a picture uses. */
export const COLOURS = [
  "paper", "sheet", "ink", "muted", "line", "well", "on-accent", "bad", "good",
  "lab", "idp", "app1", "app2", "api-1", "api-2", "spa", "evil",
];

/** The colour of a channel; the shape says the same. */
const CHANNEL = { front: "@bad", back: "@good", store: "@muted" };

const LOOKS = {
  lifeline: { stroke: "@line", "stroke-width": 1.5 },
  rule: { stroke: "@line", "stroke-width": 1.5 },
  title: { fill: "@ink", "font-family": SANS, "font-weight": 700 },
  // Behind a text that stands across lifelines.
  cover: { fill: "@sheet" },
  main: { fill: "@ink", "font-family": MONO, "font-weight": 600 },
  sub: { fill: "@muted", "font-family": MONO },
  note: { fill: "@ink", "font-family": SANS },
  "note-sub": { fill: "@muted", "font-family": SANS },
  error: { fill: "@bad", "font-family": MONO, "font-weight": 700 },
  number: { "font-family": SANS, "font-weight": 700, "font-size": 11.5, "text-anchor": "middle", fill: "@on-accent" },
  head: { "font-family": SANS, "font-weight": 800, "font-size": 17, "text-anchor": "middle" },
  role: { "font-family": SANS, "font-size": 12.5, "text-anchor": "middle" },
};

const node = (tag, attrs, more = {}) => ({ tag, attrs, children: [], ...more });

/** Numbers as the file has them: without digits that nobody sees. */
const px = (value) => Math.round(value * 10) / 10;

function text(line) {
  const look = line.look ?? line.role;
  // The space is for the accessible name, which has the lines one after the other.
  return node("text", { x: px(line.x), y: px(line.y), "font-size": line.size, ...LOOKS[look] }, { text: `${line.text} ` });
}

/** The boxes with the participants' names. */
export function heads(layout) {
  return layout.heads.map(({ party, x, w, name, role, store }) => {
    const own = `@${colour(party)}`;
    const box = { x: px(x - w / 2), y: 4, width: w, height: SIZE.head - 6, fill: store ? "@sheet" : own, stroke: own, "stroke-width": 2 };
    if (store) box["stroke-dasharray"] = "6 4";
    const ink = store ? own : "@on-accent";
    return node("g", {}, {
      children: [
        node("rect", box),
        node("text", { x: px(x), y: role ? 29 : 38, ...LOOKS.head, fill: ink }, { text: name }),
        ...(role ? [node("text", { x: px(x), y: 48, ...LOOKS.role, fill: ink }, { text: role })] : []),
      ],
    });
  });
}

export function lifelines(layout) {
  return layout.lifelines.map(({ x }) => node("line", { x1: px(x), y1: 0, x2: px(x), y2: px(layout.height), ...LOOKS.lifeline }));
}

/** The tip of an arrow at `x`: filled on the front channel, open on the back channel, small at a store. */
function tip(channel, x, y, way, ink) {
  if (channel === "front") return node("path", { d: `M${x} ${y}l${-13 * way} -7v14z`, fill: ink });
  if (channel === "back") {
    return node("path", { d: `M${x - 11 * way} ${y - 7}L${x} ${y}L${x - 11 * way} ${y + 7}`, fill: "none", stroke: ink, "stroke-width": 2 });
  }
  return node("circle", { cx: x - 5 * way, cy: y, r: 5, fill: ink });
}

function line(message, x1, x2, y, ink) {
  const strokes = { front: 3.2, back: 1.7, store: 2 };
  const attrs = { x1: px(x1), y1: px(y), x2: px(x2), y2: px(y), stroke: ink, "stroke-width": strokes[message.channel] };
  if (message.channel === "store") Object.assign(attrs, { "stroke-dasharray": "1 6", "stroke-linecap": "round", "stroke-width": 3 });
  else if (message.kind === "answer") attrs["stroke-dasharray"] = message.channel === "front" ? "9 6" : "7 5";
  return node("line", attrs);
}

/** The last line of a failed message says why, in the colour of errors. */
function labelOf(row) {
  const { message, label: written } = row;
  const said = message?.failed ? reason(message.step) : "";
  return written.map((one) => text(said && one.text === said ? { ...one, look: "error" } : one));
}

/** Where the number stands: round, and square for what failed. */
function badge({ failed, number }, x, y, ink) {
  const r = SIZE.badge;
  const width = badgeWidth(number);
  const box = { x: px(x - width / 2), y: px(y - r), width, height: 2 * r };
  return node("rect", failed ? { ...box, fill: "@bad" } : { ...box, rx: r, fill: ink });
}

function cover({ x, y, w, h }) {
  return node("rect", { x: px(x - 3), y: px(y), width: px(w + 6), height: px(h), ...LOOKS.cover }, { className: "cover" });
}

function arrow(row) {
  const { message, x1, x2, y, band } = row;
  const ink = CHANNEL[message.channel];
  const way = x2 > x1 ? 1 : -1;
  const end = x2 - way * 2;
  return [
    cover(row.boxes[0]),
    ...(message.channel === "front" ? [node("rect", { x: px(band.x), y: px(band.y), width: px(band.w), height: px(band.h), fill: ink, "fill-opacity": 0.07 })] : []),
    line(message, x1 + (way * badgeWidth(message.number)) / 2, end - way * (message.channel === "front" ? 10 : 2), y, ink),
    tip(message.channel, px(end), px(y), way, ink),
    badge(message, px(x1), px(y), ink),
    node("text", { x: px(x1), y: px(y + 4), ...LOOKS.number }, { text: `${message.number ?? ""} ` }),
    ...labelOf(row),
  ];
}

function note(row) {
  const { box, message } = row;
  const edge = message.failed ? "@bad" : `@${colour(message.from)}`;
  return [
    node("rect", { x: px(box.x), y: px(box.y), width: px(box.w), height: px(box.h), fill: "@paper", stroke: edge, "stroke-width": message.failed ? 2.5 : 1.3 }),
    node("rect", { x: px(box.x), y: px(box.y), width: 5, height: px(box.h), fill: edge }),
    ...labelOf(row),
  ];
}

/** What a reader hears at `row`: what is seen, and before it who sends to whom. */
export function spoken({ message, label: written }) {
  const way = message.from === message.to ? label(message.from) : `${label(message.from)} to ${label(message.to)}`;
  const number = message.number === null ? "" : `, ${message.number}`;
  return `${way}${number}: ${written.map((one) => one.text).join(" ")}${message.failed ? ". Failed" : ""}`;
}

/** The nodes of one row, in a group of its own. */
export function rowNode(row, total) {
  if (row.type === "title") {
    const rule = node("line", { x1: 0, y1: px(row.rule), x2: px(total), y2: px(row.rule), ...LOOKS.rule });
    return node("g", {}, { children: [cover(row.boxes[0]), rule, ...row.label.map(text)] });
  }
  const { band, box } = row;
  const at = band ? { x: band.x - 14, y: row.top + 2, width: band.w + 28, height: row.height - 4 } : { x: box.x - 3, y: box.y - 3, width: box.w + 6, height: box.h + 6 };
  const hit = node("rect", { x: px(at.x), y: px(at.y), width: px(at.width), height: px(at.height), fill: "transparent", rx: 3 }, { className: "hit" });
  return node("g", {}, { children: [hit, ...(row.type === "note" ? note(row) : arrow(row))] });
}

const LEGEND = [
  ["request", "front", "Front channel"],
  ["request", "back", "Back channel"],
  ["answer", "back", "Answer"],
  ["store", "store", "Store"],
];

/** The nodes that explain an arrow: `{ sample, text }` for each kind. */
export function legend() {
  return LEGEND.map(([kind, channel, words]) => {
    const ink = CHANNEL[channel];
    const end = channel === "front" ? 44 : 52;
    return { words, sample: [line({ kind, channel }, 2, end, 9, ink), tip(channel, 54, 9, 1, ink)] };
  });
}
