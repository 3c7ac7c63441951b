# SPDX-License-Identifier: Apache-2.0
"""Container logs under kill -9: pieces of lines, two outputs in turns, stack traces, two products.

Each login comes out once, under the id that docs/formats/event.md gives the message that was
wrapped, wherever the agent was when it was killed.
"""

import hashlib
import json
import random
import threading
import time

import pytest

from agent import file_input, file_sink, is_agent_event, read_events, run
from identity import event_id

LOGINS = 120
KILLS = 4
SECONDS = 8
PIECE = 64
SEED = 7
TRACE = ["\tat org.example.Login.check(Login.java:7)", "Caused by: java.lang.IllegalState: no"]


def keycloak(number):
    """A record of Keycloak as its lines; every third has a stack trace."""
    first = (f"2026-11-20 08:{number // 60:02}:{number % 60:02},000 WARN  [org.keycloak.events] "
             f'(executor-thread-1) type="LOGIN_ERROR", realmId="r1", clientId="shop", '
             f'userId="null", ipAddress="192.0.2.1", error="user_not_found", '
             f'username="k{number}", code_id="x"')
    return [first, *(TRACE if number % 3 == 0 else [])]


def canaille(number):
    """A record of another product in the same log."""
    return [f"[2026-11-20 08:{number // 60:02}:{number % 60:02},000] - 192.0.2.2 - SECURITY in "
            f"logging: Failed password authentication for c{number}"]


def docker(piece, stream, when, is_last):
    log = piece + ("\n" if is_last else "")
    return json.dumps({"log": log, "stream": stream, "time": when}, separators=(",", ":"))


def cri(piece, stream, when, is_last):
    return f"{when} {stream} {'F' if is_last else 'P'} {piece}"


def wrapped(wrap, chance):
    """The lines of the file, and for each user the place and the message of its record."""
    lines, expected, offset = [], {}, 0
    start = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
    for number in range(LOGINS):
        when = f"{start}.{number:09}Z"
        queues = []
        for stream, record, user in (
                ("stdout", keycloak(number), f"k{number}"),
                ("stderr", canaille(number), f"c{number}")):
            pieces = []
            for line in record:
                cuts = [line[at:at + PIECE] for at in range(0, len(line), PIECE)]
                pieces += [wrap(cut, stream, when, cut is cuts[-1]) for cut in cuts]
            queues.append((pieces, "\n".join(record), user))
        while any(pieces for pieces, _, _ in queues):
            pieces, message, user = chance.choice([one for one in queues if one[0]])
            expected.setdefault(user, (offset, message))
            lines.append(pieces.pop(0))
            offset += len(lines[-1]) + 1
    return lines, expected


def file_key(path, first_line, input_id="idp"):
    """The name of the content; the first record is the first line as it was read."""
    first = hashlib.sha256(first_line.encode()[:1024]).hexdigest()
    text = f"sealtail-file/v1\n{input_id}\n{path.stat().st_ino}\n0\n{first}"
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def write(path, lines):
    """Appends bit by bit, without regard to lines, as a runtime that is busy."""
    text = "".join(line + "\n" for line in lines).encode()
    chance, at = random.Random(SEED), 0
    with path.open("ab", buffering=0) as file:
        while at < len(text):
            step = chance.randrange(1, 400)
            file.write(text[at:at + step])
            at += step
            time.sleep(SECONDS * 200 / len(text))


@pytest.mark.parametrize("wrap", [docker, cri], ids=["docker", "cri"])
def test_every_login_in_a_container_log_comes_once(make_agent, tmp_path, wrap):
    chance = random.Random(SEED)
    lines, expected = wrapped(wrap, chance)
    log, out = tmp_path / "container.log", tmp_path / "out.ndjson"
    log.touch()
    agent = make_agent([file_input(log, parser="auto")], [file_sink(out)])
    agent.start()
    writer = threading.Thread(target=write, args=(log, lines))
    writer.start()
    while writer.is_alive():
        time.sleep(SECONDS / (KILLS + 1))
        agent.kill()
        agent.start()
    writer.join()
    agent.wait_for(
        lambda: len({user(event) for event in logins(out)}) == 2 * LOGINS, 60, "every login")
    agent.check_sums()
    agent.stop()
    # The last agent may have had nothing left to read, so its metrics say nothing.
    assert {event["provider"]["product"] for event in logins(out)} == {"keycloak", "canaille"}
    source = file_key(log, lines[0])
    ids = {}
    for event in logins(out):
        ids.setdefault(user(event), set()).add(event["id"])
    assert ids == {
        name: {event_id(source, offset, message.encode())}
        for name, (offset, message) in expected.items()}
    run("verify", "--vkey", agent.verifier_key(), out, check=0)


def user(event):
    return event["actor"]["name"]


def logins(path):
    return [event for event in read_events(path) if not is_agent_event(event)]
