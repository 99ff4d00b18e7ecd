// The running provider and the clients that it knows, from the environment that
// scripts/clients sets.

import dns from 'node:dns'
import { readFileSync } from 'node:fs'

// Names below localhost are loopback addresses (RFC 6761 §6.3). Not every system's resolver
// knows them.
const lookup = dns.lookup
dns.lookup = (name, ...rest) => lookup(name.endsWith('.localhost') ? 'localhost' : name, ...rest)

function setting(name) {
  const value = process.env[name]
  if (!value) throw new Error(`${name} is not set: run scripts/clients`)
  return value
}

export const ISSUER = new URL(setting('STRICT_ISSUER'))
/** API-1's public URL, which DPoP proofs name (`htu`). */
export const API1_URL = new URL(setting('STRICT_API1_URL'))
API1_URL.hostname = 'api1.localhost'
/** The user's name and password. */
export const ALICE = { username: 'alice', password: 'wonderland' }

export const API1 = 'https://api-1'
export const API2 = 'https://api-2'
export const API1_READ = 'https://api-1/read'
export const API2_READ = 'https://api-2/read'
export const REDIRECT_URI = 'https://strict.example/callback'
export const SIGNED_OUT_URI = 'https://strict.example/signed-out'
export const SCOPE = `openid profile email offline_access ${API1_READ} ${API2_READ}`
/** The scope of the client that has one audience. */
export const PUBLIC_SCOPE = `openid offline_access ${API1_READ}`
export const JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer'

/** The private key of `strict-key`, for WebCrypto, and its id. */
export async function clientKey() {
  const jwk = JSON.parse(readFileSync(setting('STRICT_KEY_FILE'), 'utf8'))
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256' }
  const key = await crypto.subtle.importKey('jwk', jwk, algorithm, false, ['sign'])
  return { key, kid: jwk.kid }
}
