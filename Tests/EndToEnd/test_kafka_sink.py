# SPDX-License-Identifier: Apache-2.0
"""The kafka sink against librdkafka's own brokers, read back with kcat."""

import json
import subprocess
from collections import Counter, defaultdict

import pytest

import independent_verify
from agent import NAME, file_input, run
from kafka_cluster import Cluster
from keycloak_log import KeycloakLog

LINES = 600
MESSAGE_TOO_LARGE, NOT_ENOUGH_REPLICAS, TOPIC_AUTHORIZATION_FAILED = 10, 19, 29


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "idp.log"
    path.write_bytes(KeycloakLog(seed=3).chunk(LINES))
    return path


@pytest.fixture
def cluster():
    with Cluster() as cluster:
        yield cluster


def kafka_sink(cluster, **more):
    return {"id": "fleet", "type": "kafka", "brokers": cluster.brokers.split(","),
            "topic": cluster.topic, "batch": {"max_events": 100, "max_wait": "50ms"},
            "retry": {"initial": "50ms", "max": "500ms"}, **more}


def expect_all(export, log, key):
    """Every line of the log is there, and all of it verifies; the count of each line."""
    sent = Counter(export.splitlines())
    lines = list(sent)
    wanted = set(independent_verify.file_ids(log, NAME, "idp"))
    assert wanted <= {json.loads(line)["id"] for line in lines}
    assert independent_verify.verify(lines, [key]).findings == []
    return sent


def test_what_kcat_exports_verifies_whole_and_by_stream(log, make_agent, cluster, tmp_path):
    agent = make_agent([file_input(log)], [kafka_sink(cluster)]).start()
    agent.wait_read(LINES)
    agent.wait_delivered("fleet")
    agent.stop()
    key = agent.verifier_key()
    export = cluster.export()
    assert set(expect_all(export, log, key).values()) == {1}, "sent twice without need"
    whole = tmp_path / "whole.ndjson"
    whole.write_text(export)
    run("verify", "--vkey", key, whole, check=0)
    whole.write_text("\n".join(export.splitlines()[:40] + export.splitlines()[41:]) + "\n")
    run("verify", "--vkey", key, whole, check=65)

    # The key is the stream, so a stream is in one partition and in order.
    partitions, numbers = defaultdict(set), defaultdict(list)
    for row in cluster.export("-f", "%p\t%k\t%h\t%s\n").splitlines():
        partition, stream, headers, line = row.split("\t", 3)
        event = json.loads(line)
        partitions[stream].add(partition)
        numbers[stream].append(event["integrity"]["seq"])
        assert stream == event["integrity"]["stream"]
        assert headers.split(",") == [
            f"event_id={event['id']}", f"action={event['action']}",
            f"schema={event['schema']}", "content_type=application/json"]
    assert all(len(found) == 1 for found in partitions.values())
    assert all(found == list(range(len(found))) for found in numbers.values())
    # As docs/fan-in.md cuts one stream out.
    rows = cluster.export("-f", "%k\t%s\n")
    for stream in numbers:
        cut = subprocess.run(
            ["awk", "-F", "\t", f'$1 == "{stream}" {{ print $2 }}'], input=rows,
            capture_output=True, text=True, check=True).stdout
        assert len(cut.splitlines()) == len(numbers[stream])
        run("verify", "--vkey", key, "-", stdin=cut, check=0)


def test_errors_and_an_outage_lose_nothing(log, make_agent, cluster):
    cluster.refuse(NOT_ENOUGH_REPLICAS, MESSAGE_TOO_LARGE, TOPIC_AUTHORIZATION_FAILED)
    agent = make_agent([file_input(log)], [kafka_sink(cluster)]).start()
    agent.wait_read(LINES)
    agent.wait_delivered("fleet")
    assert "Topic authorization failed" in agent.log_text()

    cluster.set_down(True)
    more = KeycloakLog(seed=4).chunk(LINES)
    with open(log, "ab") as file:
        file.write(more)
    agent.wait_read(2 * LINES)
    agent.wait_for(lambda: agent.metrics().sum("sink_up", sink="fleet") == 0, 20, "sink_up 0")
    assert agent.metrics().sum("events_waiting", sink="fleet") >= LINES
    cluster.set_down(False)
    agent.wait_delivered("fleet")
    page = agent.metrics()
    agent.stop()
    assert page.sum("events_rejected_total", sink="fleet") == 0
    assert page.sum("delivery_retries_total", sink="fleet") > 0
    sent = expect_all(cluster.export(), log, agent.verifier_key())
    assert max(sent.values()) <= 2


def test_check_says_what_is_wrong_with_the_cluster(log, make_agent, cluster, tmp_path):
    def said(check, **more):
        agent = make_agent([file_input(log)], [kafka_sink(cluster, **more)],
                           folder=tmp_path / f"check{len(more)}")
        done = run("check", "--config", agent.path)
        assert (done.returncode == 0) == check, done.stdout + done.stderr
        return done.stdout + done.stderr
    said(True)
    assert "Connection refused" in said(False, brokers=["127.0.0.1:1"])
