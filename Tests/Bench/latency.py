#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How long does it take from a line written to that line durable?

usage: latency.py --agent SEALTAIL [--rate 1000] [--seconds 20]

Another process writes lines at a steady rate and keeps the moment just before each write(2). The
agent delivers to its standard output, a pipe that is read here, and nothing is ever delivered
before the fdatasync(2) of its frame has returned. So the moment a line comes out of the pipe is
later than the moment it was durable, by a wake-up and a write: the figures are upper bounds, taken
without asking the agent anything. Lines are told apart by their own times, which all differ.
"""

import argparse
import array
import json
import os
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
from keycloak_log import KeycloakLog  # noqa: E402

LIMIT_SECONDS = 0.1
WARM_UP_LINES = 500
PATIENCE_SECONDS = 30
READ_BYTES = 1 << 16


def start_agent(folder, log):
    """The agent with standard output as its only sink; returns (agent, process)."""
    agent = agents.Agent(
        folder, [agents.file_input(log)],
        [{"id": "out", "type": "stdout", "format": "canonical", "batch": {"max_wait": "1ms"}}],
        agent={"log": {"level": "info"}})
    with open(agent.errors_path, "ab") as errors:
        agent.process = subprocess.Popen(
            [str(agents.binary()), "run", "--config", str(agent.path)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors,
            env=agents.environment(), cwd=folder)
    return agent


def read_arrivals(agent, expected):
    """(moment, line) of everything that comes out, until so many lines of the log came."""
    arrivals, rest, count = [], b"", 0
    output = agent.process.stdout.fileno()
    os.set_blocking(output, False)
    last = time.monotonic()
    while count < expected() and time.monotonic() - last < PATIENCE_SECONDS:
        try:
            data = os.read(output, READ_BYTES)
        except BlockingIOError:
            time.sleep(0.0005)
            continue
        now = last = time.monotonic()
        *lines, rest = (rest + data).split(b"\n")
        arrivals += [(now, line) for line in lines]
        count += sum(b'"origin":' in line for line in lines)
        if not data:
            break
    return arrivals


def measure(rate, seconds, folder):
    """The waiting times of all lines in seconds, sorted."""
    folder = Path(folder)
    log, times_path = folder / "idp.log", folder / "times"
    log.touch()
    agent = start_agent(folder / "agent", log)
    try:
        agent.wait_for(lambda: agent.get("/livez")[0] is not None, 20, "an answer")
        writer = subprocess.Popen(
            [sys.executable, "-B", str(HERE / "load.py"), "--path", str(log), "--rate", str(rate),
             "--seconds", str(seconds), "--times", str(times_path)],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        arrivals = read_arrivals(agent, lambda: int(rate * seconds))
        writer.stdin.close()
        writer.wait(timeout=PATIENCE_SECONDS)
        page = agent.metrics()
        agents.expect_conservation(page)
        agents.expect_no_empty_sums(page)
    finally:
        agent.kill()
    times = array.array("d")
    times.frombytes(times_path.read_bytes())
    return waits(times, arrivals, rate), page


def waits(times, arrivals, rate):
    written, again = {}, KeycloakLog(1)
    for moment in times:
        written[again.line()[14:40].decode() + "Z"] = moment
    found = []
    for moment, line in arrivals:
        event = json.loads(line)
        if "origin" in event:
            found.append(moment - written.pop(event["time"]))
    if written:
        sys.exit(f"latency: {len(written)} of {len(times)} lines never came")
    span = times[-1] - times[0]
    if len(times) / span < 0.97 * rate:
        sys.exit(f"latency: only {len(times) / span:.0f} lines a second were written")
    return sorted(found[WARM_UP_LINES:])


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--agent", required=True)
    options.add_argument("--rate", type=int, default=1000)
    options.add_argument("--seconds", type=float, default=20)
    options.add_argument("--folder", type=Path, default=ROOT / ".build" / "bench")
    chosen = options.parse_args()
    os.environ["SEALTAIL"] = str(Path(chosen.agent).resolve())
    chosen.folder.mkdir(parents=True, exist_ok=True)
    # On the disk of the tree, not in memory: the fsync must cost what it costs.
    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
        found, page = measure(chosen.rate, chosen.seconds, folder)
    commits = page.sum("ledger_commit_seconds_count")
    at = {share: found[min(len(found) - 1, int(len(found) * share))]
          for share in (0.5, 0.9, 0.99)}
    print(f"line written to line durable at {chosen.rate:,} events a second: "
          f"p50 {at[0.5] * 1e3:.1f} ms, p90 {at[0.9] * 1e3:.1f} ms, p99 {at[0.99] * 1e3:.1f} ms, "
          f"most {found[-1] * 1e3:.1f} ms (upper bounds; {len(found):,} lines, "
          f"{commits:.0f} commits)")
    if at[0.99] >= LIMIT_SECONDS:
        sys.exit(f"latency: p99 must stay under {LIMIT_SECONDS * 1e3:.0f} ms")


if __name__ == "__main__":
    main()
