// Shows the parameter `note` of the address as text, and reports that in a journey of the lab.

import * as lab from "./lab.js";
import { noteOf } from "./address.js";

const note = document.getElementById("note");

function show() {
  const said = noteOf(location);
  note.hidden = said === null;
  note.textContent = said ?? "";
  if (said !== null) lab.tell("page.note");
}

addEventListener("hashchange", show);
show();
