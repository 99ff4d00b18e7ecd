// The width of text without a browser, so that the layout is a pure function. The widths
// are those of DejaVu, the widest of the fonts that the pages name: others need less.

/** Of the monospaced font, in em. */
const MONO = 0.602;

/** Of the proportional font, in em; all other characters have `MEAN`. */
const SANS = new Map([
  ["ijl'", 0.28], ["I|", 0.34], [" .,/:;\\", 0.34], ["()[]ft!-r", 0.41], ["\"scz*{}vxyk", 0.6], ["mM@%W", 1.0], ["GOQNHUDw", 0.83],
  ["…→", 1.0],
].flatMap(([characters, width]) => [...characters].map((character) => [character, width])));
const MEAN = 0.69;

/** Characters that take two places: CJK, emoji. */
const WIDE = /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\u{1f300}-\u{1faff}]/u;

/** The width of `text` in px at `size`; `font` is `mono` or `sans`. */
export function width(text, size, font = "mono") {
  let em = 0;
  for (const character of text) {
    if (WIDE.test(character)) em += 1.25;
    else em += font === "mono" ? MONO : (SANS.get(character) ?? MEAN);
  }
  return em * size;
}

/** After these a line may break, the better ones first. */
const BREAKS = [/[\s&?]/, /[,;/=:_.-]/];

/** How much of `text` fits into `room`: at least one character. */
function fitting(characters, room, size, font) {
  let used = 0;
  for (let at = 0; at < characters.length; at += 1) {
    used += width(characters[at], size, font);
    if (used > room && at > 0) return at;
  }
  return characters.length;
}

/** The place of the best break among the first `limit` characters. */
function breakAt(characters, limit) {
  for (const pattern of BREAKS) {
    // A separator of a query begins the next line, as in the seed of this notation.
    for (let at = limit; at > limit / 3; at -= 1) {
      if (pattern.test(characters[at - 1])) return /[&?]/.test(characters[at - 1]) && at > 1 ? at - 1 : at;
    }
  }
  return limit;
}

/** `text` in lines of at most `room` px, at most `most` of them; the last one ends with … if more is left. */
export function wrap(text, room, size, font = "mono", most = 8) {
  const lines = [];
  let rest = [...String(text).replace(/\s+/g, " ").trim()];
  while (rest.length > 0) {
    const fits = fitting(rest, room, size, font);
    if (fits === rest.length) {
      lines.push(rest.join(""));
      break;
    }
    if (lines.length === most - 1) {
      const kept = fitting(rest, room - width("…", size, font), size, font);
      lines.push(`${rest.slice(0, kept).join("").trimEnd()}…`);
      break;
    }
    const at = breakAt(rest, fits);
    lines.push(rest.slice(0, at).join("").trimEnd());
    rest = rest.slice(at);
    while (rest[0] === " ") rest.shift();
  }
  return lines.length > 0 ? lines : [""];
}
