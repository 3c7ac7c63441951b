# SPDX-License-Identifier: Apache-2.0
"""A collector that behaves like Splunk's HTTP Event Collector with indexer acknowledgement.

What a request brings is kept in memory under a number of its channel and indexed a little later.
Whoever asks about a number hears once that it is indexed. A restart forgets what is not indexed,
all numbers and all confirmations, and numbers anew.
"""

import gzip
import json
import socket
import threading
import time
import uuid

from loopback import QuietHandler, QuietServer

TOKEN = "7d6f2b1c-0000-4000-8000-5c1d6f3a9b42"
EVENT, ACK, HEALTH = (f"/services/collector/{word}" for word in ("event", "ack", "health"))
TEXTS = {0: "Success", 3: "Invalid authorization", 4: "Invalid token", 5: "No data",
         6: "Invalid data format", 9: "Server is busy", 10: "Data channel is missing",
         11: "Invalid data channel", 14: "ACK is disabled", 17: "HEC is healthy"}
STATUSES = {0: 200, 3: 401, 4: 403, 9: 503, 17: 200}


def hec_sink(receiver, **more):
    """A sink for this receiver, quick to retry so that tests are quick."""
    return {"id": "siem", "type": "splunk_hec", "endpoint": receiver.url, "auth": {"token": TOKEN},
            "retry": {"initial": "100ms", "max": "1s"}, "acknowledge_timeout": "2s",
            "batch": {"max_events": 100, "max_bytes": "256KiB", "max_wait": "50ms"}, **more}


class HECReceiver:
    """Keeps raw events by id. `script(number, events)` may name a fault for a request.

    A fault is a dictionary: `code` answers so, with `invalid` as the number of the bad event;
    `cut` keeps the events and resets the connection; `restart` keeps them and is restarted
    before anything is answered.
    """

    def __init__(self, script=None, acknowledges=True, index_delay=0.05):
        self.script = script
        self.acknowledges = acknowledges
        self.index_delay = index_delay
        self.cuts_query = lambda number: False
        self.lock = threading.Condition()
        self.indexed = {}
        self.repeats = 0
        self.lost = 0
        self.restarts = 0
        self.requests = 0
        self.queries = 0
        self.open_numbers = 0
        self.channels = set()
        self.envelopes = []
        self.problems = []
        self.connections = set()
        self._forget()
        self.server = QuietServer(("127.0.0.1", 0), _Handler)
        self.server.receiver = self
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def __enter__(self):
        self.is_open = True
        self.threads = [threading.Thread(target=work, daemon=True) for work in (
            lambda: self.server.serve_forever(0.05), self._index)]
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.is_open = False
        self.server.shutdown()
        self.server.server_close()
        for thread in self.threads:
            thread.join(timeout=10)

    def _forget(self):
        self.pending, self.confirmable, self.next_number = [], set(), {}

    def restart(self):
        """Forgets everything that is not indexed and breaks all connections."""
        with self.lock:
            self.restarts += 1
            self.lost += sum(len(events) for _, _, events in self.pending)
            self._forget()
            for connection in list(self.connections):
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def _index(self):
        while self.is_open:
            with self.lock:
                now = time.monotonic()
                while self.pending and self.pending[0][0] + self.index_delay <= now:
                    _, key, events = self.pending.pop(0)
                    self.confirmable.add(key)
                    self.keep(events)
                self.lock.notify_all()
            time.sleep(0.01)

    def keep(self, events):
        """Indexes events for good, with the lock held."""
        for raw in events:
            identifier = json.loads(raw)["id"]
            if self.indexed.setdefault(identifier, raw) != raw:
                self.problems.append(f"{identifier} came again with other bytes")

    def lines(self):
        with self.lock:
            return list(self.indexed.values())

    def wait(self, condition, seconds, what):
        deadline = time.monotonic() + seconds
        with self.lock:
            while not condition(self):
                left = deadline - time.monotonic()
                assert left > 0, (f"{what} did not come in {seconds} s: {len(self.indexed)} "
                                  f"indexed, {self.requests} requests, {self.problems[:3]}")
                self.lock.wait(min(left, 0.25))

    def take(self, channel, body):
        """Answers an event request: (code, number, members) or a fault's word."""
        number = self.requests
        self.requests += 1
        self.channels.add(channel)
        envelopes = [json.loads(line) for line in body.splitlines()]
        if not all(isinstance(envelope.get("event"), str) for envelope in envelopes):
            self.problems.append("an event is no text")
        self.envelopes = envelopes
        events = [envelope["event"] for envelope in envelopes]
        fault = self.script(number, events) if self.script else None
        if fault and "code" in fault:
            return fault["code"], fault.get("invalid"), None
        if not self.acknowledges:
            self.keep(events)
            return 0, None, None
        given = self.next_number.get(channel, 0)
        self.next_number[channel] = given + 1
        self.pending.append((time.monotonic(), (channel, given), events))
        self.repeats += sum(json.loads(raw)["id"] in self.indexed for raw in events)
        return 0, given, fault

    def asked(self, channel, numbers):
        """Says of each number whether it is indexed, and forgets those that are."""
        self.queries += 1
        self.open_numbers = max(self.open_numbers, len(numbers))
        found = {}
        for number in numbers:
            found[str(number)] = (channel, number) in self.confirmable
            self.confirmable.discard((channel, number))
        return found


class _Handler(QuietHandler):
    def setup(self):
        super().setup()
        with self.server.receiver.lock:
            self.server.receiver.connections.add(self.connection)

    def finish(self):
        with self.server.receiver.lock:
            self.server.receiver.connections.discard(self.connection)
        try:
            super().finish()
        except OSError:
            pass

    def answer(self, status, document):
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def answer_code(self, code, **more):
        self.answer(STATUSES.get(code, 400), {"text": TEXTS[code], "code": code, **more})

    def do_GET(self):
        self.answer_code(17 if self.path == HEALTH else 5)

    def do_POST(self):
        receiver = self.server.receiver
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        if self.headers.get("Authorization") != f"Splunk {TOKEN}":
            return self.answer_code(4)
        channel = self.headers.get("X-Splunk-Request-Channel")
        if channel is None:
            return self.answer_code(10)
        try:
            uuid.UUID(channel)
        except ValueError:
            return self.answer_code(11)
        if self.path == ACK:
            return self.query(receiver, channel, body)
        if self.path != EVENT:
            return self.answer(404, {"text": "Not Found", "code": 404})
        with receiver.lock:
            code, number, fault = receiver.take(channel, body)
        if fault and "restart" in fault:
            receiver.restart()
            return self.reset()
        if fault and "cut" in fault:
            return self.reset()
        if code:
            more = {} if number is None else {"invalid-event-number": number}
            return self.answer_code(code, **more)
        self.answer_code(0, **({} if number is None else {"ackId": number}))

    def query(self, receiver, channel, body):
        if not receiver.acknowledges:
            return self.answer_code(14)
        with receiver.lock:
            found = receiver.asked(channel, json.loads(body)["acks"])
            is_cut = receiver.cuts_query(receiver.queries)
        if is_cut:
            return self.reset()
        self.answer(200, {"acks": found})
