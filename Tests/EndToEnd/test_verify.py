# SPDX-License-Identifier: Apache-2.0
"""Whatever is done to delivered events, `sealtail verify` and an independent program find it."""

import json
import re

import pytest

import independent_verify
from agent import file_input, file_sink, run
from keycloak_log import KeycloakLog

LINES = 300


@pytest.fixture(scope="module")
def delivered(tmp_path_factory):
    """(verifier key, lines, configuration file) of three epochs of a real agent, in order."""
    from agent import Agent
    folder = tmp_path_factory.mktemp("delivered")
    log, output = folder / "idp.log", folder / "out.ndjson"
    source = KeycloakLog(seed=3)
    agent = Agent(folder / "agent", [file_input(log)], [file_sink(output)])
    try:
        for epoch in range(3):
            with open(log, "ab") as file:
                file.write(source.chunk(LINES))
            agent.start()
            agent.wait_read(LINES)
            agent.wait_delivered("out")
            agent.stop()
    finally:
        if agent.is_running():
            agent.kill()
    return agent.verifier_key(), output.read_text().splitlines(), agent


def judge(key, lines, folder):
    """Both verdicts: (exit code, output) of `sealtail verify`, and the independent findings."""
    path = folder / "export.ndjson"
    path.write_text("".join(line + "\n" for line in lines))
    done = run("verify", "--vkey", key, path)
    return done, independent_verify.verify(lines, [key]).findings


def test_what_was_delivered_verifies(delivered, tmp_path):
    key, lines, _ = delivered
    done, findings = judge(key, lines, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert findings == []
    assert len(lines) > 3 * LINES


def test_the_order_of_lines_means_nothing(delivered, tmp_path):
    key, lines, _ = delivered
    done, findings = judge(key, lines[::-1], tmp_path)
    assert done.returncode == 0 and findings == []


def middle(lines, action="TokenRefreshed"):
    """The place of an event in the middle, and the event."""
    for at in range(len(lines) // 2, len(lines)):
        event = json.loads(lines[at])
        if event["action"] == action:
            return at, event
    raise AssertionError(f"no {action} among the lines")


def edited(lines):
    at, _ = middle(lines)
    changed = lines[at].replace('"outcome":"success"', '"outcome":"failure"')
    return lines[:at] + [changed] + lines[at + 1:], "invalid"


def deleted(lines):
    at, _ = middle(lines)
    return lines[:at] + lines[at + 1:], "missing|gap"


def a_stretch_deleted(lines):
    at, _ = middle(lines)
    return lines[:at] + lines[at + 130:], "missing|gap"


def renumbered(lines):
    at, event = middle(lines)
    seq = event["integrity"]["seq"]
    changed = lines[at].replace(f'"seq":{seq},', f'"seq":{seq + 1},')
    return lines[:at] + [changed] + lines[at + 1:], "invalid"


def moved_to_another_stream(lines):
    at, event = middle(lines)
    other = next(json.loads(line)["integrity"]["stream"] for line in lines
                 if json.loads(line)["integrity"]["stream"] != event["integrity"]["stream"])
    changed = lines[at].replace(event["integrity"]["stream"], other)
    return lines[:at] + [changed] + lines[at + 1:], "invalid"


def a_member_added(lines):
    at, _ = middle(lines)
    changed = lines[at].replace('{"action"', '{"aaa":"x","action"', 1)
    return lines[:at] + [changed] + lines[at + 1:], "invalid"


def a_member_doubled(lines):
    at, _ = middle(lines)
    changed = lines[at].replace(',"integrity"', ',"action":"LoginFailed","integrity"', 1)
    return lines[:at] + [changed] + lines[at + 1:], "invalid"


def a_proof_spelled_otherwise(lines):
    """Another spelling of the same base64 must not pass: its last digit carries spare bits."""
    at, event = middle(lines)
    proof = event["integrity"]["proof"]
    last = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    other = proof[:-1] + last[last.index(proof[-1]) ^ 1]
    return lines[:at] + [lines[at].replace(proof, other)] + lines[at + 1:], "invalid"


def the_tail_cut(lines):
    """The end of an epoch that has a successor."""
    streams = [json.loads(line)["integrity"]["stream"] for line in lines]
    second = streams[len(lines) // 2]
    last = max(at for at, stream in enumerate(streams) if stream == second)
    return lines[:last - 3] + lines[last + 1:], "tail|missing|gap"


def an_epoch_left_out(lines):
    second = json.loads(lines[len(lines) // 2])["integrity"]["stream"]
    return ([line for line in lines if json.loads(line)["integrity"]["stream"] != second],
            "missing stream")


def a_line_cut_short(lines):
    at, _ = middle(lines)
    return lines[:at] + [lines[at][:-40]] + lines[at + 1:], "invalid"


TAMPERINGS = [edited, deleted, a_stretch_deleted, renumbered, moved_to_another_stream,
              a_member_added, a_member_doubled, a_proof_spelled_otherwise, the_tail_cut,
              an_epoch_left_out, a_line_cut_short]


@pytest.mark.parametrize("tamper", TAMPERINGS, ids=lambda tamper: tamper.__name__)
def test_tampering_is_found_and_named(tamper, delivered, tmp_path):
    key, lines, _ = delivered
    changed, word = tamper(lines)
    assert changed != lines
    done, findings = judge(key, changed, tmp_path)
    assert done.returncode == 65, f"{done.returncode}: {done.stdout}{done.stderr}"
    assert re.search(word, done.stdout + done.stderr), done.stdout + done.stderr
    assert any(re.search(word, finding) for finding in findings), findings


def test_every_flipped_bit_of_a_line_is_found(delivered):
    """The independent program itself: no bit of a line can change without a finding."""
    key, lines, _ = delivered
    at, _ = middle(lines)
    keys = independent_verify.Keys([key])
    good = lines[at].encode()
    independent_verify.check_event(lines[at], keys, set())
    for position in range(0, len(good)):
        bad = bytearray(good)
        bad[position] ^= 1 << position % 7
        with pytest.raises((independent_verify.Invalid, UnicodeDecodeError, KeyError)):
            independent_verify.check_event(bytes(bad).decode(), keys, set())


def test_another_key_speaks_for_nothing(delivered, tmp_path):
    _, lines, _ = delivered
    run("keygen", "--name", "idp1.example.com", "--out", tmp_path, check=0)
    made = run("keygen", "--name", "other.example.com", "--out", tmp_path / "two")
    stranger = re.search(r"\S+\+[0-9a-f]{8}\+[A-Za-z0-9+/=]{44}", made.stdout)[0]
    done, findings = judge(stranger, lines, tmp_path)
    assert done.returncode == 65 and len(findings) >= len(lines)


def test_a_verdict_for_scripts(delivered, tmp_path):
    key, lines, _ = delivered
    path = tmp_path / "export.ndjson"
    path.write_text("".join(line + "\n" for line in lines))
    done = run("verify", "--json", "--vkey", key, path, check=0)
    assert isinstance(json.loads(done.stdout), dict)


def test_the_ledger_itself_verifies(delivered):
    key, lines, agent = delivered
    dumped = run("ledger", "dump", agent.state, check=0).stdout.splitlines()
    assert sorted(dumped) == sorted(lines), "the ledger says other bytes than were delivered"
    assert independent_verify.verify(dumped, [key]).findings == []
    done = run("ledger", "verify", agent.state)
    assert done.returncode == 0, done.stdout + done.stderr
