// What the tabs of this app in one browser tell each other. A message names a
// session by its handle, which is a hash and no secret.

const channel = "BroadcastChannel" in self ? new BroadcastChannel("session") : null;

/** Tells the other tabs that `kind` happened to `session`. */
export function tell(kind, session) {
  channel?.postMessage({ kind, session });
}

/** Calls `hear` with what another tab tells. */
export function onTold(hear) {
  channel?.addEventListener("message", ({ data }) => hear(data.kind, data.session));
}
