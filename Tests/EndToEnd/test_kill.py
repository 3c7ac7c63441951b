# SPDX-License-Identifier: Apache-2.0
"""kill -9 in every phase: nothing is lost, nothing comes under a second id, no chain forks.

SEED=n repeats a run, KILLS=n kills more often. The phase of each kill is what the threads were
doing a moment before it. After kills at random moments come kills aimed at each phase; a phase
that none of them hit fails the test.
"""

import os
import random
import threading
import time
from collections import Counter

import independent_verify
from agent import (
    NAME, elasticsearch_sink, expect_conservation, file_input, is_agent_event, run)
from keycloak_log import KeycloakLog
from phases import PHASES, Observer
from receiver import Fault, Receiver

KILLS = int(os.environ.get("KILLS", "8"))
SEED = int(os.environ.get("SEED") or random.SystemRandom().randrange(1 << 32))
AIMED_KILLS = 2
AIMED_TRIES_LIMIT = 8
SPELL_EVERY, SPELL_LENGTH = 1.7, 0.5
AIM_SECONDS = 3.0
STILL_SECONDS = 3.0
BURST_LINES = 250
BURST_PAUSE = 0.05
LAST_LINES = 500


class Writer(threading.Thread):
    """Appends bursts of lines until it is told to stop, as a busy provider does."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.path, self.log = path, KeycloakLog(SEED)
        self.stopping = threading.Event()
        self.lines = 0

    def append(self, count):
        with open(self.path, "ab") as file:
            file.write(self.log.chunk(count))
        self.lines += count

    def run(self):
        while not self.stopping.wait(BURST_PAUSE):
            self.append(BURST_LINES)

    def stop(self):
        self.stopping.set()
        self.join()


def unreliable(pick):
    """A receiver's script: mostly well, never instant, sometimes badly, for a while not at all."""
    def script(number, body):
        if time.monotonic() % SPELL_EVERY < SPELL_LENGTH:
            return Fault(status=503, before=0.02)
        roll = pick.random()
        if roll < 0.04:
            return Fault(cut=pick.choice(["reset", "half"]))
        if roll < 0.12:
            return Fault(items=lambda *_: 429 if pick.random() < 0.2 else None)
        return Fault(before=pick.choice([0.0, 0.005, 0.03]))
    return script


def kill_at_random(agent, receiver, pick):
    """Starts the agent and kills it some moment later; returns the phases it was in."""
    agent.start(wait=False)
    observer = Observer(agent.process.pid)
    time.sleep(pick.choice([pick.uniform(0.0, 0.15), pick.uniform(0.1, 1.2)]))
    found = observer.phases(receiver.open_requests)
    agent.kill()
    return found


def kill_when(agent, receiver, phase):
    """Starts the agent and kills it as soon as it is seen in that phase."""
    agent.start(wait=False)
    observer = Observer(agent.process.pid)
    deadline = time.monotonic() + AIM_SECONDS
    while time.monotonic() < deadline and agent.is_running():
        found = observer.phases(receiver.open_requests)
        if phase in found:
            agent.kill()
            return found
    agent.kill()
    return set()


def kill_through_all_phases(agent, receiver, pick):
    """KILLS kills at random moments, then some aimed at each phase, in random order."""
    hits, kills = Counter(), KILLS
    for _ in range(KILLS):
        hits.update(kill_at_random(agent, receiver, pick))
    aims = [phase for phase in PHASES for _ in range(AIMED_KILLS)]
    pick.shuffle(aims)
    for phase in aims:
        for _ in range(AIMED_TRIES_LIMIT):
            found = kill_when(agent, receiver, phase)
            hits.update(found)
            kills += 1
            if phase in found:
                break
    summary = ", ".join(f"{phase} {hits[phase]}" for phase in PHASES)
    print(f"\n{kills} kills, {KILLS} of them at random; killed while {summary}")
    assert all(hits[phase] for phase in PHASES), f"no kill hit one phase: {summary}"


def wait_until_still(agent, receiver, wanted):
    """Waits until every wanted id arrived, or until nothing at all is left to do."""
    since = [time.monotonic()]

    def still():
        if wanted <= receiver.documents.keys():
            return True
        page = agent.metrics()
        if (page.sum("records_in_flight") or page.sum("events_waiting")
                or page.sum("input_lag_bytes")
                or page.sum("records_read_total") < LAST_LINES):
            since[0] = time.monotonic()
        return time.monotonic() - since[0] > STILL_SECONDS
    agent.wait_for(still, 120, f"an end of the work on {len(wanted)} events")


def expect_sums(agent):
    """The sums that must hold whenever nothing is under way, and that not all of it is zero."""
    page = agent.metrics()
    expect_conservation(page)
    assert page.sum("records_in_flight") == page.sum("events_waiting") == 0
    read = page.sum("records_read_total", input="idp")
    assert read == page.sum("records_sealed_total", input="idp") >= LAST_LINES, page.text
    assert read == page.sum("records_parsed_total", input="idp")
    assert read == page.sum("events_sealed_total", input="idp")
    assert page.sum("events_sealed_total", input="agent") > 0
    assert page.sum("events_delivered_total", sink="siem") >= LAST_LINES
    for name in ("events_rejected_total", "events_lost_total", "records_dropped_total",
                 "ledger_quarantined_frames_total"):
        assert page.sum(name) == 0, name


def test_kill_nine_at_any_moment_loses_and_forks_nothing(tmp_path, make_agent):
    print(f"\nSEED={SEED} KILLS={KILLS}")
    pick = random.Random(SEED)
    log = tmp_path / "idp.log"
    writer = Writer(log)
    writer.append(BURST_LINES)
    with Receiver(unreliable(random.Random(SEED + 1))) as receiver:
        agent = make_agent([file_input(log)], [elasticsearch_sink(
            receiver, batch={"max_events": 200, "max_bytes": "512KiB", "max_wait": "20ms"})])
        # The first start makes the keys; a kill before its first commit would leave a key without
        # a ledger, which the next start must take for a loss.
        agent.start()
        agent.wait_read(BURST_LINES)
        agent.kill()
        writer.start()
        kill_through_all_phases(agent, receiver, pick)
        writer.stop()
        receiver.script = None
        agent.start()
        writer.append(LAST_LINES)
        wanted = independent_verify.file_ids(log, NAME, "idp")
        assert len(wanted) == len(set(wanted)) == writer.lines
        wait_until_still(agent, receiver, set(wanted))
        lost = set(wanted) - receiver.documents.keys()
        assert not lost, f"SEED={SEED}: {len(lost)} of {len(wanted)} events were lost"
        agent.wait_read(LAST_LINES)
        agent.wait_delivered("siem")
        expect_sums(agent)
        agent.stop()
        expect_whole_and_once(agent, receiver, wanted)


def expect_whole_and_once(agent, receiver, wanted):
    """The receiver holds every line once, under the one right id, in one unforked chain."""
    assert receiver.problems == []
    verdict = independent_verify.verify(receiver.lines(), [agent.verifier_key()])
    assert verdict.findings == [], f"SEED={SEED}: " + "\n".join(verdict.findings[:20])
    ours = [event for event in verdict.events if not is_agent_event(event.body)]
    found = Counter(event.body["id"] for event in ours)
    lost, strange = set(wanted) - found.keys(), found.keys() - set(wanted)
    assert not lost and not strange, f"SEED={SEED}: lost {len(lost)}, unknown {len(strange)}"
    assert max(found.values()) == 1
    offsets = Counter(event.body["origin"]["offset"] for event in ours)
    assert max(offsets.values()) == 1, "a line came under two ids"
    assert len(verdict.by_stream) > 1, "no kill left more than one epoch; the run proves nothing"
    export = agent.folder / "export.ndjson"
    export.write_text("".join(line + "\n" for line in receiver.lines()))
    run("verify", "--vkey", agent.verifier_key(), export, check=0, seconds=240)
    run("ledger", "verify", agent.state, check=0)
    repeats = sum(count - 1 for count in receiver.sent.values())
    print(f"{len(ours)} events in {len(verdict.by_stream)} epochs, {repeats} sent again")
