# SPDX-License-Identifier: Apache-2.0
"""The sinks otlp and s3, and receivers that others wrote."""

import gzip
import json

import keycloak_log
import pytest
from botocore.exceptions import ClientError

from agent import file_input, run
from real_receivers import Rotel, SeaweedFS

LINES = 500
QUICK = {"retry": {"initial": "100ms", "max": "1s"}}


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "idp.log"
    path.write_bytes(keycloak_log.KeycloakLog(seed=9).chunk(LINES))
    return path


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    with SeaweedFS(tmp_path_factory.mktemp("store")) as server:
        yield server


def expect_verified(agent, lines, path):
    """Every line of the log arrived once, sealed, and `sealtail verify` says so."""
    path.write_text("".join(line + "\n" for line in lines))
    run("verify", "--vkey", agent.verifier_key(), path, check=0)
    events = [json.loads(line) for line in lines]
    assert len({event["id"] for event in events}) == len(events)
    assert sum(event["provider"]["product"] == "keycloak" for event in events) == LINES


def is_whole(lines):
    """Whether a stream is there from its first event to the checkpoint that ends it."""
    numbers = {event["integrity"]["seq"]: event["action"] for event in map(json.loads, lines)}
    last = max(numbers, default=0)
    return len(numbers) == last + 1 and numbers.get(last - 1) == "AgentStopped"


def s3_sink(store, bucket, **more):
    return {"id": bucket, "type": "s3", "region": "eu-central-1", "endpoint": store.url,
            "bucket": bucket, "batch": {"max_wait": "200ms"}, **QUICK,
            "auth": {"access_key_id": store.key, "secret_access_key": store.secret}, **more}


def test_a_collector_takes_every_record_and_its_body_verifies(log, make_agent, tmp_path):
    with Rotel(tmp_path) as rotel:
        agent = make_agent([file_input(log)], [
            {"id": "collector", "type": "otlp", "endpoint": rotel.url, **QUICK}])
        run("check", "--config", agent.path, check=0)
        agent.start()
        agent.wait_read(LINES)
        agent.stop()
        # It prints what it takes a moment after its answer.
        rotel.wait_for(lambda: is_whole(rotel.bodies()), "all records")
        expect_verified(agent, rotel.bodies(), tmp_path / "export.ndjson")
        assert "EventName: oauth.TokenRefreshed" in rotel.text()


def test_a_store_that_checks_signatures_keeps_objects_that_verify(
        store, log, make_agent, tmp_path):
    store.s3.create_bucket(Bucket="audit")
    agent = make_agent([file_input(log)], [s3_sink(store, "audit", prefix="a=b/c(1)/")])
    run("check", "--config", agent.path, check=0)
    agent.start()
    agent.wait_read(LINES)
    agent.stop()
    lines = [line for content in store.objects("audit").values()
             for line in gzip.decompress(content).decode().splitlines()]
    expect_verified(agent, lines, tmp_path / "export.ndjson")


def test_what_the_store_locks_nobody_deletes(store, log, make_agent):
    store.s3.create_bucket(Bucket="locked", ObjectLockEnabledForBucket=True)
    agent = make_agent([file_input(log)], [
        s3_sink(store, "locked", object_lock={"mode": "compliance", "retain": "1d"})]).start()
    agent.wait_read(LINES)
    agent.stop()
    versions = store.s3.list_object_versions(Bucket="locked")["Versions"]
    assert versions
    for version in versions:
        place = {"Bucket": "locked", "Key": version["Key"], "VersionId": version["VersionId"]}
        assert store.s3.get_object_retention(**place)["Retention"]["Mode"] == "COMPLIANCE"
        with pytest.raises(ClientError):
            store.s3.delete_object(**place)


@pytest.mark.parametrize("name, change, words", [
    ("wrong", {"auth": {"access_key_id": SeaweedFS.key, "secret_access_key": "guessed"}},
     "SignatureDoesNotMatch"),
    ("reader", {"auth": {"access_key_id": SeaweedFS.reader_key,
                         "secret_access_key": SeaweedFS.reader_secret}}, "AccessDenied"),
    ("absent", {"bucket": "nowhere"}, "NoSuchBucket")])
def test_whom_the_store_refuses_waits_and_says_why(store, log, make_agent, name, change, words):
    agent = make_agent([file_input(log)], [{**s3_sink(store, "audit"), "id": name, **change}])
    agent.start()
    agent.wait_for(lambda: words in agent.log_text(), 20, words)
    page = agent.metrics()
    assert page.sum("sink_up", sink=name) == 0 and page.sum("events_delivered_total") == 0
    assert page.sum("events_rejected_total") == 0 and page.sum("events_waiting", sink=name) > LINES
    assert "guessed" not in agent.log_text() and SeaweedFS.reader_secret not in agent.log_text()
