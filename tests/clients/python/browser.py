"""A user's browser without scripts: cookies, redirects and the provider's HTML forms.
It stops where a client takes over."""

import re
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

import requests

from deployment import ALICE

MAX_PAGES = 8


class _FirstForm(HTMLParser):
    """The first form of a page: where it goes, its fields, and its first button."""

    def __init__(self):
        super().__init__()
        self.action = None
        self.fields = {}
        self._is_inside = False
        self._has_button = False

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag == "form" and self.action is None:
            self.action, self._is_inside = attrs.get("action", ""), True
        elif not self._is_inside:
            return
        elif tag == "input" and attrs.get("name") and attrs.get("type") != "checkbox":
            self.fields[attrs["name"]] = attrs.get("value") or ""
        elif tag == "button" and not self._has_button:
            self._has_button = True
            if attrs.get("name"):
                self.fields[attrs["name"]] = attrs.get("value") or ""

    def handle_endtag(self, tag):
        if tag == "form":
            self._is_inside = False


class Browser:
    """Alice's browser."""

    def __init__(self):
        self._session = requests.Session()

    def walk(self, url, end=None):
        """Opens `url` as alice: signs in, and presses the first button of each page's
        form, until the browser would go to `end`, whose address is returned. Without
        `end`: until a page has no form, whose text is returned."""
        method, fields, pages = "GET", None, 0
        while pages < MAX_PAGES:
            site = "{0.scheme}://{0.netloc}".format(urlsplit(url))
            headers = {"Accept": "text/html"} | ({"Origin": site} if fields is not None else {})
            answer = self._session.request(method, url, data=fields, headers=headers, allow_redirects=False, timeout=30)
            if "Location" in answer.headers:
                url, method, fields = urljoin(url, answer.headers["Location"]), "GET", None
                if end and url.startswith(end):
                    return url
                continue
            if answer.status_code != 200:
                raise AssertionError(f"{urlsplit(url).path} shows {answer.status_code}: {_plain(answer.text)}")
            pages += 1
            form = _FirstForm()
            form.feed(answer.text)
            if form.action is None:
                if end:
                    raise AssertionError(f"a page without a form instead of a redirection: {_plain(answer.text)}")
                return _plain(answer.text)
            for name, value in ALICE.items():
                if name in form.fields:
                    form.fields[name] = value
            url, method, fields = urljoin(url, form.action), "POST", form.fields
        raise AssertionError(f"no end after {MAX_PAGES} pages")


def _plain(html):
    main = re.search(r"<main\b.*</main>", html, re.S)
    return " ".join(re.sub(r"<[^>]*>", " ", main.group() if main else html).split())[:300]
