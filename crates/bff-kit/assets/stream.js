// The stream of the session's events. With HTTP/1.1 a browser has six connections to an
// origin for all its tabs: one stream per tab would leave none for the calls. So one tab
// keeps the stream and notifies the others; when it closes, the next one takes over.

import { request } from "./request.js";
import { onTold, tell } from "./tabs.js";

/** The pause before another attempt after a refused stream, in milliseconds. */
const COME_BACK = 30_000;

/** Whether the app says that the user is signed out. Without a response: no. */
async function isOver() {
  try {
    const response = await request("/session?slide=false");
    return response.ok && !(await response.json()).authenticated;
  } catch {
    return false;
  }
}

/** Keeps a stream until the session has ended, or until `signal`. Returns whether it has ended. */
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
      // It reconnects by itself, except after a refusal, whose status it hides.
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

/** In one tab at a time if the browser has locks, otherwise in every tab. */
function alone(session, signal, work) {
  if (!("locks" in navigator)) return work();
  return navigator.locks.request(`session-events ${session}`, { signal }, work);
}

/** Calls `onEnd` once when `session` has ended, whichever tab learns of it first. */
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
      // Before the lock is released, so that the next tab needs no request.
      if (heard) tell("ended", session);
      return heard;
    });
    if (ended && !over.signal.aborted) {
      over.abort();
      onEnd();
    }
  } catch (error) {
    // Another tab learned of the end while this one waited.
    if (!over.signal.aborted) throw error;
  }
}
