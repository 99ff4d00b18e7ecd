// The vulnerability of a weakened lab: text of the address becomes HTML.

import { noteOf } from "./address.js";

const note = document.getElementById("note");

function show() {
  const said = noteOf(location);
  note.hidden = said === null;
  note.innerHTML = said ?? "";
}

addEventListener("hashchange", show);
show();
