// The stream of steps from the lab's server.

/** The states of the stream. */
export const STATES = Object.freeze({ connecting: "connecting", live: "live", none: "none", gone: "gone", ended: "ended", full: "full" });

/** Between two attempts after the server has refused, in ms: the first, and the longest. */
const FIRST_PAUSE = 2000;
const LONGEST_PAUSE = 30_000;

/** Whether the lab knows this browser's journey; `null` if it does not answer. */
async function asked() {
  try {
    const answer = await fetch("/scenarios/begun");
    return answer.ok ? (await answer.json()).begun === true : null;
  } catch {
    return null;
  }
}

/** Calls `run` after `ms`. Returns what prevents that. */
function later(run, ms) {
  const timer = setTimeout(run, ms);
  return () => clearTimeout(timer);
}

/**
 * Follows the journey of this browser. `onStep(step)` is called for each step, `onState(state)`
 * for each change, `isKnown()` says after a refusal whether the lab still has the journey: the
 * memory of a lab that was started again has none. Returns a function that ends it.
 */
export function follow({ onStep, onState, url = "/journey/events", open = (at) => new EventSource(at), wait = later, isKnown = asked }) {
  let source = null;
  let giveUp = () => {};
  let pause = FIRST_PAUSE;
  let over = false;

  const stop = (state) => {
    over = true;
    giveUp();
    source?.close();
    if (state) onState(state);
  };
  const connect = () => {
    onState(STATES.connecting);
    source = open(url);
    source.addEventListener("open", () => {
      pause = FIRST_PAUSE;
      onState(STATES.live);
    });
    source.addEventListener("step", (event) => {
      const step = parse(event.data);
      if (step) onStep(step);
    });
    source.addEventListener("end", (event) => stop(parse(event.data)?.reason === "full" ? STATES.full : STATES.ended));
    source.addEventListener("error", failed);
  };
  const failed = async () => {
    if (over) return;
    // A lost connection comes back by itself, and asks for what it missed (Last-Event-ID).
    if (source.readyState !== 2) {
      onState(STATES.connecting);
      return;
    }
    // The server has refused: it has too many readers, or it does not know the journey.
    source.close();
    const known = await isKnown();
    if (over) return;
    if (known === false) {
      stop(STATES.gone);
      return;
    }
    onState(STATES.none);
    giveUp = wait(connect, pause);
    pause = Math.min(LONGEST_PAUSE, pause * 2);
  };
  connect();
  return () => stop(null);
}

/** The object in an event's data, or `null`. */
function parse(data) {
  try {
    const read = JSON.parse(data);
    return read !== null && typeof read === "object" ? read : null;
  } catch {
    return null;
  }
}
