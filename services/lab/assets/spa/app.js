// The page: its buttons, what they show, and the list of steps.

import { element } from "./dom.js";
import { explain } from "./errors.js";
import { failuresInForce } from "./failures.js";
import { onStep } from "./journey.js";
import { Session } from "./session.js";
import { write } from "./story.js";
import * as tokens from "./tokens.js";

const page = document.getElementById("spa");
const story = document.getElementById("story");
const failure = document.getElementById("error");
const onward = document.getElementById("onward");
const session = new Session({ ...page.dataset });

onStep((name, details) => {
  const entry = write(story, name, details);
  story.hidden = false;
  document.getElementById("no-story").hidden = true;
  // Inside the list, so that the buttons do not move.
  if (session.claims) entry.scrollIntoView({ block: "nearest" });
});

function render() {
  const { claims } = session;
  for (const part of document.querySelectorAll("[data-signed-in]")) {
    part.hidden = (part.dataset.signedIn === "true") !== (claims !== null);
  }
  for (const name of document.querySelectorAll("[data-claim]")) {
    name.textContent = claims?.[name.dataset.claim] ?? "";
  }
  document.querySelector("[data-action=replay]").hidden = !session.hasUsedOne;
  tokens.show(document.getElementById("tokens"), session.tokens);
}

function say(sentence) {
  failure.textContent = sentence ?? "";
  failure.hidden = !sentence;
}

/** The server's answer about failures is a second old at most; while one is shown, it is asked again. In ms. */
const FRESH = 1200;
const AGAIN = 5000;
let asking = null;

/** What the lab has let fail may be why a call failed: a service that does not answer cannot say it. */
async function showFailures(again = AGAIN) {
  const place = document.getElementById("failures");
  const sentences = await failuresInForce(page.dataset.lab === "true");
  place.replaceChildren(...sentences.map((text) => element("li", "", text)));
  place.parentElement.hidden = sentences.length === 0;
  clearTimeout(asking);
  if (sentences.length > 0 || again === FRESH) asking = setTimeout(showFailures, again);
}

const ACTIONS = {
  async signIn() {
    location.assign(await session.begin());
  },
  async prepare() {
    story.replaceChildren();
    onward.querySelector("a").href = await session.begin();
    onward.hidden = false;
  },
  userinfo: () => session.userinfo(),
  list: () => session.call(),
  order(form) {
    const { item, quantity } = Object.fromEntries(new FormData(form));
    return session.call({ item, quantity: Number(quantity) });
  },
  refresh: () => session.refresh(),
  replay: () => session.replay(),
  async signOut() {
    const address = await session.end();
    if (address) location.assign(address);
  },
};

/** One at a time: two concurrent refreshes would be a replay. */
let running = false;

async function run(work, button) {
  if (running) return;
  running = true;
  button?.setAttribute("aria-busy", "true");
  say(null);
  try {
    await work();
  } catch (error) {
    say(await explain(error));
    showFailures(FRESH);
  } finally {
    running = false;
    button?.removeAttribute("aria-busy");
    render();
  }
}

for (const control of document.querySelectorAll("[data-action]")) {
  const isForm = control.matches("form");
  control.addEventListener(isForm ? "submit" : "click", (event) => {
    event.preventDefault();
    run(() => ACTIONS[control.dataset.action](control), isForm ? control.querySelector("button") : control);
  });
}

render();
showFailures();
if (location.pathname === "/callback") {
  const callback = new URL(location.href);
  // Removes the code from the address bar and the history first.
  history.replaceState(null, "", "/");
  run(() => session.complete(callback));
}
