#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How fast is a start on a large ledger, and what do ten thousand quiet files cost?

usage: reopening.py --agent SEALTAIL [--gigabytes 10] [--files 10000]

The ledger is made by the agent itself: its receiver is dead, and the lines are long and random, so
that little of them can be compressed away. Then the agent is killed with -9, the pages of its
segments are dropped from memory, and it is started with a receiver that lives. Measured from the
start of the process: the first event out of the ledger at the receiver, which must come within a
second, and the first new line of the log, written before the start, committed.
"""

import argparse
import os
import random
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE.parent / "EndToEnd"))
sys.path.insert(0, str(HERE))

import agent as agents  # noqa: E402
from bench import INPUT, Receiver, build_receiver, peak_megabytes, used_seconds  # noqa: E402
from keycloak_log import KeycloakLog  # noqa: E402

GIBIBYTE = 1 << 30
LIMIT_SECONDS = 1.0
STARTS = 3
# A text of an event holds at most 8 KiB.
NOISE_BYTES = 7800
NOISE_COUNT = 4096
FILE_BYTES = 256 << 20
UNREAD_FILES = 3
GROWTH_LIMIT_SECONDS = 30
LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_~"
SETTLING_SECONDS = 5
IDLE_SECONDS = 60
IDLE_LIMIT = 0.01
FIRST_READ_LIMIT = 120


class BulkyLog:
    """Lines with up to three long random texts; no two lines near each other share one."""

    def __init__(self):
        pick = random.Random(1)
        table = bytes(LETTERS[byte & 63] for byte in range(256))
        self.noise = [pick.randbytes(NOISE_BYTES).translate(table).decode()
                      for _ in range(NOISE_COUNT)]
        self.log, self.at = KeycloakLog(1), 0

    def line(self):
        realm, user, name = (
            self.noise[(self.at + step * 1021) % NOISE_COUNT] for step in range(3))
        self.at += 1
        self.log.realms, self.log.users = [(realm, "r1")], [(user, name)]
        return self.log.line() + b"\n"


def ledger_bytes(agent):
    return sum(path.stat().st_blocks * 512 for path in (agent.state / "ledger").glob("*.seg"))


def fill(agent, logs, size):
    """Writes and rotates until the ledger has its size; the lines go as soon as they are read."""
    log, number, last, since = BulkyLog(), 0, 0, time.monotonic()
    while (now := ledger_bytes(agent)) < size:
        if now > last:
            last, since = now, time.monotonic()
        if time.monotonic() - since > GROWTH_LIMIT_SECONDS:
            sys.exit(f"reopening: the ledger stopped growing at {now:,} bytes\n{agent.tail()}")
        if agent.metrics().sum("input_lag_bytes") > UNREAD_FILES * FILE_BYTES:
            time.sleep(0.1)
            continue
        number += 1
        path, written = logs / f"part-{number:05d}.log", 0
        with open(path, "wb") as file:
            while written < FILE_BYTES:
                written += file.write(b"".join(log.line() for _ in range(64)))
        old = logs / f"part-{number - UNREAD_FILES - 2:05d}.log"
        old.unlink(missing_ok=True)
        print(f"\rledger {now / GIBIBYTE:.2f} GiB", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)


def drop_pages(agent):
    """Gives the segments' pages back, so that a start reads them from the disk."""
    for path in (agent.state / "ledger").glob("*.seg"):
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


def first_event(agent, receiver, before):
    """Seconds from the start of the process to the first event at the receiver."""
    began = time.monotonic()
    agent.start(wait=False)
    while receiver.count()["documents"] == before:
        if time.monotonic() - began > 30 or not agent.is_running():
            sys.exit(f"reopening: nothing came\n{agent.tail()}")
        time.sleep(0.002)
    first = time.monotonic() - began
    agent.wait_for(lambda: (agent.get("/metrics")[0] == 200
                            and agent.metrics().sum("records_sealed_total", input=INPUT) > 0),
                   30, "the first new line")
    return first, time.monotonic() - began


def measure_reopening(folder, program, gigabytes):
    logs = folder / "logs"
    logs.mkdir()
    agent = agents.Agent(
        folder / "agent", [agents.file_input(logs / "*.log", id=INPUT)],
        [{"id": "siem", "type": "elasticsearch", "endpoint": "http://127.0.0.1:9",
          "format": "ecs", "compression": "none"}],
        agent={"log": {"level": "info"}}, ledger={"max_size": f"{gigabytes * 2 + 2:.0f}GiB"})
    receiver = Receiver(program, folder / "sample.ndjson", 1)
    try:
        agent.start()
        fill(agent, logs, gigabytes * GIBIBYTE)
        agent.wait_for(lambda: agent.metrics().sum("input_lag_bytes") == 0, 120, "all lines")
        agents.expect_conservation(agent.metrics())
        waiting = agent.metrics().sum("events_waiting", sink="siem")
        agent.kill()
        size = ledger_bytes(agent)
        agent.configuration["sinks"][0]["endpoint"] = receiver.url
        agent.write()
        found = []
        for number in range(STARTS):
            with open(logs / "new.log", "ab") as file:
                file.write(KeycloakLog(number).chunk(10))
            drop_pages(agent)
            found.append(first_event(agent, receiver, receiver.count()["documents"]))
            agents.expect_conservation(agent.metrics())
            agents.expect_no_empty_sums(agent.metrics())
            peak = peak_megabytes(agent.process.pid)
            agent.kill()
    finally:
        if agent.is_running():
            agent.kill()
        receiver.close()
    deliveries, commits = zip(*found)
    print(f"start on a ledger of {size / GIBIBYTE:.1f} GiB with {waiting:,.0f} events waiting: "
          f"first event delivered after {', '.join(f'{seconds:.3f}' for seconds in deliveries)} s, "
          f"first new line committed after {', '.join(f'{seconds:.3f}' for seconds in commits)} s; "
          f"peak {peak:.0f} MB")
    if max(deliveries) >= LIMIT_SECONDS:
        sys.exit(f"reopening: a start must take less than {LIMIT_SECONDS} s")


def measure_idle(folder, count):
    logs = folder / "many"
    logs.mkdir()
    log = KeycloakLog(1)
    for number in range(count):
        (logs / f"node-{number:05d}.log").write_bytes(log.line() + b"\n")
    agent = agents.Agent(
        folder / "idle", [agents.file_input(logs / "*.log", id=INPUT)],
        [agents.file_sink(folder / "out.ndjson")], agent={"log": {"level": "info"}})
    try:
        agent.start()
        began = time.monotonic()
        agent.wait_read(count, seconds=FIRST_READ_LIMIT, input_id=INPUT)
        first = time.monotonic() - began
        agent.wait_delivered("out")
        time.sleep(SETTLING_SECONDS)
        before, began = sum(used_seconds(agent.process.pid)), time.monotonic()
        time.sleep(IDLE_SECONDS)
        used = sum(used_seconds(agent.process.pid)) - before
        share = used / (time.monotonic() - began)
        peak, files = peak_megabytes(agent.process.pid), len(
            os.listdir(f"/proc/{agent.process.pid}/fd"))
        # Quiet is not deaf: a line in one of them still comes at once.
        with open(logs / f"node-{count // 2:05d}.log", "ab") as file:
            file.write(log.line() + b"\n")
        agent.wait_read(count + 1, seconds=10, input_id=INPUT)
        agent.stop()
    finally:
        if agent.is_running():
            agent.kill()
    print(f"{count:,} quiet files: {share:.2%} of a core over {IDLE_SECONDS} s, {files} open "
          f"files, peak {peak:.0f} MB, read for the first time in {first:.1f} s")
    if share >= IDLE_LIMIT:
        sys.exit(f"reopening: idling must take less than {IDLE_LIMIT:.0%} of a core")


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--agent", required=True)
    options.add_argument("--gigabytes", type=float, default=10, help="0 leaves the ledger out")
    options.add_argument("--files", type=int, default=10_000, help="0 leaves the files out")
    options.add_argument("--folder", type=Path, default=ROOT / ".build" / "bench")
    chosen = options.parse_args()
    os.environ["SEALTAIL"] = str(Path(chosen.agent).resolve())
    chosen.folder.mkdir(parents=True, exist_ok=True)
    program = build_receiver(chosen.folder)
    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
        if chosen.files:
            measure_idle(Path(folder), chosen.files)
        if chosen.gigabytes:
            measure_reopening(Path(folder), program, chosen.gigabytes)


if __name__ == "__main__":
    main()
