# SPDX-License-Identifier: Apache-2.0
"""The otlp sink and a receiver that decodes with OpenTelemetry's own classes."""

import gzip
import json
import threading
from collections import Counter
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest, ExportLogsServiceResponse)

import independent_verify
from agent import NAME, file_input, run
from keycloak_log import KeycloakLog

LINES = 600
SEVERITIES = {"info": 9, "low": 10, "medium": 13, "high": 17, "critical": 21}
# Where a field stands among the attributes, when it is not oauth.<its own path>.
RENAMED = {
    "id": "event.id", "actor.id": "user.id", "actor.name": "user.name",
    "actor.email": "user.email", "session.id": "session.id", "provider.tenant": "oauth.tenant",
    "provider.issuer": "oauth.issuer", "request.method": "http.request.method",
    "request.id": "http.request.id", "request.status": "http.response.status_code",
    "request.path": "url.path", "request.endpoint": "oauth.endpoint",
    "request.redirect_uri": "oauth.redirect_uri", "request.resource": "oauth.resource",
    "error.code": "error.type", "source.ip": "client.address", "source.port": "client.port",
    "source.country": "geo.country.iso_code", "source.user_agent": "user_agent.original",
    "source.device_id": "device.id"}
ELSEWHERE = ("time", "observed", "severity", "labels", "raw", "schema", "request.trace_id")
BODY_ONLY = ("agent.", "origin.", "privacy.", "integrity.")


class Receiver:
    """Decodes requests and keeps records; `script(number, records)` may answer otherwise."""

    def __init__(self, script=None):
        self.script = script
        self.lock = threading.Lock()
        self.requests, self.records, self.sent, self.problems = 0, {}, Counter(), []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def log_message(self, format, *arguments):
                pass

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status, answer = receiver.take(self.path, dict(self.headers), body)
                self.send_response(status)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def take(self, path, headers, body):
        request = ExportLogsServiceRequest()
        request.ParseFromString(gzip.decompress(body))
        records = [(resources.resource, scope.scope, record)
                   for resources in request.resource_logs for scope in resources.scope_logs
                   for record in scope.log_records]
        with self.lock:
            number = self.requests
            self.requests += 1
            if path != "/v1/logs" or headers["Content-Type"] != "application/x-protobuf":
                self.problems.append(f"{path} {headers}")
            answer = self.script(number, records) if self.script else None
            if answer and answer[0] != 200:
                return answer
            refused = answer[2] if answer else set()
            for resource, scope, record in records:
                identifier = attributes(record)["event.id"]
                self.sent[identifier] += 1
                if identifier not in refused:
                    self.records[identifier] = (resource, scope, record)
        return answer[:2] if answer else (200, b"")


def value(any_value):
    kind = any_value.WhichOneof("value")
    if kind == "array_value":
        return [value(inner) for inner in any_value.array_value.values]
    return getattr(any_value, kind)


def attributes(holder):
    found = {pair.key: value(pair.value) for pair in holder.attributes}
    assert len(found) == len(holder.attributes), "an attribute comes twice"
    return found


def nanoseconds(text):
    moment = datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.utc)
    return int(moment.timestamp()) * 10**9 + moment.microsecond * 1000


def flat(event):
    for key, inner in event.items():
        if isinstance(inner, dict) and key != "labels":
            yield from ((f"{key}.{name}", item) for name, item in inner.items())
        else:
            yield key, inner


def expected_attributes(event):
    """The attributes that a body asks for, made here from the body alone."""
    wanted = {}
    for path, item in flat(event):
        person = path in ("actor.id", "actor.name", "actor.email")
        if (path in ELSEWHERE or path.startswith(BODY_ONLY)
                or person and event["actor"]["type"] == "system"):
            continue
        wanted[RENAMED.get(path, f"oauth.{path}")] = item
    wanted["oauth.integrity.stream"] = event["integrity"]["stream"]
    wanted["oauth.integrity.seq"] = event["integrity"]["seq"]
    return wanted


def expect_faithful(resource, scope, record):
    event = json.loads(record.body.string_value)
    assert attributes(record) == expected_attributes(event)
    assert record.time_unix_nano == nanoseconds(event["time"])
    assert record.observed_time_unix_nano == nanoseconds(event["observed"])
    assert record.severity_number == SEVERITIES[event["severity"]]
    assert record.severity_text == event["severity"]
    assert record.event_name == f"oauth.{event['action']}"
    assert record.trace_id == bytes.fromhex(event.get("request", {}).get("trace_id", ""))
    provider = event["provider"]
    names = {"service.name": provider["product"], "service.version": provider.get("version"),
             "host.name": provider.get("host"), **event.get("labels", {})}
    assert attributes(resource) == {key: text for key, text in names.items() if text}
    assert scope.name == "sealtail" and scope.version


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "idp.log"
    path.write_bytes(KeycloakLog(seed=9).chunk(LINES))
    return path


def deliver_all(agent, receiver, log, rejected=()):
    """Runs until everything has come to an end; the lines that arrived."""
    wanted = set(independent_verify.file_ids(log, NAME, "idp")) - set(rejected)
    agent.wait_read(LINES)
    agent.wait_delivered("siem")
    agent.stop()
    assert receiver.problems == []
    assert wanted <= receiver.records.keys()
    assert not receiver.records.keys() & set(rejected)
    return [record.body.string_value for _, _, record in receiver.records.values()]


def otlp_sink(receiver, **more):
    return {"id": "siem", "type": "otlp", "endpoint": receiver.url,
            "batch": {"max_events": 100, "max_wait": "50ms"},
            "retry": {"initial": "50ms", "max": "500ms"}, **more}


def test_the_official_classes_read_every_record_and_the_bodies_verify(log, make_agent, tmp_path):
    with Receiver() as receiver:
        agent = make_agent([file_input(log, labels={"site": "fra1"})], [otlp_sink(receiver)])
        lines = deliver_all(agent.start(), receiver, log)
    assert set(receiver.sent.values()) == {1}, "something was sent twice without need"
    for resource, scope, record in receiver.records.values():
        expect_faithful(resource, scope, record)
    export = tmp_path / "bodies.ndjson"
    export.write_text("".join(line + "\n" for line in lines))
    key = agent.verifier_key()
    assert independent_verify.verify(lines, [key]).findings == []
    run("verify", "--vkey", key, export, check=0)
    export.write_text("".join(line + "\n" for line in lines if '"seq":7,' not in line))
    run("verify", "--vkey", key, export, check=65)


def test_what_is_rejected_rests_in_the_dead_letter_alone(log, make_agent):
    identifiers = independent_verify.file_ids(log, NAME, "idp")
    partly, never = set(identifiers[50:LINES:90]), {identifiers[200]}

    def script(number, records):
        here = {attributes(record)["event.id"] for _, _, record in records}
        if number % 4 == 1:
            return 503, b"\x08\x0e\x12\x0aoverloaded"
        if here & never:
            return 400, b"\x08\x03\x12\x0dbody too long"
        if here & partly:
            answer = ExportLogsServiceResponse()
            answer.partial_success.rejected_log_records = len(here & partly)
            answer.partial_success.error_message = "timestamp too old"
            return 200, answer.SerializeToString(), partly
        return None
    with Receiver(script) as receiver:
        agent = make_agent([file_input(log)], [otlp_sink(receiver)]).start()
        agent.wait_read(LINES)
        agent.wait_delivered("siem")
        page = agent.metrics()
        deliver_all(agent, receiver, log, rejected=partly | never)
    assert page.sum("events_rejected_total", sink="siem") == len(partly | never) == 8
    letters = b"".join(path.read_bytes() for path in (agent.state / "dead_letter").rglob("*")
                       if path.is_file())
    assert all(identifier.encode() in letters for identifier in partly | never)
    assert letters.count(b"rejected: timestamp too old") == len(partly)
    assert letters.count(b"HTTP 400: body too long") == len(never)
    assert "HTTP 503: overloaded" in agent.log_text()
