// The forms that sign out. Without this file they post, and the browser follows.

import { request } from "./request.js";
import { tell } from "./tabs.js";

const trouble = document.getElementById("sign-out-failed");

async function signOut(form, session) {
  // The form's fields say what to sign out of.
  const response = await request(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)) });
  if (!response.ok) throw new Error(`the app answered ${response.status}`);
  const { redirect_to } = await response.json();
  // For a session in cookies, other tabs have no other way to learn of the end.
  tell("ended", session);
  location.assign(redirect_to);
}

/** Handles the forms; `leaving` learns whether this tab navigates away. */
export function takeOverSignOut(session, leaving) {
  for (const form of document.querySelectorAll("[data-sign-out]")) {
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const button = form.querySelector("button");
      button.disabled = true;
      leaving(true);
      try {
        await signOut(form, session);
      } catch (error) {
        leaving(false);
        button.disabled = false;
        trouble.textContent = `You are still signed in: ${error.message}.`;
        trouble.hidden = false;
      }
    });
  }
}
