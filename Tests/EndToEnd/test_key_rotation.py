# SPDX-License-Identifier: Apache-2.0
"""A new signing key: a reload hands over to it, so whoever trusts the old one follows."""

import independent_verify
from agent import NAME, file_input, file_sink, is_agent_event, read_events, run
from keycloak_log import KeycloakLog

LINES = 60


def make_key(folder):
    """(path of the signing key, verifier key) of a new key."""
    done = run("keygen", "--name", NAME, "--out", folder, check=0)
    return next(path for path in folder.rglob("*")
                if path.is_file() and path.read_text().startswith("PRIVATE+KEY+")), \
        done.stdout.strip().splitlines()[-1].split()[-1]


def test_a_reload_with_another_key_is_vouched_for_by_the_old_one(tmp_path, make_agent):
    log, output, provider = tmp_path / "idp.log", tmp_path / "out.ndjson", KeycloakLog(9)
    old, new = make_key(tmp_path / "old"), make_key(tmp_path / "new")
    log.write_bytes(provider.chunk(LINES))
    agent = make_agent([file_input(log)], [file_sink(output)],
                       signing={"key": "${file:%s}" % old[0]}).start()
    agent.wait_read(LINES)
    agent.configuration["signing"]["key"] = "${file:%s}" % new[0]
    agent.write()
    agent.reload()
    agent.wait_for(lambda: any(
        event["action"] == "AgentKeyRotated" for event in read_events(output)), 20, "the rotation")
    with open(log, "ab") as file:
        file.write(provider.chunk(LINES))
    agent.wait_read(2 * LINES)
    agent.wait_delivered("out")
    agent.stop()
    events = read_events(output)
    stated = [event for event in events if event["action"] == "AgentKeyRotated"]
    assert [event["agent"]["vkey"] for event in stated] == [new[1]]
    assert len([event for event in events if not is_agent_event(event)]) == 2 * LINES
    assert len({event["integrity"]["stream"] for event in events}) == 2
    # The old key alone: the new one is trusted because the old one signed it.
    run("verify", "--vkey", old[1], output, check=0)
    # The new key alone knows nothing of what came before.
    run("verify", "--vkey", new[1], output, check=65)
    both = independent_verify.verify(output.read_text().splitlines(), [old[1], new[1]])
    assert both.findings == []
