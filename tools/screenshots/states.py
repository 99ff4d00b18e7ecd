"""States of pages that no address leads to: a refused password, a device's code, an attack's
results, a failure in force, a redirect that waits."""

import json
import time
import urllib.parse
import urllib.request

# Time for a page's scripts to show what they have, in seconds.
SETTLED = 0.7


def sign_in(pages):
    """The sign-in form, and its errors. Nobody is signed in before and after."""
    browser = pages.browser
    browser.open(pages.url("app1/login?return_to=/"))
    browser.fill("username", "alice")
    pages.take_state("sign-in")
    browser.fill("password", "wrong")
    browser.press("Sign in")
    browser.until("no error", "return document.querySelector('.error, [role=alert]') !== null")
    pages.take_state("sign-in-wrong-password")
    browser.open(pages.url("app1/callback?state=unknown&code=unknown"))
    pages.take_state("callback-unknown-state")
    browser.open(pages.url("idp/authorize?client_id=nobody"))
    pages.take_state("authorize-unknown-client")


def device(pages):
    """The device's code, confirmed by the user who is signed in."""
    browser = pages.browser
    request = urllib.parse.urlencode({"client_id": "tv", "scope": "openid api1.read"}).encode()
    answer = urllib.request.urlopen(pages.loopback("idp", "/device_authorization"), request, timeout=10)
    browser.open(json.load(answer)["verification_uri_complete"])
    browser.until("no form", "return document.querySelector('form button') !== null")
    pages.take_state("device-from-link")
    browser.press("Continue")
    browser.until("no choice", "return document.querySelector('button[value=allow]') !== null")
    pages.take_state("device-confirm")
    browser.press("Allow")
    browser.until("no end", "return document.querySelector('button[value=allow]') === null")
    pages.take_state("device-done")


def consent(pages):
    """What the provider asks for a client of somebody else."""
    request = urllib.parse.urlencode({
        "response_type": "code", "client_id": "sso-lab-cli", "redirect_uri": "http://127.0.0.1:9/callback",
        "scope": "openid profile api1.read", "state": "a-state-of-this-picture", "nonce": "a-nonce-of-this-picture",
        "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", "code_challenge_method": "S256"})
    pages.browser.open(pages.url(f"idp/authorize?{request}"))
    pages.browser.until("no choice", "return document.querySelector('button[value=allow]') !== null")
    pages.take_state("consent")


def spa(pages):
    """The single-page app with its tokens."""
    browser = pages.browser
    browser.look(1280, 720, "light")
    browser.open(pages.url("spa/"))
    browser.press("Sign in")
    browser.until("no greeting", "return document.body.textContent.includes('Alice')")
    pages.take_state("spa-signed-in")


def attack(pages):
    """An attack's results, and what the lab and another page say of a defence that is off."""
    browser = pages.browser
    browser.look(1280, 720, "light")
    browser.open(pages.url("lab/attacks/alg-none"))
    for button in ["Run with the defence off", "Run with the defence on"]:
        browser.press(button)
        time.sleep(4 * SETTLED)
        pages.take_state("attack-" + button.split()[-1])
    # A program's run weakens its own requests alone; the form weakens those of the browser.
    browser.open(pages.url("lab/attacks"))
    browser.until("no choice", """const choice = document.querySelector("[name=weaken][value=alg-none]");
        choice?.click();
        return Boolean(choice);""")
    browser.press("Set for my journey")
    browser.until("not set", "return document.querySelector('.weakened') !== null")
    pages.take_state("weakened-lab")
    browser.open(pages.url("app1/"))
    pages.take_state("weakened-app1")
    browser.open(pages.url("lab/attacks"))
    browser.press("Switch on again")
    browser.until("still off", "return document.querySelector('.weakened') === null")


def failure(pages):
    """A failure in force, at the page that switches it and at an app."""
    browser = pages.browser
    browser.open(pages.url("lab/failures"))
    browser.until("no form", """const form = document.querySelector("main form");
        form?.querySelector("button").click();
        return Boolean(form);""")
    time.sleep(2 * SETTLED)
    pages.take_state("failure-in-force")
    browser.open(pages.url("app1/"))
    pages.take_state("failure-app1")


def explain(pages):
    """A redirect that waits. Explain mode stays on."""
    browser = pages.browser
    browser.open(pages.url("lab/journey"))
    browser.until("no switch", """const off = document.querySelector("#explain-mode[aria-pressed=false]:not([disabled])");
        off?.click();
        return Boolean(off);""")
    browser.until("not on", "return document.querySelector('#explain-mode[aria-pressed=true]') !== null")
    # app2: at app1 this browser is signed in, and would see one step alone.
    browser.open(pages.url("app2/login?return_to=/"))
    for step in ["push", "authorize", "received", "code", "signed-in"]:
        browser.until("no explanation", "return document.querySelector('#continue') !== null")
        pages.take_state(f"explain-{step}")
        browser.run("document.querySelector('#continue').click()")
        time.sleep(SETTLED)


def sign_out(pages):
    """The last pages of a session."""
    browser = pages.browser
    browser.open(pages.url("idp/logout"))
    pages.take_state("sign-out-asked")


# In this order: explain mode stays on, and what comes last ends the session.
STATES = [device, consent, spa, attack, failure, explain, sign_out]
