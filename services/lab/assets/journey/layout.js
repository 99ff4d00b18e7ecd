// Where everything stands: a pure function from messages to shapes. A message that is
// appended stands below the others and moves none of them; a new participant moves
// columns sideways, and no row.

import { isStore, label, rank, role } from "./parties.js";
import { width, wrap } from "./measure.js";
import { groupTitle, lines } from "./wording.js";

/** Sizes in px of the picture. */
export const SIZE = Object.freeze({
  pitch: 226, main: 15, mainLine: 20, sub: 13, subLine: 18, note: 14, noteLine: 19, noteWidth: 208, title: 15,
  badge: 11, digit: 8, head: 62, box: 150,
});

/** The most characters of a label that are laid out. */
const MAX_LABEL = 400;
/** Space between a lifeline and a label, at both of its ends. */
const BESIDE = 15;

/** How wide the space between two neighbours is, in pitches. The browser's messages to an
    app say most, a user's say least. */
const SPACES = { "user browser": 0.82, "browser app1-bff": 1.5 };

/** The space between `left` and `right`, of which `left` has the lower rank. */
function space(left, right) {
  if (neighbours(left, right)) return (SPACES[`${left} ${right}`] ?? 1) * SIZE.pitch;
  return (isStore(left) ? 1 : 2) * SIZE.pitch;
}

/** The x of each column. Two participants that are no neighbours in the fixed order have
    room for a label of two columns, so that no label changes if one comes between them. */
function columnsOf(participants) {
  const columns = new Map();
  const edge = (party) => (party === "user" || isStore(party) ? SIZE.box / 2 + 6 : SIZE.noteWidth / 2 + 6);
  let x = participants.length > 0 ? edge(participants[0]) : 0;
  participants.forEach((party, at) => {
    const before = participants[at - 1];
    if (at > 0) x += space(before, party);
    columns.set(party, x);
  });
  const total = participants.length > 0 ? x + edge(participants.at(-1)) : 0;
  return { columns, total };
}

function neighbours(a, b) {
  return Math.abs(rank(a) - rank(b)) === 1;
}

/** The room for the label of an arrow between `from` and `to`. It depends on these two alone. */
function roomBetween(from, to) {
  const [left, right] = rank(from) < rank(to) ? [from, to] : [to, from];
  return (rank(from) === rank(to) ? SIZE.pitch : space(left, right)) - 2 * BESIDE;
}

/** A block of text below `top`: its lines with their places, and its height. */
function block(texts, x, top, room) {
  const made = [];
  let y = top;
  let widest = 0;
  texts.forEach((text, at) => {
    const [size, line, role] = at === 0 ? [SIZE.main, SIZE.mainLine, "main"] : [SIZE.sub, SIZE.subLine, "sub"];
    for (const part of wrap(text.slice(0, MAX_LABEL), room, size)) {
      y += line;
      widest = Math.max(widest, width(part, size));
      made.push({ text: part, x, y: y - 5, size, role });
    }
  });
  return { lines: made, box: { x, y: top, w: widest, h: y - top } };
}

/** The width of the badge of `number`: a circle for two digits, and longer for more. */
export function badgeWidth(number) {
  return 2 * SIZE.badge + SIZE.digit * Math.max(0, String(number ?? "").length - 2);
}

/** An arrow with its label above it, and its number at its start. */
function arrowRow(message, columns, top) {
  const x1 = columns.get(message.from);
  const x2 = columns.get(message.to);
  const left = Math.min(x1, x2);
  const text = block(lines(message), left + BESIDE, top + 6, roomBetween(message.from, message.to));
  const half = badgeWidth(message.number) / 2;
  // A long number reaches below the label.
  const y = text.box.y + text.box.h + (half > SIZE.badge ? SIZE.badge : 8);
  return {
    type: "arrow", key: message.key, message, top, height: y + 20 - top, x1, x2, y, label: text.lines,
    band: { x: left, y: top + 3, w: Math.abs(x2 - x1), h: y + 14 - top },
    boxes: [text.box, { x: x1 - half, y: y - SIZE.badge, w: 2 * half, h: 2 * SIZE.badge }],
  };
}

/** What a service does inside, as a box on its lifeline. */
function noteRow(message, columns, top) {
  const x = columns.get(message.from) - SIZE.noteWidth / 2;
  const text = lines(message);
  const placed = [];
  let y = top + 12;
  text.forEach((line, at) => {
    for (const part of wrap(line.slice(0, MAX_LABEL), SIZE.noteWidth - 20, SIZE.note, "sans")) {
      y += SIZE.noteLine;
      placed.push({ text: part, x: x + 10, y: y - 5, size: SIZE.note, role: at === 0 ? "note" : "note-sub" });
    }
  });
  const box = { x, y: top + 6, w: SIZE.noteWidth, h: y + 7 - (top + 6) };
  return { type: "note", key: message.key, message, top, height: box.h + 14, label: placed, box, boxes: [box] };
}

/** A title across all columns, with a rule below it. */
function titleRow(group, total, top, first) {
  const y = top + (first ? 22 : 38);
  // Bold text is wider.
  const size = SIZE.title * 1.14;
  const [text] = wrap(groupTitle(group).slice(0, MAX_LABEL), Math.max(total - 12, SIZE.pitch), size, "sans", 1);
  const label = [{ text, x: 6, y, size: SIZE.title, role: "title" }];
  const box = { x: 6, y: y - 15, w: width(text, size, "sans"), h: 20 };
  return { type: "title", key: group.key, top, height: y + 16 - top, label, rule: y + 8, boxes: [box] };
}

function headsOf(participants, columns) {
  return participants.map((party) => ({
    party, x: columns.get(party), w: SIZE.box, name: label(party).slice(0, 16), role: role(party), store: isStore(party),
  }));
}

/** The picture of `arranged`, as `arrange` of steps.js makes it. */
export function layOut(arranged) {
  const { columns, total } = columnsOf(arranged.participants);
  const rows = [];
  let top = 0;
  const add = (row) => {
    rows.push(row);
    top += row.height;
  };
  arranged.groups.forEach((group, at) => {
    add(titleRow(group, total, top, at === 0));
    for (const message of arranged.messages.slice(group.from, group.to)) {
      // What a service sends to itself has no arrow.
      const inside = message.kind === "note" || message.from === message.to;
      add((inside ? noteRow : arrowRow)(message, columns, top));
    }
  });
  const lifelines = arranged.participants.map((party) => ({ party, x: columns.get(party) }));
  return { width: total, height: top + 16, heads: headsOf(arranged.participants, columns), lifelines, rows };
}
