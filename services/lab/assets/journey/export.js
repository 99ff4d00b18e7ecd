// The diagram as a file: SVG with its colours in it, PNG made from that, the recording.

import { dataOf } from "./file.js";
import { withoutSecrets } from "./items.js";
import { SIZE } from "./layout.js";
import { COLOURS, heads, legend, lifelines, rowNode } from "./picture.js";
import { MAX_STEPS } from "./steps.js";

/** The most pixels of a side, and of a whole picture, that browsers draw. */
const MAX_SIDE = 16_000;
const MAX_AREA = 200_000_000;

/** The members of a step that are texts. */
const TEXTS = ["trace", "span", "parent", "kind", "service", "from", "to", "name", "step", "spec", "outcome"];
/** The most items of a list in a recording; the lab's own lists have 4 KiB. */
const MAX_ITEMS = 200;
/** The most bytes of a recording that is opened. */
export const MAX_RECORDING = 20_000_000;

const ESCAPES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&apos;" };

/** `text` for XML, without the characters that XML forbids. */
function escape(text) {
  return String(text).replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, "")
    .replace(/[&<>"']/g, (character) => ESCAPES[character]);
}

function markup({ tag, attrs, children = [], text, className }, colours) {
  // The area for the pointer is of no use in a file.
  if (className === "hit") return "";
  const value = (set) => (typeof set === "string" && set.startsWith("@") ? (colours[set.slice(1)] ?? "currentColor") : set);
  const written = Object.entries(attrs).map(([name, set]) => ` ${name}="${escape(value(set))}"`).join("");
  const inner = text === undefined ? children.map((child) => markup(child, colours)).join("") : escape(text);
  return inner === "" ? `<${tag}${written}/>` : `<${tag}${written}>${inner}</${tag}>`;
}

function shifted(nodes, x, y) {
  return { tag: "g", attrs: { transform: `translate(${x} ${y})` }, children: nodes };
}

const LEGEND_LINE = 24;

function legendBelow(y) {
  return legend().map(({ sample, words }, at) => shifted([
    ...sample,
    { tag: "text", attrs: { x: 66, y: 14, "font-size": 13, fill: "@muted", "font-family": "sans-serif" }, text: words },
  ], 0, y + at * LEGEND_LINE));
}

/** The file of `layout`: its size and its text. `colours` has a value for each of COLOURS. */
export function svgFile(layout, colours) {
  const margin = 20;
  const body = SIZE.head + layout.height;
  const size = {
    width: Math.ceil(Math.max(layout.width, 300) + 2 * margin),
    height: Math.ceil(body + 2 * margin + 16 + legend().length * LEGEND_LINE),
  };
  const root = {
    tag: "svg",
    attrs: { xmlns: "http://www.w3.org/2000/svg", viewBox: `0 0 ${size.width} ${size.height}`, ...size },
    children: [
      { tag: "title", attrs: {}, text: "A journey through single sign-on" },
      { tag: "rect", attrs: { ...size, fill: "@sheet" } },
      shifted([
        ...heads(layout),
        shifted([...lifelines(layout), ...layout.rows.map((row) => rowNode(row, layout.width))], 0, SIZE.head),
        ...legendBelow(body + 16),
      ], margin, margin),
    ],
  };
  return { ...size, text: `<?xml version="1.0" encoding="UTF-8"?>\n${markup(root, colours)}\n` };
}

/** The page's colours of this moment: a dark page makes a dark picture. */
export function coloursOf(place) {
  const styles = getComputedStyle(place);
  return Object.fromEntries(COLOURS.map((name) => [name, styles.getPropertyValue(`--${name}`).trim()]));
}

/** By how much a picture of this size may be enlarged; 0 if it is too large for a picture. */
export function scaleFor({ width, height }) {
  const fits = [2, 1.5, 1, 0.75, 0.5].find((scale) => Math.max(width, height) * scale <= MAX_SIDE && width * height * scale * scale <= MAX_AREA);
  return fits ?? 0;
}

/** The picture of `file`, as a PNG. */
export async function pngOf(file) {
  const scale = scaleFor(file);
  if (scale === 0) throw new Error("The diagram is too long for a PNG. Take the SVG.");
  const image = new Image();
  // The page's policy allows data: for images, and no blob:.
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(file.text)}`;
  await image.decode();
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(file.width * scale);
  canvas.height = Math.round(file.height * scale);
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  const made = await new Promise((done) => canvas.toBlob(done, "image/png"));
  if (!made) throw new Error("This browser could not make the PNG. Take the SVG.");
  return made;
}

/** The recording of `steps`, which opens again without a server. */
export function recording(steps) {
  const kept = steps.map(withoutSecrets);
  const started = Math.min(...kept.map((step) => step.start).filter(Number.isFinite));
  return { version: 1, started: Number.isFinite(started) ? started : 0, steps: kept };
}

/** The steps of the recording `text`, JSON or a page that has it. An error says in a sentence what is wrong. */
export function readRecording(text) {
  let read;
  try {
    read = JSON.parse(dataOf(text));
  } catch {
    throw new Error("This file is no recording: it is not JSON, and no page of a recording.");
  }
  if (read?.version !== 1 || !Array.isArray(read.steps)) throw new Error("This file is no recording of a journey, or of another version.");
  if (read.steps.length > MAX_STEPS) throw new Error(`This recording has more than ${MAX_STEPS} steps.`);
  return read.steps.filter((step) => step !== null && typeof step === "object").map(wellFormed).map(withoutSecrets);
}

/** The step of a file, which anybody may have written: texts are texts, and lists are short. */
function wellFormed(step) {
  const whole = { ...step };
  for (const name of TEXTS) if (name in whole && typeof whole[name] !== "string") whole[name] = null;
  for (const name of ["request", "response"]) {
    const items = Array.isArray(whole[name]) ? whole[name] : [];
    whole[name] = items.filter((item) => item !== null && typeof item === "object").slice(0, MAX_ITEMS);
  }
  return whole;
}

/** Lets the reader save `blob` as `name`. */
export function save(name, blob) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
