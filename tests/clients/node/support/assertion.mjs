// A JWT bearer assertion (RFC 7523 §2.1), which the libraries leave to the application.

/** An assertion of `strict-key` that names alice, signed with its key. */
export async function assertionForAlice({ key, kid }, audience) {
  const now = Math.floor(Date.now() / 1000)
  const claims = { iss: 'strict-key', sub: 'alice', aud: audience, jti: crypto.randomUUID(), iat: now, exp: now + 60 }
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const message = `${part({ alg: 'ES256', kid })}.${part(claims)}`
  const signature = await crypto.subtle.sign({ name: 'ECDSA', hash: 'SHA-256' }, key, Buffer.from(message))
  return `${message}.${Buffer.from(signature).toString('base64url')}`
}
