// The rule that each step follows, in a sentence. The names are those of the telemetry
// registry (crates/kit/src/telemetry/names); the section is in the step itself.

const CALL_WITH_COOKIE = "The browser sends only its cookie. The app finds the session by it, and adds the access token itself: no script in the page ever has one.";
const CALL_WITH_TOKEN = "The API verifies signature, issuer, audience, lifetime and scope of the token by itself, and refuses all else.";
const SIGN_IN = "The form belongs to the provider. The password goes to the provider alone, and its cookie is bound to this browser.";

const SPANS = {
  "login.pre_session": "The app makes a state, a nonce and a code_verifier for this one login. It keeps them in its store and gives the browser a cookie that belongs to them.",
  "login.request_check": "After the login the browser goes to return_to. Only a path of the app's own is accepted, so that a genuine login ends on no other site.",
  "request.forgery_check": "Cookies say whose browser it is, and not which page asked. So Origin, Sec-Fetch-Site and a header or form token have to show that a page of the app did.",
  "login.par_push": "The app sends its request to the provider directly and gets a handle. Nobody at the browser reads or changes the parameters.",
  "callback.check": "The answer counts only if its state belongs to this browser's cookie, it was not used before, and iss names the provider that was asked.",
  "callback.code_exchange": "The client authenticates, and shows the code_verifier whose hash it sent before. A stolen code is useless to anybody else.",
  "callback.id_token_check": "Signature, issuer, audience, lifetime and nonce must all be right. Then, and only then, the app knows who signed in.",
  "callback.session_save": "The session has a new random id: an id that somebody set before the login is worth nothing (session fixation).",
  "session.load": "The cookie is the only thing that a browser sends. Who it belongs to, and which tokens it has, is in the session.",
  "tokens.access_token": "Each API gets an access token of its own. One that has not run out is used again; several requests at one moment cause one renewal.",
  "tokens.refresh": "The refresh token gets an access token for one API, and is itself replaced. Whoever uses the old one later ends the whole grant.",
  "tokens.exchange": "The provider gives a token for another audience, and states in act who asked for it. A policy of the provider says who may exchange what.",
  "tokens.jwt_bearer": "The app signs a statement about the user. The provider believes it only for clients that are trusted to make one.",
  "tokens.client_credentials": "No user is involved: the token's sub is the client itself.",
  "logout.revoke": "The session has ended, so its refresh token is made invalid at once.",
  "logout.token_check": "A logout token is signed by the provider, is for this app, and counts once.",
  "proxy.upstream": "The app calls the API with a token for that API alone. The browser's cookies stay behind.",
  "authorize.check": "Client and redirect URI come first: if one of them is wrong, the browser is sent nowhere. Then the rest is checked.",
  "login.password": "Only a slow hash of the password is stored. An unknown name takes as long as a wrong password.",
  "authorize.code_issue": "The code stands for this user, this client, this redirect URI and this code_challenge. It is valid once and for a short time.",
  "device.authorize": "The device gets two codes: one to poll with, and a short one that the user types elsewhere.",
  "device.user_code": "The code is short, so guesses are counted and slowed down.",
  "device.answer": "The user sees which client asks before the answer. The device learns it at its next poll.",
  "token.client_auth": "Before anything else the provider finds out which client is asking. A public client proves nothing and therefore needs PKCE.",
  "token.grant": "The code or token is used up in one step of the store, so that two requests can never both succeed.",
  "token.sign": "The provider signs with its private key. Everybody verifies it with the public one.",
  "token.introspection": "The provider looks at the token and at its session now: what was revoked is not active.",
  "logout.backchannel": "The provider tells every app of the session directly. No browser is needed for that.",
  "api.token_check": "The API accepts only an access token (at+jwt) from its own issuer, for its own audience, that is still valid. An ID token is refused.",
  "api.introspection": "The token says nothing by itself, so the API asks the provider, and authenticates for that.",
  "api.token_exchange": "A token for API-1 is not valid at API-2. API-1 exchanges it for one that is, and stays visible in act.",
  "api.key_check": "An API key names a program, and no user. Only its hash is stored.",
  "api.identity_check": "The header counts only from a peer whose certificate may state users. From everybody else it is removed.",
  "api.own_token": "The caller brought no token of a user, so API-1 acts as itself.",
  "api.inventory_call": "API-2 sees a token for itself, with the user in sub and API-1 in act.",
  "page.prepare": "All three are random and made for this one login. The verifier stays in the page; only its hash, the challenge, is sent.",
  "page.answer_check": "Another state means that somebody else began this login. Another iss means that another provider answered. Then the code is not used.",
  "page.key": "The browser lets this page sign with the private half, and lets no script read it. The tokens are bound to this key.",
  "page.id_token_check": "Signature, issuer, audience, lifetime and nonce must all be right. Then, and only then, the page knows who signed in.",
  "page.keep": "The tokens are in no cookie and in no web storage. They are gone when the page is closed; until then a script in the page can use them.",
  "page.forget": "The tokens were in the memory of this page only.",
  "page.note": "Text of an address stays text: a page that made elements of it would run whatever the link contains.",
  "attack.program": "The attacker's program acts. It has no key and no password of the services: whatever they accept from it, they would accept from anybody.",
  "attack.client": "The lab plays the part of the victim's app. A public client keeps its tokens in the browser, where a script can copy them.",
  "fault.delay": "Not part of the protocol: the lab's failure switch lets the answer of the token endpoint wait.",
  "store": "One command, done in one step. What is secret is stored as a hash, or sealed.",
};

const REQUESTS = {
  "GET /login": "The app sends the browser to the provider. It never asks for a password itself.",
  "GET /callback": "The address carries a code and a state. Neither of them is of use without the cookie of this browser.",
  "POST /logout": "Signing out changes something, so it is a form with a CSRF token and no link.",
  "POST /backchannel-logout": "The provider calls the app directly. The app ends every session that the token names.",
  "GET /": "The page itself needs no token. The app reads the cookie to know which page it shows: that of a visitor, or that of a user.",
  "GET /session": "The page learns who is signed in, and no token.",
  "GET /sessions": "The user sees on which browsers the app has a session, and can end each. The page gets descriptions, and no session id.",
  "GET /authorize": "Everything here is visible in the address. So it holds no secret: state, nonce and the challenge are useless to others.",
  "POST /authorize": "The same request as by GET, for parameters that are too long for an address.",
  "POST /sign-in": SIGN_IN,
  "POST /device/sign-in": SIGN_IN,
  "POST /consent": "The user decides what the client may do. Without a yes there is no code.",
  "POST /authorize/continue": "Explain mode has paused before the code. The form names the same authorization session, and only this browser can send it.",
  "GET /logout": "The session at the provider ends, and with it single sign-on.",
  "POST /par": "The client authenticates first. So the provider knows who asks before any browser is involved.",
  "POST /device_authorization": "A device without a browser begins a login that the user finishes elsewhere.",
  "GET /device": "The user opens this page on another device.",
  "POST /device": "The user types the code that the device shows.",
  "POST /device/answer": "The user allows or denies exactly this device.",
  "POST /token": "The back channel: only the client and the provider see this request.",
  "POST /revoke": "The answer is the same whether the token existed or not.",
  "POST /introspect": "Only a client that may ask gets an answer.",
  "GET /userinfo": "Claims about the user, current at this moment, for whoever holds an access token with the scope openid.",
  "POST /userinfo": "Claims about the user, current at this moment, for whoever holds an access token with the scope openid.",
  "GET /jwks": "The public keys, with which everybody verifies the provider's signatures. They are cached.",
  "GET /.well-known/openid-configuration": "Endpoints and abilities of the provider. A client is configured with the issuer alone.",
  "GET /.well-known/oauth-authorization-server": "Endpoints and abilities of the provider. A client is configured with the issuer alone.",
  "sso.idp.v1.TokenExchange/Exchange": "The exchange by gRPC. Its rules are those of the exchange by HTTP.",
  "GET /api1/data": CALL_WITH_COOKIE,
  "POST /api1/data": `${CALL_WITH_COOKIE} A request that changes something needs a CSRF token too.`,
  "GET /api1/order": "A GET changes nothing: any page can cause one with a picture. This address exists in a weakened lab alone.",
  "GET /api1/report": CALL_WITH_COOKIE,
  "GET /api1/whoami": CALL_WITH_COOKIE,
  "GET /api2/data": CALL_WITH_COOKIE,
  "POST /api2/data": `${CALL_WITH_COOKIE} A request that changes something needs a CSRF token too.`,
  "GET /api2/whoami": CALL_WITH_COOKIE,
  "GET /resource": CALL_WITH_TOKEN,
  "POST /resource": CALL_WITH_TOKEN,
  "GET /report": CALL_WITH_TOKEN,
  "GET /whoami": CALL_WITH_TOKEN,
  "sso.inventory.v1.Inventory/List": CALL_WITH_TOKEN,
  "sso.inventory.v1.Inventory/Reserve": CALL_WITH_TOKEN,
  "sso.inventory.v1.Inventory/WhoAmI": CALL_WITH_TOKEN,
};

/** What each grant type of the token endpoint does: the request line is the same for all. */
const GRANTS = {
  authorization_code: "Here a code becomes tokens. It is redeemed once, by the client to which it was issued.",
  refresh_token: "Here a refresh token gets a new access token, without the user. A new refresh token takes its place.",
  client_credentials: "Here the client asks for a token of its own. No user is involved.",
  "urn:ietf:params:oauth:grant-type:token-exchange": "Here a token for one audience becomes a token for another.",
  "urn:ietf:params:oauth:grant-type:jwt-bearer": "Here a statement that the client has signed becomes an access token.",
  "urn:ietf:params:oauth:grant-type:device_code": "Here the device asks whether the user has answered. After a yes, its code becomes tokens, once.",
};

/** A call to an API whose credential is no access token, with the section of what the API does. */
const CREDENTIALS = {
  api_key: {
    text: "The call brings an API key in place of an access token. API-1 knows the program by it, and no user. The browser's cookies stay behind.",
    section: "RFC 6819 §5.1.4.1.3",
  },
  identity_header: {
    text: "The call states who the user is, and brings no token. API-1 believes it of a peer whose certificate it has listed. The browser's cookies stay behind.",
    section: "RFC 7239 §8.1",
  },
};

/** The sections of steps for which the registry has none: what says the same of any service. */
const SECTIONS = {
  store: "RFC 6819 §5.1.4.1.3",
  "session.load": "RFC 6265 §8.4",
  "callback.session_save": "RFC 6265 §8.4",
  "api.key_check": "RFC 6819 §5.1.4.1.3",
  "api.identity_check": "RFC 7239 §8.1",
  "page.keep": "RFC 6819 §5.1.6",
  "page.forget": "RFC 6819 §5.1.6",
  "GET /": "RFC 9110 §9.3.1",
  "GET /session": "RFC 9110 §9.3.1",
  "GET /sessions": "RFC 9110 §9.3.1",
  "GET /api1/data": "RFC 6265 §5.4",
  "POST /api1/data": "RFC 6265 §5.4",
  "GET /api1/report": "RFC 6265 §5.4",
  "GET /api1/whoami": "RFC 6265 §5.4",
  "GET /api2/data": "RFC 6265 §5.4",
  "POST /api2/data": "RFC 6265 §5.4",
  "GET /api2/whoami": "RFC 6265 §5.4",
};

const find = (table, name) => (Object.hasOwn(table, name) ? table[name] : null);

/** The rule of the span `name`, or `null`. */
export function rule(name) {
  return find(SPANS, name) ?? find(REQUESTS, name);
}

const credentialOf = (step) => find(CREDENTIALS, step.attributes["sso.credential"]);

/** The rule of `step`: that of its credential or of its name, and at the token endpoint that of its grant type. */
export function ruleOf(step) {
  const said = credentialOf(step)?.text ?? rule(step.name);
  const grant = step.name === "POST /token" ? step.request.find((item) => item.name === "grant_type")?.value : undefined;
  return [said, find(GRANTS, grant)].filter(Boolean).join(" ") || null;
}

/** The section of `step`: the registry's, or one that says the same for any HTTP server. */
export function sectionOf(step) {
  return step.spec || credentialOf(step)?.section || find(SECTIONS, step.name) || "";
}
