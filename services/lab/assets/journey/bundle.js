// Modules as one script. A page that is opened from a disk loads no module, because a file
// has no origin; so each module becomes a function, and its imports are what others return.

const IMPORT = /^import \{([^}]*)\} from "\.\/([\w.]+)";$/gm;
const EXPORT = /^export ((?:async )?function|const|class) (\w+)/gm;

/** The names of the modules that `text` imports. */
export function importsOf(text) {
  return [...text.matchAll(IMPORT)].map(([, , name]) => name);
}

/** The names of `modules`, each after those that it imports; the last one is `entry`. */
function ordered(modules, entry, done = new Set()) {
  for (const name of importsOf(modules.get(entry))) if (!done.has(name)) ordered(modules, name, done);
  return done.add(entry);
}

/** A module as a function that returns its exports. */
function asFunction(name, text) {
  const exported = [...text.matchAll(EXPORT)].map(([, , own]) => own);
  const body = text
    .replace(IMPORT, (_all, names, other) => `const {${names.replaceAll(" as ", ": ")}} = modules[${JSON.stringify(other)}];`)
    .replace(EXPORT, "$1 $2");
  return `modules[${JSON.stringify(name)}] = (() => {\n${body}\nreturn { ${exported.join(", ")} };\n})();\n`;
}

/** One script that does what the module `entry` of `modules` does; `modules` has the text of each by its name. */
export function bundle(modules, entry) {
  const parts = [...ordered(modules, entry)].map((name) => asFunction(name, modules.get(name)));
  return `(() => {\n"use strict";\nconst modules = {};\n${parts.join("")}})();\n`;
}
