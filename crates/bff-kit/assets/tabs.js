// Messages among the tabs of this app in one browser. A message names a session by its
// handle, which is a hash and not a secret.

const channel = "BroadcastChannel" in self ? new BroadcastChannel("session") : null;

/** Tells the other tabs that `kind` happened to `session`. */
export function tell(kind, session) {
  channel?.postMessage({ kind, session });
}

/** Calls `hear` with the messages of other tabs. */
export function onTold(hear) {
  channel?.addEventListener("message", ({ data }) => hear(data.kind, data.session));
}
