# SPDX-License-Identifier: Apache-2.0
"""Starting, stopping, watching: what an operator and systemd rely on."""

import json
import re
import signal
import socket
import threading
import time

import independent_verify
from agent import (
    PARSERS, elasticsearch_sink, file_input, file_sink, is_agent_event, read_events, run)
from keycloak_log import KeycloakLog
from receiver import Fault, Receiver
from test_full_disk import BulkyLog
from troubles import SmallDisk

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


def test_a_sidecar_reads_on_until_its_provider_is_quiet(tmp_path, make_agent):
    log, output = tmp_path / "idp.log", tmp_path / "out.ndjson"
    provider = KeycloakLog(9)
    log.write_bytes(provider.chunk(LINES))
    agent = make_agent([file_input(log)], [file_sink(output)], agent={
        "grace": "20s", "shutdown": {"mode": "sidecar", "quiet": "1s"}}).start()
    agent.wait_read(LINES)
    agent.process.send_signal(signal.SIGTERM)
    for _ in range(8):
        time.sleep(0.25)
        with open(log, "ab") as file:
            file.write(provider.chunk(5))
    began = time.monotonic()
    agent.stop(how=0)
    assert 0.5 < time.monotonic() - began < 8
    ours = [event for event in read_events(output) if not is_agent_event(event)]
    assert len(ours) == LINES + 40, "lines written after the signal were not read"
    assert read_events(output)[-2]["action"] == "AgentStopped"


def test_a_sidecar_beside_a_talker_still_delivers_and_a_second_signal_ends_it(
        tmp_path, make_agent):
    log, output = tmp_path / "idp.log", tmp_path / "out.ndjson"
    provider = KeycloakLog(9)
    log.write_bytes(provider.chunk(LINES))
    stopping = threading.Event()

    def write():
        while not stopping.wait(0.05):
            with open(log, "ab") as file:
                file.write(provider.chunk(2))
    writer = threading.Thread(target=write, daemon=True)
    agent = make_agent([file_input(log)], [file_sink(output)], agent={
        "grace": "4s", "shutdown": {"mode": "sidecar", "quiet": "1s"}}).start()
    agent.wait_read(LINES)
    writer.start()
    began = time.monotonic()
    agent.stop()
    assert 2.5 < time.monotonic() - began < 6, "three quarters of the grace are for reading"
    assert [event["action"] for event in read_events(output)[-2:]] == [
        "AgentStopped", "CheckpointSigned"]
    agent.configuration["agent"]["grace"] = "60s"
    agent.write()
    agent.start()
    agent.process.send_signal(signal.SIGTERM)
    time.sleep(1.5)
    assert agent.is_running()
    began = time.monotonic()
    agent.stop()
    assert time.monotonic() - began < 5
    stopping.set()
    writer.join()


def test_one_hanging_sink_stops_reading_only_when_the_ledger_is_full(tmp_path, make_agent):
    log, output = tmp_path / "idp.log", tmp_path / "out.ndjson"
    provider = BulkyLog("1", "hang")
    is_hanging = threading.Event()
    is_hanging.set()

    def hang(*_):
        while is_hanging.is_set():
            time.sleep(0.05)
    log.touch()
    with SmallDisk(tmp_path / "small", 28) as disk, Receiver(hang) as receiver:
        agent = make_agent(
            [file_input(log)], [elasticsearch_sink(receiver, in_flight=1), file_sink(output)],
            state_dir=disk.folder / "state", ledger={"max_size": "64MiB", "retain": "0s"},
            agent={"grace": "2s"}).start()
        with open(log, "ab") as file:
            file.write(provider.chunk(1000))
        agent.wait_read(1000)
        agent.wait_delivered("out")
        assert agent.metrics().sum("events_waiting", sink="siem") >= 1000
        with open(log, "ab") as file:
            file.write(provider.chunk(21_000))
        agent.wait_for(lambda: "no space" in agent.get("/readyz")[1].lower(), 120, "a full disk")
        page = agent.metrics()
        assert 1000 < page.sum("records_sealed_total") < 22_000, "reading went on or never began"
        sealed = page.sum("records_sealed_total")
        agent.wait_for(
            lambda: agent.metrics().sum("events_delivered_total", sink="out") >= sealed, 20,
            "all that is sealed at the sink that works")
        assert agent.get("/livez")[0] == 200
        # Nothing can be committed any more, and still the stop ends with its grace.
        began = time.monotonic()
        agent.stop()
        assert time.monotonic() - began < 8
        assert "the next start reads them again" in agent.log_text()
        is_hanging.clear()
        agent.start()
        agent.wait_for(lambda: receiver.count() >= 22_000, 120, "all lines")
        agent.stop()
        ours = {event["id"] for event in read_events(output) if not is_agent_event(event)}
        assert len(ours) == 22_000


def test_totals_and_rejections_are_there_right_after_a_kill(tmp_path, make_agent):
    log = write_log(tmp_path / "idp.log")
    refused = set()

    def refuse(identifier, document):
        if identifier in refused or len(refused) < 7 and b"LOGIN" in document:
            refused.add(identifier)
            return 400
        return None
    with Receiver(lambda *_: Fault(items=refuse)) as receiver:
        agent = make_agent([file_input(log)], [elasticsearch_sink(receiver)]).start()
        agent.wait_read(LINES)
        agent.wait_delivered("siem")
        time.sleep(1.2)
        page = agent.metrics()
        offered = page.sum("events_offered_total", sink="siem")
        assert page.sum("events_rejected_since_cursor_total", sink="siem") == len(refused) == 7
        agent.kill()
        agent.start()
        page = agent.metrics()
        assert page.sum("events_offered_total", sink="siem") >= offered > LINES
        assert page.sum("events_delivered_total", sink="siem") >= offered - 7
        assert page.sum("events_rejected_since_cursor_total", sink="siem") == 7
        agent.wait_delivered("siem")
        agent.stop()
        events = [json.loads(json.loads(line)["event"]["original"])
                  for line in receiver.lines()]
        first, second = [
            json.loads(json.loads(line)["event"]["original"])["agent"]["predecessor"]
            for line in receiver.lines() if '"AgentStarted"' in line]
        assert first == "none"
        epoch = re.fullmatch(r".*/main/([0-9a-f]{16}) .*", second)[1]
        stated = [event["agent"]["rejected"] for event in events
                  if event["action"] == "CheckpointSigned" and "rejected" in event["agent"]]
        assert [f"siem {epoch} 7"] in stated, stated
        export = tmp_path / "export.ndjson"
        export.write_text("\n".join(receiver.lines()) + "\n")
        run("verify", "--vkey", agent.verifier_key(), "--sink", "siem", export, check=0)


def test_the_grace_of_a_sidecar_begins_with_the_signal(tmp_path, make_agent):
    log = write_log(tmp_path / "idp.log")
    with Receiver(lambda number, body: Fault(status=503)) as receiver:
        agent = make_agent([file_input(log)], [elasticsearch_sink(receiver)], agent={
            "grace": "4s", "shutdown": {"mode": "sidecar", "quiet": "2s"}}).start()
        agent.wait_read(LINES)
        began = time.monotonic()
        agent.stop()
        assert 3.5 < time.monotonic() - began < 6.5
        agent.configuration["agent"]["grace"] = "60s"
        agent.write()
        agent.start()
        agent.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        assert agent.is_running()
        began = time.monotonic()
        agent.stop()
        assert time.monotonic() - began < 5, "a second signal has to wait for nothing"


class Notifications:
    """The socket that systemd listens on for a service of Type=notify."""

    def __init__(self, path):
        self.path = str(path)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.socket.settimeout(20)

    def next(self, *wanted):
        """The next message with one of these states, as a dictionary."""
        while True:
            lines = self.socket.recv(4096).decode().splitlines()
            message = dict(line.split("=", 1) for line in lines)
            if any(word in message for word in wanted):
                return message


def test_systemd_is_told_of_the_start_reloads_progress_and_the_stop(tmp_path, make_agent):
    log, output = write_log(tmp_path / "idp.log"), tmp_path / "out.ndjson"
    told = Notifications(tmp_path / "notify")
    agent = make_agent([file_input(log)], [file_sink(output)])
    agent.environment = {"NOTIFY_SOCKET": told.path, "WATCHDOG_USEC": "20000000"}
    agent.start()
    assert told.next("READY")["READY"] == "1"
    assert told.next("WATCHDOG")["WATCHDOG"] == "1"
    agent.configuration["agent"]["grace"] = "graceful"
    agent.write()
    before = time.clock_gettime(time.CLOCK_MONOTONIC) * 1e6
    agent.reload()
    reloading = told.next("RELOADING", "READY")
    assert reloading["RELOADING"] == "1"
    assert before < int(reloading["MONOTONIC_USEC"]) < before + 20e6
    assert told.next("RELOADING", "READY")["READY"] == "1", "a refused reload has ended as well"
    agent.configuration["agent"]["grace"] = "5s"
    agent.write()
    agent.reload()
    assert "RELOADING" in told.next("RELOADING", "READY")
    assert "READY" in told.next("RELOADING", "READY")
    agent.stop()
    assert told.next("STOPPING")["STOPPING"] == "1"


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
    run("verify", "--vkey", key, "--sink", "out", "--config", agent.path, output, check=0)
    # With what the filter leaves out put back, each of these events is named.
    full = run("verify", "--vkey", key, "--sink", "out", "--config", agent.path, everything,
               check=65).stdout
    assert full.count("foreign: ") == len(whole) - len(wanted) and "inconsistency: " in full
    unknown = run("verify", "--vkey", key, "--sink", "other", "--config", agent.path, output,
                  check=78)
    assert "no sink is called other; there are out, all" in unknown.stderr
    assert "--sink" in run("verify", "--vkey", key, "--config", agent.path, output, check=64).stderr


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
