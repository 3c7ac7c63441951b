# SPDX-License-Identifier: Apache-2.0
"""A receiver whose name moves to another address, while the old one goes on answering.

Names come from nss_wrapper, which stands in for the resolver of libc in the agent alone.
"""

import http.server
import os
import threading
import time
from pathlib import Path

import keycloak_log
import pytest

from agent import file_input, free_port

WRAPPER = "libnss_wrapper.so"
HOST = "siem.example.com"
MOVE_LIMIT = 20


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with self.server.lock:
            self.server.lines += body.splitlines()
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


class Place(http.server.ThreadingHTTPServer):
    """Takes lines at one address and counts the connections; start it with `with`."""

    daemon_threads = True

    def __init__(self, address):
        self.lock, self.lines, self.connections = threading.Lock(), [], 0
        super().__init__(address, Handler)

    def process_request(self, *request):
        self.connections += 1
        super().process_request(*request)

    def __enter__(self):
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()


class Names:
    """The addresses of names, as /etc/hosts writes them."""

    def __init__(self, path):
        self.path, self.version = Path(path), 0

    def set(self, address):
        fresh = self.path.with_suffix(".new")
        fresh.write_text(f"{address} {HOST}\n" if address else "")
        # nss_wrapper looks at the time, in seconds.
        self.version += 10
        os.utime(fresh, (self.version, self.version))
        fresh.rename(self.path)


@pytest.fixture
def names(tmp_path):
    return Names(tmp_path / "hosts")


def start(make_agent, names, port, log, **more):
    sink = {"id": "siem", "type": "http", "endpoint": f"http://{HOST}:{port}", "proxy": "none",
            "in_flight": 1, "batch": {"max_wait": "50ms"},
            "retry": {"initial": "100ms", "max": "1s"}, **more}
    agent = make_agent([file_input(log)], [sink])
    # What is not in the file is asked of the machine's own resolver, which may be long about it.
    agent.environment = {"LD_PRELOAD": WRAPPER, "NSS_WRAPPER_HOSTS": str(names.path),
                         "RES_OPTIONS": "timeout:1 attempts:1"}
    return agent.start()


def deliver_until(agent, source, log, condition, what):
    """Writes a line, waits until it is delivered, and so on until the condition holds."""
    end = time.monotonic() + MOVE_LIMIT
    while not condition():
        assert time.monotonic() < end, f"{what} did not come in {MOVE_LIMIT} s\n{agent.tail()}"
        with open(log, "ab") as file:
            file.write(source.chunk(1))
        before = agent.metrics().sum("events_delivered_total", sink="siem")
        agent.wait_for(lambda: agent.metrics().sum(
            "events_delivered_total", sink="siem") > before, 10, "a delivery")


def test_a_receiver_that_moves_is_found_though_the_old_one_still_answers(
        make_agent, names, tmp_path):
    source, log, port = keycloak_log.KeycloakLog(seed=5), tmp_path / "idp.log", free_port()
    with Place(("127.0.0.1", port)) as old, Place(("127.0.0.2", port)) as new:
        names.set("127.0.0.1")
        agent = start(make_agent, names, port, log, connection_age="1s")
        deliver_until(agent, source, log, lambda: old.connections >= 2, "a second connection")
        assert not new.lines
        names.set("127.0.0.2")
        deliver_until(agent, source, log, lambda: new.lines, "an event at the new address")
        taken = len(old.lines)
        deliver_until(agent, source, log, lambda: len(new.lines) >= 20, "twenty more")
        assert len(old.lines) == taken, "the old address is still in use"
        agent.stop()
        assert len({*old.lines, *new.lines}) == len(old.lines) + len(new.lines)


def test_a_name_that_goes_away_is_waited_for(make_agent, names, tmp_path):
    source, log, port = keycloak_log.KeycloakLog(seed=6), tmp_path / "idp.log", free_port()
    with Place(("127.0.0.1", port)) as place:
        names.set(None)
        log.write_bytes(source.chunk(10))
        agent = start(make_agent, names, port, log)
        agent.wait_for(lambda: agent.metrics().sum(
            "delivery_retries_total", sink="siem") > 0, 20, "a retry")
        assert agent.metrics().sum("sink_up", sink="siem") == 0
        names.set("127.0.0.1")
        agent.wait_for(lambda: agent.metrics().sum("events_waiting", sink="siem") == 0, 10,
                       "all events")
        agent.stop()
        assert place.lines


def test_a_young_connection_is_kept(make_agent, names, tmp_path):
    source, log, port = keycloak_log.KeycloakLog(seed=7), tmp_path / "idp.log", free_port()
    with Place(("127.0.0.1", port)) as place:
        names.set("127.0.0.1")
        agent = start(make_agent, names, port, log)
        end = time.monotonic() + 3
        deliver_until(agent, source, log, lambda: time.monotonic() > end, "the end")
        agent.stop()
        assert place.connections == 1
