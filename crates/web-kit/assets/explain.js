// A page of explain mode: counts the remaining lives down. When the first has ended,
// Continue leads nowhere any more and the step starts again.

const shown = performance.now();
const lives = [...document.querySelectorAll("[data-left]")].map((element) => (
  { element, what: element.dataset.what, ends: shown + Number(element.dataset.left) * 1000 }
));
const SHORT = 15;

/** Whole seconds in words: `9 min 58 s left`. */
function words(seconds) {
  const minutes = Math.floor(seconds / 60);
  return `${minutes > 0 ? `${minutes}\u00a0min ` : ""}${seconds % 60}\u00a0s left`;
}

function end(what) {
  const go = document.getElementById("continue");
  const again = document.getElementById("again");
  if (go instanceof HTMLButtonElement) {
    go.disabled = true;
  } else {
    go.removeAttribute("href");
    go.setAttribute("aria-disabled", "true");
  }
  go.classList.add("plain");
  again?.classList.remove("plain");
  const over = document.getElementById("over");
  over.hidden = false;
  over.textContent = `${what} has ended, so the next step would be refused. ${again ? "Start this step again." : "Go back to the app and start again."}`;
}

function tick() {
  const now = performance.now();
  for (const { element, ends } of lives) {
    const left = Math.max(0, Math.ceil((ends - now) / 1000));
    element.hidden = false;
    element.textContent = words(left);
    element.classList.toggle("short", left <= SHORT);
  }
  const over = lives.find(({ ends }) => ends <= now);
  if (over === undefined) {
    setTimeout(tick, 250);
  } else {
    end(over.what);
  }
}

if (lives.length > 0) tick();
