// The commands of a page, for a terminal: each gets the value that makes its requests part of
// this browser's journey. The value is good for some minutes, so it is renewed.

/** Renewed after this part of its life. */
const PART = 0.6;
/** The next attempt after a refusal, in ms. */
const PAUSE = 30_000;

function later(run, ms) {
  const timer = setTimeout(run, ms);
  return () => clearTimeout(timer);
}

/** Writes what the server gives into the places of the commands. */
export function fill(places, given) {
  for (const place of places) {
    const text = given?.[place.dataset.pass];
    place.textContent = typeof text === "string" ? ` ${text}` : "";
  }
}

/**
 * Keeps the commands of `root` good. Returns what ends that. `get()` asks the server,
 * `wait(run, ms)` calls `run` later.
 */
export function keepGood(root, { get = () => fetch("/journey/terminal"), wait = later } = {}) {
  const places = [...root.querySelectorAll("[data-pass]")];
  let giveUp = () => {};
  const renew = async () => {
    let pause = PAUSE;
    try {
      const answer = await get();
      const given = answer.ok ? await answer.json() : null;
      fill(places, given);
      if (given) pause = given.seconds * 1000 * PART;
    } catch {
      // The lab is away: what is there stays for its time.
    }
    giveUp = wait(renew, pause);
  };
  if (places.length > 0) renew();
  return () => giveUp();
}

/** Wires the buttons that copy a command, where the page has not done it itself. */
export function wireCopies(root, say) {
  for (const button of root.querySelectorAll("[data-copy-command]")) {
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(button.parentElement.querySelector("code").textContent);
        say("The command is in the clipboard.");
      } catch {
        say("The browser did not allow it.");
      }
    });
  }
}
