#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How many events per CPU-second does the whole agent make?

The work: tail a Keycloak JSON log from its beginning, normalise, sign, commit with fsync, render
Elasticsearch documents (or a collector's events), gzip them, deliver them to a receiver on loopback. Counted is the user and
system time of the agent's process, with all its threads, from its start until every distinct id
has arrived; not the receiver's. Fails unless exactly the right ids arrived and the sampled
documents verify, with `sealtail verify` and with an independent verifier.

Events per second of wall-clock time are told beside it: with `--latency` the receiver answers every
request that much later, and what is left is what requests in flight make up for. The receiver
works on the same processors, so without latency that figure is below the other.
"""

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE.parent / "EndToEnd"))
sys.path.insert(0, str(HERE))

import agent as agents  # noqa: E402
import independent_verify  # noqa: E402
from keycloak_log import CHUNK_LINES, KeycloakLog  # noqa: E402
from phases import Observer  # noqa: E402

POLL_SECONDS = 0.01
TIME_LIMIT = 600
SPARSE_SAMPLE = 1000
SAMPLE_CHECKED = 1000
INPUT = "idp"
SINKS = {
    "elasticsearch": {"format": "ecs"},
    "splunk_hec": {"format": "canonical", "auth": {"token": "bench"}},
}


def build_receiver(folder):
    """Compiles the receiver when its source is newer."""
    source, program = HERE / "receiver.cpp", folder / "receiver"
    if program.exists() and program.stat().st_mtime > source.stat().st_mtime:
        return program
    compiler = next((name for name in ("clang++", "g++", "c++") if shutil.which(name)), None)
    if compiler is None:
        sys.exit("bench: there is no C++ compiler; clang++ comes with the Swift toolchain")
    subprocess.run(
        [compiler, "-O2", "-std=c++20", str(source), "-o", str(program), "-lisal", "-lpthread"],
        check=True)
    return program


def make_log(folder, lines, seed):
    """The log of this size and seed; made once."""
    path = folder / f"keycloak-{lines}-{seed}.log"
    if not path.exists():
        print(f"writing {lines:,} lines", file=sys.stderr)
        log, unfinished = KeycloakLog(seed), path.with_suffix(".part")
        with open(unfinished, "wb") as file:
            for start in range(0, lines, CHUNK_LINES):
                file.write(log.chunk(min(CHUNK_LINES, lines - start)))
        unfinished.rename(path)
    return path


class Receiver:
    """The compiled receiver, running."""

    def __init__(self, program, sample, lines, latency=0):
        self.process = subprocess.Popen(
            [str(program), str(sample), str(max(1, lines // SPARSE_SAMPLE)), str(latency)],
            stdout=subprocess.PIPE, text=True)
        self.url = f"http://127.0.0.1:{int(self.process.stdout.readline())}"

    def count(self):
        with urllib.request.urlopen(self.url + "/count", timeout=10) as answer:
            return json.load(answer)

    def close(self):
        self.process.terminate()
        self.process.wait()
        self.process.stdout.close()


def used_seconds(pid):
    """User and system seconds of a process and all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return [int(fields[at]) / os.sysconf("SC_CLK_TCK") for at in (11, 12)]


def peak_megabytes(pid):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0.0


def measure(program, log, folder, chosen):
    """One run; the figures as a dictionary, or an exit with a sentence."""
    sample, lines = folder / "sample.ndjson", chosen.lines
    receiver = Receiver(program, sample, lines, chosen.latency)
    agent = agents.Agent(
        folder, [agents.file_input(log, id=INPUT)],
        [{"id": "siem", "type": chosen.sink, "endpoint": receiver.url, "compression": "gzip",
          **SINKS[chosen.sink], **chosen.settings}], agent={"log": {"level": "info"}})
    try:
        began = time.monotonic()
        agent.start(wait=False)
        pid = agent.process.pid
        # The agent's own opening event is one more than the lines.
        while receiver.count()["distinct"] < lines + 1:
            if not agent.is_running():
                sys.exit(f"bench: the agent ended early\n{agent.tail()}")
            if time.monotonic() - began > TIME_LIMIT:
                sys.exit(f"bench: {receiver.count()} after {TIME_LIMIT} s\n{agent.tail()}")
            time.sleep(POLL_SECONDS)
        wall = time.monotonic() - began
        user, system = used_seconds(pid)
        threads, peak = Observer(pid).processor_seconds(), peak_megabytes(pid)
        agent.wait_delivered("siem")
        page, counted = agent.metrics(), receiver.count()
        agent.stop()
    finally:
        if agent.is_running():
            agent.kill()
        receiver.close()
    check_counts(page, counted, lines)
    check_sample(agent, sample, log)
    return {"rate": lines / (user + system), "user": user, "system": system,
            "wall_rate": lines / wall, "wall": wall, "peak": peak, "threads": threads, "received": counted,
            "commits": page.sum("ledger_commit_seconds_count")}


def check_counts(page, counted, lines):
    """Exactly one id a line, and the agent's own events; nothing else, nothing malformed."""
    own = page.sum("events_sealed_total", input="agent")
    wrong = []
    if page.sum("events_sealed_total", input=INPUT) != lines:
        wrong.append(f"{page.sum('events_sealed_total', input=INPUT):.0f} events of {lines} lines")
    if counted["distinct"] != lines + own:
        wrong.append(f"{counted['distinct']} distinct ids, not {lines} and {own:.0f} of its own")
    if page.sum("events_unclassified_total"):
        wrong.append(f"{page.sum('events_unclassified_total'):.0f} events are unclassified")
    if counted["malformed"] or counted["compressed"] != counted["requests"]:
        wrong.append(f"requests were malformed or not compressed: {counted}")
    if wrong:
        sys.exit("bench: " + "; ".join(wrong))


def check_sample(agent, sample, log):
    """Signatures, ids and mapped documents of the sample, judged twice."""
    lines = [line for line in sample.read_text().split("\n") if line]
    random.Random(1).shuffle(lines)
    key = agent.verifier_key()
    verdict = independent_verify.verify(lines, [key], whole=False)
    if verdict.findings or len(verdict.events) < min(SAMPLE_CHECKED, len(lines)):
        sys.exit("bench: the independent verifier found: " + "; ".join(verdict.findings[:5]))
    source, ids = None, 0
    with open(log, "rb") as file:
        first = file.readline().rstrip(b"\n")
        source = independent_verify.file_key(INPUT, os.stat(log).st_ino, 0, first)
        for event in verdict.events[:SAMPLE_CHECKED]:
            if "origin" not in event.body:
                continue
            file.seek(event.body["origin"]["offset"])
            record = file.readline().rstrip(b"\n")
            wanted = independent_verify.event_id(
                agents.NAME, source, event.body["origin"]["offset"], record)
            if event.body["id"] != wanted:
                sys.exit(f"bench: the event at {event.body['origin']['offset']} has another id")
            ids += 1
    # `sealtail verify` names what is absent, so it gets a part of the stream without holes.
    by_seq = {json.loads(line)["integrity"]["seq"]: line for line in lines}
    whole = agent.folder / "whole.ndjson"
    end = 0
    while end in by_seq:
        end += 1
    last = max((event.first for event in verdict.events if event.seq < end), default=0)
    if last < SAMPLE_CHECKED and end < len(lines):
        sys.exit(f"bench: only {last} documents of the sample follow each other")
    whole.write_text("".join(by_seq[seq] + "\n" for seq in range(last)))
    agents.run("verify", "--vkey", key, whole, check=0)


def report(number, found, lines):
    received = found["received"]
    threads = sorted(found["threads"].items(), key=lambda row: -row[1])
    where = "  ".join(f"{name} {used:.2f}" for name, used in threads if used >= 0.01)
    print(f"run {number}: {found['rate']:,.0f} events per CPU-second   "
          f"{found['user'] + found['system']:.2f} CPU s (user {found['user']:.2f}, "
          f"system {found['system']:.2f})   wall {found['wall']:.2f} s, "
          f"{found['wall_rate']:,.0f} events a second   peak {found['peak']:.0f} MB\n"
          f"       CPU s by thread: {where}\n"
          f"       {lines:,} lines, {received['requests']} requests over "
          f"{received['connections']} connections, {received['document_bytes'] / 1e6:.0f} MB of "
          f"documents, {received['wire_bytes'] / 1e6:.0f} MB sent, {received['repeats']} repeats, "
          f"{found['commits']:.0f} commits", flush=True)


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--agent", required=True)
    options.add_argument("--lines", type=int, default=300_000)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--runs", type=int, default=3)
    options.add_argument("--sink", choices=SINKS, default="elasticsearch")
    options.add_argument("--latency", type=int, default=0, metavar="MILLISECONDS",
                         help="the receiver answers every request that much later")
    options.add_argument("--settings", type=json.loads, default={}, metavar="JSON",
                         help="""more keys of the sink, such as '{"in_flight": 8}'""")
    options.add_argument("--folder", type=Path, default=ROOT / ".build" / "bench")
    options.add_argument("--json", action="store_true", help="a line for scripts at the end")
    chosen = options.parse_args()
    os.environ["SEALTAIL"] = str(Path(chosen.agent).resolve())
    if not agents.binary().is_file():
        sys.exit(f"bench: there is no agent at {agents.binary()}; run `make build`")
    chosen.folder.mkdir(parents=True, exist_ok=True)
    program = build_receiver(chosen.folder)
    log = make_log(chosen.folder, chosen.lines, chosen.seed)
    runs = []
    for number in range(1, chosen.runs + 1):
        # On the disk of the tree, not in memory: the fsync must cost what it costs.
        with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
            runs.append(measure(program, log, Path(folder), chosen))
        report(number, runs[-1], chosen.lines)
    middle = statistics.median(run["rate"] for run in runs)
    wall = statistics.median(run["wall_rate"] for run in runs)
    peak = max(run["peak"] for run in runs)
    print(f"{chosen.sink}, median of {len(runs)}: {middle:,.0f} events per CPU-second, "
          f"{wall:,.0f} events a second with {chosen.latency} ms of latency, peak {peak:.0f} MB; "
          f"every id arrived, samples verified twice")
    if chosen.json:
        print(json.dumps({"events_per_cpu_second": middle, "events_per_second": wall,
                          "peak_mb": peak, "runs": runs}))


if __name__ == "__main__":
    main()
