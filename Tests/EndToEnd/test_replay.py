# SPDX-License-Identifier: Apache-2.0
"""`sealtail replay`: events and dead letters again, by the running agent or without one."""

import json
import os
import signal
import subprocess

import pytest
from agent import (
    binary, elasticsearch_sink, environment, expect_conservation, file_input, file_sink,
    is_agent_event, read_events, run)
from producer import NumberedLog
from receiver import UNMAPPABLE, Fault, Receiver

LINES = 120
KEY = "00112233445566778899aabbccddeeff" * 2


class Mood:
    """What the receiver thinks of logins that failed: it refuses them until told otherwise."""

    def __init__(self, refuses=True, status=None):
        self.refuses, self.status, self.after = refuses, status, None

    def __call__(self, number, documents):
        if self.status:
            return Fault(status=self.status)
        if self.after is not None and number >= self.after:
            return Fault(cut="hang", hang=5)
        return Fault(items=self.judge)

    def judge(self, _identifier, document):
        bad = json.loads(document)["event"]["outcome"] == "failure"
        return 400 if self.refuses and bad else None


def replay(agent, *arguments, check=0, **more):
    return run("replay", "--config", agent.path, *arguments, check=check, **more)


def summary(done):
    """The numbers of the line that sums a replay up."""
    line = done.stderr.strip().splitlines()[-1]
    words = line.replace(",", "").replace(";", "").split()
    return dict(zip(("sent", "confirmed", "refused", "waiting"),
                    (int(word) for word in words if word.isdigit())))


def letters(agent, sink="siem"):
    path = agent.state / "dead_letter" / f"{sink}.ndjson"
    return path.read_bytes().splitlines() if path.exists() else []


def write_lines(log, count=LINES):
    with open(log, "ab") as file:
        file.write(NumberedLog("7", "replay").chunk(count))


def count_refused(receiver, agent):
    """Waits until everything is settled, some of it in the dead letter."""
    agent.wait_read(LINES)
    agent.wait_delivered("siem")
    return int(agent.metrics().sum("dead_letter_events", sink="siem"))


@pytest.fixture
def refusing(tmp_path, make_agent):
    """An agent with a sink that has letters, and its receiver."""
    log = tmp_path / "idp.log"
    log.touch()
    mood = Mood()
    with Receiver(mood) as receiver:
        def make(**more):
            agent = make_agent(
                [file_input(log)],
                [elasticsearch_sink(receiver), file_sink(tmp_path / "out.ndjson")],
                **more).start()
            write_lines(log)
            return agent
        yield make, mood, receiver


def expect_whole(agent, receiver, tmp_path):
    """What the receiver has is what the other sink got, byte for byte, and verifies."""
    whole = {event["id"]: event for event in read_events(tmp_path / "out.ndjson")}
    with receiver.lock:
        found = dict(receiver.documents)
    for identifier, document in found.items():
        signed = json.loads(json.loads(document)["event"]["original"])
        event = dict(whole[identifier])
        integrity = event.pop("integrity")
        assert signed == event
        assert json.loads(document)["integrity"] == integrity
    export = tmp_path / "export.ndjson"
    export.write_bytes(b"\n".join(found.values()) + b"\n")
    for arguments in [], ["--sink", "siem"]:
        verified = run("verify", "--vkey", agent.verifier_key(), *arguments, export)
        assert verified.returncode == 0, verified.stdout[-2000:]
    assert set(found) >= {key for key, event in whole.items() if not is_agent_event(event)}


@pytest.mark.parametrize("alive", [True, False], ids=["alive", "dead"])
def test_letters_that_the_receiver_takes_at_the_second_try(refusing, tmp_path, alive):
    make, mood, receiver = refusing
    agent = make(ledger={"encryption": {"key": KEY}})
    count = count_refused(receiver, agent)
    assert 0 < count < LINES
    if not alive:
        agent.stop()
    resting = letters(agent)
    dry = replay(agent, "--sink", "siem", "--dead-letter", "--dry-run")
    assert f"would send {count} events" in dry.stderr
    again = replay(agent, "--sink", "siem", "--dead-letter", check=65)
    assert summary(again) == {"sent": count, "confirmed": 0, "refused": count, "waiting": 0}
    assert len(letters(agent)) == count and letters(agent) != resting
    mood.refuses = False
    before = receiver.count()
    done = replay(agent, "--sink", "siem", "--dead-letter")
    assert summary(done) == {"sent": count, "confirmed": count, "refused": 0, "waiting": 0}
    assert letters(agent) == []
    assert receiver.count() == before + count
    replay(agent, "--sink", "siem", "--dead-letter", check=66)
    if not alive:
        agent.start()
    agent.wait_delivered("siem")
    page = agent.metrics()
    expect_conservation(page)
    assert page.sum("events_replayed_total", sink="siem") == count
    assert page.sum("events_replayed_total", sink="out") == 0
    assert page.sum("dead_letter_events", sink="siem") == 0
    expect_whole(agent, receiver, tmp_path)
    if alive:
        assert "A replay begins" in agent.log_text()
    agent.stop()


@pytest.mark.parametrize("alive", [True, False], ids=["alive", "dead"])
def test_events_of_the_ledger_go_again_with_the_same_ids_and_bytes(
        tmp_path, make_agent, alive):
    log, output = tmp_path / "idp.log", tmp_path / "out.ndjson"
    log.touch()
    agent = make_agent(
        [file_input(log)], [file_sink(output, filter={"actions": ["LoginSucceeded"]})]).start()
    write_lines(log)
    agent.wait_read(LINES)
    agent.wait_delivered("out")
    if not alive:
        agent.stop()
    lines = output.read_bytes().splitlines(keepends=True)
    events = [json.loads(line) for line in lines]
    stream = events[0]["integrity"]["stream"]
    numbers = [event["integrity"]["seq"] for event in events]
    first, last = numbers[3], numbers[10]
    done = replay(agent, "--sink", "out", "--stream", stream, "--seq", f"{first}..{last}")
    sent = last - first + 1 if numbers[3:11] == list(range(first, last + 1)) else 8
    assert summary(done)["confirmed"] == sent == 8
    left_out = last - first + 1 - sent
    assert left_out > 0 and f"{left_out} filtered" in done.stderr
    assert output.read_bytes().splitlines(keepends=True)[:len(lines) + 8] == lines + lines[3:11]
    own = [line for line, event in zip(lines, events) if not is_agent_event(event)]
    times = sorted({json.loads(line)["time"] for line in own})
    since, until = times[1], times[-1]
    wanted = [line for line in lines if since <= json.loads(line)["time"] < until]
    size = output.stat().st_size
    replay(agent, "--sink", "out", "--since", since, "--until", until)
    assert output.read_bytes()[size:].splitlines(keepends=True)[:len(wanted)] == wanted
    replay(agent, "--sink", "out", "--stream", "nobody/main/0", "--seq", "1..2", check=66)
    replay(agent, "--sink", "out", "--since", "2001-01-01", "--until", "2002-01-01", check=66)
    verified = run("verify", "--vkey", agent.verifier_key(), "--sink", "out", output)
    assert verified.returncode == 0, verified.stdout
    if alive:
        page = agent.metrics()
        expect_conservation(page)
        assert page.sum("events_replayed_total", sink="out") == 8 + len(wanted)
        agent.stop()


def test_a_sink_that_stands_because_its_dead_letter_is_full_goes_on_by_itself(
        tmp_path, make_agent):
    log = tmp_path / "idp.log"
    log.touch()
    mood = Mood()
    with Receiver(mood) as receiver:
        # A long rest: only room in the dead letter can be what wakes it.
        agent = make_agent([file_input(log)], [elasticsearch_sink(
            receiver, dead_letter={"max_size": "64KiB"},
            retry={"initial": "10m", "max": "1h"}, batch={"max_events": 10})]).start()
        write_lines(log, 1000)
        agent.wait_for(
            lambda: "is full" in agent.log_text(), 60, "a full dead letter")
        agent.wait_for(
            lambda: agent.metrics().sum("sink_up", sink="siem") == 0, 10, "an alarm")
        mood.refuses = False
        done = replay(agent, "--sink", "siem", "--dead-letter")
        assert summary(done)["confirmed"] > 10
        agent.wait_delivered("siem")
        page = agent.metrics()
        assert page.sum("sink_up", sink="siem") == 1
        assert page.sum("dead_letter_events", sink="siem") == 0
        expect_conservation(page)
        agent.stop()
    assert len({json.loads(text)["event"]["id"] for text in receiver.lines()}) >= 1000


@pytest.mark.parametrize("alive", [True, False], ids=["alive", "dead"])
def test_kill_in_the_middle_loses_no_letter(refusing, tmp_path, alive):
    make, mood, receiver = refusing
    agent = make()
    count = count_refused(receiver, agent)
    resting = letters(agent)
    if not alive:
        agent.stop()
    mood.refuses, mood.after = False, 0
    before = receiver.requests
    victim = subprocess.Popen(
        [str(binary()), "replay", "--config", str(agent.path), "--sink", "siem", "--dead-letter"],
        stderr=subprocess.PIPE, text=True, env=environment(), cwd=tmp_path)
    receiver.wait(lambda it: it.requests > before, 30, "a request")
    if alive:
        agent.kill()
        assert "the agent ended" in victim.communicate(timeout=30)[1]
        assert victim.returncode == 69
    else:
        victim.kill()
        victim.communicate()
    assert letters(agent) == resting
    mood.after = None
    done = replay(agent, "--sink", "siem", "--dead-letter")
    assert summary(done) == {"sent": count, "confirmed": count, "refused": 0, "waiting": 0}
    assert letters(agent) == []
    agent.start()
    agent.wait_delivered("siem")
    expect_whole(agent, receiver, tmp_path)
    agent.stop()


def test_an_interrupted_or_refused_replay_says_so(refusing, tmp_path):
    make, mood, receiver = refusing
    agent = make()
    count = count_refused(receiver, agent)
    mood.status = 401
    done = replay(agent, "--sink", "siem", "--dead-letter", check=69)
    assert summary(done) == {"sent": count, "confirmed": 0, "refused": 0, "waiting": count}
    assert "401" in done.stderr and len(letters(agent)) == count
    mood.status = 503
    victim = subprocess.Popen(
        [str(binary()), "replay", "--config", str(agent.path), "--sink", "siem", "--dead-letter"],
        stderr=subprocess.PIPE, text=True, env=environment(), cwd=tmp_path)
    agent.wait_for(lambda: agent.log_text().count("A replay begins") > 1, 30, "a replay")
    other = replay(agent, "--sink", "siem", "--dead-letter", check=69)
    assert "another replay is under way" in other.stderr
    victim.send_signal(signal.SIGINT)
    assert "it was interrupted" in victim.communicate(timeout=30)[1]
    assert victim.returncode == 69
    # The agent sees that nobody waits any more, and is free for the next one.
    agent.wait_for(
        lambda: agent.log_text().count("The replay has ended") > 1, 30, "the end of the replay")
    assert len(letters(agent)) == count
    mood.status, mood.refuses = None, False
    assert summary(replay(agent, "--sink", "siem", "--dead-letter"))["confirmed"] == count
    wrong = replay(agent, "--sink", "other", "--dead-letter", check=64)
    assert "it has siem, out" in wrong.stderr
    agent.stop()
    wrong = replay(agent, "--sink", "other", "--dead-letter", check=64)
    assert "there are siem, out" in wrong.stderr


def test_an_agent_that_cannot_write_the_outcome_keeps_nobody_waiting(refusing):
    make, mood, receiver = refusing
    agent = make()
    count_refused(receiver, agent)
    mood.refuses = False
    # As good as a full disk: nothing can be written here, by nobody.
    (agent.state / "replay" / "answer.new").mkdir(parents=True)
    done = replay(agent, "--sink", "siem", "--dead-letter", check=69)
    assert "could not say how it ended" in done.stderr
    assert "The replay has ended" in agent.log_text()
    assert letters(agent) == []
    agent.stop()


@pytest.mark.parametrize("arguments", [
    [], ["--sink", "siem"], ["--sink", "siem", "--dead-letter", "--since", "1h"],
    ["--sink", "siem", "--stream", "x"], ["--sink", "siem", "--stream", "x", "--seq", "9..3"],
    ["--sink", "siem", "--stream", "x", "--seq", ".."], ["--sink", "siem", "--since", "noon"],
    ["--sink", "siem", "--since", "2026-02-30"],
    ["--sink", "siem", "--since", "999999999d"],
    ["--sink", "siem", "--since", "2026-11-22", "--until", "2026-11-22T01:00:00+02:00"],
    ["--sink", "siem", "--dead-letter", "more"]], ids=" ".join)
def test_a_command_line_that_makes_no_sense_is_refused(arguments):
    assert run("replay", *arguments, check=64).stderr.startswith("sealtail replay: ")


def test_another_user_is_sent_away(tmp_path, make_agent):
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder away")
    agent = make_agent([file_input(tmp_path / "idp.log")], [file_sink(tmp_path / "out")])
    agent.state.mkdir(mode=0o700)
    os.chown(agent.state, 65534, 65534)
    done = replay(agent, "--sink", "out", "--since", "1h", check=77)
    assert "sudo -u nobody" in done.stderr
