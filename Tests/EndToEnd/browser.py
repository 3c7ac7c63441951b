# SPDX-License-Identifier: Apache-2.0
"""A headless Chromium, told what to do over the DevTools protocol."""

import base64
import json
import shutil
import subprocess
import time
import urllib.request

import websocket

START_LIMIT = 30.0
CALL_LIMIT = 30.0
# Everything that Chromium does by itself over the network, and what a container lacks.
SWITCHES = [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-extensions", "--disable-default-apps", "--metrics-recording-only", "--mute-audio",
    "--no-pings", "--hide-scrollbars", "--remote-debugging-port=0", "--remote-allow-origins=*",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]


def binary():
    """Where Chromium is; None where it is not installed."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


class Browser:
    """One Chromium with a profile of its own."""

    def __init__(self, folder):
        folder.mkdir(parents=True, exist_ok=True)
        self.process = subprocess.Popen(
            [binary(), *SWITCHES, f"--user-data-dir={folder}", "about:blank"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        place = folder / "DevToolsActivePort"
        deadline = time.monotonic() + START_LIMIT
        while not (place.exists() and place.read_text().count("\n") >= 1):
            assert self.process.poll() is None, "Chromium ended"
            assert time.monotonic() < deadline, f"Chromium did not start in {START_LIMIT} s"
            time.sleep(0.05)
        self.port = int(place.read_text().split("\n")[0])

    def open(self, **how):
        """A tab; `how` as `Tab` takes it."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/json/new?about:blank", method="PUT")
        with urllib.request.urlopen(request, timeout=CALL_LIMIT) as answer:
            return Tab(json.load(answer)["webSocketDebuggerUrl"], **how)

    def close(self):
        self.process.terminate()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Tab:
    """One page: how it looks, what it asked for, what it complained of."""

    def __init__(self, address, width=1280, height=900, scheme="light", headers=None):
        self.socket = websocket.create_connection(address, timeout=CALL_LIMIT)
        self.number = 0
        self.requests = []
        self.complaints = []
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height,
                  deviceScaleFactor=1, mobile=width < 600)
        self.call("Emulation.setEmulatedMedia",
                  features=[{"name": "prefers-color-scheme", "value": scheme}])
        if headers:
            self.call("Network.setExtraHTTPHeaders", headers=headers)

    def call(self, method, **parameters):
        """One command and its answer; what happens meanwhile is noted."""
        self.number += 1
        number = self.number
        self.socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self.socket.recv())
            if message.get("id") == number:
                assert "error" not in message, f"{method}: {message['error']}"
                return message["result"]
            self.note(message)

    def note(self, message):
        method, parameters = message.get("method"), message.get("params", {})
        if method == "Network.requestWillBeSent":
            self.requests.append(parameters["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(parameters["exceptionDetails"])[:600])
        elif method == "Runtime.consoleAPICalled":
            self.complaints.append(json.dumps(parameters["args"])[:600])
        elif method == "Log.entryAdded":
            self.complaints.append(parameters["entry"]["text"])

    def go(self, url):
        self.call("Page.navigate", url=url)

    def ask(self, expression):
        """The value of an expression of JavaScript in the page."""
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True,
                           awaitPromise=True)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def wait_for(self, expression, seconds=20):
        """Waits until an expression is true."""
        deadline = time.monotonic() + seconds
        while not self.ask(expression):
            assert time.monotonic() < deadline, (
                f"{expression} did not hold in {seconds} s; the page says:\n{self.text()}\n"
                f"{self.complaints}")
            time.sleep(0.1)

    def text(self):
        """What a person reads."""
        return self.ask("document.body.innerText")

    def picture(self, path):
        """The whole page as PNG."""
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        data = self.call("Page.captureScreenshot", captureBeyondViewport=True, clip={
            "x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1})["data"]
        path.write_bytes(base64.b64decode(data))
