// A user's browser without scripts: cookies, redirects and the provider's HTML forms.
// It stops where a client takes over.

import assert from 'node:assert/strict'
import { ALICE } from './deployment.mjs'

const MAX_PAGES = 8
const ENTITIES = { amp: '&', lt: '<', gt: '>', quot: '"', '#34': '"', '#38': '&', '#39': "'", '#60': '<', '#62': '>', '#x27': "'" }

export class Browser {
  #cookies = new Map()

  /**
   * Opens `url` as alice: signs in, and presses the first button of each page's form,
   * until the browser would go to `end`, which is returned as a URL. Without `end`:
   * until a page has no form; the page's text is returned.
   */
  async walk(url, end) {
    let request = { url: new URL(url), method: 'GET' }
    for (let pages = 0; pages < MAX_PAGES; ) {
      const response = await this.#send(request)
      const location = response.headers.get('location')
      if (location) {
        const next = new URL(location, request.url)
        if (end && next.href.startsWith(end)) return next
        request = { url: next, method: 'GET' }
        continue
      }
      const html = await response.text()
      assert.equal(response.status, 200, `${request.url.pathname} shows ${response.status}: ${plain(html)}`)
      pages += 1
      const form = firstForm(html)
      if (!form) {
        assert.ok(!end, `a page without a form instead of a redirection: ${plain(html)}`)
        return plain(html)
      }
      for (const [name, value] of Object.entries(ALICE)) {
        if (form.fields.has(name)) form.fields.set(name, value)
      }
      request = { url: new URL(form.action, request.url), method: 'POST', body: form.fields }
    }
    throw new Error(`no end after ${MAX_PAGES} pages`)
  }

  async #send({ url, method, body }) {
    const cookie = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const headers = { accept: 'text/html' }
    if (cookie) headers.cookie = cookie
    if (method === 'POST') headers.origin = url.origin
    const response = await fetch(url, { method, body, headers, redirect: 'manual' })
    for (const line of response.headers.getSetCookie()) {
      const [pair] = line.split(';', 1)
      const at = pair.indexOf('=')
      const [name, value] = [pair.slice(0, at).trim(), pair.slice(at + 1).trim()]
      if (/;\s*max-age=0/i.test(line)) this.#cookies.delete(name)
      else this.#cookies.set(name, value)
    }
    return response
  }
}

/** The first form: where it goes, its fields, and its first button. */
function firstForm(html) {
  const form = /<form\b([^>]*)>([\s\S]*?)<\/form>/i.exec(html)
  if (!form) return undefined
  const fields = new URLSearchParams()
  for (const [, tag] of form[2].matchAll(/<input\b([^>]*)>/gi)) {
    const name = attribute(tag, 'name')
    const kind = attribute(tag, 'type')
    if (name && kind !== 'submit' && kind !== 'checkbox') fields.append(name, attribute(tag, 'value') ?? '')
  }
  const button = /<button\b([^>]*)>/i.exec(form[2])
  const name = button && attribute(button[1], 'name')
  if (name) fields.append(name, attribute(button[1], 'value') ?? '')
  return { action: attribute(form[1], 'action') ?? '', fields }
}

function attribute(tag, name) {
  const found = new RegExp(`(?:^|\\s)${name}="([^"]*)"`, 'i').exec(tag)
  return found?.[1].replace(/&([^;]+);/g, (all, entity) => ENTITIES[entity.toLowerCase()] ?? all)
}

function plain(html) {
  const body = /<main\b[\s\S]*<\/main>/i.exec(html)?.[0] ?? html
  return body.replace(/<[^>]*>/g, ' ').replace(/\s+/g, ' ').trim().slice(0, 300)
}
