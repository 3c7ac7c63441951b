# SPDX-License-Identifier: Apache-2.0
"""kill -9 in every phase, rotating logs, a receiver that fails in every way: the whole promise.

Nothing is lost, nothing comes under a second id, nothing stands twice in the chain, no chain forks,
what is repeated stays within its bound. The same once more on a disk that fills up and with a clock
that jumps. SEED=n repeats a run's decisions, KILLS=n kills more often (`make soak`: 200). The phase
of each kill is what the threads were doing a moment before it; a phase, a kind of fault or a way to
rotate that never came fails the test.
"""

import contextlib
import os
import random
import time

from agent import elasticsearch_sink, file_input, run
from oracle import (
    INPUT, LAST_SECONDS, SINK, Judge, Killer, Producer, expect_sums, wait_until_still)
from producer import FAMILIES
from troubles import FillingDisk, JumpingClock, SmallDisk, Trouble
from unreliable import UnreliableReceiver

KILLS = int(os.environ.get("KILLS", "14"))
TROUBLED_KILLS = max(5, KILLS // 4)
LONG_RUN_KILLS = 100
SEED = int(os.environ.get("SEED") or random.SystemRandom().randrange(1 << 32))
BURST_LINES = 6
LAST_RECORDS = 150
IN_FLIGHT = 3
BATCH_EVENTS = 100
# Requests that are begun and that the cursor has not passed: those on their way, and as many that
# were answered out of turn and wait for an earlier one. A kill repeats no more than these.
WINDOW = 2 * IN_FLIGHT
DISK_MEGABYTES = 60
TROUBLE_LIMIT = 60


class Run:
    """One run of the oracle, from the first start to the verdict."""

    def __init__(self, folder, make_agent, receiver, trouble, **more):
        self.receiver, self.trouble = receiver, trouble
        self.producer = Producer(folder, receiver, SEED, BURST_LINES)
        self.agent = make_agent(
            [file_input(self.producer.logs / "*.log", id=INPUT)],
            [elasticsearch_sink(receiver, id=SINK, in_flight=IN_FLIGHT, batch={
                "max_events": BATCH_EVENTS, "max_bytes": "512KiB", "max_wait": "20ms"})], **more)
        if os.geteuid() == 0:
            # Root reads every file, unless these two capabilities are taken from it.
            self.agent.prefix = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
        self.killer = Killer(self.agent, receiver, random.Random(SEED))
        trouble.prepare(self.agent)

    def work(self, kills, aimed_each):
        """Kills the agent under load and trouble, then lets it finish in peace."""
        agent, killer, receiver = self.agent, self.killer, self.receiver
        # The first start makes the keys; a kill before its first commit would leave a key without
        # a ledger, which the next start must take for a loss.
        killer.start(wait=True)
        agent.wait_delivered(SINK)
        self.producer.start()
        try:
            with self.trouble:
                killer.kill(set())
                killer.kill_through_all_phases(kills, aimed_each)
                killer.start()
                time.sleep(LAST_SECONDS)
                agent.wait_for(lambda: self.trouble.is_enough(agent), TROUBLE_LIMIT,
                               "enough trouble")
            agent.wait_for(lambda: agent.get("/livez")[0] is not None, 30, "an answer")
            time.sleep(LAST_SECONDS)
            self.report = self.producer.stop()
        finally:
            self.producer.close()
        self.faults, receiver.script = receiver.script, None
        wait_until_still(agent, receiver, self.report, LAST_RECORDS)
        self.page = agent.metrics()
        agent.stop()

    def judge(self):
        """The verdict, and that the run was about something."""
        judge = Judge(self.agent, self.receiver, self.report, self.producer.kept, SEED)
        judge.check_repeats(self.killer, WINDOW * BATCH_EVENTS)
        judge.judge()
        print(f"{judge.wanted} lines in {len(self.report['contents'])} contents, "
              f"{len(judge.ours)} events in {len(judge.streams)} epochs, "
              f"{len(judge.dead_letters)} dead letters, lost {judge.lost}, taken by copytruncate "
              f"{judge.excused} (stated {judge.stated} times); {judge.ids_checked} ids made anew",
              flush=True)
        expect_sums(self.page, LAST_RECORDS)
        assert len(judge.streams) > 1, "no kill left more than one epoch; the run proves nothing"
        self.expect_own_verdict(judge)
        self.trouble.expect_some(self.agent, judge)

    def expect_own_verdict(self, judge):
        """What the agent's own commands say about the same."""
        export = self.agent.folder / "export.ndjson"
        export.write_text("".join(line + "\n" for line in self.receiver.lines() + [
            entry["event"] for entry in judge.dead_letters]))
        run("verify", "--vkey", self.agent.verifier_key(), export, check=0, seconds=240)
        run("ledger", "verify", self.agent.state, check=0, seconds=240)

    def expect_no_empty_run(self):
        """A run in which nothing went wrong proves nothing."""
        report, receiver = self.report, self.receiver
        print(f"faults {dict(self.faults.dealt)}\n"
              f"answers per item {dict(receiver.item_statuses)}\n"
              f"rotations {report['rotations']}, inodes used again {report['reused_inodes']}",
              flush=True)
        self.killer.expect_every_phase()
        assert not self.faults.missing(), f"faults that never came: {self.faults.missing()}"
        for status in (201, 409, 429, 503, 400):
            assert receiver.item_statuses[status], f"no item was ever answered with {status}"
        for family in FAMILIES:
            assert report["rotations"][family] > 0, f"{family} never rotated"
        # A deleted file keeps its inode while the agent has it open, so one is used again only when
        # a deletion falls between two lives: about one in ten, too few to ask for in a short run.
        # FileRestartTests.aReusedInodeIsANewFile does it in every run.
        assert report["reused_inodes"] > 0 or KILLS < LONG_RUN_KILLS, (
            "no inode was used again; TMPDIR must be on a file system that does so, such as ext4")
        assert self.page.sum("events_rejected_since_cursor_total", sink=SINK) > 0


@contextlib.contextmanager
def a_receiver():
    print(f"\nSEED={SEED} KILLS={KILLS}", flush=True)
    with UnreliableReceiver(SEED + 1) as receiver:
        yield receiver


def test_kill_nine_at_any_moment_loses_and_forks_nothing(tmp_path, make_agent):
    with a_receiver() as receiver:
        attempt = Run(tmp_path, make_agent, receiver, Trouble(SEED))
        attempt.work(KILLS, aimed_each=max(2, KILLS // 20))
        attempt.judge()
        attempt.expect_no_empty_run()


def test_kill_nine_on_a_disk_that_fills_up_loses_nothing(tmp_path, make_agent):
    with a_receiver() as receiver, SmallDisk(tmp_path / "small", DISK_MEGABYTES) as disk:
        attempt = Run(
            tmp_path, make_agent, receiver, FillingDisk(SEED, disk),
            state_dir=disk.folder / "state", ledger={"max_size": "64MiB", "retain": "0s"})
        attempt.work(TROUBLED_KILLS, aimed_each=0)
        attempt.judge()


def test_kill_nine_under_a_clock_that_jumps_loses_nothing(tmp_path, make_agent):
    with a_receiver() as receiver:
        attempt = Run(tmp_path, make_agent, receiver, JumpingClock(SEED, tmp_path))
        attempt.work(TROUBLED_KILLS, aimed_each=0)
        attempt.judge()
