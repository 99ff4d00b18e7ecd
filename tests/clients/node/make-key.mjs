// Makes the key of `strict-key`: node make-key.mjs PRIVATE_JWK PUBLIC_JWKS

import { writeFileSync } from 'node:fs'

const [privateFile, publicFile] = process.argv.slice(2)
const algorithm = { name: 'ECDSA', namedCurve: 'P-256' }
const pair = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
const named = { kid: 'strict-1', alg: 'ES256', use: 'sig' }
const write = async (file, key, wrap) => {
  const { key_ops: _, ext: __, ...jwk } = await crypto.subtle.exportKey('jwk', key)
  writeFileSync(file, JSON.stringify(wrap({ ...jwk, ...named })), { mode: 0o600 })
}
await write(privateFile, pair.privateKey, (jwk) => jwk)
await write(publicFile, pair.publicKey, (jwk) => ({ keys: [jwk] }))
