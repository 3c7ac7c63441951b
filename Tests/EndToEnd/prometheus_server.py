# SPDX-License-Identifier: Apache-2.0
"""A real Prometheus, out of Debian's package as scripts/setup.sh unpacks it, and its promtool."""

import json
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import pytest
from agent import ROOT, free_port

PROGRAMS = ROOT / ".build" / "prometheus" / "usr" / "bin"
ANSWER_LIMIT = 30.0


def program(name):
    """The path of `prometheus` or `promtool`; a test that needs one never skips."""
    path = PROGRAMS / name
    if not path.is_file():
        pytest.fail(f"{path} is missing; run `make setup`", pytrace=False)
    return str(path)


def promtool(*arguments, stdin=None, cwd=None):
    """Runs promtool to its end and returns all it said; fails when it is not content."""
    done = subprocess.run([program("promtool"), *map(str, arguments)], input=stdin, cwd=cwd,
                          capture_output=True, text=True, timeout=60)
    said = done.stdout + done.stderr
    assert done.returncode == 0, f"promtool {' '.join(map(str, arguments))}:\n{said}"
    return said


class Prometheus:
    """Scrapes ports of loopback every half second and evaluates rules as often."""

    def __init__(self, folder, ports, rules=()):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.log = self.folder / "prometheus.log"
        configuration = {
            "global": {"scrape_interval": "500ms", "scrape_timeout": "400ms",
                       "evaluation_interval": "500ms"},
            "rule_files": [str(path) for path in rules],
            "scrape_configs": [{
                "job_name": "sealtail",
                "static_configs": [{"targets": [f"127.0.0.1:{port}" for port in ports]}]}]}
        self.path = self.folder / "prometheus.yml"
        self.path.write_text(json.dumps(configuration))

    def __enter__(self):
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [program("prometheus"), f"--config.file={self.path}",
                 f"--storage.tsdb.path={self.folder / 'data'}",
                 f"--web.listen-address=127.0.0.1:{self.port}"],
                stdout=log, stderr=log, cwd=self.folder)
        try:
            self.wait_for(lambda: self.query("vector(1)"), "its first answer")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def get(self, path, **parameters):
        """The data of one answer of the API; None while nobody answers, or 503 because it starts."""
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            if error.code == 503:
                return None
            raise AssertionError(f"{path} {parameters}: {error.read().decode()}") from None
        except OSError:
            return None

    def query(self, expression):
        """The rows that an expression has now."""
        data = self.get("query", query=expression)
        return None if data is None else data["result"]

    def rules(self):
        """All rules with their state and health."""
        return [rule for group in self.get("rules")["groups"] for rule in group["rules"]]

    def wait_for(self, condition, what):
        """Waits until the condition holds."""
        deadline = time.monotonic() + ANSWER_LIMIT
        while not (found := condition()):
            said = self.log.read_text()[-2000:]
            assert self.process.poll() is None, f"prometheus ended before {what}:\n{said}"
            assert time.monotonic() < deadline, f"{what} did not come\n{said}"
            time.sleep(0.05)
        return found
