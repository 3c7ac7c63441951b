# SPDX-License-Identifier: Apache-2.0
"""The journal of systemd: real journal files, made by systemd's own tool, read by the agent."""

import json
import random
import subprocess
import time
from pathlib import Path

from agent import file_sink, is_agent_event, read_events
from identity import event_id

TOOLS = [Path("/usr/lib/systemd/systemd-journal-remote"),
         Path("/lib/systemd/systemd-journal-remote")]
START = 1_790_000_000_000_000


def journal_input(folder, **more):
    return {"id": "journal", "type": "journal", "directory": str(folder), "parser": "oidc_json",
            **more}


def message(name):
    return json.dumps({"time": "2026-11-20T10:00:00Z", "event": "token.issued",
                       "client_id": "web", "event_id": name})


class Journal:
    """Writes entries as journald would store them."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()
        self.count = 0
        self.tool = next((path for path in TOOLS if path.is_file()), None)
        assert self.tool, "systemd-journal-remote is missing; `make setup` installs it"

    def append(self, names, file="system.journal", **fields):
        text = []
        for name in names:
            self.count += 1
            lines = [f"__REALTIME_TIMESTAMP={START + self.count * 1000}",
                     f"__MONOTONIC_TIMESTAMP={self.count * 1000}",
                     "_BOOT_ID=00112233445566778899aabbccddeeff",
                     "_HOSTNAME=idp.example.com", f"MESSAGE={message(name)}"]
            lines += [f"{key}={value}" for key, value in fields.items()]
            text.append("\n".join(lines) + "\n\n")
        subprocess.run([str(self.tool), "-o", str(self.folder / file), "-"],
                       input="".join(text).encode(), check=True, capture_output=True, timeout=60)

    def rotate(self, number):
        (self.folder / "system.journal").rename(self.folder / f"system@{number}.journal")

    def cursors(self):
        """Cursor and message of each entry, in order, as journalctl sees them."""
        done = subprocess.run(["journalctl", "-D", str(self.folder), "-o", "json"],
                              capture_output=True, check=True, timeout=60)
        rows = [json.loads(line) for line in done.stdout.splitlines()]
        return [(row["__CURSOR"], row["MESSAGE"]) for row in rows]


def ours(path):
    return [event for event in read_events(path) if not is_agent_event(event)]


def names(path):
    return [event["provider"]["event_id"] for event in ours(path)]


def losses(path):
    return [event["agent"] for event in read_events(path) if event["action"] == "AgentEventsLost"]


def test_each_entry_becomes_one_event_named_by_its_cursor(tmp_path, make_agent):
    journal, output = Journal(tmp_path / "journal"), tmp_path / "out.ndjson"
    journal.append(["one", "two"])
    agent = make_agent([journal_input(journal.folder)], [file_sink(output)]).start()
    agent.wait_read(2)
    journal.append(["three"])
    agent.wait_read(3)
    agent.wait_delivered("out")
    agent.stop()
    events = ours(output)
    assert names(output) == ["one", "two", "three"]
    assert [event["id"] for event in events] == [
        event_id("journal", cursor, text.encode()) for cursor, text in journal.cursors()]
    assert {event["provider"]["host"] for event in events} == {"idp.example.com"}


def test_kills_and_rotations_lose_and_repeat_nothing(tmp_path, make_agent):
    seed = random.SystemRandom().randrange(2**32)
    print(f"SEED={seed}")
    pick = random.Random(seed)
    journal, output = Journal(tmp_path / "journal"), tmp_path / "out.ndjson"
    agent = make_agent([journal_input(journal.folder)], [file_sink(output)])
    total = 0
    for round_ in range(8):
        running = agent.is_running()
        for _ in range(pick.randint(1, 3)):
            count = pick.randint(1, 60)
            journal.append([f"e{total + index}" for index in range(count)])
            total += count
            if pick.random() < 0.4:
                journal.rotate(total)
        if running:
            time.sleep(pick.uniform(0, 0.2))
            agent.kill()
        else:
            agent.start(wait=pick.random() < 0.5)
    if not agent.is_running():
        agent.start()
    agent.wait_for(lambda: len(set(names(output))) == total, 30, f"{total} entries, seed {seed}")
    agent.wait_delivered("out")
    agent.stop()
    assert losses(output) == []
    by_name = {}
    for event in ours(output):
        by_name.setdefault(event["provider"]["event_id"], set()).add(event["id"])
    assert len(by_name) == total and all(len(ids) == 1 for ids in by_name.values())
    # Order is kept: the first time each one comes, it comes in its turn.
    seen = list(dict.fromkeys(names(output)))
    assert seen == [f"e{number}" for number in range(total)], f"seed {seed}"


def test_entries_deleted_before_they_were_read_are_stated_once(tmp_path, make_agent):
    journal, output = Journal(tmp_path / "journal"), tmp_path / "out.ndjson"
    journal.append(["one", "two"])
    agent = make_agent([journal_input(journal.folder)], [file_sink(output)]).start()
    agent.wait_read(2)
    agent.stop()
    journal.append(["gone"])
    (journal.folder / "system.journal").unlink()
    journal.append(["after"])
    for _ in range(2):
        agent.start()
        agent.wait_for(lambda: "after" in names(output), 20, "the entry after the gap")
        agent.stop()
    assert names(output) == ["one", "two", "after"]
    stated = losses(output)
    assert len(stated) == 1
    assert "no longer in the journal" in stated[0]["reason"]


def test_only_the_units_that_are_wanted_are_read(tmp_path, make_agent):
    journal, output = Journal(tmp_path / "journal"), tmp_path / "out.ndjson"
    journal.append(["a"], _SYSTEMD_UNIT="idp.service")
    journal.append(["b"], _SYSTEMD_UNIT="other.service")
    journal.append(["c"], _SYSTEMD_UNIT="idp.service")
    agent = make_agent([journal_input(journal.folder, units=["idp"])], [file_sink(output)]).start()
    agent.wait_read(2)
    journal.append(["d"], _SYSTEMD_UNIT="other.service")
    journal.append(["e"], _SYSTEMD_UNIT="idp.service")
    agent.wait_read(3)
    agent.stop()
    assert names(output) == ["a", "c", "e"]


def test_a_missing_folder_is_not_ready_and_says_what_to_do(tmp_path, make_agent):
    folder, output = tmp_path / "journal", tmp_path / "out.ndjson"
    agent = make_agent([journal_input(folder)], [file_sink(output)]).start()
    agent.wait_for(lambda: agent.get("/readyz")[0] == 503, 20, "an answer that it is not ready")
    assert "set directory or files" in agent.get("/readyz")[1]
    assert agent.get("/livez")[0] == 200
    Journal(folder).append(["one"])
    agent.wait_read(1)
    agent.wait_for(lambda: agent.get("/readyz")[0] == 200, 20, "readiness")
    agent.stop()
    assert names(output) == ["one"]
