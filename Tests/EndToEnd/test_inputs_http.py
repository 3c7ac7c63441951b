# SPDX-License-Identifier: Apache-2.0
"""Records by HTTP: 200 means durable, whatever happens to the agent."""

import base64
import gzip
import json
import random
import re
import ssl
import threading
import time

import requests

from agent import (
    PARSERS, elasticsearch_sink, file_sink, free_port, is_agent_event, read_events, run)
from certificates import Authority
from identity import event_id
from receiver import Fault, Receiver

TOKEN = "correct-horse-battery"
HEADERS = {"Authorization": f"Bearer {TOKEN}"}


def http_input(port, **more):
    return {"id": "hooks", "type": "http", "listen": f"127.0.0.1:{port}", "parser": "oidc_json",
            "auth": {"bearer": TOKEN}, **more}


def record(name):
    return {"time": "2026-11-20T10:00:00Z", "event": "token.issued", "client_id": "web",
            "sub": "u1", "grant_type": "authorization_code", "event_id": name}


def ours(path):
    return [event for event in read_events(path) if not is_agent_event(event)]


def own_ids(path):
    return [event["provider"]["event_id"] for event in ours(path)]


def test_a_request_is_answered_when_its_records_are_durable(tmp_path, make_agent):
    port, output = free_port(), tmp_path / "out.ndjson"
    agent = make_agent([http_input(port)], [file_sink(output)]).start()
    url = f"http://127.0.0.1:{port}/"
    # Each way to send: one object, an array, lines of JSON, packed.
    bodies = [json.dumps(record("one")).encode(),
              json.dumps([record("two"), record("three")]).encode(),
              b"\n".join(json.dumps(record(name)).encode() for name in ("four", "five"))]
    for count, body in zip((1, 2, 2), bodies):
        began = time.monotonic()
        answer = requests.post(url, data=body, timeout=20, headers={
            **HEADERS, "Content-Type": "application/json"})
        assert (answer.status_code, answer.json()) == (200, {"records": count}), agent.tail()
        assert time.monotonic() - began < 2, "the answer has to follow the commit at once"
    packed = gzip.compress(json.dumps(record("six")).encode())
    answer = requests.post(url, data=packed, timeout=20, headers={
        **HEADERS, "Content-Type": "application/x-ndjson", "Content-Encoding": "gzip"})
    assert answer.status_code == 200
    # Nothing more is needed: a kill right now takes nothing away.
    agent.kill()
    agent.start()
    agent.wait_delivered("out")
    agent.stop()
    assert own_ids(output) == ["one", "two", "three", "four", "five", "six"]
    # The id says what it is made of.
    first = ours(output)[0]
    assert first["id"] == event_id("hooks", "one", bodies[0])
    assert TOKEN not in agent.log_text()


def test_records_without_an_id_of_their_own_are_numbered_in_the_stream(tmp_path, make_agent):
    port, output = free_port(), tmp_path / "out.ndjson"
    agent = make_agent([http_input(port)], [file_sink(output)]).start()
    plain = {key: value for key, value in record("x").items() if key != "event_id"}
    bodies = [json.dumps({**plain, "sub": f"u{number}"}) for number in range(3)]
    answer = requests.post(f"http://127.0.0.1:{port}/", data="\n".join(bodies), timeout=20,
                           headers={**HEADERS, "Content-Type": "application/x-ndjson"})
    assert answer.status_code == 200
    agent.wait_delivered("out")
    agent.stop()
    events = ours(output)
    stream = events[0]["integrity"]["stream"]
    assert [event["id"] for event in events] == [
        event_id(f"{stream} hooks", number, body.encode()) for number, body in enumerate(bodies)]


def test_what_is_not_wanted_is_refused_with_a_reason(tmp_path, make_agent):
    port, output = free_port(), tmp_path / "out.ndjson"
    agent = make_agent([http_input(port, path="/hooks", max_body_bytes="8KiB", max_records=10)],
                       [file_sink(output)]).start()
    url = f"http://127.0.0.1:{port}/hooks"
    json_type = {**HEADERS, "Content-Type": "application/json"}
    wanted = [
        (requests.post(url, json={}, timeout=20), 401),
        (requests.post(url, json={}, headers={"Authorization": "Bearer x"}, timeout=20), 401),
        (requests.post(f"http://127.0.0.1:{port}/", json={}, headers=HEADERS, timeout=20), 404),
        (requests.put(url, json={}, headers=HEADERS, timeout=20), 405),
        (requests.post(url, data={"a": 1}, headers=HEADERS, timeout=20), 415),
        (requests.post(url, data="[1,", headers=json_type, timeout=20), 400),
        (requests.post(url, data="x" * 9000, headers=json_type, timeout=20), 413),
        (requests.post(url, json=[1] * 11, headers=HEADERS, timeout=20), 413),
        (requests.post(url, data=b"x", timeout=20,
                       headers={**json_type, "Content-Encoding": "gzip"}), 400),
        (requests.post(url, json=[], headers=HEADERS, timeout=20), 200),
        (requests.get(url, timeout=20, headers={
            **HEADERS, "x-okta-verification-challenge": "abc"}), 200)]
    assert [answer.status_code for answer, _ in wanted] == [status for _, status in wanted]
    assert all(answer.text.strip() for answer, _ in wanted)
    assert wanted[-1][0].json() == {"verification": "abc"}
    assert agent.metrics().sum("records_read_total", input="hooks") == 0
    agent.stop()


class Sender(threading.Thread):
    """Posts records of its own until each is answered 200, as a careful provider does."""

    def __init__(self, number, port, seed, total):
        super().__init__(daemon=True)
        self.name_base, self.port, self.total = f"s{number}", port, total
        self.random = random.Random(seed * 100 + number)
        self.confirmed = []
        self.statuses = []
        self.session = requests.Session()

    def run(self):
        sent = 0
        while sent < self.total:
            count = min(self.random.randint(1, 20), self.total - sent)
            names = [f"{self.name_base}-{sent + index}" for index in range(count)]
            while True:
                try:
                    answer = self.session.post(
                        f"http://127.0.0.1:{self.port}/", json=[record(name) for name in names],
                        headers=HEADERS, timeout=10)
                    self.statuses.append(answer.status_code)
                    if answer.status_code == 200:
                        break
                except requests.RequestException:
                    self.statuses.append(0)
                time.sleep(0.02)
            self.confirmed += names
            sent += count


def test_whatever_got_200_survives_kill_9(tmp_path, make_agent):
    """Kills in the middle of posting. 200 was said: it is there. Repeats have the same id."""
    seed = random.SystemRandom().randrange(2**32)
    print(f"SEED={seed}")
    pick = random.Random(seed)
    port, output = free_port(), tmp_path / "out.ndjson"
    agent = make_agent([http_input(port)], [file_sink(output)]).start()
    senders = [Sender(number, port, seed, 600) for number in range(4)]
    for sender in senders:
        sender.start()
    kills = 0
    while any(sender.is_alive() for sender in senders) and kills < 6:
        time.sleep(pick.uniform(0.05, 0.4))
        agent.kill()
        known = {name for sender in senders for name in list(sender.confirmed)}
        kills += 1
        agent.start()
        # All that was confirmed before the kill is in the ledger: it comes out without its sender.
        agent.wait_for(lambda: known <= set(own_ids(output)), 30,
                       f"{len(known)} confirmed records (seed {seed})")
    for sender in senders:
        sender.join(60)
        assert not sender.is_alive(), agent.tail()
    agent.wait_delivered("out")
    agent.stop()
    assert kills > 0 and any(0 in sender.statuses for sender in senders), "no kill met a request"
    wanted = {name for sender in senders for name in sender.confirmed}
    assert len(wanted) == 4 * 600
    ids = {}
    for event in ours(output):
        ids.setdefault(event["provider"]["event_id"], set()).add(event["id"])
    assert set(ids) == wanted, f"seed {seed}"
    assert all(len(same) == 1 for same in ids.values()), "a record under two ids"


def test_a_stop_answers_everybody_and_keeps_its_word(tmp_path, make_agent):
    port, output = free_port(), tmp_path / "out.ndjson"
    agent = make_agent([http_input(port)], [file_sink(output)]).start()
    senders = [Sender(number, port, 1, 100_000) for number in range(3)]
    for sender in senders:
        sender.start()
    agent.wait_for(lambda: all(len(sender.confirmed) > 20 for sender in senders), 20, "requests")
    agent.stop()
    confirmed = {name for sender in senders for name in list(sender.confirmed)}
    assert confirmed <= set(own_ids(output))
    assert all(set(sender.statuses) <= {200, 503, 0} for sender in senders)


def test_a_full_ledger_is_answered_429_and_nothing_is_confirmed_falsely(tmp_path, make_agent):
    port = free_port()
    with Receiver(lambda number, body: Fault(status=503)) as receiver:
        agent = make_agent(
            [http_input(port, max_body_bytes="1MiB")], [elasticsearch_sink(receiver)],
            ledger={"max_size": "64MiB"}).start()
        filler = random.Random(3)
        statuses, confirmed, number = [], [], 0
        deadline = time.monotonic() + 90
        while statuses.count(429) < 3 and time.monotonic() < deadline:
            names = [f"r{number + index}" for index in range(120)]
            number += len(names)
            # Random text, so that compression at rest does not make it small.
            body = [
                {**record(name), "user_agent": base64.b64encode(filler.randbytes(6000)).decode()}
                for name in names]
            try:
                answer = requests.post(f"http://127.0.0.1:{port}/", json=body, headers=HEADERS,
                                       timeout=1.5)
            except requests.Timeout:
                statuses.append(0)
                continue
            statuses.append(answer.status_code)
            if answer.status_code == 200:
                confirmed += names
            if answer.status_code == 429:
                assert int(answer.headers["Retry-After"]) >= 1
        assert statuses.count(429) >= 3, statuses[-20:]
        receiver.script = None
        agent.wait_for(
            lambda: requests.post(f"http://127.0.0.1:{port}/", json=[record("last")],
                                  headers=HEADERS, timeout=20).status_code == 200, 60, "room")
        agent.wait_delivered("siem")
        agent.stop()
        # The signed line stands as text inside the document, so its quotes are escaped.
        arrived = {name for line in receiver.lines()
                   for name in re.findall(r'event_id\\*":\\*"(\w+)', line)}
        assert set(confirmed) | {"last"} <= arrived


def test_https_with_a_certificate_that_is_renewed(tmp_path, make_agent):
    port, output = free_port(), tmp_path / "out.ndjson"
    authority = Authority(tmp_path)
    certificate, key = authority.issue("server", ["127.0.0.1"])
    agent = make_agent(
        [http_input(port, tls={"cert_file": str(certificate), "key_file": str(key)})],
        [file_sink(output)]).start()
    url = f"https://127.0.0.1:{port}/"

    def post(name):
        return requests.post(url, json=record(name), headers=HEADERS, timeout=20,
                             verify=str(authority.path)).status_code

    def expiry():
        return agent.metrics().sum("certificate_expiry_timestamp_seconds", input="hooks")

    assert post("one") == 200
    first = expiry()
    assert first > time.time()
    before = ssl.get_server_certificate(("127.0.0.1", port))
    fresh = authority.issue("fresh", ["127.0.0.1"], days=2)
    certificate.write_bytes(fresh[0].read_bytes())
    # Half of a pair is not taken: the old one stays.
    agent.reload()
    assert ssl.get_server_certificate(("127.0.0.1", port)) == before
    key.write_bytes(fresh[1].read_bytes())
    agent.reload()
    assert ssl.get_server_certificate(("127.0.0.1", port)) != before
    assert expiry() < first
    assert post("two") == 200
    agent.stop()
    assert own_ids(output) == ["one", "two"]


def test_check_names_mistakes_of_an_http_input(tmp_path):
    path = tmp_path / "agent.yaml"
    path.write_text(
        "agent: {name: idp1.example.com, state_dir: " + str(tmp_path / "state")
        + ", parsers_dir: " + str(PARSERS) + "}\n"
        "inputs:\n"
        "  - {id: hooks, type: http, listen: '0.0.0.0:8088', parser: oidc_json}\n"
        "  - {id: more, type: http, listen: nowhere, parser: oidc_json, auht: {bearer: hush}}\n"
        "sinks: [{id: out, type: stdout}]\n")
    done = run("check", "--config", path, "--offline", check=78)
    assert "inputs[0].auth: must be set" in done.stderr + done.stdout
    assert "inputs[1].listen" in done.stderr + done.stdout
    assert 'did you mean "auth"?' in done.stderr + done.stdout
    assert "hush" not in done.stderr + done.stdout
