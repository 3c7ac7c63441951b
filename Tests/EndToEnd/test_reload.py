# SPDX-License-Identifier: Apache-2.0
"""SIGHUP: a bad file changes nothing and every mistake is said; a good one loses and repeats nothing."""

import json
import shutil
import socket
import ssl
import threading
import time
from collections import Counter
from pathlib import Path

import independent_verify
from agent import (
    PARSERS, elasticsearch_sink, file_input, file_sink, free_port, is_agent_event, read_events,
    run)
from certificates import Authority
from keycloak_log import KeycloakLog
from receiver import Fault, Receiver
from test_inputs_syslog import message, syslog_input

LINES = 120


class Log:
    """A growing log of a provider."""

    def __init__(self, path, seed=3):
        self.path, self.log, self.lines = path, KeycloakLog(seed), 0

    def append(self, count=LINES):
        with open(self.path, "ab") as file:
            file.write(self.log.chunk(count))
        self.lines += count
        return self


def ours(path):
    """The events of records in a file sink's output."""
    return [event for event in read_events(path) if not is_agent_event(event)]


def actions(path):
    """What the agent said of itself, in order, checkpoints left out but for the last of a stream."""
    return [event["action"] for event in read_events(path) if is_agent_event(event)]


def reload(agent, taken=True):
    """Reloads the configuration as it is now and expects it to be taken or refused."""
    agent.write()
    agent.reload()
    assert agent.metrics().sum("config_reload_success") == (1 if taken else 0), agent.tail()


def expect_once(path, log, agent):
    """Each line of the log once, in order, in an unbroken chain."""
    found = [event["origin"]["offset"] for event in ours(path)]
    assert len(found) == len(set(found)) == log.lines
    assert found == sorted(found)
    verdict = independent_verify.verify(path.read_text().splitlines(), [agent.verifier_key()])
    assert verdict.findings == []
    run("verify", "--vkey", agent.verifier_key(), path, check=0)


def test_a_bad_file_keeps_the_old_one_running_and_every_mistake_is_said(tmp_path, make_agent):
    log, output = Log(tmp_path / "idp.log").append(), tmp_path / "out.ndjson"
    agent = make_agent([file_input(log.path)], [file_sink(output)]).start()
    agent.wait_read(LINES)
    assert agent.metrics().sum("config_reload_success") == 1
    good = agent.path.read_text()
    agent.path.write_text(good.replace("grace:", "graze:") + "inputz: []\n")
    agent.reload()
    text = agent.log_text()
    assert agent.metrics().sum("config_reload_success") == 0
    assert agent.metrics().sum("config_reloads_total", result="refused") == 1
    assert "graze" in text and "inputz" in text and "not reloaded" in text
    for broken in ("{", "agent: [", good.replace("keycloak", "no_such_parser")):
        agent.path.write_text(broken)
        agent.reload()
        assert agent.metrics().sum("config_reload_success") == 0
    assert "no_such_parser" in agent.log_text()
    log.append()
    agent.wait_read(2 * LINES)
    assert agent.get("/readyz")[0] == 200
    reload(agent)
    agent.stop()
    assert actions(output).count("AgentStarted") == 1, "a reload without a change opened a stream"
    expect_once(output, log, agent)


def test_what_needs_a_restart_is_refused_with_a_sentence(tmp_path, make_agent):
    log, output = Log(tmp_path / "idp.log").append(), tmp_path / "out.ndjson"
    agent = make_agent([file_input(log.path)], [file_sink(output)]).start()
    for key, value in (("name", "other.example.com"), ("state_dir", str(tmp_path / "elsewhere")),
                       ("listen", "none"), ("log", {"level": "error"})):
        kept = agent.configuration["agent"][key]
        agent.configuration["agent"][key] = value
        reload(agent, taken=False)
        agent.configuration["agent"][key] = kept
    agent.configuration["ledger"] = {"max_size": "256MiB"}
    reload(agent, taken=False)
    del agent.configuration["ledger"]
    text = agent.log_text()
    for key in ("agent.name", "agent.state_dir", "agent.listen", "agent.log", "ledger"):
        assert f"{key}: cannot change while the agent runs" in text
    assert not (tmp_path / "elsewhere").exists(), "a refused reload left something behind"
    reload(agent)
    agent.stop()


def test_a_new_sink_gets_the_next_stream_and_the_old_one_goes_on(tmp_path, make_agent):
    log = Log(tmp_path / "idp.log").append()
    first, second = tmp_path / "first.ndjson", tmp_path / "second.ndjson"
    agent = make_agent([file_input(log.path)], [file_sink(first)]).start()
    agent.wait_read(LINES)
    agent.configuration["sinks"].append(file_sink(second, id="two"))
    reload(agent)
    log.append()
    agent.wait_read(2 * LINES)
    agent.wait_delivered("two")
    agent.stop()
    expect_once(first, log, agent)
    assert [action for action in actions(first) if action != "CheckpointSigned"] == [
        "AgentStarted", "AgentStopped", "AgentStarted", "AgentStopped"]
    whole = read_events(first)
    later = [event for event in whole
             if event["integrity"]["stream"] == whole[-1]["integrity"]["stream"]]
    assert [event["id"] for event in read_events(second)] == [event["id"] for event in later]
    assert later[0]["action"] == "AgentStarted" and len(ours(second)) == LINES
    stopped = [event for event in whole if event["action"] == "AgentStopped"][0]
    assert "reloaded" in stopped["agent"]["reason"]


def test_a_removed_sink_is_forgotten_and_comes_back_where_it_stopped(tmp_path, make_agent):
    log = Log(tmp_path / "idp.log").append()
    first, second = tmp_path / "first.ndjson", tmp_path / "second.ndjson"
    both = [file_sink(first), file_sink(second, id="two")]
    agent = make_agent([file_input(log.path)], both).start()
    agent.wait_read(LINES)
    agent.wait_delivered("two")
    agent.configuration["sinks"] = both[:1]
    reload(agent)
    assert not agent.metrics().sum("events_offered_total", sink="two")
    log.append()
    agent.wait_read(2 * LINES)
    agent.configuration["sinks"] = both
    agent.wait_for(lambda: not_closing(agent), 10, "the sink's end")
    log.append()
    agent.wait_read(3 * LINES)
    agent.wait_delivered("two")
    agent.stop()
    expect_once(first, log, agent)
    ids = [event["id"] for event in ours(second)]
    assert len(ids) == len(set(ids)) == 2 * LINES, "what was sealed without it is not for it"


def not_closing(agent):
    """Reloads; false as long as the agent says that the sink is still being closed."""
    agent.write()
    agent.reload()
    return agent.metrics().sum("config_reload_success") == 1


def test_a_changed_filter_holds_from_a_new_stream_on(tmp_path, make_agent):
    log, output = Log(tmp_path / "idp.log").append(), tmp_path / "out.ndjson"
    everything = tmp_path / "all.ndjson"
    agent = make_agent(
        [file_input(log.path)], [file_sink(output), file_sink(everything, id="all")]).start()
    agent.wait_read(LINES)
    agent.configuration["sinks"][0]["filter"] = {"min_severity": "low"}
    reload(agent)
    log.append()
    agent.wait_read(2 * LINES)
    agent.wait_delivered("out")
    agent.stop()
    expect_once(everything, log, agent)
    whole, kept = ours(everything), ours(output)
    wanted = [event["id"] for event in whole[:LINES]] + [
        event["id"] for event in whole[LINES:] if event["severity"] != "info"]
    assert [event["id"] for event in kept] == wanted
    assert LINES < len(wanted) < 2 * LINES
    run("verify", "--vkey", agent.verifier_key(), "--sink", "out", output, check=0)


def test_a_changed_parser_file_holds_for_what_is_read_afterwards(tmp_path, make_agent):
    parsers = tmp_path / "parsers"
    shutil.copytree(PARSERS, parsers)
    log, output = Log(tmp_path / "idp.log").append(), tmp_path / "out.ndjson"
    agent = make_agent([file_input(log.path)], [file_sink(output)],
                       agent={"parsers_dir": str(parsers)}).start()
    agent.wait_read(LINES)
    path = parsers / "keycloak.yaml"
    good = path.read_text()
    path.write_text(good.replace("formats:", "formatz:"))
    reload(agent, taken=False)
    assert "formatz" in agent.log_text()
    path.write_text(good.replace("product: keycloak", "product: newer"))
    reload(agent)
    log.append()
    agent.wait_read(2 * LINES)
    agent.stop()
    expect_once(output, log, agent)
    products = [event["provider"]["product"] for event in ours(output)]
    assert products == ["keycloak"] * LINES + ["newer"] * LINES
    assert actions(output).count("AgentStarted") == 1, "a parser is no reason for a new stream"


def test_a_changed_secret_is_used_without_a_repeat_or_a_new_stream(tmp_path, make_agent):
    log = Log(tmp_path / "idp.log").append()
    secret = tmp_path / "key"
    secret.write_text("first")
    secret.chmod(0o600)
    with Receiver(lambda number, body: Fault(before=0.4)) as receiver:
        agent = make_agent([file_input(log.path)], [elasticsearch_sink(
            receiver, auth={"api_key": f"${{file:{secret}}}"}, batch={"max_wait": "10ms"})]).start()
        agent.wait_read(LINES)
        agent.wait_delivered("siem")
        log.append()
        secret.write_text("second")
        agent.wait_for(lambda: receiver.open_requests, 10, "a request on its way")
        reload(agent)
        agent.wait_read(2 * LINES)
        log.append()
        agent.wait_read(3 * LINES)
        agent.wait_delivered("siem")
        keys = [headers.get("Authorization") for headers in receiver.headers]
        agent.stop()
        assert set(keys) == {"ApiKey first", "ApiKey second"}
        assert keys == sorted(keys), "the old key was used after the new one"
        assert "second" not in agent.log_text()
        assert max(receiver.sent.values()) == 1, "something was sent twice"
        verdict = independent_verify.verify(receiver.lines(), [agent.verifier_key()])
        assert verdict.findings == [] and len(verdict.by_stream) == 1
        assert len(receiver.documents) > 3 * LINES


def test_a_removed_input_is_let_go_and_comes_back_where_it_stopped(tmp_path, make_agent):
    one, two = Log(tmp_path / "one.log", 1).append(), Log(tmp_path / "two.log", 2).append()
    output = tmp_path / "out.ndjson"
    inputs = [file_input(one.path, id="one"), file_input(two.path, id="two")]
    agent = make_agent(inputs, [file_sink(output)]).start()
    agent.wait_read(LINES, input_id="one")
    agent.wait_read(LINES, input_id="two")
    agent.configuration["inputs"] = inputs[:1]
    reload(agent)
    one.append()
    two.append()
    agent.wait_read(2 * LINES, input_id="one")
    time.sleep(0.7)
    page = agent.metrics()
    assert page.sum("records_read_total", input="two") == LINES, "a removed input was read"
    assert not [row for row, _ in page.rows["sealtail_input_readable"] if row["input"] == "two"]
    agent.configuration["inputs"] = inputs
    reload(agent)
    agent.wait_read(2 * LINES, input_id="two")
    agent.stop()
    for log in (one, two):
        found = [event["origin"]["offset"] for event in ours(output)
                 if event["origin"]["path"] == str(log.path)]
        assert len(found) == len(set(found)) == log.lines and found == sorted(found)
    assert actions(output).count("AgentStarted") == 1


def test_a_changed_input_goes_on_where_its_last_commit_stands(tmp_path, make_agent):
    one, two = Log(tmp_path / "a.log", 1).append(), Log(tmp_path / "b.log", 2).append()
    output = tmp_path / "out.ndjson"
    agent = make_agent([file_input(one.path)], [file_sink(output)]).start()
    agent.wait_read(LINES)
    agent.configuration["inputs"] = [file_input(
        one.path, paths=[str(one.path), str(two.path)], max_record_bytes="64KiB")]
    reload(agent)
    one.append()
    agent.wait_read(3 * LINES)
    agent.stop()
    counts = Counter(event["origin"]["path"] for event in ours(output))
    assert counts == {str(one.path): 2 * LINES, str(two.path): LINES}
    ids = [event["id"] for event in ours(output)]
    assert len(ids) == len(set(ids))


def test_reloads_under_load_lose_and_repeat_nothing(tmp_path, make_agent):
    log, output = Log(tmp_path / "idp.log").append(), tmp_path / "out.ndjson"
    extra = tmp_path / "extra.ndjson"
    agent = make_agent([file_input(log.path)], [file_sink(output)]).start()
    stopping = threading.Event()

    def write():
        while not stopping.wait(0.02):
            log.append(40)
    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    for number in range(6):
        agent.configuration["inputs"][0]["labels"] = {"round": str(number)}
        more = [file_sink(extra, id="extra")] if number % 2 else []
        agent.configuration["sinks"] = [file_sink(output)] + more
        agent.wait_for(lambda: not_closing(agent), 10, "a reload")
        time.sleep(0.2)
    stopping.set()
    writer.join()
    agent.wait_read(log.lines)
    agent.stop()
    expect_once(output, log, agent)
    rounds = [int(event["labels"]["round"]) for event in ours(output) if "labels" in event]
    assert rounds == sorted(rounds) and set(rounds) == set(range(6))
    ids = [event["id"] for event in read_events(extra)]
    assert ids and len(ids) == len(set(ids))


def expect_names(path, count):
    """The messages m0, m1, … each once."""
    names = [event["provider"]["event_id"] for event in ours(path)]
    assert sorted(names) == sorted(f"m{number}" for number in range(count))


def test_reloads_lose_no_datagram(tmp_path, make_agent):
    port, output, extra = free_port(), tmp_path / "out.ndjson", tmp_path / "extra.ndjson"
    agent = make_agent([syslog_input(port, "udp")], [file_sink(output)]).start()
    sent, stopping = [0], threading.Event()

    def send():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            while not stopping.wait(0.001):
                sender.sendto(f"<13>{message(f'm{sent[0]}')}".encode(), ("127.0.0.1", port))
                sent[0] += 1
    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    for number in range(4):
        more = [file_sink(extra, id="extra")] if number % 2 else []
        agent.configuration["sinks"] = [file_sink(output)] + more
        agent.configuration["inputs"][0]["labels"] = {"round": str(number)}
        agent.wait_for(lambda: not_closing(agent), 10, "a reload")
        time.sleep(0.2)
    stopping.set()
    sender.join()
    agent.wait_read(sent[0])
    agent.stop()
    expect_names(output, sent[0])
    assert len({event["integrity"]["stream"] for event in read_events(output)}) == 4


def test_a_new_certificate_is_shown_to_new_connections_and_old_ones_stay(tmp_path, make_agent):
    folder, port, output = tmp_path / "tls", free_port(), tmp_path / "out.ndjson"
    folder.mkdir()
    authority = Authority(folder)
    certificate, key = authority.issue("first", ["127.0.0.1"])
    used = [tmp_path / "server.pem", tmp_path / "server.key"]

    def install(*files):
        for file, place in zip(files, used):
            place.write_bytes(Path(file).read_bytes())
            place.chmod(0o600)

    def connect():
        context = ssl.create_default_context(cafile=str(authority.path))
        raw = socket.create_connection(("127.0.0.1", port), timeout=10)
        return context.wrap_socket(raw, server_hostname="127.0.0.1")

    def number(connection):
        return connection.getpeercert()["serialNumber"]
    install(certificate, key)
    agent = make_agent([syslog_input(port, "tls", tls={
        "cert_file": str(used[0]), "key_file": str(used[1])})], [file_sink(output)]).start()
    with connect() as before:
        install(*authority.issue("second", ["127.0.0.1"]))
        reload(agent)
        with connect() as after:
            assert number(before) != number(after)
            used[0].write_text("no certificate")
            agent.configuration["inputs"][0]["labels"] = {"site": "fra1"}
            reload(agent, taken=False)
            assert "stays in use" in agent.log_text()
            with connect() as still:
                assert number(still) == number(after), "a broken file took the good one away"
                for place, connection in enumerate((before, after, still)):
                    connection.sendall(f"<13>{message(f'm{place}')}\n".encode())
                agent.wait_read(3)
    assert not any("labels" in event for event in ours(output)), "half of a reload was taken"
    agent.stop()
    expect_names(output, 3)
    assert actions(output).count("AgentStarted") == 1


def test_an_input_whose_port_is_taken_is_opened_as_soon_as_it_is_free(tmp_path, make_agent):
    log, port = Log(tmp_path / "idp.log").append(), free_port()
    output = tmp_path / "out.ndjson"
    first, second = file_input(log.path), syslog_input(free_port(), "tcp")
    agent = make_agent([first, second], [file_sink(output)]).start()
    agent.wait_read(LINES)
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", port))
        other.listen()
        agent.configuration["inputs"] = [first, syslog_input(port, "tcp")]
        reload(agent)
        agent.wait_for(lambda: "inputs.net" in agent.get("/readyz")[1], 10, "a reason")
        assert agent.metrics().sum("input_readable", input="net") == 0
        log.append()
        agent.wait_read(2 * LINES, input_id="idp")
        agent.configuration["inputs"] = [first]
        reload(agent)
        assert agent.get("/readyz")[0] == 200, "an input that is gone is still complained about"
        agent.configuration["inputs"] = [first, second]
        reload(agent)
        agent.configuration["inputs"] = [first, syslog_input(port, "tcp")]
        reload(agent)
        agent.wait_for(lambda: "inputs.net" in agent.get("/readyz")[1], 10, "a reason")
    agent.wait_for(lambda: agent.get("/readyz")[0] == 200, 10, "an open input")
    with socket.create_connection(("127.0.0.1", port)) as sender:
        sender.sendall(f"<13>{message('m0')}\n".encode())
    agent.wait_read(1, input_id="net")
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        agent.configuration["inputs"].append(syslog_input(taken, "tcp", id="third"))
        reload(agent, taken=False)
        assert "inputs.third" in agent.log_text()
    reload(agent)
    agent.stop()


def test_a_full_dead_letter_goes_on_when_its_limit_is_raised(tmp_path, make_agent):
    log = Log(tmp_path / "idp.log").append(300)
    with Receiver(lambda *_: Fault(items=lambda *_: 400)) as receiver:
        sink = elasticsearch_sink(receiver, dead_letter={"max_size": "64KiB"},
                                  batch={"max_events": 20})
        agent = make_agent([file_input(log.path)], [sink]).start()
        agent.wait_read(300)
        agent.wait_for(lambda: "takes nothing" in agent.log_text(), 20, "a full dead letter")
        assert 0 < agent.metrics().sum("dead_letter_events", sink="siem") < 300
        sink["dead_letter"] = {"max_size": "16MiB"}
        reload(agent)
        agent.wait_delivered("siem")
        rejected = agent.metrics().sum("events_rejected_since_cursor_total", sink="siem")
        agent.stop()
    lines = (agent.state / "dead_letter" / "siem.ndjson").read_text().splitlines()
    ids = [json.loads(json.loads(line)["event"])["id"] for line in lines]
    assert len(ids) == len(set(ids)) >= rejected > 300
