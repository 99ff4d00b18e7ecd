// The label of each message, in the notation of sequence diagrams of OAuth: the request
// line with its parameters, the answer with its status, what is saved in a store.

import { fingerprint, publicValue, short } from "./items.js";
import { label as partyLabel } from "./parties.js";

/** The parameters that a label shows; the panel shows all. */
const IN_LABEL = new Set([
  "client_id", "request_uri", "response_type", "scope", "state", "nonce", "code", "error", "prompt", "grant_type",
  "refresh_token", "subject_token", "resource", "audience", "assertion", "device_code", "user_code", "token", "username",
]);

const ACTIONS = {
  login: "Click “Sign in”",
  password: "Name and password",
  consent: "Answer the consent form",
  device_code: "Type the device's code",
  device_answer: "Allow or deny the device",
  logout: "Click “Sign out”",
};

const STATUS = {
  200: "OK", 201: "Created", 202: "Accepted", 204: "No Content", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden",
  404: "Not Found", 405: "Method Not Allowed", 409: "Conflict", 413: "Content Too Large", 429: "Too Many Requests",
  500: "Internal Server Error", 502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Timeout",
};

/** The statuses of gRPC, by their numbers. */
const GRPC_STATUS = [
  "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED",
  "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
];

/** The commands that read or change a record. */
const VERBS = { get: "Load", put: "Save", put_new: "Create", compare_and_swap: "Update", take: "Load", remove: "Delete" };
/** The commands that keep count, order and time: a label has them only if there are no others. */
const UPKEEP = {
  count: "Count", uncount: "Count down", lease: "Lease", release: "Release", rank: "Add to the index of", unrank: "Remove from the index of",
  ranked: "List", ranked_at: "Look up in the index of", ranked_count: "Count in the index of", claim: "Claim", admit: "Admit", ping: "Ping",
};

/** What the kinds of records are called in diagrams of OAuth; another kind is called what it is. */
const RECORDS = {
  login: "login_session",
  "logins-of": "login_session",
  "login-clients": "login_session",
  "login-grants": "login_session",
  authorization: "authorization_session",
  pushed: "pushed request",
  code: "authorization_code",
  device: "device_code",
  "access-tokens-of": "grant",
  jti: "used assertion",
  dpop: "used proof",
  failed: "sign-in attempts",
  session: "session",
  refresh: "session",
  "logout-token": "used logout token",
};
/** The app's records that have a name of the provider's. */
const RECORDS_OF_APP = { login: "pre_session" };

/** Where a redirect leads if the answer does not say it. */
const LEADS_TO = {
  "GET /login": "/authorize",
  "GET /authorize": "/callback",
  "POST /authorize": "/callback",
  "POST /sign-in": "/callback",
  "POST /consent": "/callback",
  "POST /authorize/continue": "/callback",
  "GET /callback": "/",
};

const own = (table, name) => (Object.hasOwn(table, name) ? table[name] : undefined);
const named = (items, place) => items.filter((item) => item.place === place);

/** A grant type or another URN without its prefix. */
function bare(text) {
  return text.replace(/^urn:ietf:params:oauth:[a-z-]+:/, "");
}

function pair(item) {
  return `${item.name}=${item.name === "scope" ? "…" : bare(short(item, 48))}`;
}

/** The query of `items` as text: the parameters that say most. */
function query(items) {
  const shown = items.filter((item) => IN_LABEL.has(item.name)).map(pair);
  if (items.length === 0) return "";
  return `?${[...shown, ...(shown.length < items.length ? ["…"] : [])].join("&")}`;
}

/** The request line without its query. */
export function requestLine(step) {
  if (/^[A-Z]+ \//.test(step.name)) return step.name;
  const grpc = /^(?:[\w.]*\.)?(\w+\/\w+)$/.exec(step.name);
  if (grpc) return `gRPC ${grpc[1]}`;
  return step.step || step.name || "Request";
}

function audience(item) {
  const aud = item.claims?.aud;
  const text = Array.isArray(aud) ? aud.join(" ") : aud;
  return typeof text === "string" ? `${item.name}(aud=${text})` : item.name;
}

/** The line about the request's credential: its scheme, and the token that it carries. */
function credential(items) {
  const header = items.find((item) => item.place === "header" && /^authorization$/i.test(item.name));
  const token = items.find((item) => item.name === "access_token" && (item.place === "token" || item.place === "header"));
  const proof = items.some((item) => /^dpop$/i.test(item.name));
  if (!header && !token) return [];
  const scheme = (header && publicValue(header)) || (proof ? "DPoP" : "Bearer");
  const print = header && fingerprint(header);
  return [`Authorization: ${scheme} ${token ? audience(token) : print ? `●${print}` : "…"}`];
}

/** The line with the names of cookies. A login's cookie has a hash in its name. */
function namesOf(cookies, header) {
  const names = [...new Set(cookies.map((item) => String(item.name).replace(/^(__Host-login_|.*_(?=[0-9a-f]{12})).+$/, "$1…")))];
  if (names.length === 0) return [];
  return [`${header}: ${names.slice(0, 3).join(", ")}${names.length > 3 ? ", …" : ""}`];
}

function cookiesSet(items) {
  const cookies = named(items, "cookie");
  const isGone = (item) => item.size === 0;
  return [...namesOf(cookies.filter((item) => !isGone(item)), "Set-Cookie"), ...namesOf(cookies.filter(isGone), "Delete cookie")];
}

/** The tokens that a request is about. How a client authenticates is in the panel. */
const PRESENTED = new Set(["subject_token", "actor_token", "assertion", "logout_token", "id_token_hint"]);

function presented(items) {
  const named = items.filter((item) => item.place === "token" && PRESENTED.has(item.name));
  return named.length > 0 ? [named.map(audience).join(" ")] : [];
}

function requestLabel({ step, items }) {
  const form = named(items, "form");
  const grant = form.find((item) => item.name === "grant_type");
  const rest = form.filter((item) => item !== grant && IN_LABEL.has(item.name)).map(pair);
  const line = `${requestLine(step)}${query(named(items, "query"))}${grant ? ` ${pair(grant)}` : ""}`;
  return [line, ...(rest.length > 0 ? [rest.join(" ")] : []), ...presented(items), ...credential(items), ...namesOf(named(items, "cookie"), "Cookie")];
}

/** The path that a redirect leads to, with its query. */
function location(step, items) {
  const header = items.find((item) => item.place === "header" && /^location$/i.test(item.name));
  const said = header && publicValue(header);
  const path = said ? said.split(/[?#]/)[0].replace(/^https?:\/\/[^/]+(?=\/)/, "") : (own(LEADS_TO, step.name) ?? "");
  return `${path}${query(named(items, "query"))}`;
}

function members(items) {
  const names = [...new Set([...named(items, "token"), ...named(items, "json")].map((item) => item.name))];
  if (names.length === 0) return "";
  return `{${names.slice(0, 6).join(", ")}${names.length > 6 ? ", …" : ""}}`;
}

function errorOf(step, items) {
  const said = items.find((item) => item.name === "error");
  const code = (said && publicValue(said)) || (step.outcome !== "ok" ? step.outcome : "");
  return code ? [code] : [];
}

/** That the browser got a page of explain mode in place of the redirect. */
function explained(step) {
  return step.attributes["sso.explained"] === "redirect" ? ["Explain mode waits"] : [];
}

/** The status of an answer by gRPC, which has no number that readers know; empty for others. */
function grpcStatus(step) {
  const code = step.attributes["rpc.grpc.status_code"];
  if (code === undefined || code === null || code === "") return "";
  return GRPC_STATUS[Number(code)] ?? `gRPC status ${String(code).slice(0, 20)}`;
}

function answerLabel({ step, items }) {
  const status = Number.isInteger(step.status) ? step.status : null;
  const cookies = cookiesSet(items);
  if (step.attributes["sso.explained"] === "before") return ["200 Explain mode waits", ...cookies];
  if (status !== null && status >= 300 && status < 400) return [`${status} ${location(step, items)}`.trim(), ...explained(step), ...cookies];
  const body = members(items);
  const grpc = grpcStatus(step);
  const word = grpc || (step.outcome === "ok" ? "OK" : "Answer");
  const line = status === null ? (grpc ? `${grpc} ${body}`.trim() : body || word) : `${status} ${body || own(STATUS, status) || ""}`.trim();
  return [line, ...errorOf(step, items), ...cookies];
}

/** What one command does, in words. */
export function commandWords({ step }) {
  const operation = step.attributes["db.operation.name"];
  const kind = step.attributes["db.collection.name"];
  const ofApp = /-bff$/.test(step.service) ? own(RECORDS_OF_APP, kind) : undefined;
  const record = ofApp ?? own(RECORDS, kind) ?? (kind ? String(kind) : "record");
  const verb = own(VERBS, operation) ?? own(UPKEEP, operation) ?? (operation ? String(operation) : "Command on");
  // Read and removed in one step: nobody gets it a second time.
  return `${verb} ${record}${operation === "take" ? " once" : ""}`;
}

/** The most commands that a label names. */
const MOST_NAMED = 4;

function storeLabel({ commands }) {
  const main = commands.filter(({ step }) => own(VERBS, step.attributes["db.operation.name"]));
  const all = new Set((main.length > 0 ? main : commands.slice(0, 1)).map(commandWords));
  const named = [...all].filter((words) => !all.has(`${words} once`));
  const shown = named.length > MOST_NAMED ? [...named.slice(0, MOST_NAMED), "…"] : named;
  return [...shown, ...(commands.length > 1 ? [`${commands.length} commands`] : [])];
}

/** Why a step failed: its outcome, or the weakness that let it pass; empty if it did not fail. */
export function reason(step) {
  const weakness = step.attributes["sso.weakness"];
  if (weakness) return `weakened: ${weakness}`;
  return step.outcome !== "ok" ? step.outcome : "";
}

function noteLabel({ step }) {
  const lines = [step.step || step.name || "Step", ...(step.spec ? [step.spec] : [])];
  const why = reason(step);
  return why ? [...lines, why] : lines;
}

/** The lines of the label of `message`: the first is the main one. */
export function lines(message) {
  switch (message.kind) {
    case "user": return [own(ACTIONS, message.action) ?? "Act"];
    case "request": return requestLabel(message);
    case "answer": return answerLabel(message);
    case "store": return storeLabel(message);
    default: return noteLabel(message);
  }
}

/** The label as one line of text. */
export function oneLine(message) {
  return lines(message).join(", ");
}

const TITLES = {
  "GET /login": "Login",
  "GET /callback": "Login",
  "GET /authorize": "Login",
  "POST /sign-in": "Login",
  "POST /logout": "Sign-out",
  "GET /logout": "Sign-out",
  "POST /backchannel-logout": "Back-channel logout",
  "POST /device_authorization": "Device login",
  "GET /device": "Device login",
  "GET /session": "Who is signed in",
  "GET /sessions": "The page lists the user's sessions",
  "GET /": "A page",
};

/** The title of a group of messages. */
export function groupTitle(group) {
  const { first } = group;
  // What a service has reported before the request itself, which has not ended yet.
  if (first.kind === "store" || (first.kind === "check" && first.parent)) return `Part of a request at ${partyLabel(first.service)}`;
  const call = /^[A-Z]+ \/api[12]\//.test(first.name) ? `Call: ${first.name}` : undefined;
  const title = own(TITLES, first.name) ?? call ?? (first.step || first.name || "Steps");
  // A client that has no backend begins its login here.
  const client = first.name === "GET /authorize" && first.request.find((item) => item.name === "client_id");
  const id = client ? publicValue(client) : null;
  if (id) return `Login of ${id}${group.continued ? ", continued" : ""}`;
  const where = first.kind === "request" ? ` at ${partyLabel(first.to)}` : "";
  return `${title}${where}${group.continued ? ", continued" : ""}`;
}
