# SPDX-License-Identifier: Apache-2.0
"""A collector with indexer acknowledgement that forgets: nothing is lost, nothing counts too early."""

import json
import random

import pytest

import independent_verify
from agent import NAME, file_input, run
from hec_receiver import TOKEN, HECReceiver, hec_sink
from keycloak_log import KeycloakLog

LINES = 1500


@pytest.fixture
def log(tmp_path):
    """A log of so many lines that it takes several requests."""
    path = tmp_path / "idp.log"
    path.write_bytes(KeycloakLog(seed=6).chunk(LINES))
    return path


def start(make_agent, receiver, log, **sink):
    return make_agent([file_input(log)], [hec_sink(receiver, **sink)]).start()


def expect_all(agent, receiver, log, rejected=()):
    """Every line of the log is indexed under its own id, but for these; and the sums say so."""
    wanted = set(independent_verify.file_ids(log, NAME, "idp")) - set(rejected)
    receiver.wait(lambda r: wanted <= r.indexed.keys(), 60, f"{len(wanted)} events")
    agent.wait_delivered("siem")
    assert receiver.problems == []
    page = agent.metrics()
    assert page.sum("records_sealed_total", input="idp") == LINES
    delivered = page.sum("events_delivered_total", sink="siem")
    assert page.sum("events_rejected_total", sink="siem") == len(rejected)
    assert delivered + len(rejected) == page.sum("events_sealed_total") > LINES
    # What the agent calls delivered is in the index, and not only in the collector's memory.
    assert len(receiver.lines()) == delivered
    verdict = independent_verify.verify(
        receiver.lines(), [agent.verifier_key()], whole=not rejected)
    assert verdict.findings == []
    return page


def test_a_good_collector_gets_the_signed_lines_and_an_export_verifies(log, make_agent, tmp_path):
    with HECReceiver() as receiver:
        agent = start(make_agent, receiver, log, index="audit")
        expect_all(agent, receiver, log)
        assert receiver.repeats == 0 and len(receiver.channels) == 1
        assert receiver.open_numbers > 1, "numbers were asked for one by one"
        for envelope in receiver.envelopes:
            event = json.loads(envelope["event"])
            assert envelope["source"] == "sealtail" and envelope["sourcetype"] == "sealtail:oauth"
            assert envelope["index"] == "audit"
            assert envelope["host"] == event["provider"].get("host", NAME)
        agent.stop()
        key, lines = agent.verifier_key(), receiver.lines()
        plain, export = tmp_path / "raw.ndjson", tmp_path / "export.json"
        plain.write_text("".join(line + "\n" for line in lines))
        # As Splunk's own export writes it, with its own fields around the event.
        export.write_text("".join(json.dumps({
            "preview": False, "offset": at, "result": {
                "_raw": line, "_time": "2026-11-21 11:02:07.118 UTC", "linecount": "1",
                "index": "audit", "sourcetype": "sealtail:oauth"}}) + "\n"
            for at, line in enumerate(lines)))
        for path in (plain, export):
            run("verify", "--vkey", key, path, check=0)
        export.write_text(export.read_text().replace("LoginSucceeded", "LoginFailed", 1))
        run("verify", "--vkey", key, export, check=65)


def test_restarts_that_forget_and_number_anew_lose_nothing(log, make_agent):
    def script(number, events):
        return {"restart": True} if number in (3, 9, 20) else None
    with HECReceiver(script, index_delay=0.2) as receiver:
        agent = start(make_agent, receiver, log, in_flight=8)
        page = expect_all(agent, receiver, log)
        assert receiver.restarts >= 2 and receiver.lost > 0, "nothing was at stake"
        assert len(receiver.channels) > 1
        assert page.sum("delivery_retries_total", sink="siem") > 0
        agent.stop()


def test_lost_answers_and_lost_confirmations_repeat_with_the_same_ids(log, make_agent):
    pick = random.Random(4)

    def script(number, events):
        return pick.choice([None] * 6 + [{"cut": True}, {"code": 9}, {"code": 11}])
    with HECReceiver(script) as receiver:
        receiver.cuts_query = lambda number: number % 4 == 1
        agent = start(make_agent, receiver, log, in_flight=4)
        expect_all(agent, receiver, log)
        agent.stop()


def test_an_event_that_is_named_goes_to_the_dead_letter_alone(log, make_agent):
    bad = independent_verify.file_ids(log, NAME, "idp")[700]

    def script(number, events):
        at = next((at for at, raw in enumerate(events) if bad in raw), None)
        return None if at is None else {"code": 6, "invalid": at}
    with HECReceiver(script) as receiver:
        agent = start(make_agent, receiver, log)
        expect_all(agent, receiver, log, rejected={bad})
        agent.stop()
        letter = (agent.state / "dead_letter" / "siem.ndjson").read_text()
        assert bad in letter and "Invalid data format" in letter


def test_a_token_without_acknowledgement_gets_nothing_until_somebody_acts(log, make_agent):
    with HECReceiver(acknowledges=False) as receiver:
        agent = start(make_agent, receiver, log)
        agent.wait_for(lambda: agent.metrics().sum("sink_up", sink="siem") == 0, 10, "an alarm")
        assert "set acknowledge: false" in agent.log_text()
        assert receiver.requests == 0
        checked = run("check", "--config", agent.path, check=78)
        assert "set acknowledge: false" in checked.stdout + checked.stderr
        receiver.acknowledges = True
        expect_all(agent, receiver, log)
        agent.stop()


def test_without_acknowledgement_when_it_is_said_so(log, make_agent):
    with HECReceiver(acknowledges=False) as receiver:
        agent = start(make_agent, receiver, log, acknowledge=False)
        expect_all(agent, receiver, log)
        assert receiver.queries == 0
        agent.stop()


def test_a_wrong_token_is_an_alarm_and_never_printed(log, make_agent):
    secret = "00000000-1111-4222-8333-444444444444"
    with HECReceiver() as receiver:
        agent = start(make_agent, receiver, log, auth={"token": secret})
        agent.wait_for(lambda: agent.metrics().sum("sink_up", sink="siem") == 0, 10, "an alarm")
        assert "Invalid token" in agent.log_text()
        assert agent.metrics().sum("events_rejected_total", sink="siem") == 0
        agent.configuration["sinks"][0]["auth"]["token"] = TOKEN
        agent.write()
        agent.reload()
        expect_all(agent, receiver, log)
        agent.stop()
        assert secret not in agent.log_text() and TOKEN not in agent.log_text()
