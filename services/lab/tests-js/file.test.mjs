// A recording as one page: its script does what the modules do, its policy allows that alone,
// and nothing that a recording says becomes markup.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import vm from "node:vm";

import { bundle, importsOf } from "../assets/journey/bundle.js";
import { readRecording, recording } from "../assets/journey/export.js";
import { pageOf } from "../assets/journey/file.js";
import { arrange } from "../assets/journey/steps.js";
import { oneLine } from "../assets/journey/wording.js";
import { JOURNEY } from "./fixture.mjs";
import { step } from "./support.mjs";

const asset = (name) => readFileSync(new URL(`../assets/journey/${name}`, import.meta.url), "utf8");

const SHELL = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Recording</title>
<link rel="icon" type="image/svg+xml" href="/assets/favicon-lab.svg?v=1">
<link rel="stylesheet" href="/assets/look.css?v=1">
</head>
<body class="of-lab">
<aside class="notices" aria-label="x"><p>The provider is down.</p></aside>
<main>
<link rel="stylesheet" href="/assets/journey.css?v=2">
<div id="journey" data-recorded="true"></div>
<script type="module" src="/assets/page.js?v=3"></script>
</main>
<aside class="weakened"><details>x</details></aside>
<script type="module" src="/assets/notices.js?v=4"></script>
</body>
</html>
`;

/** The lab, which gives the page, its styles and its modules. */
async function lab(path) {
  if (path === "/journey/viewer") return SHELL;
  const name = /^\/assets\/([\w.]+)(?:\?v=\d)?$/.exec(path)[1];
  return name === "look.css" ? "body { color: red }" : asset(name);
}

/** The text inside the first element `name` whose tag has `attributes`. */
function inside(page, name, attributes = "") {
  const start = page.indexOf(`<${name}${attributes}>`) + name.length + attributes.length + 2;
  return page.slice(start, page.indexOf(`</${name}>`, start));
}

test("one script has every module, each before those that import it", () => {
  const modules = new Map([
    ["a.js", 'import { two as second, three } from "./b.js";\nimport { four } from "./c.js";\nmade.push(second(), three, new four().five);\n'],
    ["b.js", 'import { four } from "./c.js";\nconst own = 1;\nexport function two() {\n  return own + 1;\n}\nexport const three = new four().five - 2;\n'],
    ["c.js", "const own = 5;\nexport class four {\n  five = own;\n}\nexport async function later() {}\n"],
  ]);
  const made = [];
  vm.runInNewContext(bundle(modules, "a.js"), { made });
  assert.deepEqual(made, [2, 3, 5]);
  assert.deepEqual(importsOf(modules.get("a.js")), ["b.js", "c.js"]);
});

test("the script of the page is a whole one: no import and no export is left", async () => {
  const script = inside(await pageOf(recording(JOURNEY), lab), "script");
  assert.doesNotThrow(() => new vm.Script(script));
  assert.ok(!/^(import|export) /m.test(script));
  for (const name of ["page.js", "layout.js", "steps.js", "file.js"]) assert.ok(script.includes(`modules["${name}"] = `), name);
});

test("the page loads nothing, and its policy allows its own style and script alone (CSP 3 §2.3.1)", async () => {
  const page = await pageOf(recording(JOURNEY), lab);
  const [, policy] = /<meta http-equiv="Content-Security-Policy" content="([^"]+)">/.exec(page);
  const hash = (text) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
  const own = policy.split("; ");
  assert.ok(own.includes("default-src 'none'") && !policy.includes("unsafe") && !policy.includes("'self'"));
  assert.ok(own.includes(`script-src ${hash(inside(page, "script"))}`));
  assert.ok(own.includes(`style-src ${hash(inside(page, "style"))}`));
  const markup = page.replaceAll(/<(style|script)[^>]*>[\s\S]*?<\/\1>/g, "");
  assert.ok(!/ (src|href|action)=/.test(markup), markup);
  assert.ok(page.indexOf("Content-Security-Policy") < page.indexOf("<style>"));
});

test("what the lab says of this moment is not in the page", async () => {
  const page = await pageOf(recording(JOURNEY), lab);
  assert.ok(!page.includes("provider is down") && !page.includes('class="weakened"') && !page.includes("notices.js"));
});

test("the steps are in the page as data, whatever they say, and open again from it", async () => {
  const odd = step({ name: "</script><script>alert(1)</script><!--", outcome: "$& $1 </body>" });
  const page = await pageOf(recording([...JOURNEY, odd]), lab);
  assert.equal(page.match(/<\/script>/g).length, 2);
  assert.ok(!inside(page, "script", ' type="application/json" id="recording"').includes("<"));
  const again = arrange(readRecording(page)).messages.map(oneLine);
  assert.deepEqual(again, arrange([...JOURNEY, odd]).messages.map(oneLine));
});

test("a file that would end its element is refused", async () => {
  const odd = async (path) => (path.startsWith("/assets/look.css") ? "/* </STYLE> */" : lab(path));
  await assert.rejects(pageOf(recording(JOURNEY), odd), /cannot be inside/);
});
