# SPDX-License-Identifier: Apache-2.0
"""Hostile lines and a hostile world: the agent goes on, and says where and what to do."""

import json
import os

import pytest

from agent import (
    PARSERS, elasticsearch_sink, expect_conservation, file_input, file_sink, is_agent_event,
    read_events, run)
from receiver import Fault, Receiver

MEBIBYTE = 1 << 20


def keycloak_line(message, **more):
    """A line as Keycloak writes it, around a message of ours."""
    return json.dumps({
        "timestamp": "2026-03-02T06:30:00.000123456Z", "sequence": 1,
        "loggerClassName": "org.jboss.logging.Logger", "loggerName": "org.keycloak.events",
        "level": "WARN", "message": message, "threadName": "executor-thread-1", "threadId": 41,
        "mdc": {}, "ndc": "", "hostName": "sso-0.example.org", "processName": "java",
        "processId": 1, **more}, ensure_ascii=False).encode()


def login_error(user, **more):
    """A failed login of a user whose name is the payload."""
    return keycloak_line(
        'type="LOGIN_ERROR", realmId="r1", realmName="retail", clientId="storefront", '
        'userId="null", ipAddress="203.0.113.9", error="invalid_user_credentials", '
        f'username="{user}", code_id="c1"', **more)


def hostile_lines():
    """(what it is, the line, what becomes of it) for every trap."""
    good = login_error("plain@example.org")
    return [
        ("a good line", good, "event"),
        ("an escaped quote in the user name", login_error('quo\\"te@example.org'), "event"),
        ("forged pairs behind an escaped quote",
         login_error('eve\\", userId=\\"root\\", ipAddress=\\"192.0.2.66'), "forged"),
        ("forged pairs without quotes", login_error("eve, type=LOGIN, userId=root"), "forged"),
        ("invalid UTF-8", login_error("bad@@").replace(b"@@", b"\xff\xfe"), "repaired"),
        ("an escaped NUL", login_error("nul\x00byte"), "any"),
        ("a raw NUL", login_error("nul@@").replace(b"@@", b"\x00"), "any"),
        ("a lone surrogate", login_error("sur@@").replace(b"@@", b"\\ud800"), "any"),
        ("a number over 2^64", login_error("big", extra=0).replace(
            b'"extra": 0', b'"extra": 123456789012345678901234567890'), "any"),
        ("a number of 1e400", login_error("big", extra=0).replace(
            b'"extra": 0', b'"extra": 1e400'), "any"),
        ("deep nesting", b'{"message":' + b"[" * 5000 + b"]" * 5000 + b"}", "none"),
        ("duplicate members", good[:-1] + b', "level": "INFO", "level": "WARN"}', "any"),
        ("a duplicate pair", keycloak_line(
            'type="LOGIN_ERROR", realmName="retail", clientId="storefront", userId="u1", '
            'ipAddress="203.0.113.9", error="user_not_found", username="a", username="b"'), "any"),
        ("truncated JSON", good[:220], "none"),
        ("no JSON at all", b"Listening on: http://0.0.0.0:8080", "none"),
        ("an empty line", b"", "any"),
        ("a carriage return", good + b"\r", "event"),
        ("only a quote", b'"', "none"),
        ("a terminal's colours", b"\x1b[31mred\x1b[0m", "none"),
        ("another logger", good.replace(b"org.keycloak.events", b"org.keycloak.services"), "none"),
        ("a new type of event", good.replace(b"LOGIN_ERROR", b"SOMETHING_NEW"), "unclassified"),
        ("a token where it does not belong",
         login_error("eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.c2VjcmV0c2ln"), "scrubbed"),
    ]


def names_of(events):
    return [event["actor"].get("name") for event in events if "actor" in event]


def wait_for_both(agent, output):
    """Waits for the good lines around the hostile one; returns the events and the metrics."""
    def events():
        return [event for event in read_events(output) if not is_agent_event(event)]
    agent.wait_for(lambda: {"before@example.org", "after@example.org"} <= set(names_of(events())),
                   20, "both good lines")
    agent.wait_read(2)
    agent.wait_delivered("out")
    return events(), agent.metrics()


@pytest.mark.parametrize("position", range(len(hostile_lines())),
                         ids=[row[0].replace(" ", "-") for row in hostile_lines()])
def test_a_hostile_line_harms_no_other(position, tmp_path, make_agent):
    _, line, becomes = hostile_lines()[position]
    log, output = tmp_path / "idp.log", tmp_path / "out.ndjson"
    before, after = login_error("before@example.org"), login_error("after@example.org")
    log.write_bytes(b"\n".join([before, line, after]) + b"\n")
    agent = make_agent([file_input(log)], [file_sink(output)]).start()
    events, page = wait_for_both(agent, output)
    assert names_of(events).count("before@example.org") == 1
    assert names_of(events).count("after@example.org") == 1
    middle = [event for event in events if event["origin"]["offset"] == len(before) + 1]
    refused = page.sum("records_ignored_total") + page.sum("records_dropped_total")
    flagged = [event for event in events if "sealtail_damage" in event.get("labels", {})]
    assert len(events) <= 3
    assert middle or refused or flagged or not line, "the line left no trace"
    if becomes in ("event", "forged", "repaired", "scrubbed"):
        assert len(middle) == 1 and middle[0]["action"] == "LoginFailed"
    if becomes == "none":
        assert all(event in flagged for event in middle), "a broken line made a whole event"
    if becomes == "unclassified":
        assert middle[0]["action"] == "Unclassified"
        assert middle[0]["provider"]["event"] == "SOMETHING_NEW"
        assert page.sum("events_unclassified_total") == 1
    if becomes == "forged":
        assert middle[0]["source"]["ip"] == "203.0.113.9", "a forged pair took over"
        assert middle[0]["actor"].get("id") != "root", "a forged pair took over"
    if becomes == "repaired":
        assert middle[0]["actor"]["name"] == "bad\ufffd\ufffd"
        assert middle[0] in flagged
    if becomes == "scrubbed":
        assert "eyJhbGciOiJub25lIn0" not in output.read_text()
    agent.stop()


def test_a_line_without_end_is_cut_flagged_and_passed(tmp_path, make_agent):
    log, output = tmp_path / "idp.log", tmp_path / "out.ndjson"
    with open(log, "wb") as file:
        file.write(login_error("before@example.org") + b"\n")
        for _ in range(3):
            file.write(b"x" * MEBIBYTE)
        file.write(b"\n" + login_error("after@example.org") + b"\n")
    agent = make_agent([file_input(log)], [file_sink(output)]).start()
    events, page = wait_for_both(agent, output)
    assert len(events) == 2
    assert page.sum("records_truncated_total") == 1
    agent.stop()


def test_a_list_of_too_many_events_is_cut_and_that_is_stated(tmp_path, make_agent):
    login = ('{"eventSource":"signin.amazonaws.com","eventName":"ConsoleLogin",'
             '"responseElements":{"ConsoleLogin":"Failure"}}')
    other = '{"eventSource":"s3.amazonaws.com","eventName":"GetObject"}'
    log = tmp_path / "trail.json"
    log.write_text('{"Records":[' + ",".join([other] + [login] * 10_020) + "]}\n")
    agent = make_agent([file_input(log, parser="aws_cloudtrail", max_record_bytes="4MiB")],
                       [file_sink(tmp_path / "out.ndjson")])
    agent.start()
    agent.wait_read(1)
    agent.wait_delivered("out")
    page = agent.metrics()
    expect_conservation(page)
    assert page.sum("elements_read_total") == 10_021
    assert page.sum("elements_parsed_total") == 10_000
    assert page.sum("elements_ignored_total", reason="other_service") == 1
    assert page.sum("elements_dropped_total", reason="events_of_record") == 20
    agent.stop()
    lost = [event for event in read_events(tmp_path / "out.ndjson")
            if event["action"] == "AgentEventsLost"]
    assert [event["agent"]["count"] for event in lost] == [20]
    assert "behind the first 10000 events" in lost[0]["agent"]["reason"]


def test_a_bad_key_file_stops_the_start_with_a_sentence(tmp_path, make_agent):
    log = tmp_path / "idp.log"
    log.write_bytes(login_error("a@example.org") + b"\n")
    key = tmp_path / "signing.key"
    key.write_text("PRIVATE+KEY+this is not a key\n")
    key.chmod(0o600)
    agent = make_agent([file_input(log)], [file_sink(tmp_path / "out.ndjson")],
                       signing={"key": "${file:%s}" % key})
    agent.start(wait=False)
    code = agent.process.wait(timeout=20)
    assert code in (65, 78), f"exit code {code}\n{agent.tail()}"
    assert "signing" in agent.log_text() and "key" in agent.log_text()
    assert "this is not a key" not in agent.log_text(), "the file's content was printed"


def test_an_unreadable_log_is_reported_and_read_when_it_can_be(tmp_path, make_agent):
    log, output = tmp_path / "idp.log", tmp_path / "out.ndjson"
    log.write_bytes(login_error("a@example.org") + b"\n")
    log.chmod(0)
    agent = make_agent([file_input(log)], [file_sink(output)])
    if os.geteuid() == 0:
        # Root reads everything, unless these two capabilities are taken from it.
        agent.prefix = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
    agent.start()

    def unready():
        status, text = agent.get("/readyz")
        return status == 503 and text
    reasons = agent.wait_for(unready, 10, "a refusal of /readyz")
    assert str(log) in reasons
    assert agent.metrics().sum("input_readable", input="idp") == 0
    log.chmod(0o644)
    agent.wait_read(1, seconds=30)
    agent.wait_for(lambda: agent.get("/readyz")[0] == 200, 20, "readiness")
    assert agent.metrics().sum("input_readable", input="idp") == 1
    agent.stop()


def test_a_second_agent_on_the_same_state_refuses_to_start(tmp_path, make_agent):
    log = tmp_path / "idp.log"
    log.write_bytes(login_error("a@example.org") + b"\n")
    first = make_agent([file_input(log)], [file_sink(tmp_path / "one.ndjson")]).start()
    second = make_agent([file_input(log)], [file_sink(tmp_path / "two.ndjson")],
                        folder=tmp_path / "second", state_dir=first.state)
    second.start(wait=False)
    assert second.process.wait(timeout=20) != 0
    assert str(first.state) in second.log_text()
    assert first.get("/livez")[0] == 200
    first.stop()


def test_a_refusing_receiver_loses_nothing(tmp_path, make_agent):
    log = tmp_path / "idp.log"
    log.write_bytes(b"".join(login_error(f"u{n}@example.org", sequence=n) + b"\n"
                             for n in range(400)))
    refusing = [True]

    def script(number, body):
        return Fault(status=401, body=b'{"error":{"type":"security_exception"},"status":401}'
                     ) if refusing[0] else None
    with Receiver(script) as receiver:
        agent = make_agent([file_input(log)], [elasticsearch_sink(receiver)]).start()
        agent.wait_read(400)
        agent.wait_for(lambda: agent.metrics().sum("sink_up", sink="siem") == 0
                       and receiver.requests > 0, 10, "an alarm")
        agent.wait_for(lambda: "401" in agent.log_text(), 10, "a sentence about 401")
        assert agent.is_running() and agent.get("/livez")[0] == 200
        assert agent.metrics().sum("events_waiting", sink="siem") >= 400
        refusing[0] = False
        receiver.wait(lambda r: len([1 for d in r.documents.values() if b"LoginFailed" in d])
                      == 400, 30)
        agent.wait_delivered("siem")
        assert agent.metrics().sum("sink_up", sink="siem") == 1
        agent.stop()


def test_a_damaged_frame_is_stated_in_the_chain_and_the_rest_arrives(tmp_path, make_agent):
    log = tmp_path / "idp.log"
    log.touch()
    refusing = [True]

    def script(number, body):
        return Fault(status=503) if refusing[0] else None
    with Receiver(script) as receiver:
        agent = make_agent([file_input(log)], [elasticsearch_sink(receiver)],
                           agent={"grace": "0s"}).start()
        for burst in range(3):
            with open(log, "ab") as file:
                file.write(b"".join(login_error(f"b{burst}u{n}@example.org", sequence=n) + b"\n"
                                    for n in range(50)))
            agent.wait_read(50 * (burst + 1))
        agent.stop()
        segment = sorted((agent.state / "ledger").glob("*.seg"))[-1]
        content = bytearray(segment.read_bytes())
        frames = [at for at in range(len(content)) if content[at:at + 4] == b"\xf5SLF"]
        middle = frames[len(frames) // 2]
        content[middle + 200] ^= 1
        segment.write_bytes(content)

        refusing[0] = False
        agent.start()
        receiver.wait(lambda r: any(b"AgentEventsLost" in d for d in r.documents.values()), 30)
        agent.wait_delivered("siem")
        page = agent.metrics()
        assert page.sum("ledger_quarantined_frames_total") == 1
        lost = page.sum("events_lost_total", sink="siem")
        expect_conservation(page)
        users = sum(b"LoginFailed" in document for document in receiver.documents.values())
        assert lost > 0 and 150 - lost <= users <= 150
        agent.stop()
        # What is stated is due no more.
        kept = (agent.state / "ledger" / "quarantine").iterdir()
        assert [path.suffix for path in kept] == [".bad"]


def test_commands_say_where_and_what_to_do(tmp_path):
    missing = tmp_path / "missing.yaml"
    found = run("run", "--config", missing, check=None)
    assert found.returncode in (66, 78) and str(missing) in found.stderr
    found = run("verify", "--vkey", "nonsense", "-", stdin="")
    assert found.returncode in (64, 65, 78) and found.stderr.strip()
    assert run("no-such-command").returncode == 64
    assert run("run", "--no-such-option").returncode == 64
    found = run("parse", "--parsers", PARSERS, "--parser", "keycloak", tmp_path / "missing.log")
    assert found.returncode == 66 and "missing.log" in found.stderr
