// The menu for taking the journey along: files of the diagram, and recordings to open.

import { coloursOf, MAX_RECORDING, pngOf, readRecording, recording, save, svgFile } from "./export.js";
import { pageOf } from "./file.js";
import { layOut } from "./layout.js";
import { mermaid } from "./mermaid.js";

const at = (id) => document.getElementById(id);

function closeMenu() {
  at("take-away").open = false;
}

/** A menu closes by Escape, and by a click elsewhere. */
function wireMenu(menu) {
  menu.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !menu.open) return;
    event.stopPropagation();
    menu.open = false;
    menu.querySelector("summary").focus();
  });
  addEventListener("click", (event) => {
    if (!menu.contains(event.target)) menu.open = false;
  });
}

/** The name of a file of this moment. */
function name(ending) {
  return `journey-${new Date().toISOString().slice(0, 19).replace(/[:T]/g, "-")}.${ending}`;
}

/**
 * Wires the menu. `steps()` are the raw steps, `settled()` the arranged ones;
 * `open(steps, name)` shows those of a file, `say(text)` tells the reader.
 */
export function takeAway({ steps, settled, open, say }) {
  const picture = () => svgFile(layOut(settled()), coloursOf(at("journey")));
  const ways = {
    "save-svg": () => save(name("svg"), new Blob([picture().text], { type: "image/svg+xml" })),
    "save-png": async () => save(name("png"), await pngOf(picture())),
    "save-mermaid": () => save(name("mmd"), new Blob([mermaid(settled())], { type: "text/plain" })),
    "copy-mermaid": async () => {
      await navigator.clipboard.writeText(mermaid(settled()));
      say("The Mermaid text is in the clipboard.");
    },
    "save-recording": () => save(name("json"), new Blob([JSON.stringify(recording(steps()), null, 1)], { type: "application/json" })),
    "save-page": async () => save(name("html"), new Blob([await pageOf(recording(steps()))], { type: "text/html" })),
    print: () => print(),
  };
  for (const menu of at("journey").querySelectorAll("details.menu")) wireMenu(menu);
  const run = async (way) => {
    say("");
    try {
      await way();
    } catch (error) {
      say(error instanceof DOMException ? "The browser did not allow it." : error.message);
    }
  };
  for (const [id, way] of Object.entries(ways)) {
    // The page of a recording has no lab that gives it another page.
    at(id)?.addEventListener("click", () => {
      closeMenu();
      run(way);
    });
  }
  const read = (file) => run(async () => {
    if (file.size > MAX_RECORDING) throw new Error("This file is too large for a recording.");
    closeMenu();
    open(readRecording(await file.text()), file.name.slice(0, 60));
  });
  const input = at("open-recording");
  input.addEventListener("change", () => {
    if (input.files[0]) read(input.files[0]);
    input.value = "";
  });
  // A file that is dropped anywhere on the page.
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", (event) => {
    event.preventDefault();
    const [file] = event.dataTransfer?.files ?? [];
    if (file) read(file);
  });
}
