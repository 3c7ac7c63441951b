# SPDX-License-Identifier: Apache-2.0
"""A full disk under the ledger: reading stops, delivery goes on, and nobody has to help.

The disk is a small file system in memory, so these tests need the right to mount one; where that
is refused they fail and say so.
"""

import json
import time

import pytest

import independent_verify
from agent import elasticsearch_sink, expect_conservation, file_input, is_agent_event
from oracle import expect_sums
from producer import NumberedLog
from receiver import Fault, Receiver
from troubles import SmallDisk
from unreliable import number_of

DISK_MEGABYTES = 28
LEDGER = {"max_size": "64MiB", "retain": "0s"}
FIRST, MORE = 400, 500
FILLING_LINES = 22_000
# Random letters in each line, so that little of it can be compressed away.
RANDOM_BYTES = 1200
QUIET_SECONDS = 2.0
# Events count as offered a moment before their commit; while it finds no room, so many are.
COMMIT_EVENTS = 2500


@pytest.fixture
def disk(tmp_path):
    with SmallDisk(tmp_path / "small", DISK_MEGABYTES) as mounted:
        yield mounted


class BulkyLog(NumberedLog):
    """Numbered lines that need room on the disk."""

    def details(self, kind, user, client, session):
        noise = self.random.randbytes(RANDOM_BYTES).hex()
        pairs = dict(super().details(kind, user, client, session))
        return list({**pairs, "redirect_uri": noise}.items())


class Setting:
    """An agent with its state on the small disk, a receiver that can be dead, and a log."""

    def __init__(self, tmp_path, make_agent, receiver, disk):
        self.receiver, self.disk, self.is_dead = receiver, disk, False
        receiver.script = lambda *_: Fault(status=503) if self.is_dead else None
        self.log_path, self.log = tmp_path / "idp.log", BulkyLog("1", "disk")
        self.log_path.touch()
        self.arrived, self.looked_at = set(), 0
        self.agent = make_agent([file_input(self.log_path)], [elasticsearch_sink(receiver)],
                                state_dir=disk.folder / "state", ledger=LEDGER,
                                agent={"grace": "1s"})

    def write(self, count):
        with open(self.log_path, "ab") as file:
            file.write(self.log.chunk(count))

    def numbers(self):
        """The numbers of the lines that arrived."""
        with self.receiver.lock:
            new = self.receiver.order[self.looked_at:]
            self.looked_at += len(new)
            lines = [number_of(self.receiver.documents[name]) for name in new]
        self.arrived.update(line[1] for line in lines if line)
        return self.arrived

    def wait_for_stop_of_reading(self, seconds):
        """Waits until nothing is read for a while although there is more."""
        seen, since = -1, time.monotonic()

        def stopped():
            nonlocal seen, since
            page = self.agent.metrics()
            expect_conservation(page)
            read = page.sum("records_read_total", input="idp")
            if read != seen:
                seen, since = read, time.monotonic()
            return time.monotonic() - since > QUIET_SECONDS and page.sum("input_lag_bytes") > 0
        self.agent.wait_for(stopped, seconds, "an end of reading")
        return self.agent.metrics()

    def wait_for_all(self, seconds=40):
        try:
            self.agent.wait_for(lambda: len(self.numbers()) == self.log.number, seconds,
                                f"all {self.log.number} lines")
            self.agent.wait_delivered("siem")
        finally:
            files = [f"{path.name} {path.stat().st_size} bytes, {path.stat().st_blocks // 2} KiB"
                     for path in sorted(self.disk.folder.rglob("*")) if path.is_file()]
            print(f"{len(self.numbers())} of {self.log.number} lines came; room "
                  f"{self.disk.room()}; " + "; ".join(files))

    def expect_whole(self):
        """Every line once, in an unforked chain, and sums that add up."""
        page = self.agent.metrics()
        self.agent.stop()
        expect_sums(page, 1)
        verdict = independent_verify.verify(self.receiver.lines(), [self.agent.verifier_key()])
        assert verdict.findings == []
        ours = [event for event in verdict.events if not is_agent_event(event.body)]
        assert len(ours) == self.log.number


def unreadiness(agent):
    status, text = agent.get("/readyz")
    return text if status == 503 else ""


def test_a_full_disk_stops_reading_and_delivery_goes_on(tmp_path, make_agent, disk):
    with Receiver() as receiver:
        setting = Setting(tmp_path, make_agent, receiver, disk)
        agent = setting.agent.start()
        setting.write(FIRST)
        setting.wait_for_all()
        setting.is_dead = True
        setting.write(MORE)
        agent.wait_read(FIRST + MORE)
        disk.fill()
        setting.write(FILLING_LINES)
        page = setting.wait_for_stop_of_reading(60)
        assert page.sum("events_waiting", sink="siem") >= MORE
        assert "no space" in unreadiness(agent).lower(), agent.get("/readyz")
        assert agent.get("/livez")[0] == 200, "a full disk is no reason to be killed"
        # The disk is as full as before; what waits goes out all the same.
        committed = page.sum("events_waiting", sink="siem") - COMMIT_EVENTS
        assert committed > MORE
        setting.is_dead = False
        receiver.wait(lambda r: len(r.documents) >= FIRST + committed, 30, "what was committed")
        assert len(setting.numbers()) < setting.log.number
        disk.free()
        setting.wait_for_all()
        assert agent.get("/readyz")[0] == 200
        setting.expect_whole()


def test_a_start_on_a_full_disk_delivers_first_and_then_begins(tmp_path, make_agent, disk):
    with Receiver() as receiver:
        setting = Setting(tmp_path, make_agent, receiver, disk)
        agent = setting.agent.start()
        setting.write(FIRST)
        setting.wait_for_all()
        setting.is_dead = True
        # The receiver is down for so long that the ledger itself fills the disk.
        setting.write(FILLING_LINES)
        waiting = setting.wait_for_stop_of_reading(120).sum("events_waiting", sink="siem")
        assert waiting > MORE + COMMIT_EVENTS, "the ledger never got full"
        agent.kill()
        disk.fill()
        assert disk.room() == 0
        before = receiver.count()
        agent.start()
        agent.wait_for(lambda: "no space" in unreadiness(agent).lower(), 20, "the reason")
        assert receiver.count() == before
        setting.is_dead = False
        least = before + waiting - COMMIT_EVENTS
        receiver.wait(lambda r: len(r.documents) >= least, 60, "what waited")
        # Room comes from segments that were delivered and deleted: nobody frees the disk.
        setting.wait_for_all()
        with receiver.lock:
            order = [json.loads(json.loads(receiver.documents[name])["event"]["original"])
                     for name in receiver.order]
        starts = [at for at, event in enumerate(order) if event["action"] == "AgentStarted"]
        assert len(starts) == 2 and starts[1] > before, "AgentStarted came before what waited"
        disk.free()
        setting.expect_whole()
