// The list of the user's sessions with this app, each with a button to end it.

import { element } from "./dom.js";
import { request } from "./request.js";
import { tell } from "./tabs.js";

const section = document.getElementById("sessions");

/** In the format of the rest of the page. */
function moment(seconds) {
  return `${new Date(seconds * 1000).toISOString().slice(0, 16).replace("T", " ")} UTC`;
}

function say(text) {
  const note = section.querySelector("[data-note]");
  note.textContent = text;
  note.hidden = !text;
}

/** The access tokens of the ended session that stay valid. */
function notRevoked(response) {
  const until = response.still_valid.map((token) => token.until);
  if (until.length === 0) return "";
  return `It has ended. The access tokens that its browser holds are good until ${moment(Math.max(...until))}.`;
}

async function end(session, button) {
  button.disabled = true;
  const response = await request(`/sessions/${session.handle}`, { method: "DELETE" }).catch(() => null);
  if (!response?.ok && response?.status !== 404) {
    button.disabled = false;
    say("This session could not be ended now. Try again.");
    return;
  }
  tell("ended", session.handle);
  if (session.current) {
    location.assign("/");
    return;
  }
  say(response.ok ? notRevoked(await response.json()) : "");
  await list();
}

function entry(session) {
  const button = element("button", "plain small", "End");
  button.type = "button";
  button.setAttribute("aria-label", `End the session on ${session.device}`);
  button.addEventListener("click", () => end(session, button));
  const name = element("p", "", element("strong", "", session.device), " ", element("span", "badge", session.mode));
  if (session.current) name.append(" ", element("span", "muted", "current"));
  const times = `from ${moment(session.created_at)}, last used ${moment(session.last_used_at)}`;
  return element("li", "", element("div", "", name, element("p", "small muted", times)), button);
}

/** Shows the list, or nothing if it cannot be loaded. */
export async function list() {
  const response = await request("/sessions").catch(() => null);
  if (!response?.ok) return;
  const sessions = await response.json();
  section.querySelector("[data-list]").replaceChildren(...sessions.map(entry));
  section.hidden = false;
}
