// A journey as the lab's server sends it: a login to app1, the page after it, and a call
// whose token is exchanged. Names, attributes and sections are those of the telemetry
// registry; the times are in µs.

const LOGIN = "4bf92f3577b34da6a3ce929d0e0e4736";
const PAGE = "8a3c60f7d188f8fa79d48a391a778fa6";
const CALL = "0af7651916cd43dd8448eb211c80319c";
const BEGIN = 1_795_867_747_000_000;

const COOKIE = "HttpOnly; Secure; SameSite=Lax; Path=/";
const hidden = (place, name, fingerprint, size = 43, more = {}) => ({ place, name, fingerprint, size, ...more });
const shown = (place, name, value) => ({ place, name, value, size: value.length });
const time = (seconds) => Math.floor(BEGIN / 1e6) + seconds;

const USER_TOKEN = {
  iss: "https://idp.localhost", sub: "u-alice", aud: "https://api-1", client_id: "app1", scope: "https://api-1/read https://api-1/write",
  iat: time(40), exp: time(940), jti: { fingerprint: "j1aaaa" }, sid: { fingerprint: "s1aaaa" },
};
const EXCHANGED = {
  iss: "https://idp.localhost", sub: "u-alice", aud: "https://api-2", client_id: "api-1", act: { sub: "api-1" }, scope: "https://api-2/read",
  iat: time(40), exp: time(340), jti: { fingerprint: "j2bbbb" }, sid: { fingerprint: "s1aaaa" },
};
const ID_TOKEN = {
  iss: "https://idp.localhost", sub: "u-alice", aud: "app1", nonce: { fingerprint: "n0nce1" }, auth_time: time(12), iat: time(13), exp: time(313),
  name: "Alice", preferred_username: "alice", sid: { fingerprint: "s1aaaa" }, at_hash: { fingerprint: "h4sh11" },
};
const token = (name, fingerprint, claims, typ, size = 812) => ({
  place: "token", name, fingerprint, size, claims, header: { alg: "ES256", typ, kid: "idp-2026-11" },
});
const accessToken = (name = "access_token") => token(name, "at1111", USER_TOKEN, "at+jwt");

/** All spans by id; `at` and `takes` are µs after the begin of the journey. */
const SPANS = [];
let ids = 0;
function span(trace, parent, at, takes, kind, service, from, to, name, more = {}) {
  ids += 1;
  const id = ids.toString(16).padStart(16, "0");
  const { step = "", spec = "", outcome = kind === "store" || kind === "request" ? "" : "ok", status = null } = more;
  SPANS.push({
    trace, span: id, parent, start: BEGIN + at, end: BEGIN + at + takes, kind, service, from, to, name, step, spec, outcome, status,
    micros: takes, store_commands: more.store_commands ?? null, request: more.request ?? [], response: more.response ?? [],
    attributes: more.attributes ?? {},
  });
  return id;
}

const request = (trace, parent, at, takes, from, to, name, more) => span(trace, parent, at, takes, "request", to, from, to, name, more);
const check = (trace, parent, at, takes, service, name, step, spec, more = {}) =>
  span(trace, parent, at, takes, "check", service, service, service, name, { step, spec, ...more });
const call = (trace, parent, at, takes, service, to, name, step, spec, more = {}) =>
  span(trace, parent, at, takes, "call", service, service, to, name, { step, spec, ...more });
const STORES = { "app1-bff": "app1-store", idp: "idp-store" };
const store = (trace, parent, at, service, operation, kind) =>
  span(trace, parent, at, 180, "store", service, service, STORES[service], "store", {
    step: "One command to the store, or one script", attributes: { "db.system.name": "redis", "db.operation.name": operation, "db.collection.name": kind },
  });

const AUTHORIZE = [
  shown("query", "response_type", "code"), shown("query", "client_id", "app1"),
  shown("query", "redirect_uri", "https://app1.localhost:8082/callback"),
  shown("query", "scope", "openid profile offline_access https://api-1/read https://api-1/write https://api-2/read"),
  hidden("query", "state", "k3f9a2"), hidden("query", "nonce", "n0nce1"), hidden("query", "code_challenge", "ch4113"),
  shown("query", "code_challenge_method", "S256"),
];
const ANSWER = [hidden("query", "code", "c0de77"), hidden("query", "state", "k3f9a2"), shown("query", "iss", "https://idp.localhost")];
const LOGIN_COOKIE = "__Host-login_9f86d081884c7d65";

function begin() {
  const login = request(LOGIN, null, 0, 3200, "browser", "app1-bff", "GET /login", {
    step: "A login begins", spec: "OIDC Core §3.1.2.1", status: 302, store_commands: 2,
    response: [shown("header", "Location", "https://idp.localhost:8081/authorize"), ...AUTHORIZE,
      hidden("cookie", LOGIN_COOKIE, "pre111", 43, { attributes: `${COOKIE}; Max-Age=600` })],
  });
  const pre = check(LOGIN, login, 300, 900, "app1-bff", "login.pre_session", "The app makes state, nonce and PKCE verifier and stores them", "RFC 9700 §2.1");
  store(LOGIN, pre, 420, "app1-bff", "admit", "budget");
  store(LOGIN, pre, 700, "app1-bff", "put", "login");
  return login;
}

function signIn(login) {
  const authorize = request(LOGIN, login, 40_000, 4100, "browser", "idp", "GET /authorize", {
    step: "The authorization request", spec: "RFC 6749 §4.1.1", status: 200, request: AUTHORIZE,
    response: [hidden("cookie", "__Host-idp_browser", "br0wse", 43, { attributes: COOKIE })],
  });
  check(LOGIN, authorize, 40_200, 700, "idp", "authorize.check", "The provider checks the authorization request", "RFC 6749 §4.1.1", { attributes: { "sso.client_id": "app1" } });
  store(LOGIN, authorize, 41_500, "idp", "put", "authorization");
  const posted = request(LOGIN, login, 12_000_000, 92_000, "browser", "idp", "POST /sign-in", {
    step: "The user signs in", spec: "OIDC Core §3.1.2.3", status: 302,
    request: [shown("form", "username", "alice"), hidden("form", "password", "pw0000", 10), hidden("cookie", "__Host-idp_browser", "br0wse")],
    response: [shown("header", "Location", "https://app1.localhost:8082/callback"), ...ANSWER,
      hidden("cookie", "__Host-idp_session", "sess99", 76, { attributes: `${COOKIE}; Max-Age=28800` })],
  });
  store(LOGIN, posted, 12_000_300, "idp", "get", "authorization");
  const password = check(LOGIN, posted, 12_000_800, 81_000, "idp", "login.password", "The provider checks a password", "OIDC Core §3.1.2.3");
  store(LOGIN, password, 12_001_000, "idp", "count", "failed");
  store(LOGIN, posted, 12_083_000, "idp", "compare_and_swap", "authorization");
  store(LOGIN, posted, 12_084_000, "idp", "put", "login");
  const issue = check(LOGIN, posted, 12_087_000, 2400, "idp", "authorize.code_issue", "The provider issues a code", "RFC 6749 §4.1.2", {
    attributes: { "sso.client_id": "app1", "enduser.id": "u-alice" },
  });
  store(LOGIN, issue, 12_087_900, "idp", "put", "code");
}

function redeem(callback) {
  const exchange = call(LOGIN, callback, 12_132_000, 21_000, "app1-bff", "idp", "callback.code_exchange", "The app redeems the code", "RFC 6749 §4.1.3", {
    attributes: { "sso.grant": "authorization_code" },
  });
  const served = request(LOGIN, exchange, 12_134_000, 17_000, "client", "idp", "POST /token", {
    step: "The token request", spec: "RFC 6749 §3.2", status: 200,
    request: [shown("form", "grant_type", "authorization_code"), hidden("form", "code", "c0de77"), hidden("form", "code_verifier", "ver111"),
      shown("form", "redirect_uri", "https://app1.localhost:8082/callback"), shown("form", "client_id", "app1"), hidden("form", "client_assertion", "ass111", 420)],
    response: [token("access_token", "at0000", { ...USER_TOKEN, aud: "https://idp.localhost/userinfo", scope: "openid profile" }, "at+jwt"),
      token("id_token", "id1111", ID_TOKEN, "JWT", 702), hidden("json", "refresh_token", "rt1111", 96), shown("json", "token_type", "Bearer"), shown("json", "expires_in", "900")],
  });
  const client = check(LOGIN, served, 12_134_300, 2100, "idp", "token.client_auth", "The provider authenticates the client", "RFC 6749 §2.3", { attributes: { "sso.client_id": "app1" } });
  store(LOGIN, client, 12_135_000, "idp", "put_new", "jti");
  const grant = check(LOGIN, served, 12_137_000, 12_000, "idp", "token.grant", "The provider validates the grant and issues tokens", "RFC 6749 §5", {
    attributes: { "sso.client_id": "app1", "sso.grant": "authorization_code" },
  });
  store(LOGIN, grant, 12_137_400, "idp", "get", "code");
  store(LOGIN, grant, 12_138_200, "idp", "compare_and_swap", "code");
  store(LOGIN, grant, 12_139_000, "idp", "put_new", "grant");
  check(LOGIN, grant, 12_143_000, 900, "idp", "token.sign", "The provider signs a token", "RFC 7515 §5.1", { attributes: { "sso.audience": "https://idp.localhost/userinfo" } });
  check(LOGIN, grant, 12_145_000, 900, "idp", "token.sign", "The provider signs a token", "RFC 7515 §5.1", { attributes: { "sso.audience": "app1" } });
}

function finish(login) {
  const callback = request(LOGIN, login, 12_130_000, 39_000, "browser", "app1-bff", "GET /callback", {
    step: "The authorization response arrives", spec: "RFC 6749 §4.1.2", status: 302, store_commands: 3,
    request: [...ANSWER, hidden("cookie", LOGIN_COOKIE, "pre111")],
    response: [shown("header", "Location", "/"), hidden("cookie", "__Host-session_id", "sid222", 43, { attributes: COOKIE })],
  });
  const state = check(LOGIN, callback, 12_130_300, 900, "app1-bff", "callback.check", "The app checks the authorization response: state, browser and issuer", "RFC 9207 §2.4");
  store(LOGIN, state, 12_130_600, "app1-bff", "take", "login");
  redeem(callback);
  const verify = check(LOGIN, callback, 12_154_000, 6000, "app1-bff", "callback.id_token_check", "The app verifies the ID token", "OIDC Core §3.1.3.7");
  request(LOGIN, verify, 12_155_000, 800, "client", "idp", "GET /jwks", { step: "A client fetches the provider's keys", spec: "RFC 7517 §5", status: 200 });
  const save = check(LOGIN, callback, 12_162_000, 2600, "app1-bff", "callback.session_save", "The app stores the session, before it sets the cookie", "", { attributes: { "sso.session_mode": "stateful" } });
  store(LOGIN, save, 12_162_500, "app1-bff", "put", "session");
  store(LOGIN, save, 12_163_600, "app1-bff", "rank", "logins-user");
}

const SESSION = hidden("cookie", "__Host-session_id", "sid222");
const LOADS = "The app opens the session of the request's cookies";

function page() {
  const shows = request(PAGE, null, 12_190_000, 2100, "browser", "app1-bff", "GET /", { status: 200, store_commands: 1, request: [SESSION] });
  const load = check(PAGE, shows, 12_190_300, 700, "app1-bff", "session.load", LOADS, "", { attributes: { "sso.session_mode": "stateful", "sso.cache_hit": "false" } });
  store(PAGE, load, 12_190_500, "app1-bff", "get", "session");
}

function upstream(report) {
  const proxy = call(CALL, report, 40_030_000, 44_000, "app1-bff", "api-1", "proxy.upstream", "The app calls an API", "RFC 6750 §2.1", {
    attributes: { "sso.to": "api-1", "sso.audience": "https://api-1", "sso.credential": "refresh" }, request: [accessToken()],
  });
  const api = request(CALL, proxy, 40_032_000, 40_000, "client", "api-1", "GET /report", { step: "A call with an access token", spec: "RFC 6750 §2.1", status: 200 });
  check(CALL, api, 40_032_400, 600, "api-1", "api.token_check", "The API verifies the access token", "RFC 9068 §4", {
    attributes: { "sso.audience": "https://api-1", "sso.client_id": "app1", "enduser.id": "u-alice", "sso.cache_hit": "false" },
  });
  const exchange = call(CALL, api, 40_034_000, 18_000, "api-1", "idp", "api.token_exchange", "API-1 exchanges the user's token for one to API-2", "RFC 8693 §2", {
    attributes: { "sso.audience": "https://api-2", "network.protocol.name": "grpc" },
  });
  const issued = request(CALL, exchange, 40_036_000, 14_000, "api-1", "idp", "sso.idp.v1.TokenExchange/Exchange", {
    step: "The token exchange request", spec: "RFC 8693 §2.1",
    request: [shown("form", "grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"), shown("form", "audience", "https://api-2"), accessToken("subject_token")],
    response: [token("access_token", "at2222", EXCHANGED, "at+jwt")], attributes: { "rpc.grpc.status_code": "0" },
  });
  check(CALL, issued, 40_037_000, 12_000, "idp", "token.grant", "The provider validates the grant and issues tokens", "RFC 6749 §5", {
    attributes: { "sso.grant": "urn:ietf:params:oauth:grant-type:token-exchange", "sso.client_id": "api-1" },
  });
  const inventory = call(CALL, api, 40_053_000, 15_000, "api-1", "api-2", "api.inventory_call", "API-1 calls API-2 with the exchanged token, or with its own", "RFC 6750 §2.1", {
    request: [token("access_token", "at2222", EXCHANGED, "at+jwt")], attributes: { "rpc.system": "grpc", "rpc.method": "List" },
  });
  const list = request(CALL, inventory, 40_055_000, 11_000, "client", "api-2", "sso.inventory.v1.Inventory/List", { step: "A call with an access token", spec: "RFC 6750 §2.1", attributes: { "rpc.grpc.status_code": "0" } });
  check(CALL, list, 40_055_400, 500, "api-2", "api.token_check", "The API verifies the access token", "RFC 9068 §4", { attributes: { "sso.audience": "https://api-2", "sso.client_id": "api-1", "enduser.id": "u-alice" } });
}

function report() {
  const asked = request(CALL, null, 40_000_000, 78_000, "browser", "app1-bff", "GET /api1/report", {
    step: "A call with the session's cookie", status: 200, store_commands: 2, request: [SESSION],
  });
  const load = check(CALL, asked, 40_000_300, 700, "app1-bff", "session.load", LOADS, "", { attributes: { "sso.session_mode": "stateful", "sso.cache_hit": "false" } });
  store(CALL, load, 40_000_500, "app1-bff", "get", "session");
  const wanted = check(CALL, asked, 40_001_500, 27_000, "app1-bff", "tokens.access_token", "The app gets an access token for one audience, from the session or by a renewal", "RFC 8707 §2.2", {
    attributes: { "sso.audience": "https://api-1", "sso.token_source": "minted", "sso.session_mode": "stateful" },
  });
  const refresh = call(CALL, wanted, 40_004_000, 22_000, "app1-bff", "idp", "tokens.refresh", "The app redeems the refresh token", "RFC 6749 §6", { attributes: { "sso.audience": "https://api-1", "sso.grant": "refresh_token" } });
  request(CALL, refresh, 40_006_000, 18_000, "client", "idp", "POST /token", {
    step: "The token request", spec: "RFC 6749 §3.2", status: 200,
    request: [shown("form", "grant_type", "refresh_token"), hidden("form", "refresh_token", "rt1111", 96), shown("form", "resource", "https://api-1"), shown("form", "client_id", "app1")],
    response: [accessToken(), hidden("json", "refresh_token", "rt2222", 96), shown("json", "expires_in", "900")],
  });
  store(CALL, wanted, 40_027_000, "app1-bff", "compare_and_swap", "session");
  upstream(asked);
}

const login = begin();
signIn(login);
finish(login);
page();
report();

/** Some steps in the order in which they end, as they arrive. */
function numbered(spans) {
  return [...spans].sort((a, b) => a.end - b.end).map((one, at) => ({ seq: at + 1, ...one }));
}

/** The whole journey. */
export const JOURNEY = numbered(SPANS);
/** The login alone. */
export const BFF_LOGIN = numbered(SPANS.filter((one) => one.trace !== CALL));
/** The call whose token is exchanged. */
export const EXCHANGE = numbered(SPANS.filter((one) => one.trace === CALL));

/** `list` in an order that depends on `seed` alone. */
export function shuffled(list, seed) {
  const mixed = [...list];
  let state = seed * 2_654_435_761 + 1;
  for (let at = mixed.length - 1; at > 0; at -= 1) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    const other = state % (at + 1);
    [mixed[at], mixed[other]] = [mixed[other], mixed[at]];
  }
  return mixed;
}
