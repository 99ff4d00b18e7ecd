// openid-client against the running provider, with every check of the library on, and
// the signatures verified too (enableNonRepudiationChecks).

import assert from 'node:assert/strict'
import * as client from 'openid-client'
import { assertionForAlice } from './support/assertion.mjs'
import { Browser } from './support/browser.mjs'
import {
  API1, API1_READ, API1_URL, API2, API2_READ, ISSUER, JWT_BEARER, PUBLIC_SCOPE, REDIRECT_URI, SCOPE, SIGNED_OUT_URI, clientKey,
} from './support/deployment.mjs'
import { clientOf } from './support/flows.mjs'

const flow = clientOf('openid-client')

function configuration(id, auth, metadata = {}) {
  return client.discovery(ISSUER, id, metadata, auth, { execute: [client.enableNonRepudiationChecks] })
}

const basic = () => configuration('strict', client.ClientSecretBasic('strict-secret'))

/** A login's parameters, and what its client keeps until the answer. */
async function login(scope = SCOPE) {
  const kept = {
    pkceCodeVerifier: client.randomPKCECodeVerifier(),
    expectedState: client.randomState(),
    expectedNonce: client.randomNonce(),
    maxAge: 300,
    idTokenExpected: true,
  }
  const parameters = {
    redirect_uri: REDIRECT_URI,
    scope,
    state: kept.expectedState,
    nonce: kept.expectedNonce,
    max_age: '300',
    code_challenge: await client.calculatePKCECodeChallenge(kept.pkceCodeVerifier),
    code_challenge_method: 'S256',
  }
  return { parameters, kept }
}

/** Signs alice in and gets her tokens. */
async function signIn(rule, config, { browser = new Browser(), scope, url, options } = {}) {
  const { parameters, kept } = await login(scope)
  const start = url ? await url(parameters) : client.buildAuthorizationUrl(config, parameters)
  const answer = await rule('the pages lead back to redirect_uri (RFC 6749 §4.1.2)', () => browser.walk(start, REDIRECT_URI))
  return rule(
    'state, iss, nonce, PKCE and the id_token are right (RFC 9207 §2.4, OIDC Core §3.1.3.7)',
    () => client.authorizationCodeGrant(config, answer, kept, undefined, options),
  )
}

flow('discovery', async (rule) => {
  await rule('the document is the issuer\'s (OIDC Discovery §4.3)', basic)
  await rule('the other document too (RFC 8414 §3.3)', () =>
    client.discovery(ISSUER, 'strict', {}, client.ClientSecretBasic('strict-secret'), { algorithm: 'oauth2' }))
})

for (const [method, auth] of [
  ['client_secret_basic', client.ClientSecretBasic('strict-secret')],
  ['client_secret_post', client.ClientSecretPost('strict-secret')],
]) {
  flow(`code with PKCE, ${method}`, async (rule) => {
    const config = await configuration('strict', auth)
    const tokens = await signIn(rule, config)
    assert.ok(tokens.claims().auth_time, 'max_age was asked for (OIDC Core §3.1.2.1)')
  })
}

flow('code with PKCE, private_key_jwt', async (rule) => {
  await signIn(rule, await configuration('strict-key', client.PrivateKeyJwt(await clientKey())))
})

flow('code with PKCE, public client', async (rule) => {
  await signIn(rule, await configuration('strict-public', client.None()), { scope: PUBLIC_SCOPE })
})

flow('code with nonce of another login', async (rule) => {
  const config = await basic()
  const { parameters, kept } = await login()
  const answer = await new Browser().walk(client.buildAuthorizationUrl(config, parameters), REDIRECT_URI)
  kept.expectedNonce = client.randomNonce()
  await rule('the client refuses the id_token, so its checks are on', () =>
    assert.rejects(client.authorizationCodeGrant(config, answer, kept)))
})

flow('refused by the user', async (rule) => {
  const config = await basic()
  const { parameters, kept } = await login()
  const start = client.buildAuthorizationUrl(config, { ...parameters, prompt: 'none' })
  const answer = await new Browser().walk(start, REDIRECT_URI)
  await rule('an error response is a whole one (OIDC Core §3.1.2.6, RFC 9207 §2)', () =>
    assert.rejects(client.authorizationCodeGrant(config, answer, kept), { error: 'login_required' }))
})

flow('userinfo', async (rule) => {
  const config = await basic()
  const tokens = await signIn(rule, config)
  const user = await rule('userinfo is about the same subject (OIDC Core §5.3.2)', () =>
    client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub))
  assert.equal(user.email, 'alice@example.com')
})

flow('refresh, for each audience', async (rule) => {
  const config = await basic()
  let { refresh_token: refresh } = await signIn(rule, config)
  for (const [resource, scope] of [[API2, API2_READ], [API1, API1_READ]]) {
    const tokens = await rule(`a token for ${resource} (RFC 6749 §6, RFC 8707 §2.2)`, () =>
      client.refreshTokenGrant(config, refresh, { resource, scope }))
    assert.equal(tokens.scope, scope)
    assert.notEqual(tokens.refresh_token, refresh, 'the refresh token rotates')
    refresh = tokens.refresh_token
  }
  await rule('an audience outside the grant is invalid_target (RFC 8707 §2)', () =>
    assert.rejects(client.refreshTokenGrant(config, refresh, { resource: 'https://api-3' }), { error: 'invalid_target' }))
})

flow('a call to an API', async (rule) => {
  const config = await basic()
  const tokens = await signIn(rule, config)
  const answer = await rule('the API takes the token (RFC 6750 §2.1)', () =>
    client.fetchProtectedResource(config, tokens.access_token, new URL('/whoami', API1_URL), 'GET'))
  assert.equal((await answer.json()).client_id, 'strict')
  await rule('a tampered token is refused with a challenge (RFC 6750 §3)', () =>
    assert.rejects(
      client.fetchProtectedResource(config, `${tokens.access_token}x`, new URL('/whoami', API1_URL), 'GET'),
      (error) => error.cause?.[0]?.parameters?.error === 'invalid_token'))
})

flow('device authorization', async (rule) => {
  const config = await configuration('tv', client.None())
  const codes = await rule('the codes (RFC 8628 §3.2)', () => client.initiateDeviceAuthorization(config, { scope: PUBLIC_SCOPE }))
  const page = await rule('the user allows it (RFC 8628 §3.3.1)', () => new Browser().walk(codes.verification_uri_complete))
  assert.match(page, /Device connected/)
  const tokens = await rule('the tokens, polled at the interval (RFC 8628 §3.4)', () =>
    client.pollDeviceAuthorizationGrant(config, codes))
  assert.ok(tokens.claims().sub)
})

flow('client credentials', async (rule) => {
  for (const config of [await basic(), await configuration('strict-key', client.PrivateKeyJwt(await clientKey()))]) {
    const tokens = await rule('a token without a user (RFC 6749 §4.4.3)', () =>
      client.clientCredentialsGrant(config, { resource: API1, scope: API1_READ }))
    assert.equal(tokens.refresh_token, undefined)
  }
})

flow('JWT bearer', async (rule) => {
  const key = await clientKey()
  const config = await configuration('strict-key', client.PrivateKeyJwt(key))
  const assertion = await assertionForAlice(key, config.serverMetadata().issuer)
  const tokens = await rule('a token for the user whom the assertion names (RFC 7523 §2.1)', () =>
    client.genericGrantRequest(config, JWT_BEARER, { assertion, resource: API1 }))
  assert.ok(tokens.access_token)
})

flow('pushed authorization request', async (rule) => {
  const config = await configuration('strict-key', client.PrivateKeyJwt(await clientKey()))
  await signIn(rule, config, {
    url: (parameters) => rule('the request is pushed (RFC 9126 §2)', () => client.buildAuthorizationUrlWithPAR(config, parameters)),
  })
})

flow('introspection', async (rule) => {
  const config = await basic()
  const tokens = await signIn(rule, config)
  for (const [id, secret, metadata] of [
    ['api-1', 'api-1-secret', {}],
    ['strict-api', 'strict-api-secret', { introspection_signed_response_alg: 'ES256' }],
  ]) {
    const api = await configuration(id, client.ClientSecretBasic(secret), metadata)
    const told = await rule(`${id} is told of a live token (RFC 7662 §2.2, RFC 9701 §5)`, () =>
      client.tokenIntrospection(api, tokens.access_token))
    assert.equal(told.active, true)
    assert.equal(told.client_id, 'strict')
    const unknown = await rule(`${id} is told of no token (RFC 7662 §2.2)`, () => client.tokenIntrospection(api, 'x'))
    assert.deepEqual({ ...unknown }, { active: false })
  }
})

flow('revocation', async (rule) => {
  const config = await basic()
  const tokens = await signIn(rule, config)
  await rule('revoked (RFC 7009 §2.2)', () => client.tokenRevocation(config, tokens.refresh_token))
  await rule('a token that is unknown is revoked as well (RFC 7009 §2.2)', () => client.tokenRevocation(config, 'x'))
  await rule('the grant has ended (RFC 7009 §2.1)', () =>
    assert.rejects(client.refreshTokenGrant(config, tokens.refresh_token), { error: 'invalid_grant' }))
})

flow('RP-initiated logout', async (rule) => {
  const config = await basic()
  const browser = new Browser()
  const tokens = await signIn(rule, config, { browser })
  const state = client.randomState()
  const start = client.buildEndSessionUrl(config, {
    id_token_hint: tokens.id_token, post_logout_redirect_uri: SIGNED_OUT_URI, state,
  })
  const end = await rule('the browser comes back with state (RP-Initiated Logout 1.0 §3)', () => browser.walk(start, SIGNED_OUT_URI))
  assert.equal(end.href, `${SIGNED_OUT_URI}?state=${state}`)
  const { parameters, kept } = await login()
  const silent = client.buildAuthorizationUrl(config, { ...parameters, prompt: 'none' })
  const answer = await browser.walk(silent, REDIRECT_URI)
  await rule('the session has ended (OIDC Core §3.1.2.6)', () =>
    assert.rejects(client.authorizationCodeGrant(config, answer, kept), { error: 'login_required' }))
})

flow('DPoP', async (rule) => {
  const config = await configuration('strict-public', client.None())
  const key = async () => client.getDPoPHandle(config, await client.randomDPoPKeyPair('ES256'))
  const [DPoP, other] = [await key(), await key()]
  const tokens = await signIn(rule, config, {
    scope: PUBLIC_SCOPE,
    options: { DPoP },
    url: (parameters) => rule('the code is bound to the key (RFC 9449 §10.1)', () =>
      client.buildAuthorizationUrlWithPAR(config, parameters, { DPoP })),
  })
  assert.equal(tokens.token_type, 'dpop')
  const userinfo = (options) => client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub, options)
  await rule('userinfo takes the token with a proof (RFC 9449 §7.1)', () => userinfo({ DPoP }))
  for (const options of [{}, { DPoP: other }]) {
    await rule('a bound token is of no use without its key (RFC 9449 §7.1, §7.2)', () =>
      assert.rejects(userinfo(options), (error) => error.cause?.some(({ parameters }) => parameters.error === 'invalid_token')))
  }
  const whoami = (options) =>
    client.fetchProtectedResource(config, tokens.access_token, new URL('/whoami', API1_URL), 'GET', null, undefined, options)
  const seen = await rule('API-1 takes the token with a proof, and gives out a nonce (RFC 9449 §7.1, §9)', () => whoami({ DPoP }))
  assert.equal((await seen.json()).client_id, 'strict-public')
  for (const options of [{}, { DPoP: other }]) {
    await rule('API-1 refuses the token without its key (RFC 9449 §7.1, §7.2)', () =>
      assert.rejects(whoami(options), (error) => error.cause?.some(({ parameters }) => parameters.error === 'invalid_token')))
  }
  await rule('the refresh token of a public client is bound to its key (RFC 9449 §5)', () =>
    assert.rejects(client.refreshTokenGrant(config, tokens.refresh_token, {}, { DPoP: other }), { error: 'invalid_grant' }))
  const renewed = await rule('it is redeemed with the key (RFC 9449 §5)', () =>
    client.refreshTokenGrant(config, tokens.refresh_token, {}, { DPoP }))
  assert.equal(renewed.token_type, 'dpop')
})

flow('DPoP without a user', async (rule) => {
  const config = await basic()
  const DPoP = client.getDPoPHandle(config, await client.randomDPoPKeyPair('ES256'))
  const tokens = await rule('a bound token of a client (RFC 9449 §5)', () =>
    client.clientCredentialsGrant(config, { resource: API1, scope: API1_READ }, { DPoP }))
  assert.equal(tokens.token_type, 'dpop')
  const answer = await rule('API-1 takes it with a proof (RFC 9449 §7.1)', () =>
    client.fetchProtectedResource(config, tokens.access_token, new URL('/whoami', API1_URL), 'GET', null, undefined, { DPoP }))
  assert.equal((await answer.json()).client_id, 'strict')
})
