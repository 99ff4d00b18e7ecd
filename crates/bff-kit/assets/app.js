// The home page. It also works without this file: each part says how.

import { takeOverCalls } from "./calls.js";
import { list } from "./sessions.js";
import { takeOverSignOut } from "./sign-out.js";
import { watch } from "./stream.js";
import { onTold, tell } from "./tabs.js";

const page = document.getElementById("session");
/** The handle of this page's session; undefined when signed out. */
const session = page?.dataset.session;
let leaving = false;

function ended() {
  if (leaving) return;
  document.getElementById("signed-in-elsewhere").hidden = true;
  document.getElementById("session-ended").hidden = false;
  // Disables everything in it.
  page.inert = true;
  scrollTo({ top: 0 });
}

onTold((kind, which) => {
  if (kind !== "signed-in" || which === session) return;
  document.getElementById("session-ended").hidden = true;
  document.getElementById("signed-in-elsewhere").hidden = false;
});

if (session) {
  tell("signed-in", session);
  takeOverCalls();
  takeOverSignOut(session, (now) => (leaving = now));
  list();
  watch(session, ended);
}
