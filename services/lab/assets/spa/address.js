// The parameter `note` of the page's address. Pure.

/** The most characters of a note. */
const LONGEST = 4096;

/** The note in `search`, or else in `hash`; `null` if there is none. */
export function noteOf({ search, hash }) {
  const said = new URLSearchParams(search || hash.slice(1)).get("note");
  return said === null ? null : said.slice(0, LONGEST);
}
