# SPDX-License-Identifier: Apache-2.0
"""A receiver that behaves like Elasticsearch's _bulk endpoint, well or badly as a test scripts it.

Documents count as stored only when their own item said so and the answer's head went out, as a
client must read it. An `_id` that is stored answers 409, as `create` does.
"""

import contextlib
import gzip
import json
import socket
import ssl
import threading
import time

from loopback import QuietHandler, QuietServer

VERSION_CONFLICT = {"type": "version_conflict_engine_exception",
                    "reason": "version conflict, document already exists"}
OVERLOADED = {"type": "es_rejected_execution_exception", "reason": "queue is full"}
SLOW_PARTS = 5
HALF_CLOSE_SECONDS = 1.0
UNMAPPABLE = {"type": "document_parsing_exception", "reason": "failed to parse field [@timestamp]"}


class Fault:
    """What to do with one request instead of storing it. A test makes one and hands it over.

    `status` answers so with `body`; `items` is asked per document and names a status or None;
    `before` seconds pass first; `cut` ends the connection: "reset" before storing anything,
    "half" after storing everything and half an answer, "close" after storing everything and in
    an orderly way, with the receiving side left open for a while, "hang" after storing everything
    and `hang` seconds of silence; `slow` seconds are what the answer's body takes to come;
    `empty` answers 200 with nothing.
    """

    def __init__(self, status=None, body=b"", headers=None, items=None, before=0.0, cut=None,
                 empty=False, slow=0.0, hang=0.0):
        self.status, self.body, self.headers = status, body, headers or {}
        self.items, self.before, self.cut, self.empty = items, before, cut, empty
        self.slow, self.hang = slow, hang


class Receiver:
    """Counts ids, keeps documents, and does what `script` says.

    `script(number, documents)` is called for each bulk request, numbered from 0, and returns a
    Fault or None. Start with `with Receiver() as receiver:`.
    """

    def __init__(self, script=None, port=0, certificate=None, key=None, client_ca=None):
        self.script = script
        self.lock = threading.Condition()
        self.documents = {}
        self.order = []
        self.sent = {}
        self.faults = {}
        self.requests = 0
        self.open_requests = 0
        self.compressed = 0
        self.largest = 0
        self.problems = []
        self.paths = set()
        self.headers = []
        self.server = _Server(("127.0.0.1", port), _Handler)
        self.server.receiver = self
        self.scheme = "http"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate, key)
            if client_ca:
                context.load_verify_locations(client_ca)
                context.verify_mode = ssl.CERT_REQUIRED
            self.server.context = context
            self.scheme = "https"
        self.port = self.server.server_address[1]
        self.url = f"{self.scheme}://127.0.0.1:{self.port}"

    def __enter__(self):
        self.thread = threading.Thread(
            target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Stops listening; requests that are being answered are answered."""
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(timeout=10)

    def count(self):
        """Distinct ids that are stored."""
        with self.lock:
            return len(self.documents)

    def stored(self):
        """All stored documents, as parsed JSON."""
        with self.lock:
            return [json.loads(text) for text in self.documents.values()]

    def lines(self):
        """All stored documents, as they came."""
        with self.lock:
            return [text.decode() for text in self.documents.values()]

    def wait(self, condition, seconds, what="the documents"):
        """Waits until condition(self) holds; fails with what is here when it never does."""
        deadline = time.monotonic() + seconds
        with self.lock:
            while not condition(self):
                left = deadline - time.monotonic()
                if left <= 0:
                    raise AssertionError(
                        f"{what} did not come in {seconds} s: {len(self.documents)} stored, "
                        f"{self.requests} requests, faults {self.faults}, {self.problems[:3]}")
                self.lock.wait(min(left, 0.25))

    def _bulk(self, body):
        """Splits a bulk body into (id, document) and complains about what is malformed."""
        if not body.endswith(b"\n"):
            self.problems.append("a bulk body does not end in a newline")
        lines = body.split(b"\n")[:-1]
        if len(lines) % 2:
            self.problems.append("a bulk body has an action without a document")
        pairs = []
        for action, document in zip(lines[::2], lines[1::2]):
            verb = json.loads(action)
            if list(verb) != ["create"] or "_id" not in verb["create"]:
                self.problems.append(f"an action is not create with an _id: {action[:120]!r}")
            pairs.append((verb["create"]["_id"], document))
        return pairs

    def refuse(self, identifier, document, fault):
        """The status that refuses this document, or None. Asked with the lock held."""
        return fault.items(identifier, document) if fault and fault.items else None

    def begun(self, number, identifier, document, status, connection):
        """Hears of each document as its own status is decided, with the lock held."""

    def ended(self, number, is_whole):
        """Hears when the answer to a stored request went out, or that it did not whole."""

    def take(self, body, number, fault, connection=None):
        """Stores what the fault leaves, and returns the answer's items."""
        items, errors = [], False
        with self.lock:
            for identifier, document in self._bulk(body):
                self.sent[identifier] = self.sent.get(identifier, 0) + 1
                status = self.refuse(identifier, document, fault)
                item = {"_index": "logs-oauth.audit-default", "_id": identifier}
                if status:
                    error = OVERLOADED if status in (429, 503) else UNMAPPABLE
                    item.update(status=status, error=error)
                    self.faults[status] = self.faults.get(status, 0) + 1
                elif identifier in self.documents:
                    item.update(status=409, error=VERSION_CONFLICT)
                    if self.documents[identifier] != document:
                        self.problems.append(f"{identifier} came again with other bytes")
                else:
                    self.documents[identifier] = document
                    self.order.append(identifier)
                    item.update(status=201, result="created", _version=1, _primary_term=1,
                                _seq_no=len(self.order),
                                _shards={"total": 2, "successful": 1, "failed": 0})
                self.begun(number, identifier, document, item["status"], connection)
                errors = errors or item["status"] >= 300
                items.append({"create": item})
            self.lock.notify_all()
        return {"took": 3, "errors": errors, "items": items}


class _Server(QuietServer):
    context = None

    def finish_request(self, request, address):
        # The handshake belongs to the connection's own thread, or a silent client blocks all.
        if self.context:
            request.settimeout(10)
            request = self.context.wrap_socket(request, server_side=True)
        self.RequestHandlerClass(request, address, self)


class _Handler(QuietHandler):
    def setup(self):
        super().setup()
        # Which life of the agent opened this connection, for receivers that count them.
        self.life = getattr(self.server.receiver, "life", 0)

    def answer(self, status, body=b"", content_type="application/json", headers=None):
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("X-Elastic-Product", "Elasticsearch")
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.wfile.flush()

    def do_GET(self):
        self.answer(200, json.dumps({
            "name": "receiver", "cluster_name": "test",
            "version": {"number": "8.17.0", "build_flavor": "default"},
            "tagline": "You Know, for Search"}).encode())

    do_HEAD = do_GET

    def body(self):
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            parts = []
            while True:
                size = int(self.rfile.readline().split(b";")[0], 16)
                parts.append(self.rfile.read(size))
                self.rfile.readline()
                if size == 0:
                    return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def do_POST(self):
        receiver = self.server.receiver
        body = self.body()
        with receiver.lock:
            number = receiver.requests
            receiver.requests += 1
            receiver.open_requests += 1
            receiver.paths.add(self.path.split("?")[0])
            receiver.headers.append(dict(self.headers))
            receiver.largest = max(receiver.largest, len(body))
            receiver.compressed += self.headers.get("Content-Encoding") == "gzip"
        try:
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            if not body.strip():
                # What a cluster says to a bulk request without documents.
                return self.answer(400, json.dumps({"status": 400, "error": {
                    "type": "parse_exception", "reason": "request body is required"}}).encode())
            self.handle_bulk(receiver, number, body)
        finally:
            with receiver.lock:
                receiver.open_requests -= 1

    def handle_bulk(self, receiver, number, body):
        fault = receiver.script(number, body) if receiver.script else None
        if fault and fault.before:
            time.sleep(fault.before)
        if fault and fault.status:
            with receiver.lock:
                receiver.faults[fault.status] = receiver.faults.get(fault.status, 0) + 1
            return self.answer(fault.status, fault.body, headers=fault.headers)
        if fault and fault.cut == "reset":
            self.count_cut(receiver, "reset")
            return self.reset()
        if fault and fault.empty:
            self.count_cut(receiver, "empty")
            return self.answer(200, b"")
        answer = json.dumps(receiver.take(body, number, fault, self)).encode()
        if fault and fault.cut:
            return self.cut_off(receiver, number, fault, answer)
        if fault and fault.slow:
            self.count_cut(receiver, "slow")
            self.start_answer(answer, answer[:1])
            for part in range(SLOW_PARTS):
                time.sleep(fault.slow / SLOW_PARTS)
                size = len(answer) // SLOW_PARTS + 1
                self.wfile.write(answer[1 + part * size:1 + (part + 1) * size])
                self.wfile.flush()
        else:
            self.answer(200, answer)
        receiver.ended(number, True)

    def start_answer(self, answer, beginning):
        self.wfile.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: "
            + str(len(answer)).encode() + b"\r\n\r\n" + beginning)
        self.wfile.flush()

    def cut_off(self, receiver, number, fault, answer):
        """Everything is stored, and the client does not get to know."""
        self.count_cut(receiver, fault.cut)
        if fault.cut == "half":
            self.start_answer(answer, answer[:len(answer) // 2])
        if fault.cut == "close":
            self.connection.shutdown(socket.SHUT_WR)
            self.connection.settimeout(HALF_CLOSE_SECONDS)
            with contextlib.suppress(OSError):
                self.rfile.read(1)
        if fault.cut == "hang":
            time.sleep(fault.hang)
        self.reset()
        receiver.ended(number, False)

    def count_cut(self, receiver, word):
        with receiver.lock:
            receiver.faults[word] = receiver.faults.get(word, 0) + 1
