// A recording as one page: it opens from a disk with nothing running, shows the diagram like
// the lab's own page, and loads nothing. The lab gives the page without a recording; its
// styles and modules are put into it, and the steps as data that no browser runs.

import { bundle, importsOf } from "./bundle.js";

/** Where the lab has the page without a recording. */
const VIEWER = "/journey/viewer";
/** The most modules of a page. */
const MAX_MODULES = 100;

const LINK = /<link rel="[^"]*"[^>]* href="([^"]+)">\n?/g;
const SCRIPT = /<script type="module" src="([^"]+)"><\/script>\n?/g;
/** What the lab's page says of this moment, and not of the recording. */
const OF_NOW = /<aside class="(?:notices|weakened)"[\s\S]*?<\/aside>\n?/g;
/** Where the recording is in the page. */
const DATA = /<script type="application\/json" id="recording">([\s\S]*?)<\/script>/;

/** The recording in the text of such a page; any other text is returned as it is. */
export function dataOf(text) {
  return DATA.exec(text)?.[1] ?? text;
}

/** The text at `path` of the lab. */
async function fetched(path) {
  const answer = await fetch(path);
  if (!answer.ok) throw new Error("The lab did not give the page. Take the recording as JSON.");
  return answer.text();
}

/** The SHA-256 hash of `text` as a policy names it (CSP 3 §2.3.1). */
async function hashOf(text) {
  const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return `'sha256-${btoa(String.fromCharCode(...new Uint8Array(hash)))}'`;
}

/** The module at `src`, and all that it imports, by name. */
async function modulesFrom(src, get) {
  const [, folder, entry] = /^(.*\/)([\w.]+)(?:\?.*)?$/.exec(src);
  const modules = new Map([[entry, await get(src)]]);
  for (const text of modules.values()) {
    for (const name of importsOf(text)) {
      if (!modules.has(name) && modules.size < MAX_MODULES) modules.set(name, await get(`${folder}${name}`));
    }
  }
  return { entry, modules };
}

/** `text`, which is put into an element that `end` would end. */
function inElement(text, end) {
  if (end.test(text) || /<!-{2}/.test(text)) throw new Error("A file of the page cannot be inside a page.");
  return text;
}

/** The page of `recording`, which `recording` of export.js has made. `get(path)` asks the lab. */
export async function pageOf(recording, get = fetched) {
  const page = await get(VIEWER);
  const sheets = [...page.matchAll(LINK)].map(([all, href]) => (all.includes('rel="stylesheet"') ? href : null)).filter(Boolean);
  const style = inElement((await Promise.all(sheets.map(get))).join("\n"), /<\/style/i);
  const [, src] = [...page.matchAll(SCRIPT)].find(([, path]) => /\/page\.js\b/.test(path));
  const { entry, modules } = await modulesFrom(src, get);
  const script = inElement(bundle(modules, entry), /<\/script/i);
  const policy = [
    "default-src 'none'", `style-src ${await hashOf(style)}`, `script-src ${await hashOf(script)}`, "img-src data:", "base-uri 'none'", "form-action 'none'",
  ].join("; ");
  // Inside the element for data nothing but its end tag has a meaning.
  const data = JSON.stringify(recording).replaceAll("<", "\\u003c");
  const put = (text, before, what) => {
    const at = text.lastIndexOf(before);
    return `${text.slice(0, at)}${what}\n${text.slice(at)}`;
  };
  const bare = page.replace(LINK, "").replace(SCRIPT, "").replace(OF_NOW, "");
  const headed = put(bare, "<title>", `<meta http-equiv="Content-Security-Policy" content="${policy}">`);
  const styled = put(headed, "</head>", `<style>${style}</style>`);
  return put(styled, "</body>", `<script type="application/json" id="recording">${data}<\/script>\n<script>${script}<\/script>`);
}
