# SPDX-License-Identifier: Apache-2.0
"""Twelve reloads under load, with new signing keys, over every kind of input, and each event counted."""

import socket
import threading
from collections import Counter

import independent_verify
import requests
from agent import (
    elasticsearch_sink, file_input, file_sink, free_port, is_agent_event, read_events, run)
from receiver import Receiver
from test_inputs_http import TOKEN, http_input
from test_inputs_syslog import message, syslog_input
from test_key_rotation import make_key
from test_reload import Log, not_closing

RELOADS = 12
KEYS = 3
HEADERS = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}


class Senders:
    """A log that grows, datagrams, one TCP connection and webhooks, until it is left.

    `sent` holds the names of what was sent; of webhooks only those that were confirmed.
    """

    def __init__(self, log, ports):
        self.log, self.ports = log, ports
        self.sent = {"udp": [], "tcp": [], "hooks": []}
        self.failures = []
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=self.guard, args=(work,), daemon=True)
                        for work in (self.write, self.datagrams, self.stream, self.post)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        for thread in self.threads:
            thread.join(timeout=30)
        assert not self.failures

    def guard(self, work):
        try:
            work()
        except Exception as error:  # A thread's own failure would pass unseen.
            self.failures.append(error)

    def name(self, kind):
        return f"{kind}-{len(self.sent[kind])}"

    def write(self):
        while not self.stopping.wait(0.02):
            self.log.append(40)

    def datagrams(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            while not self.stopping.wait(0.002):
                name = self.name("udp")
                sender.sendto(f"<13>{message(name)}".encode(), ("127.0.0.1", self.ports["udp"]))
                self.sent["udp"].append(name)

    def stream(self):
        with socket.create_connection(("127.0.0.1", self.ports["tcp"]), timeout=20) as sender:
            while not self.stopping.wait(0.002):
                name = self.name("tcp")
                sender.sendall(f"<13>{message(name)}\n".encode())
                self.sent["tcp"].append(name)

    def post(self):
        with requests.Session() as session:
            while not self.stopping.wait(0.005):
                name = self.name("hooks")
                answer = session.post(f"http://127.0.0.1:{self.ports['hooks']}/", headers=HEADERS,
                                      data=message(name), timeout=20)
                assert answer.status_code == 200, answer.text
                self.sent["hooks"].append(name)


def is_of_file(event):
    return "path" in event.get("origin", {})


def test_reloads_with_new_keys_lose_and_repeat_nothing_of_any_input(tmp_path, make_agent):
    log, output = Log(tmp_path / "idp.log").append(), tmp_path / "out.ndjson"
    ports = {name: free_port() for name in ("udp", "tcp", "hooks")}
    keys = [make_key(tmp_path / f"key{number}") for number in range(KEYS)]
    with Receiver() as receiver:
        def sinks(number):
            # The archive stays as it is, the other is made anew each time, the third comes and goes.
            extra = [file_sink(tmp_path / "extra.ndjson", id="extra")] if number % 2 else []
            batch = {"max_events": 500 + number, "max_wait": "50ms"}
            return [file_sink(output), elasticsearch_sink(receiver, batch=batch)] + extra

        agent = make_agent(
            [file_input(log.path), {**syslog_input(ports["udp"], "udp"), "id": "udp"},
             {**syslog_input(ports["tcp"], "tcp"), "id": "tcp"}, http_input(ports["hooks"])],
            sinks(0), signing={"key": "${file:%s}" % keys[0][0]}).start()
        with Senders(log, ports) as senders:
            for number in range(1, RELOADS + 1):
                agent.configuration["inputs"][0]["labels"] = {"round": str(number)}
                agent.configuration["sinks"] = sinks(number)
                key = keys[number * KEYS // (RELOADS + 1)]
                agent.configuration["signing"]["key"] = "${file:%s}" % key[0]
                before = log.lines
                agent.wait_for(lambda: not_closing(agent), 20, "a reload")
                agent.wait_for(lambda: log.lines > before + 40, 20, "more load")
        sent = senders.sent
        agent.wait_read(log.lines + sum(map(len, sent.values())))
        for sink in ("out", "siem"):
            agent.wait_delivered(sink)
        agent.stop()
    events = read_events(output)
    ours = [event for event in events if not is_agent_event(event)]
    offsets = [event["origin"]["offset"] for event in ours if is_of_file(event)]
    assert len(offsets) == len(set(offsets)) == log.lines
    names = Counter(event["provider"]["event_id"] for event in ours if not is_of_file(event))
    assert set(names.values()) == {1}
    assert set(names) == {name for names in sent.values() for name in names}
    ids = {event["id"] for event in events}
    assert len(ids) == len(events) and ids <= set(receiver.documents)
    assert not [event for event in events if event["action"] == "AgentEventsLost"]
    rotated = [event["agent"]["vkey"] for event in events if event["action"] == "AgentKeyRotated"]
    assert rotated == [key[1] for key in keys[1:]]
    # Whoever trusts the first key can follow to the last.
    run("verify", "--vkey", keys[0][1], output, check=0)
    lines = output.read_text().splitlines()
    assert independent_verify.verify(lines, [key[1] for key in keys]).findings == []
