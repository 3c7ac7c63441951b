# SPDX-License-Identifier: Apache-2.0
"""The journal of systemd: real journal files, made by systemd's own tool, read by the agent."""

import random
import time

from agent import file_sink, is_agent_event, read_events
from identity import event_id
from journal_files import Journal


def journal_input(folder, **more):
    return {"id": "journal", "type": "journal", "directory": str(folder), "parser": "oidc_json",
            **more}


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


def audit_record(name):
    """What CAS writes for a login, line by line; journald leaves out empty lines."""
    return ["2026-11-20 09:00:01,001 INFO [org.apereo.inspektr.audit.support."
            "Slf4jLoggingAuditTrailManager] - <Audit trail record BEGIN", "=" * 60,
            f"WHO: {name}", f"WHAT: supplied credentials: [username: {name}]",
            "ACTION: AUTHENTICATION_SUCCESS", "APPLICATION: CAS",
            "WHEN: Fri Nov 20 09:00:01 CET 2026", "CLIENT IP ADDRESS: 192.0.2.17",
            "SERVER IP ADDRESS: 198.51.100.9", "=" * 60, ">"]


def test_lines_of_one_process_are_one_record_whatever_comes_between(tmp_path, make_agent):
    journal, output = Journal(tmp_path / "journal"), tmp_path / "out.ndjson"
    agent = make_agent([journal_input(journal.folder, parser="cas")], [file_sink(output)])
    wanted, firsts = [], []
    for turn in range(6):
        people = [f"user{turn}a", f"user{turn}b"]
        lines = [(line, {"_SYSTEMD_UNIT": "cas.service", "_PID": str(100 + index)})
                 for pair in zip(*map(audit_record, people)) for index, line in enumerate(pair)]
        firsts += [journal.count, journal.count + 1]
        wanted += people
        # The agent dies somewhere within the records and goes on.
        agent.start()
        for part in (lines[:9], lines[9:]):
            journal.write(part)
            time.sleep(0.05)
            if turn % 2:
                agent.kill()
                agent.start()
        agent.stop() if turn % 2 == 0 else agent.kill()
    agent.start()
    agent.wait_for(lambda: len({event["actor"]["name"] for event in ours(output)}) == len(wanted),
                   20, "a record for each person")
    agent.wait_delivered("out")
    agent.stop()
    events = {event["id"]: event for event in ours(output)}
    assert sorted(event["actor"]["name"] for event in events.values()) == sorted(wanted)
    assert {event["action"] for event in events.values()} == {"LoginSucceeded"}
    cursors = journal.cursors()
    assert set(events) == {
        event_id("journal", cursors[first][0], "\n".join(audit_record(name)).encode())
        for first, name in zip(firsts, wanted)}


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
