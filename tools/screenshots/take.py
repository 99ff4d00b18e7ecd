"""Takes a screenshot of each page in each size and colour scheme, and the README's picture.

Exit code 1: a page is wider than its window, or the console has something against it."""

import argparse
import pathlib
import sys
import time
import urllib.request

import states
from browser import Browser
from states import SETTLED

SIZES = [(1280, 720), (1920, 1080), (390, 844)]
SCHEMES = ["light", "dark"]
HOSTS = {"lab": 8080, "idp": 8081, "app1": 8082, "app2": 8083, "api1": 8084, "api2": 8085, "spa": 8086, "evil": 8087}
# Before anybody has signed in.
BEFORE = ["lab/", "idp/", "idp/account", "app1/", "app2/", "spa/", "evil/", "api1/", "api2/", "lab/journey", "idp/device", "app1/nothing"]
# In a journey, with a session at app1.
AFTER = ["lab/", "lab/journey", "lab/scenarios", "lab/attacks", "lab/failures", "lab/journey/inspector", "app1/", "app1/docs", "idp/account", "idp/device", "lab/nothing"]


class Pages:
    """Takes the pictures of pages, and keeps what is wrong with them."""

    def __init__(self, browser, folder, offset):
        self.browser, self.folder, self.offset = browser, folder, offset
        self.faults = []

    def url(self, page):
        host, _, path = page.partition("/")
        return f"http://{host}.localhost:{HOSTS[host] + self.offset}/{path}"

    def take(self, name, page):
        """The page at an address, loaded anew for each picture."""
        part = page.strip("/").replace("/", "-")
        self._each(f"{name}-{part}", lambda: self.browser.open(self.url(page)))

    def take_state(self, name):
        """The page that is open, as it is: a reload would show another state."""
        self._each(f"state-{name}", lambda: None)

    def _each(self, name, before):
        for width, height in SIZES:
            for scheme in SCHEMES:
                self.browser.look(width, height, scheme)
                before()
                time.sleep(SETTLED)
                file = f"{name}-{width}-{scheme}.png"
                self.browser.picture(self.folder / file)
                if (more := self.browser.overflow()) > 0:
                    self.faults.append(f"{file}: {more} px wider than the window")
        # The status of a page that is meant to be an error is no fault of the page.
        statuses = ("status of 400", "status of 401", "status of 404")
        lines = self.browser.complaints()
        self.faults += [f"{name}: {line}" for line in lines if not any(one in line for one in statuses)]

    def loopback(self, host, path):
        """A request to a service, for a system that does not resolve its name."""
        port = HOSTS[host] + self.offset
        name = f"{host}.localhost:{port}"
        return urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers={"host": name})

    def links(self, page, part):
        """The pages below `part` to which `page` links."""
        self.browser.open(self.url(page))
        found = self.browser.run("""return [...document.querySelectorAll("main a[href]")]
            .map((link) => link.getAttribute("href"))""")
        return sorted({f"lab{link}" for link in found if link.startswith(part)})

    def sign_in(self, scheme="light"):
        self.browser.look(1280, 720, scheme)
        self.browser.open(self.url("lab/journey"))
        self.browser.press("Start a journey")
        self.browser.until("no journey", "return document.querySelector('#journey[data-started=true]') !== null")
        self.browser.open(self.url("app1/login?return_to=/"))
        self.browser.fill("username", "alice")
        self.browser.fill("password", "wonderland")
        self.browser.press("Sign in")
        self.browser.until("no greeting", "return document.querySelector('h1')?.textContent.includes('Alice')")


def all_pages(pages):
    """The pages of somebody who is signed in, in a journey."""
    more = pages.links("lab/scenarios", "/scenarios/") + pages.links("lab/attacks", "/attacks/")
    for page in AFTER + more:
        pages.take("after", page)


def readme_picture(pages, file):
    """The live diagram of a sign-in, at the place where the code is redeemed."""
    pages.sign_in()
    browser = pages.browser
    browser.look(1440, 900, "light")
    browser.open(pages.url("lab/journey"))
    browser.press("Larger")
    browser.until("no arrows", """const arrow = [...document.querySelectorAll("#diagram text")]
        .find((text) => text.textContent.startsWith("GET /callback"));
        const box = arrow?.getBoundingClientRect();
        const stage = document.getElementById("diagram");
        if (box) stage.scrollTop += box.top - stage.getBoundingClientRect().top - 190;
        return Boolean(box);""")
    time.sleep(SETTLED)
    browser.picture(file, {"x": 0, "y": 0, "width": 1440, "height": 900, "scale": 1})


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--offset", type=int, required=True)
    parser.add_argument("--folder", type=pathlib.Path)
    parser.add_argument("--readme", type=pathlib.Path)
    parser.add_argument("--states", action="store_true")
    wanted = parser.parse_args()
    faults = []
    if wanted.readme:
        browser = Browser()
        try:
            readme_picture(Pages(browser, None, wanted.offset), wanted.readme)
        finally:
            browser.close()
    if wanted.folder:
        browser = Browser()
        try:
            pages = Pages(browser, wanted.folder, wanted.offset)
            for page in [] if wanted.states else BEFORE:
                pages.take("before", page)
            states.sign_in(pages)
            pages.sign_in()
            if not wanted.states:
                all_pages(pages)
            for take in states.STATES:
                take(pages)
            faults = pages.faults
        finally:
            browser.close()
    for fault in faults:
        print(f"   {fault}")
    sys.exit(1 if faults else 0)


main()
