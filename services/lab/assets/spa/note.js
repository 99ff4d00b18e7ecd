// The vulnerability of a weakened lab: text of the URL becomes HTML.

const note = document.getElementById("note");

function show() {
  const said = new URLSearchParams(location.search || location.hash.slice(1)).get("note");
  note.hidden = said === null;
  note.innerHTML = said ?? "";
}

addEventListener("hashchange", show);
show();
