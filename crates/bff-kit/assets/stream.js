// The stream of the session's events. HTTP/1.1 lets a browser have six
// connections to an origin, for all its tabs together: a stream a tab would
// soon leave none for the calls. So one tab holds the stream for all of them,
// and tells; when it is closed, the next one takes over.

import { request } from "./request.js";
import { onTold, tell } from "./tabs.js";

/** When to ask again for a stream that was refused, in milliseconds. */
const COME_BACK = 30_000;

/** Whether the app says that nobody is signed in. What it does not answer is not known. */
async function isOver() {
  try {
    const response = await request("/session?slide=false");
    return response.ok && !(await response.json()).authenticated;
  } catch {
    return false;
  }
}

/** Holds a stream until the session has ended, or until `signal`; whether it has ended. */
function hold(signal) {
  return new Promise((resolve) => {
    let source;
    let timer;
    const settle = (ended) => {
      source.close();
      clearTimeout(timer);
      resolve(ended);
    };
    const comeBack = () => {
      source.close();
      timer = setTimeout(open, COME_BACK);
    };
    const refused = async () => {
      // It comes back by itself, but not after a refusal, and tells no status.
      if (source.readyState !== EventSource.CLOSED) return;
      if (await isOver()) settle(true);
      else if (!signal.aborted) comeBack();
    };
    const open = () => {
      source = new EventSource("/session/events");
      source.addEventListener("ended", () => settle(true));
      source.addEventListener("replaced", comeBack);
      source.addEventListener("error", refused);
    };
    signal.addEventListener("abort", () => settle(false));
    open();
  });
}

/** In one tab at a time where the browser can tell; in each where it cannot. */
function alone(session, signal, work) {
  if (!("locks" in navigator)) return work();
  return navigator.locks.request(`session-events ${session}`, { signal }, work);
}

/** Calls `onEnd` once, as soon as `session` has ended, whichever tab hears it first. */
export async function watch(session, onEnd) {
  const over = new AbortController();
  onTold((kind, which) => {
    if (kind !== "ended" || which !== session || over.signal.aborted) return;
    over.abort();
    onEnd();
  });
  try {
    const ended = await alone(session, over.signal, async () => {
      const heard = await hold(over.signal);
      // While the lock is held: the next tab need not ask any more.
      if (heard) tell("ended", session);
      return heard;
    });
    if (ended && !over.signal.aborted) {
      over.abort();
      onEnd();
    }
  } catch (error) {
    // Told by another tab while it waited for its turn.
    if (!over.signal.aborted) throw error;
  }
}
