// A test for each flow of a client. A failure names the client, the flow and the rule.

import { test } from 'node:test'

/** Declares the flows of the client library `name`. */
export function clientOf(name) {
  /**
   * A flow: `play` gets `rule(sentence, step)`, which runs one step and, if the step
   * fails, says which rule of the protocol the provider broke for this client.
   */
  return function flow(title, play) {
    test(`${name}: ${title}`, async () => {
      await play(async (rule, step) => {
        try {
          return await step()
        } catch (error) {
          throw new Error(`${name}, ${title}, ${rule}: ${sentence(error)}`, { cause: error })
        }
      })
    })
  }
}

/** What libraries say, with the reason and the protocol's error below it. */
function sentence(error) {
  const parts = []
  for (let at = error; at && parts.length < 5; at = at.cause) {
    if (at instanceof Error) parts.push(at.message)
    else if (typeof at === 'object') parts.push(JSON.stringify(at).slice(0, 500))
    else parts.push(String(at))
    if (at.error) parts.push(`${at.error}: ${at.error_description}`)
  }
  return parts.join(' / ')
}
