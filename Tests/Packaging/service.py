# SPDX-License-Identifier: Apache-2.0
"""The service of the package in a machine: its configuration, its drop-ins, what it says."""

import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "EndToEnd"))

import agent as agents  # noqa: E402
from machine import Failure  # noqa: E402

UNIT = "sealtail.service"
DROP_INS = f"/etc/systemd/system/{UNIT}.d"
EXAMPLES = "/usr/share/doc/sealtail/examples/systemd"
CONFIGURATION = "/etc/sealtail/agent.yaml"
STATE = "/var/lib/sealtail"
LOG = "/var/log/keycloak/keycloak.log"
PAGES = "http://127.0.0.1:9464"
START_LIMIT = 20.0
MICROSECONDS = 1e6


def expect(claim, sentence):
    """Fails with the sentence unless the claim is true."""
    if not claim:
        raise Failure(sentence)


def line(user):
    """One failed login as Keycloak writes it."""
    return ('2026-11-20 08:00:01,001 WARN  [org.keycloak.events] (executor-thread-1) '
            'type="LOGIN_ERROR", realmId="a7e1c0de-1111-4222-8333-444455556666", '
            'realmName="customers", clientId="webshop", userId="null", '
            'ipAddress="192.0.2.17", error="invalid_user_credentials", '
            f'auth_method="openid-connect", username="{user}"\n')


def has_event(receiver, user):
    """True when an event about this user has come."""
    wanted = f'"{user}"'.encode()
    return any(wanted in document for document in receiver.documents.values())


class Service:
    """sealtail.service in a machine that is up."""

    def __init__(self, machine):
        self.machine = machine

    def reset(self):
        """As after the installation: stopped, without drop-ins, state and logs."""
        self.machine.run("systemctl", "stop", UNIT, check=None)
        self.machine.run("rm", "-rf", DROP_INS, STATE, Path(LOG).parent)
        self.machine.run("systemctl", "daemon-reload")
        self.machine.run("systemctl", "reset-failed", UNIT, check=None)
        self.machine.run("install", "-d", "-o", "keycloak", "-g", "keycloak", "-m", "755",
                         Path(LOG).parent)

    def configure(self, sinks, inputs=None, **more):
        """Writes agent.yaml. The input is the log of a Keycloak unless it is given."""
        inputs = inputs or [agents.file_input(LOG)]
        text = agents.yaml({
            "agent": {"name": agents.NAME, **more.pop("agent", {})},
            "inputs": inputs, "sinks": sinks, **more})
        self.machine.write(CONFIGURATION, text + "\n")

    def drop_in(self, name, text):
        """Adds a drop-in with these lines of [Service]."""
        self.machine.write(f"{DROP_INS}/{name}.conf", f"[Service]\n{text}\n")
        self.machine.run("systemctl", "daemon-reload")

    def add_example(self, name):
        """Turns on a drop-in that the package brings, by the command that stands in it."""
        self.machine.run("install", "-D", "-m", "644", "-t", DROP_INS, f"{EXAMPLES}/{name}")
        self.machine.run("systemctl", "daemon-reload")

    def start(self):
        self.machine.run("systemctl", "start", UNIT)

    def stop(self):
        self.machine.run("systemctl", "stop", UNIT)

    def show(self, *names):
        return self.machine.properties(UNIT, *names)

    def value(self, name):
        return self.show(name)[name]

    def pid(self):
        """The main process, as numbered in the machine."""
        return int(self.value("MainPID"))

    def process(self):
        """What the kernel says of the main process, by name."""
        text = self.machine.run("cat", f"/proc/{self.pid()}/status").stdout
        return {name: value.strip() for name, _, value in
                (row.partition(":") for row in text.splitlines())}

    def status_text(self):
        """What an operator reads."""
        return self.machine.run("systemctl", "status", "--full", UNIT, check=None).stdout

    def journal(self):
        return self.machine.journal(UNIT)

    def page(self, path):
        """(status, text) of a page of the agent; (None, reason) when nobody answers."""
        try:
            with urllib.request.urlopen(PAGES + path, timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except (OSError, ValueError) as error:
            return None, str(error)

    def metric(self, name, **labels):
        """The sum of the rows of a metric; None when the page is not to be had."""
        status, text = self.page("/metrics")
        return agents.Metrics(text).sum(name, **labels) if status == 200 else None

    def wait(self, condition, what, seconds=START_LIMIT):
        return self.machine.wait_for(condition, seconds, what)

    def exposure(self):
        """What `systemd-analyze security --offline=true` makes of the unit with its drop-ins."""
        text = self.machine.run(
            "systemd-analyze", "security", "--offline=true", "--no-pager", UNIT).stdout
        last = text.strip().splitlines()[-1]
        expect(f"exposure level for {UNIT}:" in last, f"systemd-analyze says: {last}")
        return float(last.split(": ", 1)[1].split()[0])

    def start_times(self):
        """Milliseconds to ready: from the start of the main process, and with what is before it."""
        names = ("InactiveExitTimestampMonotonic", "ExecMainStartTimestampMonotonic",
                 "ActiveEnterTimestampMonotonic")
        begun, main, ready = (int(self.show(*names)[name]) for name in names)
        return (ready - main) / 1000, (ready - begun) / 1000

    def is_successor(self, before):
        """True when another process than this one is up and ready."""
        found = self.show("MainPID", "ActiveState")
        return (found["ActiveState"] == "active"
                and found["MainPID"] not in ("0", str(before)))

    def freeze(self):
        """Stops the main process as SIGSTOP does, and answers how long until systemd has a new
        one, in seconds."""
        before, begun = self.pid(), time.monotonic()
        self.machine.run("systemctl", "kill", "--kill-who=main", "--signal=STOP", UNIT)
        self.wait(lambda: self.is_successor(before), "the watchdog did not bring a new process",
                  60)
        return time.monotonic() - begun
