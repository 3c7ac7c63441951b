# SPDX-License-Identifier: Apache-2.0
"""Starting, stopping, watching: what an operator and systemd rely on."""

import json
import signal
import time

import independent_verify
from agent import (
    PARSERS, elasticsearch_sink, file_input, file_sink, is_agent_event, read_events, run)
from keycloak_log import KeycloakLog
from receiver import Fault, Receiver

LINES = 400


def write_log(path, lines=LINES, seed=9):
    path.write_bytes(KeycloakLog(seed).chunk(lines))
    return path


def test_a_stop_delivers_everything_and_closes_the_stream(tmp_path, make_agent):
    log, output = write_log(tmp_path / "idp.log"), tmp_path / "out.ndjson"
    agent = make_agent([file_input(log)], [file_sink(output)]).start()
    agent.wait_read(LINES)
    agent.stop()
    events = read_events(output)
    assert events[0]["action"] == "AgentStarted"
    assert events[0]["agent"]["predecessor"] == "none"
    assert [event["action"] for event in events[-2:]] == ["AgentStopped", "CheckpointSigned"]
    assert len([event for event in events if not is_agent_event(event)]) == LINES


def test_a_second_signal_leaves_at_once_and_the_next_start_delivers(tmp_path, make_agent):
    log = write_log(tmp_path / "idp.log")
    with Receiver(lambda number, body: Fault(status=503)) as receiver:
        agent = make_agent([file_input(log)], [elasticsearch_sink(receiver)],
                           agent={"grace": "60s"}).start()
        agent.wait_read(LINES)
        agent.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        assert agent.is_running(), "the grace time was not used"
        began = time.monotonic()
        agent.stop(code=None)
        assert time.monotonic() - began < 5
        receiver.script = None
        agent.start()
        agent.wait_delivered("siem")
        agent.stop()
        verdict = independent_verify.verify(receiver.lines(), [agent.verifier_key()])
        assert verdict.findings == []
        ours = [event for event in verdict.events if not is_agent_event(event.body)]
        assert len(ours) == LINES


def test_a_stop_gives_up_at_the_end_of_its_grace(tmp_path, make_agent):
    log = write_log(tmp_path / "idp.log")
    with Receiver(lambda number, body: Fault(status=503)) as receiver:
        agent = make_agent([file_input(log)], [elasticsearch_sink(receiver)],
                           agent={"grace": "2s"}).start()
        agent.wait_read(LINES)
        began = time.monotonic()
        agent.stop()
        assert 1.5 < time.monotonic() - began < 8
        assert "left" in agent.log_text(), "nobody said that events wait for the next start"


def test_two_sinks_get_the_same_events_and_a_slow_one_holds_nobody_up(tmp_path, make_agent):
    log, output = write_log(tmp_path / "idp.log"), tmp_path / "out.ndjson"
    with Receiver(lambda number, body: Fault(status=503) if number < 20 else None) as receiver:
        agent = make_agent(
            [file_input(log)], [elasticsearch_sink(receiver), file_sink(output)]).start()
        agent.wait_read(LINES)
        agent.wait_delivered("out")
        assert agent.metrics().sum("events_waiting", sink="siem") >= LINES
        assert agent.get("/readyz")[0] == 200, "one sink is enough to be ready"
        agent.wait_delivered("siem")
        agent.stop()
        here = {event["id"] for event in read_events(output)}
        assert here == set(receiver.documents)


def test_a_filter_is_counted_and_the_rest_still_verifies(tmp_path, make_agent):
    log, output = write_log(tmp_path / "idp.log"), tmp_path / "out.ndjson"
    everything = tmp_path / "all.ndjson"
    agent = make_agent([file_input(log)], [
        file_sink(output, filter={"min_severity": "low"}),
        file_sink(everything, id="all")]).start()
    agent.wait_read(LINES)
    agent.wait_delivered("out")
    page = agent.metrics()
    agent.stop()
    whole = [event for event in read_events(everything) if not is_agent_event(event)]
    kept = [event for event in read_events(output) if not is_agent_event(event)]
    wanted = [event for event in whole if event["severity"] != "info"]
    assert [event["id"] for event in kept] == [event["id"] for event in wanted]
    assert 0 < len(wanted) < len(whole) == LINES
    assert page.sum("events_filtered_total", sink="out") == len(whole) - len(wanted)
    stated = [event["agent"]["filtered"] for event in read_events(output)
              if event["action"] == "CheckpointSigned"][-1]
    assert stated[0].split(" ")[2] == str(len(whole) - len(wanted))
    key = agent.verifier_key()
    assert independent_verify.verify(
        output.read_text().splitlines(), [key], whole=False).findings == []
    run("verify", "--vkey", key, "--sink", "out", output, check=0)


def test_a_pseudonymised_field_never_leaves_in_clear(tmp_path, make_agent):
    log, output = write_log(tmp_path / "idp.log"), tmp_path / "out.ndjson"
    agent = make_agent([file_input(log)], [file_sink(output)],
                       privacy={"pseudonymize": [
                           "actor.id", "actor.name", "actor.email", "target.id",
                           "target.name", "target.email"]}).start()
    agent.wait_read(LINES)
    agent.stop()
    assert b"@example.org" in log.read_bytes()
    assert "@example.org" not in output.read_text()
    assert "@example.org" not in agent.log_text()
    named = [event for event in read_events(output) if "name" in event.get("actor", {})
             and not is_agent_event(event)]
    assert named and all(event["actor"]["name"].startswith("h1:") for event in named)
    assert all("actor.name" in event["privacy"]["fields"] for event in named)


def test_parse_gives_what_the_agent_gives_without_an_agent(tmp_path):
    log = write_log(tmp_path / "idp.log", lines=50)
    done = run("parse", "--parsers", PARSERS, "--parser", "keycloak", log, check=0)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(events) == 50 and all("integrity" not in event for event in events)
    assert "read 50" in done.stderr and "events 50" in done.stderr
    automatic = run("parse", "--parsers", PARSERS, "--parser", "auto", log, check=0)
    assert [json.loads(line)["action"] for line in automatic.stdout.splitlines()] == [
        event["action"] for event in events]


def test_the_version_is_said_for_people_and_for_scripts():
    assert run("version", check=0).stdout.startswith("sealtail ")
    assert json.loads(run("version", "--json", check=0).stdout)["name"] == "sealtail"
