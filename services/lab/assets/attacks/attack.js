// The page of an attack: runs it without leaving the page, and shows how it ended. The
// buttons that open a window, the keys and the diagram are those of a scenario's page.

import { EFFECT, Watcher } from "./verdict.js";

/** The steps of a former run arrive within this time, in ms. */
const SETTLED = 500;
/** When this script began, by the browser's clock, in ms. */
const OPENED = performance.now();

const page = document.getElementById("scenario");
const diagram = document.getElementById("journey");
const running = document.getElementById("running");
const outcomes = () => document.getElementById("outcomes");

function say(text) {
  running.textContent = text;
}

/** The time by the lab's clock, in µs, as the start of a step: at most as much too early as the page took to arrive. */
function labTime() {
  return Number(outcomes().dataset.made) + (performance.now() - OPENED) * 1000;
}

/** Shows how the run `which` ended. */
function show(which, { succeeded, isBlocked, says }) {
  const line = outcomes().querySelector(`[data-outcome="${CSS.escape(which)}"] .verdict`);
  const word = document.createElement("b");
  word.textContent = succeeded ? "Succeeded." : isBlocked ? "Blocked by your browser." : "Stopped.";
  line.className = `verdict ${succeeded ? "succeeded" : isBlocked ? "blocked" : "stopped"}`;
  line.replaceChildren(word, ` ${says}`);
  say("");
}

/** Watches the run `which`. Returns what takes its steps, and what ends that. */
function watchRun(which, watcher) {
  let patience;
  let over = false;
  const end = (verdict) => {
    clearTimeout(patience);
    show(which, verdict);
  };
  const see = (step) => {
    if (over) return;
    watcher.see(step);
    const verdict = watcher.verdict();
    if (verdict) {
      over = true;
      end(verdict);
    } else if (watcher.silence()) {
      const left = (watcher.attacked.start + EFFECT) / 1000 - Date.now();
      patience ??= setTimeout(() => end(watcher.silence()), Math.min(EFFECT / 1000, Math.max(SETTLED, left)));
    }
  };
  return { see, stop: () => clearTimeout(patience) };
}

/** Whether a defence is off in the run `which`. */
const isWeakened = (which) => which !== "off";

/** Runs in this browser are watched in the steps of its journey. */
function watchRuns() {
  const watch = JSON.parse(outcomes().dataset.watch);
  const former = JSON.parse(outcomes().dataset.former);
  // The stream begins with the first step of the journey, so it has those of former runs.
  let runs = former.map(({ which, ...time }) => watchRun(which, new Watcher(watch, { time, isWeakened: isWeakened(which) })));
  for (const form of document.querySelectorAll("[data-start]")) {
    form.addEventListener("submit", () => {
      for (const run of runs) run.stop();
      const which = form.elements.weakened.value;
      const watcher = new Watcher(watch, { isWeakened: isWeakened(which) });
      // The stream may still repeat the steps of former runs.
      watcher.begin(labTime());
      runs = [watchRun(which, watcher)];
      say("Runs in the window beside. The end appears here.");
    });
  }
  diagram.addEventListener("journey-step", ({ detail }) => {
    for (const run of runs) run.see(detail);
  });
}

/** Runs the attack by the program, and puts the outcomes of the new page into this one. */
async function run(form) {
  const buttons = document.querySelectorAll("[data-program] button");
  for (const button of buttons) button.disabled = true;
  form.querySelector("button").setAttribute("aria-busy", "true");
  say("The program runs. See its requests in the diagram.");
  try {
    const answer = await fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)) });
    const there = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = there.getElementById("outcomes");
    if (!answer.ok || !fresh) throw new Error(there.querySelector("main p")?.textContent ?? `The lab answered ${answer.status}.`);
    const now = outcomes().querySelector("[role=status]");
    now.replaceChildren(...fresh.querySelector("[role=status]").children);
    say("");
  } catch (error) {
    say(`It did not run: ${error.message}`);
  } finally {
    for (const button of buttons) {
      button.disabled = false;
      button.removeAttribute("aria-busy");
    }
  }
}

function wirePrograms() {
  for (const form of document.querySelectorAll("[data-program]")) {
    form.addEventListener("submit", (event) => {
      // Without a journey the form leads through all sites, and back to this page.
      if (page.dataset.begun !== "true") {
        say("Your journey begins, and the program runs.");
        return;
      }
      event.preventDefault();
      run(form);
    });
  }
}

if (outcomes().dataset.watch) watchRuns();
else wirePrograms();
