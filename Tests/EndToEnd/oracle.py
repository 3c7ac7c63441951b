# SPDX-License-Identifier: Apache-2.0
"""Knows what was written, sees what arrived, and says whether the agent kept its promises.

The judging half shares no code with the agent: it reads the producer's own copy of every line, the
receiver's documents, the dead letter and the chain, the last by `independent_verify`.
"""

import json
import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from pathlib import Path

import independent_verify
from agent import NAME, expect_conservation, expect_no_empty_sums, is_agent_event
from phases import PHASES, Observer
from producer import CHAIN_LENGTH

HERE = Path(__file__).resolve().parent
INPUT = "idp"
SINK = "siem"
SETTLED_INTERVAL = 0.05
PRODUCER_STOP_LIMIT = 60
AIMED_TRIES_LIMIT = 10
AIM_SECONDS = 3.0
# A commit that is wrong shows only to a kill in one part of it, so more of them are aimed there.
AIM_WEIGHTS = {"committing": 4}
STILL_SECONDS = 6.0
STILL_LIMIT = 180.0
LAST_SECONDS = 2.0
GENERATION_LIMIT = 200
IDS_CHECKED_PER_CONTENT = 40
COPY_WITHOUT_GATE = "copytruncate"


class Producer:
    """The process that writes and rotates, and the feed that opens its gates."""

    def __init__(self, folder, receiver, seed, burst, families=""):
        self.folder, self.receiver = Path(folder), receiver
        self.logs, self.kept = self.folder / "logs", self.folder / "kept"
        self.settled, self.report = self.folder / "settled.json", self.folder / "report.json"
        for path in (self.logs, self.kept):
            path.mkdir(parents=True)
        self.command = [
            sys.executable, "-B", str(HERE / "producer.py"), "--folder", str(self.logs),
            "--kept", str(self.kept), "--settled", str(self.settled),
            "--report", str(self.report), "--seed", str(seed), "--burst", str(burst),
            "--families", families]
        self.stopping = threading.Event()

    def start(self):
        path = os.pathsep.join([str(HERE), str(HERE.parent / "Bench")])
        self.process = subprocess.Popen(
            self.command, stdin=subprocess.PIPE, env={**os.environ, "PYTHONPATH": path})
        self.thread = threading.Thread(target=self.feed, daemon=True)
        self.thread.start()
        return self

    def feed(self):
        unfinished = self.settled.with_suffix(".part")
        while not self.stopping.wait(SETTLED_INTERVAL):
            unfinished.write_text(json.dumps(self.receiver.settled_count))
            unfinished.rename(self.settled)

    def stop(self):
        """Ends it; returns its report."""
        self.process.stdin.close()
        code = self.process.wait(timeout=PRODUCER_STOP_LIMIT)
        self.stopping.set()
        self.thread.join()
        assert code == 0, f"the producer ended with {code}"
        return json.loads(self.report.read_text())

    def close(self):
        """For a test that fails in between."""
        self.stopping.set()
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


class Killer:
    """Starts the agent and takes it away, and remembers what it was doing."""

    def __init__(self, agent, receiver, pick):
        self.agent, self.receiver, self.pick = agent, receiver, pick
        self.hits, self.kills, self.killed_at = Counter(), 0, {}

    def start(self, wait=False):
        self.receiver.life += 1
        self.agent.start(wait=wait)
        return Observer(self.agent.process.pid)

    def kill(self, found):
        assert self.agent.is_running(), f"the agent ended by itself\n{self.agent.tail()}"
        self.killed_at[self.receiver.life] = time.monotonic()
        self.agent.kill()
        self.kills += 1
        self.hits.update(found)

    def kill_at_random(self):
        observer = self.start()
        # Often in the middle of the start, or while the first lines are read.
        time.sleep(self.pick.choice([self.pick.uniform(0.0, 0.2), self.pick.uniform(0.1, 1.5)]))
        self.kill(observer.phases(self.receiver.open_requests))

    def kill_when(self, phase):
        """Kills as soon as the agent is seen in that phase; false when it never was."""
        observer = self.start()
        deadline = time.monotonic() + AIM_SECONDS
        while time.monotonic() < deadline and self.agent.is_running():
            found = observer.phases(self.receiver.open_requests)
            if phase in found:
                self.kill(found)
                return True
        self.kill(set())
        return False

    def kill_through_all_phases(self, at_random, aimed_each):
        """Kills at random moments, then some aimed at each phase, in random order."""
        for _ in range(at_random):
            self.kill_at_random()
        aims = [phase for phase in PHASES for _ in range(aimed_each * AIM_WEIGHTS.get(phase, 1))]
        self.pick.shuffle(aims)
        for phase in aims:
            for _ in range(AIMED_TRIES_LIMIT):
                if self.kill_when(phase):
                    break
        print(f"{self.kills} kills, {at_random} of them at random; killed while {self.summary()}",
              flush=True)

    def summary(self):
        return ", ".join(f"{phase} {self.hits[phase]}" for phase in PHASES)

    def expect_every_phase(self):
        assert all(self.hits[phase] for phase in PHASES), f"no kill hit one phase: {self.summary()}"


class Judge:
    """Compares what was written with what arrived."""

    def __init__(self, agent, receiver, report, kept, seed, input_id=INPUT):
        self.agent, self.receiver, self.report, self.seed = agent, receiver, report, seed
        self.kept, self.input_id = Path(kept), input_id
        self.complaints = []
        self.dead_letters = read_dead_letter(agent.state / "dead_letter" / f"{SINK}.ndjson")
        self.verdict = independent_verify.verify(
            receiver.lines() + [entry["event"] for entry in self.dead_letters],
            [agent.verifier_key()])
        self.streams = order_of_streams(self.verdict)
        self.ours, self.agents = [], []
        for event in sorted(self.verdict.events,
                            key=lambda event: (self.streams.index(event.stream), event.seq)):
            (self.agents if is_agent_event(event.body) else self.ours).append(event)
        self.found = defaultdict(list)
        for event in self.ours:
            self.found[line_of(event)].append(event)

    def complain(self, text):
        self.complaints.append(text)

    def judge(self):
        """Every check; fails with all that is wrong at once."""
        for finding in self.verdict.findings[:20]:
            self.complain(f"chain: {finding}")
        self.check_lines()
        self.check_ids()
        self.check_order()
        self.check_refused()
        self.complaints += self.receiver.problems[:5]
        assert not self.complaints, (
            f"SEED={self.seed}: " + "\n".join(self.complaints[:30])
            + f"\n({len(self.complaints)} complaints)")
        return self

    def check_lines(self):
        """Each written line stands in the chain exactly once; what was lost is accounted for."""
        self.lost, self.excused, self.must_be_stated, wanted = 0, 0, False, set()
        contents = self.report["contents"]
        for at, content in enumerate(contents):
            numbers = [(content["family"], number)
                       for number in range(content["first"], content["end"])]
            wanted.update(numbers)
            missing = [number for number in numbers if number not in self.found]
            if not missing:
                continue
            if self.is_excused(content, numbers, missing):
                self.excused += len(missing)
                # Of a content that came and went between two looks nobody can know.
                self.must_be_stated |= (
                    len(missing) < len(numbers) and not self.is_long_gone(contents[at + 1]))
                continue
            self.lost += len(missing)
            place = numbers.index(missing[0])
            self.complain(
                f"events were lost: {len(missing)} of {len(numbers)} lines of {content['kept']} "
                f"({content['path']}, inode {content['inode']}), from line {place} on")
        self.wanted = len(wanted)
        strange = self.found.keys() - wanted
        if strange:
            self.complain(f"{len(strange)} lines that nobody wrote, as {sorted(strange)[:3]}")
        self.check_once()
        self.check_stated_losses()

    def check_once(self):
        """No line has two ids or two places in the chain; one complaint for each content."""
        content_of = {}
        for content in self.report["contents"]:
            for number in range(content["first"], content["end"]):
                content_of[content["family"], number] = content["kept"]
        twice = defaultdict(list)
        for line, events in self.found.items():
            if len(events) > 1:
                twice[content_of.get(line)].append(events)
        for kept, lines in twice.items():
            ids = max(len({event.body["id"] for event in events}) for events in lines)
            what = f"under {ids} ids" if ids > 1 else "at several places of the chain"
            self.complain(f"{len(lines)} lines of {kept} came {what}: "
                          + ", ".join(describe(event) for event in lines[0]))

    def is_excused(self, content, numbers, missing):
        """Copying with truncation takes what nobody has read yet: always the end of a content."""
        return (content["family"] == COPY_WITHOUT_GATE and content["truncated"]
                and missing == numbers[len(numbers) - len(missing):])

    def is_long_gone(self, successor):
        """Whether the copy of a content left the chain before anybody looked again.

        Then nobody can know that more was written than was seen at the last look: the next content
        was found in the last file of the chain, or never.
        """
        first = self.found.get((successor["family"], successor["first"]))
        return not first or first[0].body["origin"]["path"].endswith(f".{CHAIN_LENGTH}")

    def check_stated_losses(self):
        """The chain states the losses there were, and none that never was."""
        stated = [event.body["agent"].get("reason", "") for event in self.agents
                  if event.body["action"] == "AgentEventsLost"]
        mine = [text for text in stated if f"/{COPY_WITHOUT_GATE}.log" in text]
        false = [text for text in stated if text not in mine]
        if self.must_be_stated and not any("truncat" in text for text in mine):
            self.complain(f"{self.excused} lines went by copytruncate, and no event says so")
        if mine and not self.excused:
            false += mine
        if false:
            self.complain(
                f"{len(false)} losses were stated that never were: " + "; ".join(false[:3]))
        self.stated = len(mine)

    def check_ids(self):
        """The ids are those that the format asks for, made anew from the bytes that were kept."""
        self.ids_checked = 0
        pick = random.Random(f"{self.seed}/ids")
        for content in self.report["contents"]:
            records = (self.kept / content["kept"]).read_bytes().split(b"\n")[:-1]
            lines = [(content["family"], content["first"] + at) for at in range(len(records))]
            known = [at for at, line in enumerate(lines) if line in self.found]
            if not known:
                continue
            offsets = [0]
            for record in records:
                offsets.append(offsets[-1] + len(record) + 1)

            def expected(key, at):
                return independent_verify.event_id(NAME, key, offsets[at], records[at])
            first = self.found[lines[known[0]]][0].body["id"]
            keys = (independent_verify.file_key(self.input_id, inode, generation, records[0])
                    for inode in content["inodes"] for generation in range(GENERATION_LIMIT))
            key = next((key for key in keys if expected(key, known[0]) == first), None)
            if key is None:
                self.complain(f"{content['kept']}: the id {first} is made of something else")
                continue
            wrong = 0
            for at in pick.sample(known, min(len(known), IDS_CHECKED_PER_CONTENT)):
                self.ids_checked += 1
                wrong += self.found[lines[at]][0].body["id"] != expected(key, at)
            if wrong:
                self.complain(f"{content['kept']}: {wrong} lines have an id that is not their own")

    def check_order(self):
        """In the chain, the lines of each content stand in the order in which they were written.

        Between the files of a family it is only counted: a rotated file that is found late, a file
        that may not be read for a while and the copy of a truncated one come when they come.
        """
        start_of = {}
        for content in self.report["contents"]:
            for number in range(content["first"], content["end"]):
                start_of[content["family"], number] = content["first"]
        last, turned = {}, Counter()
        for event in self.ours:
            family, number = line = line_of(event)
            for track in ((family, start_of.get(line)), family):
                turned[track] += number <= last.get(track, -1)
                last[track] = number
        for track, count in turned.items():
            if count and isinstance(track, tuple):
                self.complain(f"{track}: {count} times a line stands behind a later one")
        late = {family: count for family, count in turned.items()
                if count and isinstance(family, str)}
        print(f"files of a family that came behind a later one: {late or 'none'}", flush=True)

    def check_refused(self):
        """What the receiver never takes rests in the dead letter, and nothing else does."""
        buried = {json.loads(entry["event"])["id"] for entry in self.dead_letters}
        if buried != self.receiver.refused:
            self.complain(
                f"{len(self.receiver.refused)} events were refused, {len(buried)} are in the dead "
                f"letter, {len(buried & self.receiver.refused)} are the same")

    def check_repeats(self, killer, bound):
        """Sent again is only what had no answer, and after a kill what the cursor had not passed.

        The cursor is written with every answer that moves it, and the loop never begins more
        requests than its window beyond the cursor. So one kill repeats at most the events of a
        window of requests: those under way, and those answered out of turn.
        """
        repeats = self.receiver.repeats
        for life, again in sorted(repeats.items()):
            if len(again) > bound:
                known = [killer.killed_at.get(life - 1, 0) - at for at in again.values() if at]
                self.complain(
                    f"{len(again)} events were repeated after kill {life - 1}, at most {bound} "
                    f"may; the oldest was answered {max(known, default=0):.2f} s before the kill")
        if self.receiver.retries["answered"]:
            self.complain(f"{self.receiver.retries['answered']} events were sent again, without a "
                          "kill, although their answer had gone out whole: "
                          f"{self.receiver.unasked[:3]}")
        print(f"{sum(map(len, repeats.values()))} events repeated after kills, at most "
              f"{max(map(len, repeats.values()), default=0)} after one, {bound} may; sent again "
              f"without a kill: {dict(self.receiver.retries)}", flush=True)


def line_of(event):
    family, _, number = event.body["actor"]["id"].partition("-")
    return family, int(number)


def describe(event):
    origin = event.body["origin"]
    return (f"{event.body['id'][:8]} at {event.stream[-6:]}/{event.seq} from {origin['path']} "
            f"byte {origin['offset']}")


def order_of_streams(verdict):
    """All streams, each behind the one it names as its predecessor."""
    successor, first = {}, None
    for stream, events in verdict.by_stream.items():
        named = events[0].body.get("agent", {}).get("predecessor", "") if 0 in events else ""
        if " " in named:
            successor[named.split(" ")[0]] = stream
        elif first is None:
            first = stream
    ordered = []
    while first is not None and first not in ordered:
        ordered.append(first)
        first = successor.get(first)
    return ordered + [stream for stream in verdict.by_stream if stream not in ordered]


def read_dead_letter(path):
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines()]


def wait_until_still(agent, receiver, report, least_records):
    """Waits until every line came, or until nothing at all is left to do for a while."""
    ends = {}
    for content in report["contents"]:
        ends[content["family"]] = content["end"]
    since = [time.monotonic()]

    def still():
        page = agent.metrics()
        expect_conservation(page)
        idle = not (page.sum("records_in_flight") or page.sum("events_waiting"))
        if idle and all(receiver.settled_count[family] >= end for family, end in ends.items()):
            return True
        if not idle or page.sum("input_lag_bytes") or (
                page.sum("records_read_total") < least_records):
            since[0] = time.monotonic()
        return time.monotonic() - since[0] > STILL_SECONDS
    agent.wait_for(still, STILL_LIMIT, f"an end of the work on {ends}")


def expect_sums(page, least_records, input_id=INPUT, sink=SINK):
    """The sums of a last scrape, when nothing is under way; fails when they are about nothing."""
    expect_conservation(page)
    expect_no_empty_sums(page)
    assert page.sum("records_in_flight") == page.sum("events_waiting") == 0
    read = page.sum("records_read_total", input=input_id)
    assert read >= least_records > 0, page.text
    for name in ("records_parsed_total", "events_sealed_total"):
        assert read == page.sum(name, input=input_id), (
            f"{read} records were read, {page.sum(name, input=input_id)} {name}:\n" + "\n".join(
                line for line in page.text.splitlines() if line.startswith("sealtail_records")))
    assert page.sum("events_sealed_total", input="agent") > 0
    assert page.sum("events_delivered_total", sink=sink) >= least_records
    for name in ("records_dropped_total", "ledger_quarantined_frames_total"):
        assert page.sum(name) == 0, name
