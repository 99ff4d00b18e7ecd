// The public client: a login with code and PKCE, and the use of its tokens. The library
// checks state, iss, nonce, PKCE and the ID token; this file has the order of the steps
// and reports them. Tokens are in this object only, and bound to a key (DPoP, RFC 9449)
// that the browser lets this page use and nobody read.

import * as oauth from "./oauth4webapi.js";
import { PageError, explain } from "./errors.js";
import { step } from "./journey.js";
import * as lab from "./lab.js";
import * as transit from "./transit.js";

/** The time limit of a response, in milliseconds. */
const PATIENCE = 15_000;
/** The accepted difference between this clock and the provider's, in seconds. */
const CLOCK_TOLERANCE = 30;

/** How the page shows a proof, and a call with a bound token. */
const PROOF = { DPoP: "a proof of the key, for this request alone" };
const BOUND = { Authorization: "DPoP, the access token", ...PROOF };

/** Runs one step and reports it; `work` puts the response's values into `told.got`. */
async function taking(name, sent, work) {
  const told = { sent };
  try {
    const value = await work(told);
    step(name, told);
    return value;
  } catch (error) {
    const refused = await explain(error, name);
    step(name, { ...told, refused });
    throw new PageError(refused, { cause: error });
  }
}

/** The session of one page. It ends with the page. */
export class Session {
  #settings;
  #client;
  #options;
  #metadata = null;
  /** The answer of discovery. */
  #discovered = null;
  #tokens = null;
  #claims = null;
  #used = null;
  #proofs = null;
  #thumbprint = null;

  /** `settings`: issuer, clientId, redirectUri, home, scope, audience, api. */
  constructor(settings) {
    this.#settings = settings;
    this.#client = { client_id: settings.clientId, [oauth.clockTolerance]: CLOCK_TOLERANCE };
    this.#options = {
      signal: () => AbortSignal.timeout(PATIENCE),
      // The library allows plain http only on request: for a lab on this machine.
      [oauth.allowInsecureRequests]: settings.issuer.startsWith("http:"),
    };
  }

  /** Access, refresh and ID token as the provider sent them; null when signed out. */
  get tokens() {
    return this.#tokens;
  }

  /** The claims of the checked ID token; null when signed out. */
  get claims() {
    return this.#claims;
  }

  /** The thumbprint of the key to which the tokens are bound; null before there is one. */
  get thumbprint() {
    return this.#thumbprint;
  }

  /** Whether there is a refresh token that has been used. */
  get hasUsedOne() {
    return this.#used !== null;
  }

  /** Begins a login. Returns the URL at the provider. */
  async begin() {
    const login = {
      state: oauth.generateRandomState(),
      nonce: oauth.generateRandomNonce(),
      verifier: oauth.generateRandomCodeVerifier(),
    };
    const made = lab.begin();
    const address = await this.#request(login);
    await lab.enter(login.state);
    lab.tell("page.prepare", made);
    transit.keep(login);
    return address;
  }

  /** Completes the login from the callback URL. */
  async complete(callback) {
    const login = transit.take();
    if (!login) {
      throw new PageError(
        "No login waits for this answer in this tab: it was used already, or another tab began it. The code was not used.",
      );
    }
    await lab.enter(login.state);
    // The page was reloaded meanwhile, so the earlier steps are reported again.
    await this.#request(login);
    step("login.at_provider");
    const provider = await this.#provider();
    const shown = Object.fromEntries(callback.searchParams);
    step("callback.received", { sent: { GET: callback.origin + callback.pathname, ...shown } });
    const answer = await taking("callback.check", { "state that was sent": login.state }, (told) => {
      const checked = lab.checking("page.answer_check", () => (
        oauth.validateAuthResponse(provider, this.#client, callback, login.state)
      ));
      told.got = { state: "the same", iss: checked.get("iss") ?? "not sent" };
      return checked;
    });
    const response = await this.#exchange(provider, answer, login);
    await this.#accept(provider, response, login);
    lab.tell("page.keep");
  }

  /** The provider's claims about the user (OIDC Core §5.3). */
  async userinfo() {
    const provider = await this.#provider();
    const sent = { GET: provider.userinfo_endpoint, ...BOUND };
    return taking("userinfo.call", sent, async (told) => {
      told.got = await this.#proven(async (options) => {
        const { access_token } = this.#tokens;
        const response = await oauth.userInfoRequest(provider, this.#client, access_token, options);
        return oauth.processUserInfoResponse(provider, this.#client, this.#claims.sub, response);
      });
    });
  }

  /** Calls the API; `order` makes it a POST. */
  async call(order) {
    const method = order ? "POST" : "GET";
    const address = new URL("/resource", this.#settings.api);
    const sent = { [method]: address.href, ...BOUND, ...order };
    return taking("api.call", sent, async (told) => {
      const headers = new Headers({ accept: "application/json" });
      if (order) headers.set("content-type", "application/json");
      const body = order && JSON.stringify(order);
      const response = await this.#proven((options) => {
        const { access_token } = this.#tokens;
        return oauth.protectedResourceRequest(access_token, method, address, headers, body, options);
      });
      const answer = await response.json();
      told.got = { status: response.status, ...answer, "Trace-Id": response.headers.get("Trace-Id") };
      if (!response.ok) throw new PageError(answer.detail ?? answer.title ?? `Refused with ${response.status}.`);
    });
  }

  /** Exchanges the refresh token for new tokens (RFC 6749 §6). */
  async refresh() {
    const used = this.#tokens.refresh_token;
    await this.#redeem("tokens.refresh", used, (tokens) => {
      this.#used = used;
      return { "refresh_token, new": tokens.refresh_token };
    });
  }

  /** Sends the last used refresh token again, as a thief would. */
  async replay() {
    const successor = this.#tokens.refresh_token;
    await this.#redeem("tokens.replay", this.#used, (tokens) => ({
      refresh_token: tokens.refresh_token,
      "is it the one that replaced it?":
        tokens.refresh_token === successor
          ? "Yes: for a short time the provider repeats its response, and issues nothing else"
          : "No",
    }));
  }

  /** Deletes all tokens. Returns the URL that ends the provider's session, if there is one. */
  async end() {
    const { refresh_token, id_token } = this.#tokens;
    const provider = await this.#provider().catch(() => null);
    if (refresh_token && provider?.revocation_endpoint) {
      await this.#revoke(provider, refresh_token).catch(() => {});
    }
    this.#tokens = this.#claims = this.#used = this.#proofs = this.#thumbprint = null;
    step("logout.forget");
    lab.tell("page.forget");
    if (!provider?.end_session_endpoint) return null;
    const address = new URL(provider.end_session_endpoint);
    address.searchParams.set("client_id", this.#settings.clientId);
    address.searchParams.set("id_token_hint", id_token);
    address.searchParams.set("post_logout_redirect_uri", this.#settings.home);
    step("logout.redirect", { sent: { GET: provider.end_session_endpoint, ...Object.fromEntries(address.searchParams) } });
    return address;
  }

  /**
   * Makes a request with a proof of the key (RFC 9449 §4), and once more if the server asks
   * for its nonce (§8, §9).
   */
  async #proven(request) {
    await this.#ownKey();
    const options = { ...this.#options, DPoP: this.#proofs, [oauth.customFetch]: lab.send };
    try {
      return await request(options);
    } catch (error) {
      if (!oauth.isDPoPNonceError(error)) throw error;
      return request(options);
    }
  }

  /**
   * Makes the key: no script can read its private half. Like the tokens it ends with the
   * page, so nothing has to keep it.
   */
  async #ownKey() {
    if (this.#proofs) return;
    const began = lab.begin();
    const pair = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, false, ["sign", "verify"]);
    this.#proofs = oauth.DPoP(this.#client, pair);
    // Discovery has told the provider's nonce (RFC 9449 §8.2), so the first proof has it.
    if (this.#discovered) this.#proofs.cacheNonce(this.#discovered, new URL(this.#metadata.token_endpoint));
    this.#thumbprint = await this.#proofs.calculateThumbprint();
    lab.tell("page.key", began);
  }

  async #provider() {
    if (this.#metadata) return this.#metadata;
    const issuer = new URL(this.#settings.issuer);
    const sent = { GET: `${this.#settings.issuer}/.well-known/openid-configuration` };
    this.#metadata = await taking("login.discovery", sent, async (told) => {
      const response = await oauth.discoveryRequest(issuer, this.#options);
      const found = await oauth.processDiscoveryResponse(issuer, response);
      this.#discovered = response;
      const { authorization_endpoint, token_endpoint, userinfo_endpoint, jwks_uri } = found;
      told.got = { issuer: found.issuer, authorization_endpoint, token_endpoint, userinfo_endpoint, jwks_uri };
      return found;
    });
    return this.#metadata;
  }

  /** The authorization request of `login` (RFC 6749 §4.1.1, RFC 7636 §4.3), reported as two steps. */
  async #request(login) {
    const provider = await this.#provider();
    const challenge = await oauth.calculatePKCECodeChallenge(login.verifier);
    step("login.prepare", {
      got: { state: login.state, nonce: login.nonce, code_verifier: login.verifier, code_challenge: challenge },
    });
    const parameters = {
      client_id: this.#settings.clientId,
      redirect_uri: this.#settings.redirectUri,
      response_type: "code",
      scope: this.#settings.scope,
      audience: this.#settings.audience,
      state: login.state,
      nonce: login.nonce,
      code_challenge: challenge,
      code_challenge_method: "S256",
    };
    const address = new URL(provider.authorization_endpoint);
    for (const [name, value] of Object.entries(parameters)) address.searchParams.set(name, value);
    step("login.redirect", { sent: { GET: provider.authorization_endpoint, ...parameters } });
    return address;
  }

  async #exchange(provider, answer, { verifier }) {
    const { clientId, redirectUri } = this.#settings;
    const sent = {
      POST: provider.token_endpoint,
      grant_type: "authorization_code",
      client_id: clientId,
      redirect_uri: redirectUri,
      code: answer.get("code"),
      code_verifier: verifier,
    };
    return taking("callback.code_exchange", { ...sent, ...PROOF }, async (told) => {
      const response = await this.#proven(async (options) => {
        const response = await oauth.authorizationCodeGrantRequest(
          provider, this.#client, oauth.None(), answer, redirectUri, verifier, options,
        );
        // It throws an error made from the body.
        if (!response.ok) await oauth.processAuthorizationCodeResponse(provider, this.#client, response);
        return response;
      });
      told.got = { ...(await response.clone().json()), "bound to the key": this.#thumbprint };
      return response;
    });
  }

  /** OIDC Core §3.1.3.7. */
  async #accept(provider, response, { nonce }) {
    await taking("callback.id_token_check", { "nonce that was sent": nonce }, async (told) => {
      const expected = { expectedNonce: nonce, requireIdToken: true };
      const tokens = await lab.checking("page.id_token_check", async () => {
        const tokens = await oauth.processAuthorizationCodeResponse(provider, this.#client, response, expected);
        await oauth.validateApplicationLevelSignature(provider, response, this.#options);
        return tokens;
      });
      this.#tokens = tokens;
      this.#claims = oauth.getValidatedIdTokenClaims(tokens);
      told.got = { ...this.#claims, signature: "holds, by a key of the provider's /jwks" };
    });
  }

  async #redeem(name, refreshToken, tell) {
    const provider = await this.#provider();
    const { clientId } = this.#settings;
    const sent = {
      POST: provider.token_endpoint,
      grant_type: "refresh_token",
      client_id: clientId,
      refresh_token: refreshToken,
    };
    await taking(name, { ...sent, ...PROOF }, async (told) => {
      if (!refreshToken) throw new PageError("There is no refresh token.");
      const [response, tokens] = await this.#proven(async (options) => {
        const response = await oauth.refreshTokenGrantRequest(
          provider, this.#client, oauth.None(), refreshToken, options,
        );
        return [response, await oauth.processRefreshTokenResponse(provider, this.#client, response)];
      });
      await this.#acceptAgain(provider, response, tokens);
      told.got = { access_token: tokens.access_token, expires_in: tokens.expires_in, ...tell(tokens) };
      this.#tokens = { ...this.#tokens, ...tokens };
    });
  }

  /** OIDC Core §12.2: a refreshed ID token is for the same user. */
  async #acceptAgain(provider, response, tokens) {
    const claims = oauth.getValidatedIdTokenClaims(tokens);
    if (!claims) return;
    await oauth.validateApplicationLevelSignature(provider, response, this.#options);
    if (claims.sub !== this.#claims.sub) throw new PageError("The new ID token is another user's.");
    this.#claims = claims;
  }

  async #revoke(provider, token) {
    const sent = { POST: provider.revocation_endpoint, token, client_id: this.#settings.clientId };
    await taking("logout.revoke", sent, async () => {
      const response = await oauth.revocationRequest(
        provider, this.#client, oauth.None(), token, { ...this.#options, [oauth.customFetch]: lab.send },
      );
      await oauth.processRevocationResponse(response);
    });
  }
}
