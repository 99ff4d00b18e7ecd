// The participants of a journey: their order, what they are called, whose colour they have.

/** All participants, in the order of their columns. */
const ORDER = [
  "user", "browser", "app1-bff", "app1-store", "app2-bff", "app2-store", "spa", "terminal",
  "idp", "idp-store", "api-1", "api-1-store", "api-2", "api-2-store", "evil", "client",
];

const KNOWN = {
  user: ["User", "lab"],
  browser: ["Browser", "lab"],
  "app1-bff": ["app1", "app1"],
  "app1-store": ["app1 store", "app1"],
  "app2-bff": ["app2", "app2"],
  "app2-store": ["app2 store", "app2"],
  spa: ["SPA", "spa"],
  terminal: ["Terminal", "lab"],
  idp: ["IdP", "idp"],
  "idp-store": ["IdP store", "idp"],
  "api-1": ["API-1", "api-1"],
  "api-1-store": ["API-1 store", "api-1"],
  "api-2": ["API-2", "api-2"],
  "api-2-store": ["API-2 store", "api-2"],
  evil: ["Attacker", "evil"],
  client: ["Client", "lab"],
};

const ROLES = {
  user: "person",
  browser: "front channel",
  "app1-bff": "backend (BFF)",
  "app1-store": "sessions",
  "app2-bff": "backend (BFF)",
  "app2-store": "sessions",
  spa: "in the browser",
  terminal: "command line",
  idp: "identity provider",
  "idp-store": "sessions, codes",
  "api-1": "orders",
  "api-1-store": "orders",
  "api-2": "inventory",
  "api-2-store": "stock",
  evil: "another site",
};

/** The place of `party` in the fixed order. A participant that is not known comes last. */
export function rank(party) {
  const at = ORDER.indexOf(party);
  return at < 0 ? ORDER.length : at;
}

/** What a reader calls `party`. */
export function label(party) {
  return Object.hasOwn(KNOWN, party) ? KNOWN[party][0] : String(party);
}

/** One or two words on what `party` is; empty if it is not known. */
export function role(party) {
  return Object.hasOwn(ROLES, party) ? ROLES[party] : "";
}

/** The name of the colour of `party`, as in colours.css. */
export function colour(party) {
  return Object.hasOwn(KNOWN, party) ? KNOWN[party][1] : "lab";
}

export function isStore(party) {
  return String(party).endsWith("-store") || party === "store";
}

/** Whether the service `party` has a store of its own. */
export function hasStore(party) {
  return Object.hasOwn(KNOWN, storeOf(party));
}

/** The store of the service `party`. */
function storeOf(party) {
  return `${String(party).replace(/-bff$/, "")}-store`;
}

/** Whether `party` is on the user's side of the front channel. */
export function isFront(party) {
  return party === "user" || party === "browser";
}
