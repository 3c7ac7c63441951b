# SPDX-License-Identifier: Apache-2.0
"""A state directory that was copied or restored: verify names what happened, never a forgery."""

import json
import shutil

from agent import file_input, file_sink, is_agent_event, read_events, run
from keycloak_log import KeycloakLog

LINES = 100
LOST = "delivered, then lost from the ledger"


def grow(path, provider, lines=LINES):
    with open(path, "ab") as file:
        file.write(provider.chunk(lines))


def verify(key, *paths, code):
    """What verify says of these files together: (findings, notes) by word."""
    done = run("verify", "--json", "--vkey", key, *paths, check=code)
    report = json.loads(done.stdout)
    return ([finding["word"] for finding in report["findings"]],
            [note["word"] for note in report["notes"]], done.stdout)


def started(path):
    return [event for event in read_events(path) if event["action"] == "AgentStarted"]


def test_a_copy_of_the_state_that_is_started_is_named_as_a_clone(tmp_path, make_agent):
    log, provider = tmp_path / "idp.log", KeycloakLog(4)
    here, there = tmp_path / "here.ndjson", tmp_path / "there.ndjson"
    grow(log, provider)
    original = make_agent([file_input(log)], [file_sink(here)], folder=tmp_path / "one").start()
    original.wait_read(LINES)
    original.stop()
    key = original.verifier_key()
    clone = make_agent([file_input(log)], [file_sink(there)], folder=tmp_path / "two")
    shutil.copytree(original.state, clone.state, symlinks=True)
    grow(log, provider)
    original.start()
    original.wait_read(LINES)
    original.stop()
    clone.start()
    clone.wait_read(LINES)
    clone.stop()
    mine, other = started(here)[-1], started(there)[0]
    assert mine["agent"]["predecessor"] == other["agent"]["predecessor"] != "none"
    assert mine["integrity"]["stream"] != other["integrity"]["stream"]
    verify(key, here, code=0)
    findings, notes, text = verify(key, here, there, code=65)
    assert findings == ["fork"] and "clone" in text, text
    assert "invalid" not in findings + notes


def test_a_copy_of_a_running_agent_is_a_clone_too(tmp_path, make_agent):
    log, provider = tmp_path / "idp.log", KeycloakLog(4)
    here, there = tmp_path / "here.ndjson", tmp_path / "there.ndjson"
    grow(log, provider)
    original = make_agent([file_input(log)], [file_sink(here)], folder=tmp_path / "one").start()
    original.wait_read(LINES)
    original.wait_delivered("out")
    clone = make_agent([file_input(log)], [file_sink(there)], folder=tmp_path / "two")
    shutil.copytree(original.state, clone.state, symlinks=True)
    clone.start()
    grow(log, provider)
    original.wait_read(2 * LINES)
    clone.wait_read(LINES)
    original.stop()
    clone.stop()
    key = original.verifier_key()
    verify(key, here, code=0)
    findings, notes, text = verify(key, here, there, code=0)
    # The original's stream goes on behind the place that the clone knows as its end.
    assert LOST in notes, text
    original.start()
    original.stop()
    findings, notes, text = verify(key, here, there, code=65)
    assert findings == ["fork"] and "clone" in text, text
    assert "invalid" not in findings + notes


def test_a_restored_snapshot_opens_an_epoch_and_looks_like_a_restore(tmp_path, make_agent):
    log, output, provider = tmp_path / "idp.log", tmp_path / "out.ndjson", KeycloakLog(4)
    grow(log, provider)
    agent = make_agent([file_input(log)], [file_sink(output)]).start()
    agent.wait_read(LINES)
    agent.wait_delivered("out")
    snapshot = tmp_path / "snapshot"
    shutil.copytree(agent.state, snapshot, symlinks=True)
    grow(log, provider)
    agent.wait_read(2 * LINES)
    agent.wait_delivered("out")
    agent.kill()
    shutil.rmtree(agent.state)
    shutil.copytree(snapshot, agent.state, symlinks=True)
    agent.start()
    agent.wait_read(LINES)
    agent.stop()
    findings, notes, text = verify(agent.verifier_key(), output, code=0)
    assert findings == [] and LOST in notes, text
    assert len({event["id"] for event in started(output)}) == 2
    ours = [event["id"] for event in read_events(output) if not is_agent_event(event)]
    assert len(set(ours)) == 2 * LINES, "what was read again must come under the same ids"
    assert len(ours) > 2 * LINES, "nothing was read again; the run proves nothing"


def test_a_lost_ledger_is_said_by_the_next_start(tmp_path, make_agent):
    log, output = tmp_path / "idp.log", tmp_path / "out.ndjson"
    grow(log, KeycloakLog(4))
    agent = make_agent([file_input(log)], [file_sink(output)]).start()
    agent.wait_read(LINES)
    agent.stop()
    shutil.rmtree(agent.state / "ledger")
    agent.start()
    agent.wait_read(LINES)
    agent.stop()
    last = started(output)[-1]
    assert last["agent"]["predecessor"] == "lost" and last["severity"] == "high"
    findings, _, text = verify(agent.verifier_key(), output, code=0)
    assert "invalid" not in findings, text
