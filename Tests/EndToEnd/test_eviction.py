# SPDX-License-Identifier: Apache-2.0
"""when_full: drop_oldest: reading never stops, and what a dead receiver lost is on the record."""

import json
import re
import time
from pathlib import Path

from agent import (
    elasticsearch_sink, expect_conservation, file_input, file_sink, is_agent_event, read_events,
    run)
from producer import NumberedLog
from receiver import Fault, Receiver

# A ledger of the least size, and more lines than it can hold.
LEDGER = {"max_size": "64MiB", "retain": "0s", "when_full": "drop_oldest"}
CHUNK, CHUNKS_LIMIT = 2_000, 30
# Random letters in each line, so that few lines fill the ledger.
RANDOM_BYTES = 5000


class HugeLog(NumberedLog):
    """Numbered lines that need much room on the disk."""

    def details(self, kind, user, client, session):
        noise = self.random.randbytes(RANDOM_BYTES).hex()
        pairs = dict(super().details(kind, user, client, session))
        return list({**pairs, "redirect_uri": noise}.items())


def fill(agent, log, provider):
    """Writes until the sink has lost events; returns the number of lines."""
    lines = 0
    for _ in range(CHUNKS_LIMIT):
        with open(log, "ab") as file:
            file.write(provider.chunk(CHUNK))
        lines += CHUNK
        agent.wait_read(lines, seconds=120)
        page = agent.metrics()
        if page.sum("events_lost_total", sink="siem"):
            return lines
    raise AssertionError(f"{lines} lines fit into the ledger")


def peak_bytes(agent):
    """The most memory that the process has held at once."""
    status = Path(f"/proc/{agent.process.pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+([0-9]+) kB", status)[1]) * 1024


def original(line):
    return json.loads(json.loads(line)["event"]["original"])


def test_a_dead_sink_loses_its_oldest_events_and_nothing_else(tmp_path, make_agent):
    log, output = tmp_path / "idp.log", tmp_path / "out.ndjson"
    log.touch()
    provider = HugeLog("1", "evict")
    state = {"dead": True}
    with Receiver(lambda *_: Fault(status=503) if state["dead"] else None) as receiver:
        agent = make_agent([file_input(log)], [elasticsearch_sink(receiver), file_sink(output)],
                           ledger=LEDGER).start()
        lines = fill(agent, log, provider)
        print(f"{lines} lines")
        agent.wait_delivered("out", seconds=120)
        page = agent.metrics()
        assert page.sum("input_lag_bytes") == 0, "reading stopped"
        lost = page.sum("events_lost_total", sink="siem")
        assert page.sum("events_lost_total", sink="out") == 0
        peak, ceiling = peak_bytes(agent), page.sum("memory_ceiling_bytes")
        assert 0 < peak < ceiling, f"{peak} bytes were held, {ceiling} is the ceiling"
        assert f"memory_bytes_at_most={int(ceiling)}" in agent.log_text()
        stated = [event for event in read_events(output) if event["action"] == "AgentEventsLost"]
        assert sum(event["agent"]["count"] for event in stated) == lost
        assert all("sinks.siem" in event["agent"]["reason"] for event in stated)
        assert "are lost" in agent.log_text()
        time.sleep(1.2)
        agent.kill()
        agent.start()
        page = agent.metrics()
        expect_conservation(page)
        # A start begins a segment, for which more may have to go.
        assert page.sum("events_lost_total", sink="siem") >= lost
        state["dead"] = False
        agent.wait_delivered("siem", seconds=180)
        lost = agent.metrics().sum("events_lost_total", sink="siem")
        agent.stop()
        ours = {event["id"] for event in read_events(output) if not is_agent_event(event)}
        assert len(ours) == lines
        everything = {event["id"] for event in read_events(output)}
        absent = everything - receiver.documents.keys()
        assert len(absent) == lost, "what is missing is not what was stated"
        stated = [event for event in read_events(output) if event["action"] == "AgentEventsLost"]
        assert sum(event["agent"]["count"] for event in stated) == lost
        events = [original(line) for line in receiver.lines()]
        entries = [entry for event in events if event["action"] == "CheckpointSigned"
                   for entry in event["agent"].get("lost", [])]
        counts = {}
        for entry in entries:
            epoch, count = re.fullmatch(r"siem ([0-9a-f]{16}) ([0-9]+)", entry).groups()
            counts[epoch] = max(counts.get(epoch, 0), int(count))
        assert sum(counts.values()) == lost, (counts, lost)
        export = tmp_path / "export.ndjson"
        # The signed events without the documents around them: a debug build is quicker so.
        export.write_text("".join(
            json.dumps({**original(line), "integrity": json.loads(line)["integrity"]}) + "\n"
            for line in receiver.lines()))
        run("verify", "--vkey", agent.verifier_key(), "--sink", "siem", export, check=0,
            seconds=240)
