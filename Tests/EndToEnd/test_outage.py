# SPDX-License-Identifier: Apache-2.0
"""All sinks at once, and all their receivers gone for a while in the middle of the stream.

With SOAK=1 it takes some minutes: every receiver goes alone as well, and they stay away longer.
"""

import contextlib
import gzip
import json
import os
import re
import time
from collections import Counter
from datetime import datetime, timedelta, timezone

import pytest

import hec_receiver
import independent_verify
import keycloak_log
from agent import NAME, expect_conservation, file_input
from aws_server import REGION, AWSServer
from certificates import Authority
from gate import Gate, MovedFolder, PipeReader
from hec_receiver import HECReceiver
from http_peers import Collector
from kafka_cluster import Cluster
from receiver import Receiver
from test_otlp_sink import Receiver as OTLPReceiver
from test_syslog_rsyslog import Rsyslog

SOAK = bool(os.environ.get("SOAK"))
AWAY_SECONDS = 60 if SOAK else 2
LINES = 150
IN_FLIGHT, BATCH = 2, 50
COMMON = {"in_flight": IN_FLIGHT, "batch": {"max_events": BATCH, "max_wait": "50ms"},
          "retry": {"initial": "100ms", "max": "1s"}}
ID = re.compile(r'"id":"([0-9a-f]{32})","(?:integrity|observed)"')


class Station:
    """A sink, what takes its receiver away and back, and the lines that have arrived there."""

    def __init__(self, sink, way, lines, manner="refuse", overwrites=False):
        self.sink, self.way, self.lines, self.manner = {**COMMON, **sink}, way, lines, manner
        self.overwrites = overwrites
        self.id = sink["id"]


class KafkaWay:
    """Takes the brokers away; they name their own ports, so no gate can stand before them."""

    def __init__(self, cluster):
        self.cluster = cluster

    def away(self, _):
        self.cluster.set_down(True)

    def back(self):
        self.cluster.set_down(False)


def repeated(counts):
    return [name for name, count in counts.items() for _ in range(count)]


def aws_stations(aws, gate):
    aws.s3.create_bucket(
        Bucket="audit", CreateBucketConfiguration={"LocationConstraint": REGION})
    place = {"region": REGION, "auth": {
        "access_key_id": aws.key, "secret_access_key": aws.secret}}

    def objects():
        return [line for content in aws.objects("audit").values()
                for line in gzip.decompress(content).decode().splitlines()]
    logs, store = gate(aws.port), gate(aws.port)
    return [
        Station({"id": "cloud", "type": "cloudwatch_logs", "endpoint": logs.url, **place,
                 "log_group": "audit", "timeout": "2s"}, logs,
                lambda: [message for _, message in aws.messages("audit")], "hang"),
        Station({"id": "store", "type": "s3", "endpoint": store.url, **place, "bucket": "audit",
                 "timeout": "5s"}, store, objects, "reset", overwrites=True)]


def web_stations(stack, gate):
    siem, hook = stack.enter_context(Receiver()), stack.enter_context(Collector())
    splunk, otlp = stack.enter_context(HECReceiver()), stack.enter_context(OTLPReceiver())
    ways = [gate(int(receiver.url.rsplit(":", 1)[1])) for receiver in (siem, hook, splunk, otlp)]
    urls = [way.url for way in ways]
    return [
        Station({"id": "siem", "type": "elasticsearch", "endpoint": urls[0], "timeout": "1s",
                 "format": "canonical"}, ways[0],
                lambda: [f'"id":"{name}","observed"' for name in repeated(siem.sent)], "hang"),
        Station({"id": "hook", "type": "http", "endpoint": urls[1], "body": "json_array",
                 "timeout": "5s"}, ways[1],
                lambda: [json.dumps(event, separators=(",", ":")) for _, events in hook.requests()
                         for event in events], "reset"),
        Station({"id": "splunk", "type": "splunk_hec", "endpoint": urls[2], "timeout": "5s",
                 "auth": {"token": hec_receiver.TOKEN}, "acknowledge_timeout": "5s"}, ways[2],
                splunk.lines, "refuse"),
        Station({"id": "collector", "type": "otlp", "endpoint": urls[3], "timeout": "1s"},
                ways[3], lambda: [f'"id":"{name}","observed"' for name in repeated(otlp.sent)],
                "hang")]


def other_stations(stack, gate, folder):
    rsyslog = Rsyslog(folder, Authority(folder), tls=False).start()
    stack.callback(rsyslog.stop)
    syslog, archive = gate(rsyslog.tcp), MovedFolder(folder / "archive")
    cluster = stack.enter_context(Cluster())
    pipe = stack.enter_context(PipeReader(folder / "stdout"))
    return [
        Station({"id": "logs", "type": "syslog", "transport": "tcp",
                 "endpoint": f"127.0.0.1:{syslog.port}"}, syslog, rsyslog.events, "reset"),
        Station({"id": "fleet", "type": "kafka", "brokers": cluster.brokers.split(","),
                 "topic": cluster.topic}, KafkaWay(cluster),
                lambda: cluster.export().splitlines()),
        Station({"id": "archive", "type": "file", "path": str(folder / "archive" / "out")},
                archive, lambda: (folder / "archive" / "out").read_text().splitlines()),
        Station({"id": "out", "type": "stdout"}, pipe, pipe.lines)]


@pytest.fixture
def stations(tmp_path):
    with contextlib.ExitStack() as stack:
        def gate(port):
            return stack.enter_context(Gate(port))
        aws = stack.enter_context(AWSServer(tmp_path))
        yield [*aws_stations(aws, gate), *web_stations(stack, gate),
               *other_stations(stack, gate, tmp_path)]


class Source:
    """A log that grows; CloudWatch Logs takes no events of long ago."""

    def __init__(self, path):
        self.path = path
        self.log = keycloak_log.KeycloakLog(seed=21)
        age = datetime.now(timezone.utc) - timedelta(hours=3) - keycloak_log.START
        self.log.microseconds = int(age.total_seconds() * 1e6)
        self.count = 0

    def write(self, lines=LINES):
        with open(self.path, "ab") as file:
            file.write(self.log.chunk(lines))
        self.count += lines


def waiting(agent, station):
    page = agent.metrics()
    expect_conservation(page)
    return page.sum("events_waiting", sink=station.id)


def expect_all_but(agent, stations, absent):
    """Whatever is away, the others get everything."""
    for station in stations:
        if station not in absent:
            agent.wait_for(lambda: waiting(agent, station) == 0, 60, f"all at {station.id}")
    for station in absent:
        agent.wait_for(lambda: agent.metrics().sum("sink_up", sink=station.id) == 0, 20,
                       f"sink_up 0 of {station.id}")
        assert waiting(agent, station) > 0, f"{station.id} delivered to nobody"


def test_all_receivers_go_away_and_come_back(stations, make_agent, tmp_path):
    source = Source(tmp_path / "idp.log")
    source.write()
    agent = make_agent([file_input(source.path)], [station.sink for station in stations])
    agent.prefix = ["/bin/sh", "-c", 'exec "$@" >"$0"', str(tmp_path / "stdout")]
    agent.start()
    agent.wait_read(source.count)
    expect_all_but(agent, stations, [])

    # One outage never stops another sink: each alone, or some together where time is short.
    groups = [[station] for station in stations] if SOAK else [stations[::2]]
    for group in groups:
        for station in group:
            station.way.away(station.manner)
        source.write()
        agent.wait_read(source.count)
        expect_all_but(agent, stations, group)
        for station in group:
            station.way.back()
        expect_all_but(agent, stations, [])

    # All at once, in the middle of the stream.
    source.write()
    for station in stations:
        station.way.away(station.manner)
    end = time.monotonic() + AWAY_SECONDS
    while time.monotonic() < end:
        source.write(20)
        time.sleep(0.1)
    agent.wait_read(source.count)
    expect_all_but(agent, stations, stations)
    assert agent.get("/livez")[0] == 200
    for station in stations:
        station.way.back()
    expect_all_but(agent, stations, [])
    page = agent.metrics()
    agent.stop()

    wanted = set(independent_verify.file_ids(source.path, NAME, "idp"))
    for station in stations:
        outages = 1 + sum(station in group for group in groups)
        found = Counter(ID.search(line)[1] for line in station.lines() if line)
        assert wanted <= set(found), f"{station.id} lost {len(wanted - set(found))}"
        assert page.sum("events_rejected_total", sink=station.id) == 0
        assert page.sum("events_lost_total", sink=station.id) == 0
        if not station.overwrites:
            surplus = sum(found.values()) - len(found)
            assert surplus <= IN_FLIGHT * BATCH * outages, f"{station.id} repeated {surplus}"
    log = agent.log_text()
    for secret in (hec_receiver.TOKEN, stations[0].sink["auth"]["secret_access_key"]):
        assert secret not in log
