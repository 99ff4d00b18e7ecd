// The modules themselves: they fit together and to the page, and write no markup.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";

const ASSETS = new URL("../assets/journey/", import.meta.url);
const modules = new Map(readdirSync(ASSETS).filter((name) => name.endsWith(".js")).map((name) => [name, readFileSync(new URL(name, ASSETS), "utf8")]));
const page = readFileSync(new URL("../templates/journey/page.html", import.meta.url), "utf8");
const imports = (name) => [...modules.get(name).matchAll(/from "\.\/([\w.]+)"/g)].map(([, other]) => other);

test("every module that one imports is there, and none imports itself by way of others", () => {
  const visit = (name, path) => {
    assert.ok(modules.has(name), `${path.at(-1)} imports ${name}`);
    assert.ok(!path.includes(name), [...path, name].join(" → "));
    for (const other of imports(name)) visit(other, [...path, name]);
  };
  visit("page.js", []);
  const used = new Set([...modules.keys()].flatMap(imports));
  assert.deepEqual([...modules.keys()].filter((name) => name !== "page.js" && !used.has(name)), []);
});

test("every export is used by another module or a test", () => {
  const tests = readdirSync(new URL(".", import.meta.url)).map((name) => readFileSync(new URL(name, import.meta.url), "utf8")).join("\n");
  for (const [name, text] of modules) {
    for (const [, exported] of text.matchAll(/^export (?:async )?(?:function|const|class) (\w+)/gm)) {
      const others = [...modules].filter(([other]) => other !== name).map(([, body]) => body);
      assert.ok([...others, tests].some((body) => new RegExp(`\\b${exported}\\b`).test(body)), `${name}: ${exported}`);
    }
  }
});

test("no module writes markup, runs text, sets a style or keeps anything in the browser", () => {
  for (const [name, text] of modules) {
    for (const way of [/innerHTML|outerHTML|insertAdjacentHTML|document\.write/, /\beval\(|new Function/, /\.style\b|"style"/, /localStorage|sessionStorage|indexedDB|document\.cookie/, /https?:\/\/(?!www\.w3\.org)[a-z]/]) {
      assert.ok(!way.test(text), `${name}: ${way}`);
    }
  }
});

test("the page has every element that a module looks for, each id once, and nothing inline", () => {
  const ids = [...page.matchAll(/ id="([\w-]+)"/g)].map(([, id]) => id);
  assert.equal(new Set(ids).size, ids.length);
  const menu = [...modules.get("take_away.js").matchAll(/^ {4}(?:"([\w-]+)"|(print)): /gm)].map(([, quoted, plain]) => quoted ?? plain);
  assert.equal(menu.length, 7);
  const wanted = [...modules.values()].flatMap((text) => [...text.matchAll(/\bat\("([\w-]+)"\)/g)].map(([, id]) => id));
  assert.deepEqual([...new Set([...wanted, ...menu])].filter((id) => !ids.includes(id)), []);
  assert.ok(!/style=|<style| on\w+=|<script(?![^>]* src=)/.test(page));
});
