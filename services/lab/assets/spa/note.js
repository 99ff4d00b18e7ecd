// The hole of a lab that has been weakened: what the address says becomes HTML.

const note = document.getElementById("note");

function show() {
  const said = new URLSearchParams(location.search || location.hash.slice(1)).get("note");
  note.hidden = said === null;
  note.innerHTML = said ?? "";
}

addEventListener("hashchange", show);
show();
