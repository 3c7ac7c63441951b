# SPDX-License-Identifier: Apache-2.0
"""Runs the built agent as a user would, and reads what it tells the world."""

import base64
import json
import os
import pwd
import re
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections import defaultdict
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ROOT = Path(__file__).resolve().parents[2]
PARSERS = ROOT / "parsers"
NAME = "idp1.example.com"
START_LIMIT = 20.0
STOP_LIMIT = 30.0
COMMAND_LIMIT = 60.0


def binary():
    """The agent under test: $SEALTAIL, or the newest of the builds in the tree."""
    if os.environ.get("SEALTAIL"):
        return Path(os.environ["SEALTAIL"]).resolve()
    built = [ROOT / ".build" / kind / "sealtail" for kind in ("release", "debug")]
    built = [path for path in built if path.is_file()]
    return max(built, key=lambda path: path.stat().st_mtime) if built else None


def free_port():
    """A port on loopback that nobody had a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def environment(**more):
    """The child's environment: nothing of ours that could colour or change its output."""
    kept = {name: value for name, value in os.environ.items()
            if not name.startswith(("SEALTAIL", "NOTIFY_SOCKET", "JOURNAL_STREAM"))}
    return {**kept, "NO_COLOR": "1", "TZ": "UTC", **more}


def run(*arguments, check=None, stdin=None, seconds=COMMAND_LIMIT, cwd=None, **more):
    """Runs one sealtail command to its end; `check` is the exit code it must have."""
    if arguments[0] == "check" and "--user" not in arguments:
        # The agents of these tests run as who runs the tests, whoever a unit here may name.
        arguments = (*arguments, "--user", pwd.getpwuid(os.geteuid()).pw_name)
    done = subprocess.run(
        [str(binary()), *map(str, arguments)], input=stdin, capture_output=True,
        text=not isinstance(stdin, bytes), timeout=seconds, env=environment(**more),
        cwd=cwd or ROOT)
    if check is not None:
        assert done.returncode == check, (
            f"sealtail {' '.join(map(str, arguments))} exited with {done.returncode}, not {check}:"
            f"\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    return done


def yaml(value, indent=0):
    """The few shapes a configuration has, as YAML text."""
    pad = "  " * indent
    if isinstance(value, dict):
        lines = []
        for key, inner in value.items():
            if isinstance(inner, (dict, list)) and inner:
                lines.append(f"{pad}{key}:\n{yaml(inner, indent + 1)}")
            else:
                lines.append(f"{pad}{key}: {yaml(inner)}")
        return "\n".join(lines)
    if isinstance(value, list):
        if not value:
            return "[]"
        lines = []
        for inner in value:
            text = yaml(inner, indent + 1)
            lines.append(f"{pad}- {text.lstrip()}")
        return "\n".join(lines)
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value) if isinstance(value, str) else str(value)


class Metrics:
    """One page of /metrics, read as numbers."""

    LINE = re.compile(r"^(?P<name>[a-z_]+)(?:\{(?P<labels>.*)\})? (?P<value>\S+)$")

    def __init__(self, text):
        self.text = text
        self.rows = defaultdict(list)
        for line in text.splitlines():
            found = self.LINE.match(line)
            if found:
                labels = dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', found["labels"] or ""))
                self.rows[found["name"]].append((labels, float(found["value"])))

    def sum(self, name, **labels):
        """The sum of all rows of sealtail_<name> that carry these labels."""
        return sum(value for row, value in self.rows[f"sealtail_{name}"]
                   if all(row.get(key) == wanted for key, wanted in labels.items()))

    def has(self, name):
        return bool(self.rows[f"sealtail_{name}"])


def expect_conservation(page):
    """The sums that must hold in every single scrape, whatever is going on."""
    if page.has("events_committed_total"):
        committed, sealed = (page.sum(name) for name in (
            "events_committed_total", "events_sealed_total"))
        assert committed == sealed, f"{committed} events committed, {sealed} of all inputs sealed"
        own, made = page.sum("events_sealed_total", input="agent"), page.sum(
            "events_from_records_total")
        assert sealed == made + own, f"{sealed} sealed: {made} from records, {own} of the agent"
    for labels, read in page.rows["sealtail_records_read_total"]:
        settled = sum(page.sum(name, **labels) for name in (
            "records_parsed_total", "records_ignored_total", "records_dropped_total",
            "records_in_flight"))
        assert read == settled, f"{labels}: {read} records read, {settled} accounted for"
    for labels, read in page.rows["sealtail_elements_read_total"]:
        settled = sum(page.sum(name, **labels) for name in (
            "elements_parsed_total", "elements_ignored_total", "elements_dropped_total"))
        assert read == settled, f"{labels}: {read} elements read, {settled} accounted for"
    for labels, offered in page.rows["sealtail_events_offered_total"]:
        settled = sum(page.sum(name, **labels) for name in (
            "events_delivered_total", "events_rejected_since_cursor_total",
            "events_filtered_total", "events_waiting", "events_lost_total"))
        assert offered == settled, f"{labels}: {offered} events offered, {settled} accounted for"


def expect_no_empty_sums(page):
    """A run whose sums are all zero says nothing about them."""
    sums = {name: page.sum(name) for name in (
        "records_read_total", "events_sealed_total", "events_offered_total")}
    assert any(sums.values()), f"all sums are zero: {sums}"


class Agent:
    """One agent with its own folder, configuration and state."""

    def __init__(self, folder, inputs, sinks, **more):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.state = Path(more.pop("state_dir", self.folder / "state"))
        self.port = free_port()
        self.configuration = {
            "agent": {"name": NAME, "state_dir": str(self.state),
                      "listen": f"127.0.0.1:{self.port}", "log": {"level": "debug"},
                      "grace": "10s", "parsers_dir": str(PARSERS), **more.pop("agent", {})},
            "inputs": inputs, "sinks": sinks, **more}
        self.path = self.folder / "agent.yaml"
        self.process = None
        self.prefix = []
        self.environment = {}
        self.errors_path = self.folder / "agent.log"
        self.write()

    def write(self):
        """Writes the configuration as it is now."""
        self.path.write_text(yaml(self.configuration) + "\n")

    def start(self, wait=True):
        """Starts the agent; by default waits until it answers on its port."""
        self.log = open(self.errors_path, "ab")
        self.process = subprocess.Popen(
            [*self.prefix, str(binary()), "run", "--config", str(self.path)],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
            env=environment(**self.environment), cwd=self.folder)
        self.log.close()
        if wait:
            self.wait_for(lambda: self.get("/livez")[0] is not None, START_LIMIT, "an answer")
        return self

    def get(self, path):
        """(status, text) of a page of the agent, (None, reason) when nobody answers."""
        try:
            with urllib.request.urlopen(
                    f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except (OSError, ValueError) as error:
            return None, str(error)

    def metrics(self):
        """The metrics now."""
        status, text = self.get("/metrics")
        assert status == 200, f"/metrics answered {status}: {text}\n{self.tail()}"
        return Metrics(text)

    def wait_for(self, condition, seconds, what):
        """Waits until the condition holds; fails early when the agent is gone."""
        deadline = time.monotonic() + seconds
        while True:
            result = condition()
            if result:
                return result
            assert self.process.poll() is None, (
                f"the agent ended with {self.process.returncode} while a test waited for {what}:"
                f"\n{self.tail()}")
            assert time.monotonic() < deadline, (
                f"{what} did not come in {seconds} s\n{self.tail()}")
            time.sleep(0.03)

    def wait_read(self, records, seconds=60, input_id=None):
        """Waits until so many records are read and nothing of them is under way."""
        labels = {"input": input_id} if input_id else {}

        def settled():
            page = self.metrics()
            expect_conservation(page)
            return (page.sum("records_in_flight", **labels) == 0
                    and page.sum("records_read_total", **labels) >= records)
        self.wait_for(settled, seconds, f"{records} records")

    def wait_delivered(self, sink, seconds=60):
        """Waits until nothing waits for this sink."""
        self.wait_for(lambda: self.metrics().sum("events_waiting", sink=sink) == 0, seconds,
                      f"an empty queue to {sink}")

    def stop(self, code=0, how=signal.SIGTERM):
        """Asks the agent to end, waits, and looks at its exit code."""
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.check_sums()
            self.process.send_signal(how)
        try:
            found = self.process.wait(timeout=STOP_LIMIT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"the agent did not stop in {STOP_LIMIT} s\n{self.tail()}")
        self.process = None
        if code is not None:
            assert found == code, f"the agent ended with {found}, not {code}\n{self.tail()}"
        return found

    def check_sums(self):
        """The sums of a last scrape; an agent without a port, or too busy to answer, has none."""
        status, text = self.get("/metrics") if self.port else (None, "")
        if status == 200:
            page = Metrics(text)
            expect_conservation(page)
            expect_no_empty_sums(page)

    def reload(self, seconds=20):
        """Sends SIGHUP and waits until the agent has taken or refused the configuration."""
        before = self.metrics().sum("config_reloads_total")
        self.process.send_signal(signal.SIGHUP)
        self.wait_for(lambda: self.metrics().sum("config_reloads_total") > before, seconds,
                      "an answer to SIGHUP")

    def kill(self):
        """Takes the agent away at once, as a power cut of the process would."""
        self.process.kill()
        self.process.wait()
        self.process = None

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def log_text(self):
        """What the agent said so far."""
        return self.errors_path.read_text(errors="replace") if self.errors_path.exists() else ""

    def tail(self):
        return self.log_text()[-4000:]

    def verifier_key(self):
        """The public half of the key that the agent made at its first start.

        Derived here from the key file, so that no public key has to be taken from the agent.
        """
        text = (self.state / "keys" / "signing.key").read_text().strip()
        name, key_id, secret = text[len("PRIVATE+KEY+"):].split("+", 2)
        seed = base64.b64decode(secret)[1:]
        public = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
        return f"{name}+{key_id}+{base64.b64encode(bytes([1]) + public).decode()}"


def file_input(path, parser="keycloak", **more):
    """An input that tails one path from its beginning."""
    return {"id": "idp", "type": "file", "paths": [str(path)], "parser": parser,
            "start_at": "beginning", **more}


def file_sink(path, **more):
    """A sink that appends canonical lines to a file."""
    return {"id": "out", "type": "file", "path": str(path), "format": "canonical", **more}


def elasticsearch_sink(receiver, **more):
    """A sink for the receiver of these tests, quick to retry so that tests are quick."""
    return {"id": "siem", "type": "elasticsearch", "endpoint": receiver.url, "format": "ecs",
            "compression": "gzip", "retry": {"initial": "100ms", "max": "1s"}, **more}


def read_events(path):
    """The lines of a file sink as parsed events; a last line that is not whole is left out."""
    if not Path(path).exists():
        return []
    whole = Path(path).read_bytes().rpartition(b"\n")[0]
    return [json.loads(line) for line in whole.split(b"\n") if line]


def is_agent_event(event):
    """True for what the agent says about itself."""
    return event["provider"]["product"] == "sealtail"
