#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Does the agent's memory grow? A steady load for an hour, and a line through its resident size.

usage: soak_memory.py --agent SEALTAIL [--rate 5000] [--duration 3600]

After a warm-up of five minutes (a third of the duration, when that is less) the resident set is
read every second. A line is fitted to it by least squares, over means of so many seconds, because
neighbouring readings say the same. The verdict is about the growth that this line states from the
end of the warm-up to the end: it must stay under GROWTH_LIMIT_MEGABYTES, which is what pages that
the allocator keeps for the next time make up. A leak of one byte an event would be 16 MB an hour.

Every line must have arrived, once, and the sums must add up in every scrape.
"""

import argparse
import os
import statistics
import subprocess
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

WARM_UP_SECONDS = 300
MEAN_SECONDS = 10
GROWTH_LIMIT_MEGABYTES = 1.5
SCRAPE_SECONDS = 15
REPORT_SECONDS = 60
PATIENCE_SECONDS = 60
RATE_SHARE = 0.97
FILES_LIMIT = 100


def resident_megabytes(pid):
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


def open_files(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def fit(samples):
    """(megabytes a second, standard error, start of the line) of means of (moment, megabytes)."""
    blocks = {}
    for moment, megabytes in samples:
        blocks.setdefault(int(moment // MEAN_SECONDS), []).append((moment, megabytes))
    points = [(statistics.fmean(at for at, _ in block), statistics.fmean(mb for _, mb in block))
              for block in blocks.values()]
    mean_x, mean_y = (statistics.fmean(column) for column in zip(*points))
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    slope = sum((x - mean_x) * (y - mean_y) for x, y in points) / spread
    rest = sum((y - mean_y - slope * (x - mean_x)) ** 2 for x, y in points)
    error = (rest / max(1, len(points) - 2) / spread) ** 0.5
    return slope, error, mean_y - slope * (mean_x - samples[0][0])


def watch(agent, writer, began, duration):
    """Resident size once a second until the writer is done: (seconds, megabytes)."""
    samples, scraped, reported, pid = [], began, began, agent.process.pid
    while True:
        now = time.monotonic()
        if not agent.is_running():
            sys.exit(f"soak-memory: the agent ended early\n{agent.tail()}")
        samples.append((now - began, resident_megabytes(pid)))
        if now - scraped >= SCRAPE_SECONDS:
            scraped = now
            agents.expect_conservation(agent.metrics())
        if now - reported >= REPORT_SECONDS:
            reported = now
            print(f"{now - began:6.0f} s  {samples[-1][1]:7.2f} MB  {open_files(pid)} files",
                  flush=True)
        if now - began > duration + PATIENCE_SECONDS:
            sys.exit("soak-memory: the writer did not come to its end")
        if writer.poll() is not None or now - began >= duration:
            return samples
        time.sleep(max(0.0, 1.0 - (time.monotonic() - now)))


def run(rate, duration, folder):
    """One run; returns (samples, lines, CPU seconds, peak megabytes)."""
    folder = Path(folder)
    logs = folder / "logs"
    logs.mkdir()
    receiver = Receiver(build_receiver(folder.parent), folder / "sample.ndjson",
                        int(rate * duration))
    agent = agents.Agent(
        folder / "agent", [agents.file_input(logs / "idp.log", id=INPUT)],
        [{"id": "siem", "type": "elasticsearch", "endpoint": receiver.url, "format": "ecs",
          "compression": "gzip"}],
        agent={"log": {"level": "info"}}, ledger={"max_size": "1GiB", "retain": "0s"})
    writer = None
    try:
        agent.start()
        writer = subprocess.Popen(
            [sys.executable, "-B", str(HERE / "load.py"), "--path", str(logs / "idp.log"),
             "--rate", str(rate), "--seconds", str(duration)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        samples = watch(agent, writer, time.monotonic(), duration)
        lines = finish(writer)
        agent.wait_read(lines, seconds=PATIENCE_SECONDS, input_id=INPUT)
        agent.wait_delivered("siem", seconds=PATIENCE_SECONDS)
        page, counted = agent.metrics(), receiver.count()
        cpu, peak = sum(used_seconds(agent.process.pid)), peak_megabytes(agent.process.pid)
        check(page, counted, lines, rate, duration)
        if open_files(agent.process.pid) > FILES_LIMIT:
            sys.exit(f"soak-memory: {open_files(agent.process.pid)} files are open")
        agent.stop()
    finally:
        for process in (writer, agent.process):
            if process is not None and process.poll() is None:
                process.kill()
                process.wait()
        receiver.close()
    return samples, lines, cpu, peak


def finish(writer):
    """The number of lines that were written."""
    while True:
        words = writer.stdout.readline().split()
        if not words:
            sys.exit("soak-memory: the writer ended early")
        if words[0] == "end":
            writer.stdin.close()
            writer.wait()
            return int(words[1])


def check(page, counted, lines, rate, duration):
    """Every line arrived, once, and there were as many as asked for."""
    agents.expect_conservation(page)
    agents.expect_no_empty_sums(page)
    own = page.sum("events_sealed_total", input="agent")
    if counted["distinct"] != lines + own or counted["malformed"]:
        sys.exit(f"soak-memory: {counted} arrived, not {lines} and {own:.0f} of the agent's own")
    if lines < RATE_SHARE * rate * duration:
        sys.exit(f"soak-memory: only {lines / duration:.0f} lines a second were written")


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--agent", required=True)
    options.add_argument("--rate", type=int, default=5000)
    options.add_argument("--duration", type=float, default=3600)
    options.add_argument("--folder", type=Path, default=ROOT / ".build" / "bench")
    chosen = options.parse_args()
    os.environ["SEALTAIL"] = str(Path(chosen.agent).resolve())
    chosen.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
        samples, lines, cpu, peak = run(chosen.rate, chosen.duration, folder)
    warm_up = min(WARM_UP_SECONDS, chosen.duration / 3)
    warm = [sample for sample in samples if sample[0] >= warm_up]
    slope, error, start = fit(warm)
    span = warm[-1][0] - warm[0][0]
    growth = slope * span
    print(f"{lines:,} lines at {chosen.rate:,} a second; {cpu / chosen.duration:.1%} of a core, "
          f"peak {peak:.0f} MB\n"
          f"resident after {warm_up:.0f} s: {start:.2f} MB; slope {slope * 3600:+.3f} MB an hour "
          f"(standard error {error * 3600:.3f}), so {growth:+.3f} MB over {span:.0f} s; "
          f"at most {GROWTH_LIMIT_MEGABYTES} MB may be noise")
    if growth > GROWTH_LIMIT_MEGABYTES:
        sys.exit("soak-memory: the memory grows")


if __name__ == "__main__":
    main()
