# SPDX-License-Identifier: Apache-2.0
"""CloudWatch Logs and S3 as an emulator plays them that checks every signature and right."""

import gzip
import json
import re
import subprocess
import sys
from datetime import datetime, timedelta, timezone

import pytest

import keycloak_log
from agent import NAME, ROOT, file_input, run
from aws_server import REGION, AWSServer, InstanceMetadata

LINES = 900
QUICK = {"retry": {"initial": "100ms", "max": "1s"}}


@pytest.fixture(scope="module")
def aws(tmp_path_factory):
    """One emulator for all tests here; each uses a group or bucket of its own."""
    with AWSServer(tmp_path_factory.mktemp("aws")) as server:
        yield server


@pytest.fixture
def log(tmp_path):
    """A log of the last hours, because CloudWatch Logs takes no old events."""
    source = keycloak_log.KeycloakLog(seed=8)
    age = datetime.now(timezone.utc) - timedelta(hours=3) - keycloak_log.START
    source.microseconds = int(age.total_seconds() * 1e6)
    path = tmp_path / "idp.log"
    path.write_bytes(source.chunk(LINES))
    return path


def logs_sink(aws, group, **more):
    return {"id": "cloud", "type": "cloudwatch_logs", "region": REGION, "endpoint": aws.url,
            "log_group": group, "auth": {"access_key_id": aws.key, "secret_access_key": aws.secret},
            **QUICK, **more}


def s3_sink(aws, bucket, **more):
    return {"id": "store", "type": "s3", "region": REGION, "endpoint": aws.url, "bucket": bucket,
            "auth": {"access_key_id": aws.key, "secret_access_key": aws.secret},
            "batch": {"max_events": 250, "max_wait": "200ms"}, **QUICK, **more}


def bucket(aws, name, **more):
    aws.s3.create_bucket(
        Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION}, **more)
    return name


def expect_verified(agent, lines, path):
    """What is stored is every line of the log, sealed, and `sealtail verify` says so."""
    path.write_text("".join(line + "\n" for line in lines))
    done = run("verify", "--vkey", agent.verifier_key(), path, check=0)
    events = [json.loads(line) for line in lines]
    assert len({event["id"] for event in events}) == len(events)
    assert sum(event["provider"]["product"] == "keycloak" for event in events) == LINES
    return done


def test_log_events_are_stored_in_time_and_verify(aws, log, make_agent, tmp_path):
    agent = make_agent([file_input(log)], [logs_sink(aws, "oauth/audit")]).start()
    agent.wait_read(LINES)
    agent.stop()
    messages = aws.messages("oauth/audit")
    expect_verified(agent, [message for _, message in messages], tmp_path / "export.ndjson")
    for milliseconds, message in messages:
        time = datetime.fromtimestamp(milliseconds / 1000, timezone.utc)
        assert json.loads(message)["time"].startswith(time.isoformat(timespec="milliseconds")[:23])
    streams = aws.logs.describe_log_streams(logGroupName="oauth/audit")["logStreams"]
    assert [stream["logStreamName"] for stream in streams] == [NAME]


def test_objects_are_stored_and_verify(aws, log, make_agent, tmp_path):
    name = bucket(aws, "audit-gzip")
    agent = make_agent([file_input(log)], [s3_sink(aws, name)]).start()
    agent.wait_read(LINES)
    agent.stop()
    objects = aws.objects(name)
    assert len(objects) > 3
    lines = [line for key in sorted(objects)
             for line in gzip.decompress(objects[key]).decode().splitlines()]
    expect_verified(agent, lines, tmp_path / "export.ndjson")


def test_objects_locked_and_compressed_otherwise(aws, log, make_agent, tmp_path):
    name = bucket(aws, "audit-locked", ObjectLockEnabledForBucket=True)
    agent = make_agent([file_input(log)], [s3_sink(
        aws, name, compression="zstd", prefix="a/b=c/", server_side_encryption="aes256",
        object_lock={"mode": "compliance", "retain": "30d"})]).start()
    agent.wait_read(LINES)
    agent.stop()
    objects = aws.objects(name)
    assert objects and all(key.startswith("a/b=c/" + NAME) for key in objects)
    for key, content in objects.items():
        assert content[:4] == b"\x28\xb5\x2f\xfd"
        head = aws.s3.head_object(Bucket=name, Key=key)
        assert head["ServerSideEncryption"] == "AES256"
        assert head["ObjectLockMode"] == "COMPLIANCE"
        days = head["ObjectLockRetainUntilDate"] - datetime.now(timezone.utc)
        assert timedelta(days=29) < days <= timedelta(days=30)


def test_a_kill_repeats_objects_or_overlaps_them_and_loses_nothing(aws, log, make_agent, tmp_path):
    name = bucket(aws, "audit-killed")
    sink = s3_sink(aws, name, compression="none", batch={"max_events": 100, "max_wait": "50ms"})
    agent = make_agent([file_input(log)], [sink]).start()
    agent.wait_for(lambda: aws.objects(name), 20, "an object")
    agent.kill()
    agent.start()

    def stored():
        return {line for content in aws.objects(name).values()
                for line in content.decode().splitlines()}
    agent.wait_for(lambda: sum('"Keycloak"' in line for line in stored()) == LINES, 20, "all")
    agent.stop()
    expect_verified(agent, sorted(stored()), tmp_path / "export.ndjson")


def test_events_that_are_too_old_rest_in_the_dead_letter(aws, make_agent, tmp_path):
    """moto names a place less than AWS does, so of each request one old event is missing there."""
    path = tmp_path / "idp.log"
    path.write_bytes(keycloak_log.KeycloakLog(seed=8).chunk(40))
    agent = make_agent([file_input(path)], [logs_sink(aws, "oauth/old")]).start()
    agent.wait_read(40)
    agent.wait_delivered("cloud")
    letters = (agent.state / "dead_letter" / "cloud.ndjson").read_text()
    assert letters.count("older than 14 days") >= 25
    page = agent.metrics()
    assert page.sum("events_rejected_total", sink="cloud") == letters.count("\n")
    agent.stop()


@pytest.mark.parametrize("make_sink", [logs_sink, s3_sink])
def test_a_wrong_key_is_an_alarm_and_loses_nothing(make_sink, aws, log, make_agent):
    place = bucket(aws, f"audit-wrong-{make_sink.__name__.replace('_', '-')}")
    sink = make_sink(aws, place, auth={
        "access_key_id": aws.key, "secret_access_key": "not-the-secret-of-this-key"})
    agent = make_agent([file_input(log)], [sink]).start()
    agent.wait_read(LINES)
    agent.wait_for(lambda: "SignatureDoesNotMatch" in agent.log_text(), 20, "a refusal")
    assert agent.metrics().sum("sink_up", sink=sink["id"]) == 0
    assert agent.metrics().sum("events_waiting", sink=sink["id"]) >= LINES
    sink["auth"]["secret_access_key"] = aws.secret
    agent.write()
    agent.reload()
    agent.wait_delivered(sink["id"])
    agent.stop()
    assert aws.secret not in agent.log_text()
    assert "not-the-secret-of-this-key" not in agent.log_text()


def test_check_names_what_is_missing(aws, make_agent, tmp_path):
    path = tmp_path / "idp.log"
    path.touch()
    weak = {"access_key_id": aws.weak_key, "secret_access_key": aws.weak_secret}
    agent = make_agent([file_input(path)], [
        {**logs_sink(aws, "oauth/audit", auth=weak), "id": "weak_logs"},
        {**s3_sink(aws, "audit-check", auth=weak), "id": "weak_store"},
        {**s3_sink(aws, "audit-not-there"), "id": "nowhere"},
        {**logs_sink(aws, "oauth/not-there", create=False), "id": "no_group"},
        {**logs_sink(aws, "oauth/not-there"), "id": "good_logs"},
        {**s3_sink(aws, bucket(aws, "audit-check")), "id": "good_store"}])
    done = run("check", "--config", agent.path, check=78)
    lines = re.findall(r" sinks\.(\w+): (.*)", done.stdout + done.stderr)
    promised = {sink for sink, words in lines if words.startswith("An event counts as delivered")}
    assert promised == {sink["id"] for sink in agent.configuration["sinks"]}
    said = {sink: words for sink, words in lines
            if not words.startswith("An event counts as delivered")}
    assert said.keys() == {"weak_logs", "weak_store", "nowhere", "no_group"}
    assert "logs:DescribeLogStreams" in said["weak_logs"]
    assert "logs:PutLogEvents" in said["weak_logs"]
    assert "s3:ListBucket" in said["weak_store"] and "s3:PutObject" in said["weak_store"]
    assert "NoSuchBucket" in said["nowhere"]
    assert "create: false" in said["no_group"]
    assert aws.objects("audit-check") == {}


def test_an_instance_lends_its_keys(aws, log, make_agent):
    """The metadata service is a small one of our own: its keys are those of a user of moto."""
    with InstanceMetadata(aws.key, aws.secret) as metadata:
        name = bucket(aws, "audit-instance")
        sink = s3_sink(aws, name)
        del sink["auth"]
        agent = make_agent([file_input(log)], [sink])
        agent.environment = {
            "HOME": "/nonexistent", "AWS_EC2_METADATA_SERVICE_ENDPOINT": metadata.url}
        agent.start()
        agent.wait_read(LINES)
        agent.stop()
        assert len(aws.objects(name)) > 3
        assert metadata.paths == ["/latest/api/token", metadata.ROLES, metadata.ROLES + "audit"]


def test_the_table_of_signatures_is_what_botocore_signs():
    done = subprocess.run(
        [sys.executable, "-B", str(ROOT / "Tests/Fixtures/aws/make_signatures.py"), "--check"],
        capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, "botocore signs otherwise than the table says\n" + done.stderr
