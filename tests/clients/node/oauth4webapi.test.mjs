// oauth4webapi against the running provider: each response is processed by the library's
// own checks, the application-level signatures too, and the access tokens are validated
// as a resource server does (RFC 9068).

import assert from 'node:assert/strict'
import * as oauth from 'oauth4webapi'
import { assertionForAlice } from './support/assertion.mjs'
import { Browser } from './support/browser.mjs'
import {
  API1, API1_READ, API1_URL, API2, API2_READ, ISSUER, JWT_BEARER, PUBLIC_SCOPE, REDIRECT_URI, SCOPE, SIGNED_OUT_URI, clientKey,
} from './support/deployment.mjs'
import { clientOf } from './support/flows.mjs'

const flow = clientOf('oauth4webapi')

const STRICT = { client_id: 'strict', require_auth_time: true, id_token_signed_response_alg: 'ES256' }
const BASIC = oauth.ClientSecretBasic('strict-secret')

let discovered
/** The provider's metadata, read once. */
function provider() {
  discovered ??= oauth
    .discoveryRequest(ISSUER, { algorithm: 'oidc' })
    .then((response) => oauth.processDiscoveryResponse(ISSUER, response))
  return discovered
}

/** The result of `call`, sent again where the provider asks for a DPoP nonce (RFC 9449 §8). */
async function processed(call, process) {
  try {
    return await process(await call())
  } catch (error) {
    if (!oauth.isDPoPNonceError(error)) throw error
    return process(await call())
  }
}

/** Signs alice in and gets her tokens. `push`: by PAR. */
async function signIn(rule, { client = STRICT, auth = BASIC, scope = SCOPE, browser = new Browser(), push = false, DPoP } = {}) {
  const as = await provider()
  const verifier = oauth.generateRandomCodeVerifier()
  const [state, nonce] = [oauth.generateRandomState(), oauth.generateRandomNonce()]
  const parameters = new URLSearchParams({
    client_id: client.client_id,
    redirect_uri: REDIRECT_URI,
    response_type: 'code',
    scope,
    state,
    nonce,
    max_age: '300',
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
  })
  const start = new URL(as.authorization_endpoint)
  if (push) {
    const pushed = await rule('the request is pushed (RFC 9126 §2.2)', () =>
      processed(
        () => oauth.pushedAuthorizationRequest(as, client, auth, parameters, { DPoP }),
        (response) => oauth.processPushedAuthorizationResponse(as, client, response)))
    start.search = new URLSearchParams({ client_id: client.client_id, request_uri: pushed.request_uri })
  } else {
    start.search = parameters
  }
  const answer = await rule('the pages lead back to redirect_uri (RFC 6749 §4.1.2)', () => browser.walk(start, REDIRECT_URI))
  const callback = await rule('state and iss are right (RFC 6749 §10.12, RFC 9207 §2.4)', async () =>
    oauth.validateAuthResponse(as, client, answer, state))
  return rule('the tokens and the id_token are right (RFC 6749 §5.1, OIDC Core §3.1.3.7)', () =>
    processed(
      () => oauth.authorizationCodeGrantRequest(as, client, auth, callback, REDIRECT_URI, verifier, { DPoP }),
      async (response) => {
        const tokens = await oauth.processAuthorizationCodeResponse(as, client, response, {
          expectedNonce: nonce, maxAge: 300, requireIdToken: true,
        })
        await oauth.validateApplicationLevelSignature(as, response)
        return tokens
      }))
}

/** What a resource server reads in the access token (RFC 9068 §4). */
async function validated(token, audience, proof) {
  const headers = { authorization: `${proof ? 'DPoP' : 'Bearer'} ${token}` }
  return oauth.validateJwtAccessToken(await provider(), new Request(audience, { headers }), audience)
}

flow('discovery', async (rule) => {
  const as = await rule('the document is the issuer\'s (OIDC Discovery §4.3)', provider)
  const other = await rule('the other document too (RFC 8414 §3.3)', async () =>
    oauth.processDiscoveryResponse(ISSUER, await oauth.discoveryRequest(ISSUER, { algorithm: 'oauth2' })))
  assert.deepEqual(other, as)
})

for (const [method, auth] of [['client_secret_basic', BASIC], ['client_secret_post', oauth.ClientSecretPost('strict-secret')]]) {
  flow(`code with PKCE, ${method}`, async (rule) => {
    const tokens = await signIn(rule, { auth })
    const claims = await rule('the access token is a JWT for the client\'s first audience (RFC 9068 §4)', () =>
      validated(tokens.access_token, API1))
    assert.equal(claims.client_id, 'strict')
    assert.equal(claims.sub, oauth.getValidatedIdTokenClaims(tokens).sub)
  })
}

flow('code with PKCE, private_key_jwt', async (rule) => {
  await signIn(rule, { client: { ...STRICT, client_id: 'strict-key' }, auth: oauth.PrivateKeyJwt(await clientKey()) })
})

flow('code with PKCE, public client', async (rule) => {
  const client = { ...STRICT, client_id: 'strict-public' }
  await signIn(rule, { client, auth: oauth.None(), scope: PUBLIC_SCOPE })
})

flow('pushed authorization request', async (rule) => {
  const client = { ...STRICT, client_id: 'strict-key' }
  await signIn(rule, { client, auth: oauth.PrivateKeyJwt(await clientKey()), push: true })
})

flow('userinfo', async (rule) => {
  const as = await provider()
  const tokens = await signIn(rule)
  const { sub } = oauth.getValidatedIdTokenClaims(tokens)
  const user = await rule('userinfo is about the same subject (OIDC Core §5.3.2)', async () =>
    oauth.processUserInfoResponse(as, STRICT, sub, await oauth.userInfoRequest(as, STRICT, tokens.access_token)))
  assert.equal(user.email, 'alice@example.com')
})

flow('refresh, for each audience', async (rule) => {
  const as = await provider()
  let { refresh_token: refresh } = await signIn(rule)
  for (const [resource, scope] of [[API2, API2_READ], [API1, API1_READ]]) {
    const tokens = await rule(`a token for ${resource} (RFC 6749 §6, RFC 8707 §2.2)`, async () => {
      const additionalParameters = { resource, scope }
      const response = await oauth.refreshTokenGrantRequest(as, STRICT, BASIC, refresh, { additionalParameters })
      return oauth.processRefreshTokenResponse(as, STRICT, response)
    })
    const claims = await rule('it is for that audience alone (RFC 9068 §4)', () => validated(tokens.access_token, resource))
    assert.deepEqual([claims.aud, claims.scope], [resource, scope])
    refresh = tokens.refresh_token
  }
})

flow('a call to an API', async (rule) => {
  const tokens = await signIn(rule)
  const url = new URL('/whoami', API1_URL)
  const answer = await rule('the API takes the token (RFC 6750 §2.1)', () =>
    oauth.protectedResourceRequest(tokens.access_token, 'GET', url))
  assert.equal((await answer.json()).client_id, 'strict')
})

flow('device authorization', async (rule) => {
  const as = await provider()
  const client = { client_id: 'tv', id_token_signed_response_alg: 'ES256' }
  const codes = await rule('the codes (RFC 8628 §3.2)', async () => {
    const response = await oauth.deviceAuthorizationRequest(as, client, oauth.None(), { scope: PUBLIC_SCOPE })
    return oauth.processDeviceAuthorizationResponse(as, client, response)
  })
  const poll = async () => {
    const response = await oauth.deviceCodeGrantRequest(as, client, oauth.None(), codes.device_code)
    return oauth.processDeviceCodeResponse(as, client, response)
  }
  await rule('nobody has answered yet (RFC 8628 §3.5)', () => assert.rejects(poll(), { error: 'authorization_pending' }))
  await rule('a poll before the interval is too early (RFC 8628 §3.5)', () => assert.rejects(poll(), { error: 'slow_down' }))
  const page = await rule('the user allows it (RFC 8628 §3.3)', () => new Browser().walk(codes.verification_uri_complete))
  assert.match(page, /Device connected/)
  await pause(codes.interval + 5)
  const tokens = await rule('the tokens (RFC 8628 §3.5, RFC 6749 §5.1)', poll)
  assert.ok(oauth.getValidatedIdTokenClaims(tokens).sub)
})

flow('client credentials', async (rule) => {
  const as = await provider()
  const key = oauth.PrivateKeyJwt(await clientKey())
  for (const [client, auth] of [[STRICT, BASIC], [{ client_id: 'strict-key' }, key]]) {
    const tokens = await rule('a token without a user (RFC 6749 §4.4.3)', async () => {
      const response = await oauth.clientCredentialsGrantRequest(as, client, auth, { resource: API1, scope: API1_READ })
      return oauth.processClientCredentialsResponse(as, client, response)
    })
    const claims = await rule('the client is its own subject (RFC 9068 §2.2)', () => validated(tokens.access_token, API1))
    assert.equal(claims.sub, client.client_id)
  }
})

flow('JWT bearer', async (rule) => {
  const as = await provider()
  const [client, key] = [{ client_id: 'strict-key' }, await clientKey()]
  const assertion = await assertionForAlice(key, as.issuer)
  const redeem = async () => {
    const parameters = { assertion, resource: API1 }
    const response = await oauth.genericTokenEndpointRequest(as, client, oauth.PrivateKeyJwt(key), JWT_BEARER, parameters)
    return oauth.processGenericTokenEndpointResponse(as, client, response)
  }
  const tokens = await rule('a token for the user whom the assertion names (RFC 7523 §2.1)', redeem)
  const claims = await rule('it is a JWT (RFC 9068 §4)', () => validated(tokens.access_token, API1))
  assert.notEqual(claims.sub, 'strict-key')
  await rule('an assertion counts once (RFC 7523 §3)', () => assert.rejects(redeem(), { error: 'invalid_grant' }))
})

flow('introspection', async (rule) => {
  const as = await provider()
  const tokens = await signIn(rule)
  for (const [client, secret] of [
    [{ client_id: 'api-1' }, 'api-1-secret'],
    [{ client_id: 'strict-api', introspection_signed_response_alg: 'ES256' }, 'strict-api-secret'],
  ]) {
    const auth = oauth.ClientSecretBasic(secret)
    const told = await rule(`${client.client_id} is told of a live token (RFC 7662 §2.2, RFC 9701 §5)`, async () => {
      const response = await oauth.introspectionRequest(as, client, auth, tokens.access_token)
      const told = await oauth.processIntrospectionResponse(as, client, response)
      if (client.introspection_signed_response_alg) await oauth.validateApplicationLevelSignature(as, response)
      return told
    })
    assert.deepEqual([told.active, told.client_id, told.aud], [true, 'strict', API1])
  }
})

flow('revocation', async (rule) => {
  const as = await provider()
  const tokens = await signIn(rule)
  await rule('revoked (RFC 7009 §2.2)', async () =>
    oauth.processRevocationResponse(await oauth.revocationRequest(as, STRICT, BASIC, tokens.refresh_token)))
  await rule('the grant has ended (RFC 7009 §2.1)', async () => {
    const response = await oauth.refreshTokenGrantRequest(as, STRICT, BASIC, tokens.refresh_token)
    await assert.rejects(oauth.processRefreshTokenResponse(as, STRICT, response), { error: 'invalid_grant' })
  })
  await rule('a client that authenticates wrongly is refused with a challenge (RFC 6749 §5.2)', async () => {
    const wrong = oauth.ClientSecretBasic('wrong')
    await assert.rejects(
      oauth.processRevocationResponse(await oauth.revocationRequest(as, STRICT, wrong, 'x')),
      (error) => error instanceof oauth.WWWAuthenticateChallengeError || error.error === 'invalid_client')
  })
})

flow('RP-initiated logout', async (rule) => {
  const as = await provider()
  const browser = new Browser()
  const tokens = await signIn(rule, { browser })
  const state = oauth.generateRandomState()
  const start = new URL(as.end_session_endpoint)
  start.search = new URLSearchParams({
    client_id: 'strict', id_token_hint: tokens.id_token, post_logout_redirect_uri: SIGNED_OUT_URI, state,
  })
  const end = await rule('the browser comes back with state (RP-Initiated Logout 1.0 §3)', () => browser.walk(start, SIGNED_OUT_URI))
  assert.equal(end.searchParams.get('state'), state)
})

flow('DPoP', async (rule) => {
  const as = await provider()
  const [client, auth] = [{ ...STRICT, client_id: 'strict-public' }, oauth.None()]
  const key = async () => oauth.DPoP(client, await oauth.generateKeyPair('ES256'))
  const [DPoP, other] = [await key(), await key()]
  const tokens = await signIn(rule, { client, auth, scope: PUBLIC_SCOPE, push: true, DPoP })
  assert.equal(tokens.token_type, 'dpop')
  const { sub } = oauth.getValidatedIdTokenClaims(tokens)
  const userinfo = (options) =>
    processed(
      () => oauth.userInfoRequest(as, client, tokens.access_token, options),
      (response) => oauth.processUserInfoResponse(as, client, sub, response))
  await rule('userinfo takes the token with a proof (RFC 9449 §7.1)', () => userinfo({ DPoP }))
  for (const options of [{}, { DPoP: other }]) {
    await rule('a bound token is of no use without its key (RFC 9449 §7.1, §7.2)', () =>
      assert.rejects(userinfo(options), (error) => error.cause?.some(({ parameters }) => parameters.error === 'invalid_token')))
  }
  const whoami = (options) =>
    processed(
      () => oauth.protectedResourceRequest(tokens.access_token, 'GET', new URL('/whoami', API1_URL), undefined, null, options),
      (response) => response.json())
  const seen = await rule('API-1 takes the token with a proof, and gives out a nonce (RFC 9449 §7.1, §9)', () => whoami({ DPoP }))
  assert.deepEqual([seen.sub, seen.client_id], [sub, 'strict-public'])
  for (const options of [{}, { DPoP: other }]) {
    await rule('API-1 refuses the token without its key (RFC 9449 §7.1, §7.2)', () =>
      assert.rejects(whoami(options), (error) => error.cause?.some(({ parameters }) => parameters.error === 'invalid_token')))
  }
  await rule('a resource server is told the key (RFC 9449 §6.2)', async () => {
    const api = { client_id: 'api-1' }
    const response = await oauth.introspectionRequest(as, api, oauth.ClientSecretBasic('api-1-secret'), tokens.access_token)
    const told = await oauth.processIntrospectionResponse(as, api, response)
    assert.deepEqual([told.token_type, told.cnf], ['DPoP', { jkt: await DPoP.calculateThumbprint() }])
  })
  const refresh = (options) =>
    processed(
      () => oauth.refreshTokenGrantRequest(as, client, auth, tokens.refresh_token, options),
      (response) => oauth.processRefreshTokenResponse(as, client, response))
  for (const options of [{}, { DPoP: other }]) {
    await rule('the refresh token of a public client is bound to its key (RFC 9449 §5)', () =>
      assert.rejects(refresh(options), { error: 'invalid_grant' }))
  }
  const renewed = await rule('it is redeemed with the key (RFC 9449 §5)', () => refresh({ DPoP }))
  assert.equal(renewed.token_type, 'dpop')
})

function pause(seconds) {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000))
}
