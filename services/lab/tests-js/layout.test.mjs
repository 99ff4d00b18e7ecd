// The layout: nothing overlaps, everything is inside, nothing moves when a step comes.

import assert from "node:assert/strict";
import { test } from "node:test";

import { badgeWidth, layOut, SIZE } from "../assets/journey/layout.js";
import { width, wrap } from "../assets/journey/measure.js";
import { rowNode } from "../assets/journey/picture.js";
import { onPaper, sheetsOf } from "../assets/journey/print.js";
import { arrange } from "../assets/journey/steps.js";
import { BFF_LOGIN, JOURNEY } from "./fixture.mjs";
import { step } from "./support.mjs";

const layout = (raw) => layOut(arrange(raw));
const overlap = (a, b) => a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;

/** Steps with long and odd texts between all kinds of participants. */
const LONG = ["api-2", "user", "evil", "mars", "idp-store", "spa", "terminal", "app2-bff"].map((to, at) => step({
  seq: at, span: `l${at}`, trace: `t${at % 3}`, kind: ["request", "call", "store", "page"][at % 4], service: "idp", from: "idp", to, start: at * 10, end: at * 10 + 5,
  name: `GET /${"a-very-long-path/".repeat(at * 4)}`, step: "Wwwwwww mmmmmm ".repeat(at * 6), outcome: at % 2 ? "ok" : "invalid_request_object_of_some_length",
  request: [{ place: "query", name: "scope", value: "x".repeat(500) }, { place: "query", name: "client_id", value: "私は客です".repeat(5) }, { place: "cookie", name: "c".repeat(300) }],
}));

function mustBeSound({ rows, width: total, height }) {
  const boxes = rows.flatMap((row) => row.boxes.map((box) => ({ ...box, key: row.key })));
  for (const box of boxes) {
    assert.ok(box.x >= 0 && box.x + box.w <= total + 0.01, `${box.key} is inside: ${box.x} + ${box.w} of ${total}`);
    assert.ok(box.y >= 0 && box.y + box.h <= height, box.key);
  }
  boxes.forEach((box, at) => {
    for (const other of boxes.slice(at + 1)) assert.ok(!overlap(box, other), `${box.key} and ${other.key}`);
  });
  for (let at = 1; at < rows.length; at += 1) assert.equal(rows[at].top, rows[at - 1].top + rows[at - 1].height);
}

test("no text, note or number overlaps another, and all are inside the picture", () => {
  for (const raw of [JOURNEY, BFF_LOGIN, LONG, [...JOURNEY, ...LONG]]) mustBeSound(layout(raw));
});

test("the text of an arrow is between its ends, and that of a note in its box", () => {
  for (const row of layout([...JOURNEY, ...LONG]).rows) {
    const font = row.type === "arrow" ? "mono" : "sans";
    for (const line of row.label) {
      const end = line.x + width(line.text, line.size, font);
      if (row.type === "arrow") assert.ok(line.x > Math.min(row.x1, row.x2) && end < Math.max(row.x1, row.x2), `${row.key}: ${line.text}`);
      if (row.type === "note") assert.ok(line.x > row.box.x && end < row.box.x + row.box.w, line.text);
    }
  }
});

test("columns are those of the participants that occur, in the fixed order", () => {
  const { heads } = layout(JOURNEY);
  assert.deepEqual(heads.map((head) => head.party), ["user", "browser", "app1-bff", "app1-store", "idp", "idp-store", "api-1", "api-2"]);
  heads.forEach((head, at) => assert.ok(at === 0 || head.x - heads[at - 1].x > SIZE.box));
});

test("what is appended moves no row above it, and no column unless there is a new participant", () => {
  const visits = JOURNEY.filter((one) => one.kind === "request" && one.from === "browser").sort((a, b) => a.end - b.end);
  assert.equal(visits.length, 6);
  let before = layout([]);
  for (const visit of visits) {
    // All that has ended by the end of this exchange, and then the next one.
    const after = layout(JOURNEY.filter((one) => one.end <= visit.end));
    const isSame = after.heads.length === before.heads.length;
    assert.ok(after.rows.length > before.rows.length);
    before.rows.forEach((row, at) => {
      const now = after.rows[at];
      const vertical = ({ key, top, height, label }) => [key, top, height, label.map((line) => line.text)];
      assert.deepEqual(vertical(now), vertical(row));
      if (isSame) assert.deepEqual(now, row);
    });
    before = after;
  }
});

test("a participant that comes between two others changes no row above", () => {
  const call = step({ span: "a", kind: "call", service: "app1-bff", from: "app1-bff", to: "idp", name: "POST /token", request: [{ place: "form", name: "resource", value: `https://${"x".repeat(30)}` }] });
  const between = ["app1-store", "app2-bff", "app2-store", "spa", "terminal"].map((to, at) => step({ seq: 9, span: `b${at}`, kind: "store", from: "app1-bff", to, start: 100 + at, end: 101 + at }));
  const rows = (raw) => layout(raw).rows.slice(0, 3).map((row) => [row.top, row.height, row.label.map((line) => line.text)]);
  const expected = rows([call]);
  between.forEach((_, at) => assert.deepEqual(rows([call, ...between.slice(0, at + 1)]), expected));
});

test("text is wrapped at separators, in as many lines as allowed", () => {
  assert.deepEqual(wrap("GET /authorize?client_id=app1&state=●k3f9a2", 27 * 0.602 * 10, 10), ["GET /authorize?client_id=app1".slice(0, 14), "?client_id=app1", "&state=●k3f9a2"]);
  assert.deepEqual(wrap("", 100, 10), [""]);
  assert.deepEqual(wrap("aaaa", 1, 10), ["a", "a", "a", "a"]);
  const cut = wrap("word ".repeat(500), 100, 10, "sans", 3);
  assert.equal(cut.length, 3);
  assert.ok(cut[2].endsWith("…"));
  for (const line of cut) assert.ok(width(line, 10, "sans") <= 100, line);
});

test("on paper each row is on one sheet, in its order, and a sheet fits a page", () => {
  const made = layout([...JOURNEY, ...LONG]);
  const sheets = sheetsOf(made);
  assert.ok(sheets.length > 2);
  assert.deepEqual(sheets.flatMap((sheet) => sheet.rows), made.rows);
  for (const { height, rows } of sheets) assert.ok(rows.length === 1 || height <= made.width * 0.52);
  assert.deepEqual(sheetsOf(layout([])), []);
});

test("on paper a piece has its own lifelines alone, so that their text is large", () => {
  const all = arrange(JOURNEY);
  assert.equal(all.participants.length, 8);
  const made = onPaper(all);
  assert.deepEqual(made.map(({ heads }) => heads.length), [6, 6]);
  const rows = (layouts) => layouts.flatMap((one) => one.rows.map((row) => row.key));
  assert.deepEqual(rows(made), rows([layout(JOURNEY)]));
  for (const one of made) mustBeSound(one);
});

test("a number of any length is inside its badge, and the badge beside its label", () => {
  const many = Array.from({ length: 600 }, (_, at) => step({ seq: at, span: `s${at}`, kind: "request", from: "browser", to: "app1-bff", name: "GET /session", start: at, status: 200 }));
  const made = layout(many);
  mustBeSound({ ...made, rows: made.rows.slice(0, 9) });
  mustBeSound({ ...made, rows: made.rows.slice(195, 225) });
  mustBeSound({ ...made, rows: made.rows.slice(-30) });
  for (const row of made.rows.filter((one) => one.type === "arrow")) {
    const text = String(row.message.number);
    assert.ok(badgeWidth(row.message.number) >= width(text, 11.5, "sans") + 2 || text.length < 3, text);
  }
});

test("the picture is bounded, and every row of it can be drawn", () => {
  const many = Array.from({ length: 2000 }, (_, at) => step({ seq: at, span: `s${at}`, trace: `t${at % 7}`, kind: at % 3 ? "store" : "check", from: "idp", to: at % 3 ? "idp-store" : "idp", start: at, name: "store" }));
  const made = layout(many);
  assert.ok(made.rows.length >= 2000 && Number.isFinite(made.height));
  for (const row of [...made.rows, ...layout([...JOURNEY, ...LONG]).rows]) {
    const text = JSON.stringify(rowNode(row, made.width));
    assert.ok(!/NaN|undefined|Infinity/.test(text), text);
  }
  assert.deepEqual(layout([]).rows, []);
});
