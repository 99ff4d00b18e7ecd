// The page of a scenario: its buttons, its keys, the table of prices, and the live diagram
// once this browser is in a journey.

import { openBeside } from "./beside.js";
import { courseKey } from "./course.js";
import { pricesOf } from "./prices.js";

/** How often the page asks whether the journey has begun, and how long, in ms. */
const ASK = 400;
const PATIENCE = 60_000;
/** After this long the diagram has drawn a step, in ms. */
const DRAWN = 200;

const at = (id) => document.getElementById(id);
const page = at("scenario");
const diagram = at("journey");
const calm = matchMedia("(prefers-reduced-motion: reduce)");

let asking = false;

async function isBegun() {
  try {
    const answer = await fetch("/scenarios/begun");
    return answer.ok && (await answer.json()).begun;
  } catch {
    return false;
  }
}

/** Shows the diagram, which reads the journey. */
async function follow() {
  page.dataset.begun = "true";
  diagram.dataset.started = "true";
  await import("./page.js");
}

/** What is started below the fold is seen. */
function showDiagram() {
  diagram?.scrollIntoView({ block: "start", behavior: calm.matches || !document.hasFocus() ? "auto" : "smooth" });
}

/** The window beside begins the journey; this page waits for it. */
async function waitForJourney() {
  if (!diagram || asking) return;
  asking = true;
  for (let waited = 0; waited < PATIENCE; waited += ASK) {
    if (await isBegun()) {
      // Before its first arrow the diagram has no height to scroll to.
      diagram.addEventListener("journey-step", () => setTimeout(showDiagram, DRAWN), { once: true });
      await follow();
      break;
    }
    await new Promise((done) => setTimeout(done, ASK));
  }
  asking = false;
}

function wireStarts() {
  // The steps of a scenario have windows of their own; the runs of an attack follow each other.
  const steps = [...document.querySelectorAll(".way [data-start]")];
  for (const form of document.querySelectorAll("[data-start]")) {
    form.addEventListener("submit", () => {
      openBeside(form.target, Math.max(0, steps.indexOf(form)));
      if (page.dataset.begun === "true") showDiagram();
      else waitForJourney();
    });
  }
}

function wireCopies() {
  for (const button of document.querySelectorAll("[data-copy]")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      const text = button.dataset.copy === "link" ? at("link").href : button.parentElement.querySelector("code").textContent;
      try {
        await navigator.clipboard.writeText(text);
        at("copied").textContent = "Copied.";
        button.textContent = "Copied";
      } catch {
        at("copied").textContent = "The browser did not allow it.";
      }
    });
  }
}

function wireKeys() {
  addEventListener("keydown", (event) => {
    const stage = at("stage");
    const way = courseKey(event, stage !== null && !stage.hidden);
    const link = way && at(way);
    if (!link) return;
    event.preventDefault();
    location.assign(link.href);
  });
}

/** Fills in the table from the steps as they arrive. */
function wirePrices() {
  const table = at("prices");
  if (!table || !diagram) return;
  const steps = [];
  let pending = null;
  const fill = () => {
    pending = null;
    for (const [mode, price] of pricesOf(steps)) {
      const row = table.querySelector(`[data-mode="${CSS.escape(mode)}"]`);
      const write = (name, text) => {
        row.querySelector(`[data-price="${name}"]`).textContent = text;
      };
      if (!row) continue;
      write("bytes", `${price.bytes}\u00a0bytes`);
      write("commands", price.commands === null ? "unknown" : String(price.commands));
      write("micros", `${price.micros}\u00a0µs`);
    }
  };
  diagram.addEventListener("journey-step", ({ detail }) => {
    steps.push(detail);
    pending ??= setTimeout(fill, 100);
  });
}

wireStarts();
wireCopies();
wireKeys();
wirePrices();
if (diagram && page.dataset.begun === "true") follow();
