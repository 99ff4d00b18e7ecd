// What each parameter, header, cookie and claim is for: a sentence, and the section that
// defines it. The panel of an arrow shows them.

const PARAMETERS = {
  client_id: ["Which client asks. It is public and proves nothing by itself.", "RFC 6749 §2.2"],
  client_secret: ["The client's password, known to the client and the provider.", "RFC 6749 §2.3.1"],
  client_assertion: ["A JWT that the client signed with its own key. It proves who the client is and is valid once.", "RFC 7523 §2.2"],
  client_assertion_type: ["Says that the client authenticates with a signed JWT.", "RFC 7521 §4.2"],
  redirect_uri: ["Where the provider sends the browser with its answer. It must equal one that is registered for the client.", "RFC 6749 §3.1.2"],
  response_type: ["What the client wants at its redirect URI: code, and no token in the address.", "RFC 6749 §3.1.1"],
  response_mode: ["How the answer reaches the client: in the query, or posted by a form.", "OAuth 2.0 Multiple Response Types §2.1"],
  scope: ["What the client asks to be allowed. openid makes the request one for a login.", "RFC 6749 §3.3"],
  state: ["Binds the answer to the browser that began the login. The app accepts only the value that it sent (CSRF).", "RFC 6749 §10.12"],
  nonce: ["Binds the ID token to this login. The app compares it with the value that it stored (replay).", "OIDC Core §3.1.2.1"],
  code: ["The authorization code: valid once, for a short time, for this client alone.", "RFC 6749 §4.1.2"],
  code_challenge: ["The SHA-256 hash of the code_verifier. It may be public: nobody computes the verifier from it.", "RFC 7636 §4.2"],
  code_challenge_method: ["How the challenge was made. S256 is the only method that protects it.", "RFC 7636 §4.3"],
  code_verifier: ["The random value behind the code_challenge. Only the client that began the login has it.", "RFC 7636 §4.5"],
  request_uri: ["The handle of a request that the client pushed before. It is valid once, for a short time.", "RFC 9126 §2.2"],
  request: ["The authorization request as a signed JWT.", "RFC 9101 §4"],
  iss: ["Who answered. The app compares it with the provider that it asked (mix-up).", "RFC 9207 §2"],
  prompt: ["Whether the provider must ask the user: login, consent, select_account, or none.", "OIDC Core §3.1.2.1"],
  max_age: ["How many seconds ago the user may have signed in. If it was earlier, the provider asks again.", "OIDC Core §3.1.2.1"],
  acr_values: ["Which kinds of sign-in the client prefers.", "OIDC Core §3.1.2.1"],
  login_hint: ["A hint for the form: who is about to sign in.", "OIDC Core §3.1.2.1"],
  id_token_hint: ["An earlier ID token. It tells the provider whose session is meant.", "OIDC Core §3.1.2.1"],
  session_state: ["Changes when the state of the provider's session changes.", "OIDC Session Management §2"],
  grant_type: ["What the client presents for the tokens: a code, a refresh token, another token, or only itself.", "RFC 6749 §4"],
  refresh_token: ["Gets new access tokens without the user. It is replaced at each use: the old one is then a sign of theft.", "RFC 6749 §6"],
  access_token: ["What an API accepts. Whoever holds it may call, unless it is bound to a key.", "RFC 6749 §1.4"],
  id_token: ["Tells the client who signed in. No API accepts it.", "OIDC Core §2"],
  token_type: ["How the access token is sent: Bearer, or DPoP with a proof for each request.", "RFC 6749 §7.1"],
  expires_in: ["How many seconds the access token is valid.", "RFC 6749 §5.1"],
  resource: ["The API that the token is for. It becomes the token's aud.", "RFC 8707 §2"],
  audience: ["The name of the service that the token is for.", "RFC 8693 §2.1"],
  subject_token: ["The token of the user on whose behalf the new one is asked.", "RFC 8693 §2.1"],
  subject_token_type: ["What kind of token the subject_token is.", "RFC 8693 §2.1"],
  actor_token: ["The token of the party that acts for the user.", "RFC 8693 §2.1"],
  actor_token_type: ["What kind of token the actor_token is.", "RFC 8693 §2.1"],
  requested_token_type: ["What kind of token the client wants.", "RFC 8693 §2.1"],
  issued_token_type: ["What kind of token was issued.", "RFC 8693 §2.2.1"],
  assertion: ["A signed JWT that names the user for whom the token is asked.", "RFC 7523 §2.1"],
  device_code: ["What the device polls with. The user never sees it.", "RFC 8628 §3.2"],
  user_code: ["What the user types on another device.", "RFC 8628 §3.2"],
  verification_uri: ["The page where the user types the code.", "RFC 8628 §3.2"],
  verification_uri_complete: ["That page, with the code filled in.", "RFC 8628 §3.3.1"],
  interval: ["How many seconds the device waits between two polls.", "RFC 8628 §3.2"],
  token: ["The token that the request is about.", "RFC 7009 §2.1"],
  token_type_hint: ["Says which kind of token it is, so that the provider finds it sooner.", "RFC 7009 §2.1"],
  active: ["Whether the token is valid now.", "RFC 7662 §2.2"],
  logout_token: ["A signed JWT by which the provider tells an app that a session has ended.", "OIDC Back-Channel Logout §2.4"],
  post_logout_redirect_uri: ["Where the provider sends the browser after the sign-out.", "RP-Initiated Logout §2"],
  error: ["Why the request was refused, as one of the codes that the specification lists.", "RFC 6749 §4.1.2.1, §5.2"],
  error_description: ["The reason in words, for developers.", "RFC 6749 §4.1.2.1, §5.2"],
  username: ["The name that the user typed at the provider. No app sees it there.", "OIDC Core §3.1.2.3"],
  password: ["Typed at the provider alone. No app ever gets it.", "OIDC Core §3.1.2.3"],
  authorization_session: ["Which login this form belongs to. The request itself is kept at the provider.", ""],
  csrf_token: ["Proves that a page of this site sent the form: another site cannot read it.", ""],
  redirect_to: ["Where the page goes next.", ""],
  return_to: ["The page of the app to which the login leads.", ""],
};

const HEADERS = {
  authorization: ["Carries the credential of the call: an access token, or the client's own.", "RFC 6750 §2.1"],
  dpop: ["A proof for this one request, signed with the key that the token is bound to.", "RFC 9449 §4"],
  "dpop-nonce": ["A value of the server that the next proof must contain.", "RFC 9449 §8"],
  location: ["Where the browser goes next.", "RFC 9110 §10.2.2"],
  "www-authenticate": ["Which credential is missing or wrong.", "RFC 6750 §3"],
  "cache-control": ["no-store: tokens and codes stay out of every cache.", "RFC 6749 §5.1"],
  origin: ["Which site's page sent the request. The browser sets it.", "RFC 6454 §7"],
  referer: ["The page that the request came from.", "RFC 9110 §10.1.3"],
  "x-csrf-token": ["Proves that a page of the app sent the request: another site cannot read it.", ""],
  "sec-fetch-site": ["Whether the request comes from the same site. The browser sets it.", "Fetch Metadata §2.3"],
  "sec-fetch-user": ["Whether the user caused this navigation. The browser sets it.", "Fetch Metadata §2.4"],
  "sec-fetch-mode": ["What kind of request it is. The browser sets it.", "Fetch Metadata §2.2"],
  "sec-fetch-dest": ["What the answer is for. The browser sets it.", "Fetch Metadata §2.1"],
  "x-api-key": ["A key of API-1 that names a program, and no user. Only its hash is stored there.", "RFC 6819 §5.1.4.1.3"],
  "x-identity": ["Who the user is, as the caller states it. API-1 believes it only from a peer whose certificate may state users.", "RFC 7239 §8.1"],
  traceparent: ["The trace to which the request belongs.", "W3C Trace Context §3.2"],
};

const COOKIES = [
  [/^__Host-session_id$/, "The app's session: a random id, and no token. The session itself is in the store."],
  [/^__Host-login_/, "Binds a login in progress to this browser. Without it the callback is refused."],
  [/^__Host-session(\.|_\d|$)/, "Who is signed in, sealed by the app: the browser cannot read or change it."],
  [/^__Host-refresh/, "The refresh token and the ID token, sealed by the app."],
  [/^__Host-ended$/, "Which sessions have ended in this browser."],
  [/^__Host-idp_session$/, "The session at the provider. It makes single sign-on: the next app needs no form."],
  [/^__Host-idp_browser$/, "Binds the provider's forms to this browser (login CSRF)."],
  [/^__Host-idp_known_browser$/, "Users who signed in here before are not slowed down by somebody else's guesses."],
  [/^__Secure-/, "An access token, sent to this app's paths of one API alone."],
];

const ATTRIBUTES = {
  httponly: "No script reads it (XSS).",
  secure: "It is sent over HTTPS only.",
  "samesite=lax": "Other sites' pages cannot send it, except by a link.",
  "samesite=strict": "No other site can send it, not even by a link.",
  "samesite=none": "Every site can cause requests that carry it.",
};

const CLAIMS = {
  iss: ["Who issued the token. The receiver accepts one issuer alone.", "RFC 7519 §4.1.1"],
  sub: ["The user, or the client itself where no user is involved. It never changes.", "RFC 7519 §4.1.2"],
  aud: ["For whom the token is. Everybody else must refuse it.", "RFC 7519 §4.1.3"],
  exp: ["When it ends.", "RFC 7519 §4.1.4"],
  nbf: ["Before this time it is not valid.", "RFC 7519 §4.1.5"],
  iat: ["When it was issued.", "RFC 7519 §4.1.6"],
  jti: ["The token's own id. It makes a second use visible.", "RFC 7519 §4.1.7"],
  client_id: ["The client to which it was issued.", "RFC 9068 §2.2"],
  scope: ["What it allows.", "RFC 9068 §2.2.3"],
  act: ["Who acts for the user. Each exchange adds one.", "RFC 8693 §4.1"],
  may_act: ["Who may act for the user.", "RFC 8693 §4.4"],
  cnf: ["The key that it is bound to. Without that key the token is of no use.", "RFC 7800 §3.1"],
  nonce: ["The value of this login, so that an ID token of another login is refused.", "OIDC Core §2"],
  auth_time: ["When the user signed in.", "OIDC Core §2"],
  acr: ["How strong the sign-in was.", "OIDC Core §2"],
  amr: ["By which means the user signed in.", "OIDC Core §2"],
  azp: ["The client that the ID token was issued to.", "OIDC Core §2"],
  at_hash: ["A hash of the access token that was issued with it.", "OIDC Core §3.1.3.6"],
  c_hash: ["A hash of the code that was issued with it.", "OIDC Core §3.3.2.11"],
  sid: ["The session at the provider. A logout names it.", "OIDC Back-Channel Logout §2.1"],
  events: ["Says that this is a logout token.", "OIDC Back-Channel Logout §2.4"],
  name: ["The user's name, for display.", "OIDC Core §5.1"],
  preferred_username: ["How the user wants to be called. It may change.", "OIDC Core §5.1"],
  given_name: ["The user's first name.", "OIDC Core §5.1"],
  family_name: ["The user's family name.", "OIDC Core §5.1"],
  email: ["The user's address. It may change: sub identifies the user.", "OIDC Core §5.1"],
  email_verified: ["Whether the provider has checked the address.", "OIDC Core §5.1"],
  roles: ["The user's roles.", "RFC 9068 §2.2.3.1"],
  groups: ["The user's groups.", "RFC 9068 §2.2.3.1"],
};

const TOKEN_HEADER = {
  alg: ["The algorithm of the signature. The receiver accepts those that it knows, and never none.", "RFC 8725 §3.1"],
  typ: ["What kind of JWT it is: at+jwt is an access token, so no ID token passes for one.", "RFC 9068 §2.1"],
  kid: ["Which of the issuer's keys signed it.", "RFC 7515 §4.1.4"],
};

const of = (table, name) => {
  const found = Object.hasOwn(table, name) ? table[name] : null;
  return found && { text: found[0], section: found[1] };
};

/** The meaning of an item: `{ text, section }`, or `null` if it is not known. */
export function meaning(item) {
  const name = String(item.name ?? "");
  if (item.place === "header") return of(HEADERS, name.toLowerCase());
  if (item.place === "cookie") {
    const found = COOKIES.find(([pattern]) => pattern.test(name));
    return found ? { text: found[1], section: "" } : null;
  }
  return of(PARAMETERS, name) ?? of(CLAIMS, name);
}

/** The meaning of a token's claim. */
export function claimMeaning(name) {
  return of(CLAIMS, name);
}

/** The meaning of a member of a token's header. */
export function headerMeaning(name) {
  return of(TOKEN_HEADER, name);
}

/** The attributes of a cookie, each with what it does where that is known. */
export function cookieAttributes(text) {
  return String(text ?? "").split(";").map((part) => part.trim()).filter(Boolean).map((attribute) => {
    const key = attribute.toLowerCase().replace(/\s/g, "");
    return { attribute, text: Object.hasOwn(ATTRIBUTES, key) ? ATTRIBUTES[key] : "" };
  });
}
