"""The lab of a rehearsal: its failure switches reach every replica, its inspector asks all of
them, and its programs attack."""

import http.client
import http.cookies
import json
import re
import ssl
import urllib.parse

# The most redirects of a page, and how long an attack may take.
REDIRECTS, PATIENCE_S = 30, 60
# A failure that every service can have, and its time, which is longer than the rehearsal.
AWAY = {"fault": "store-away", "seconds": 300}


class Browser:
    """Cookies by host, redirects, and forms of the lab's own page. Public names lead to
    loopback, to ports that are moved by `offset`."""

    def __init__(self, offset):
        self.offset, self.cookies = offset, {}

    def ask(self, method, url, headers=None, body="", at="127.0.0.1"):
        """Status, the redirect's target or None, and the text."""
        parts = urllib.parse.urlsplit(url)
        port = parts.port + self.offset
        if parts.scheme == "https":
            unchecked = ssl.create_default_context()
            unchecked.check_hostname, unchecked.verify_mode = False, ssl.CERT_NONE
            connection = http.client.HTTPSConnection(at, port, timeout=PATIENCE_S, context=unchecked)
        else:
            connection = http.client.HTTPConnection(at, port, timeout=PATIENCE_S)
        jar = self.cookies.setdefault(parts.hostname, {})
        sent = {"Host": parts.netloc, **(headers or {})}
        if jar:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in jar.items())
        path = urllib.parse.urlunsplit(("", "", parts.path or "/", parts.query, ""))
        connection.request(method, path, body=body.encode() or None, headers=sent)
        answer = connection.getresponse()
        text = answer.read().decode()
        for line in answer.headers.get_all("set-cookie") or []:
            for name, cookie in http.cookies.SimpleCookie(line).items():
                jar.pop(name, None)
                if cookie["max-age"] != "0":
                    jar[name] = cookie.value
        connection.close()
        target = answer.headers.get("location")
        return answer.status, target and urllib.parse.urljoin(url, target), text

    def press(self, lab, path, form=""):
        """A form of the page of `lab`, and where it leads."""
        own = {"Origin": lab, "Sec-Fetch-Site": "same-origin", "Content-Type": "application/x-www-form-urlencoded"}
        status, target, text = self.ask("POST", lab + path, own, form)
        for _ in range(REDIRECTS):
            if target is None:
                return status, text
            status, target, text = self.ask("GET", target)
        raise SystemExit(f"{path}: too many redirects")


class Lab:
    """The lab at `url`. `services` are their names, with their public addresses; `hosts` are
    the addresses of the replicas of each."""

    def __init__(self, url, key, services, hosts, offset):
        self.url, self.services, self.hosts = url, services, hosts
        self.key = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        self.browser = Browser(offset)

    def control(self, method, service, body=None):
        status, _, text = self.browser.ask(method, f"{self.url}/lab/control/{service}", self.key, json.dumps(body or {}))
        if status != 200:
            raise SystemExit(f"{method} of {service} is answered by {status}: {text}")
        return json.loads(text)["replicas"]

    def on(self, service, host):
        """The failures that are on at one replica, by its own endpoint."""
        url = f"{self.services[service]}/lab/control"
        status, _, text = self.browser.ask("GET", url, self.key, at=host)
        if status != 200:
            raise SystemExit(f"{service} at {host} answers {status}: {text}")
        return [one["fault"] for one in json.loads(text)["in_force"]]

    def switches(self):
        """By REST each failure reaches every replica, and ends at every replica."""
        for service in self.services:
            for method, expected in (("POST", [AWAY["fault"]]), ("DELETE", [])):
                answers = self.control(method, service, AWAY if method == "POST" else None)
                found = [self.on(service, host) for host in self.hosts]
                if len(answers) != len(self.hosts) or found != [expected] * len(self.hosts):
                    raise SystemExit(f"{method} of {service}: {len(answers)} answers, then {found}")
        status, _, _ = self.browser.ask("GET", f"{self.url}/lab/control/idp", {"Authorization": "Bearer guess"})
        if status != 401:
            raise SystemExit(f"without the key the lab answers {status}")

    def page(self, path):
        status, _, text = self.browser.ask("GET", self.url + path)
        if status != 200:
            raise SystemExit(f"{path} is answered by {status}: {text}")
        return text

    def programs(self):
        """Each attack of a program succeeds without its defence, and is stopped by it. Returns
        how many there are."""
        status, text = self.browser.press(self.url, "/journey")
        if status != 200:
            raise SystemExit(f"the journey ends with {status}: {text}")
        names = sorted(set(re.findall(r'href="/attacks/([a-z-]+)"', self.page("/attacks"))))
        names = [name for name in names if "data-program" in self.page(f"/attacks/{name}")]
        for name in names:
            for form, succeeds in (("weakened=on", True), ("", False)):
                status, text = self.browser.press(self.url, f"/attacks/{name}/run", form)
                if status != 200 or json.loads(text)["succeeded"] != succeeds:
                    raise SystemExit(f"the attack {name} ({form}) ends with {status}: {text}")
        return len(names)

    def inspector(self):
        page = self.page("/journey/inspector")
        if "replicas answered" in page or "signing key" not in page.lower():
            raise SystemExit(f"the inspector says: {page}")

    def play(self):
        self.switches()
        programs = self.programs()
        self.inspector()
        if not programs:
            raise SystemExit("the lab has no attack of a program")
        return f"switches of {len(self.services)} services (replicas of each: {len(self.hosts)}), {programs} attacks of programs"
