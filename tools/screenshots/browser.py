"""Chromium over WebDriver (W3C), as far as the screenshots need it."""

import base64
import json
import os
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

PATIENCE = 20
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic",
    "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--no-proxy-server",
]


class Browser:
    """One Chromium with a profile folder of its own."""

    def __init__(self):
        self.profile = tempfile.TemporaryDirectory()
        self.driver = subprocess.Popen(
            [os.environ["CHROMEDRIVER"], "--port=0"], stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True)
        line = next(line for line in self.driver.stdout if "started successfully on port" in line)
        self.base = f"http://127.0.0.1:{line.strip().rstrip('.').split()[-1]}"
        options = {
            "binary": os.environ["CHROME"],
            "args": [*FLAGS, f"--user-data-dir={self.profile.name}"],
        }
        wanted = {
            "browserName": "chrome", "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL"},
        }
        session = self._call("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
        self.base += f"/session/{session['sessionId']}"

    def _call(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            self.base + path, data, {"content-type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{method} {path}: {error.read().decode()[:500]}") from error

    def _devtools(self, command, params):
        return self._call("POST", "/goog/cdp/execute", {"cmd": command, "params": params})

    def open(self, url):
        self._call("POST", "/url", {"url": url})

    def url(self):
        return self._call("GET", "/url")

    def run(self, script, *values):
        return self._call("POST", "/execute/sync", {"script": script, "args": list(values)})

    def until(self, what, script, *values):
        """Waits until `script` returns something."""
        end = time.monotonic() + PATIENCE
        while not (found := self.run(script, *values)):
            if time.monotonic() > end:
                raise RuntimeError(f"{what}: never at {self.url()}")
            time.sleep(0.05)
        return found

    def press(self, label):
        """Presses the button or link whose text contains `label`."""
        self.until(f"no {label!r}", """
            const shown = [...document.querySelectorAll("a, button")].filter((one) => one.checkVisibility());
            const found = shown.find((one) => one.textContent.replace(/\\s+/g, " ").includes(arguments[0]));
            found?.click();
            return Boolean(found);""", label)

    def fill(self, name, value):
        self.until(f"no field {name!r}", """
            const field = document.querySelector(`[name="${arguments[0]}"]`);
            if (field) field.value = arguments[1];
            return Boolean(field);""", name, value)

    def look(self, width, height, scheme):
        """Sets the size of the window and the colour scheme. Without motion, so that a picture
        shows the end of each transition."""
        self._devtools("Emulation.setDeviceMetricsOverride", {
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": False})
        self._devtools("Emulation.setEmulatedMedia", {"features": [
            {"name": "prefers-color-scheme", "value": scheme},
            {"name": "prefers-reduced-motion", "value": "reduce"}]})

    def overflow(self):
        """By how many pixels the page is wider than the window."""
        return self.run("return document.documentElement.scrollWidth - innerWidth")

    def complaints(self):
        """What the console has against the page since the last call."""
        lines = self._call("POST", "/se/log", {"type": "browser"})
        return [line["message"] for line in lines if line["level"] in ("SEVERE", "WARNING")]

    def picture(self, file, clip=None):
        """Writes the whole page, or `clip` of it, as PNG."""
        if clip is None:
            # Else what sticks to the window's edge is in the picture where it is now.
            self.run("scrollTo({top: 0, behavior: 'instant'})")
            clip = self.run("""return {x: 0, y: 0, width: innerWidth, scale: 1,
                height: Math.min(5000, Math.max(document.documentElement.scrollHeight, innerHeight))}""")
        taken = self._devtools("Page.captureScreenshot", {"captureBeyondViewport": True, "clip": clip})
        with open(file, "wb") as out:
            out.write(base64.b64decode(taken["data"]))

    def close(self):
        try:
            self._call("DELETE", "")
        finally:
            self.driver.terminate()
            self.driver.wait()
            self.profile.cleanup()
