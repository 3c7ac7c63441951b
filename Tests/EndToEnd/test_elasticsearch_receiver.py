# SPDX-License-Identifier: Apache-2.0
"""A receiver that fails in every way a real one does: all is delivered or in the dead letter."""

import random
import time

import pytest

import independent_verify
from agent import NAME, elasticsearch_sink, file_input
from certificates import Authority
from keycloak_log import KeycloakLog
from receiver import Fault, Receiver

LINES = 1500
SMALL_BATCHES = {"batch": {"max_events": 100, "max_bytes": "256KiB", "max_wait": "50ms"}}


@pytest.fixture
def log(tmp_path):
    """A log of so many lines that it takes several requests."""
    path = tmp_path / "idp.log"
    path.write_bytes(KeycloakLog(seed=5).chunk(LINES))
    return path


def expect_all(agent, receiver, log, rejected=()):
    """Every line of the log is stored under its own id, but for these; and the sums say so."""
    wanted = set(independent_verify.file_ids(log, NAME, "idp")) - set(rejected)
    receiver.wait(lambda r: wanted <= r.documents.keys(), 60, f"{len(wanted)} documents")
    agent.wait_delivered("siem")
    assert receiver.problems == []
    page = agent.metrics()
    assert page.sum("records_read_total", input="idp") == LINES
    assert page.sum("records_sealed_total", input="idp") == LINES
    sealed = page.sum("events_sealed_total")
    delivered = page.sum("events_delivered_total", sink="siem")
    turned_away = page.sum("events_rejected_total", sink="siem")
    assert turned_away == len(rejected)
    assert delivered + turned_away == sealed > LINES
    assert page.sum("events_lost_total") == 0
    lines = receiver.lines()
    verdict = independent_verify.verify(lines, [agent.verifier_key()], whole=not rejected)
    assert verdict.findings == []
    return page


def start(make_agent, receiver, log, **sink):
    return make_agent(
        [file_input(log)], [elasticsearch_sink(receiver, **{**SMALL_BATCHES, **sink})]).start()


def test_a_good_receiver_gets_gzip_and_well_formed_bulk_bodies(log, make_agent):
    with Receiver() as receiver:
        agent = start(make_agent, receiver, log)
        expect_all(agent, receiver, log)
        assert receiver.compressed == receiver.requests > 1
        assert all(header["Content-Type"].startswith("application/x-ndjson")
                   for header in receiver.headers)
        assert receiver.paths == {"/_bulk"}
        assert max(receiver.sent.values()) == 1, "something was sent twice without need"
        for document in receiver.stored()[:50]:
            assert document["ecs"]["version"] and document["event"]["dataset"] == "oauth.audit"
            assert document["tags"] == ["preserve_original_event"]
        agent.stop()


def test_items_that_answer_429_are_sent_again_and_only_they(log, make_agent):
    once = {}

    def busy(identifier, document):
        """Every tenth document is refused the first two times."""
        if int(identifier, 16) % 10:
            return None
        once[identifier] = once.get(identifier, 0) + 1
        return 429 if once[identifier] <= 2 else None
    with Receiver(lambda number, body: Fault(items=busy)) as receiver:
        agent = start(make_agent, receiver, log)
        page = expect_all(agent, receiver, log)
        assert receiver.faults[429] > 100
        assert page.sum("delivery_retries_total", sink="siem") > 0
        others = [count for identifier, count in receiver.sent.items() if identifier not in once]
        assert max(others) == 1, "documents that were stored were sent again"
        agent.stop()


def test_bursts_of_503_are_waited_out(log, make_agent):
    with Receiver(lambda number, body: Fault(
            status=503, body=b'{"error":"no bulk reply"}') if number % 5 < 2 else None) as receiver:
        agent = start(make_agent, receiver, log)
        page = expect_all(agent, receiver, log)
        assert receiver.faults[503] > 3
        assert page.sum("delivery_retries_total", sink="siem") > 0
        agent.stop()


def test_retry_after_is_honoured(log, make_agent):
    moments = []

    def script(number, body):
        moments.append(time.monotonic())
        return Fault(status=429, headers={"Retry-After": "2"}) if number == 0 else None
    with Receiver(script) as receiver:
        agent = start(make_agent, receiver, log, in_flight=1,
                      retry={"initial": "100ms", "max": "10s"})
        expect_all(agent, receiver, log)
        assert moments[1] - moments[0] >= 1.9, "the server's own delay was not waited for"
        agent.stop()


def test_a_body_that_is_too_large_is_split(log, make_agent):
    with Receiver(lambda number, body: Fault(status=413) if body.count(b"\n") > 40 else None
                  ) as receiver:
        agent = start(make_agent, receiver, log)
        expect_all(agent, receiver, log)
        assert receiver.faults[413] > 0
        agent.stop()


def test_documents_that_can_never_be_stored_go_to_the_dead_letter(log, make_agent):
    bad = set(independent_verify.file_ids(log, NAME, "idp")[100:1400:100])

    def refuse(identifier, document):
        return 400 if identifier in bad else None
    with Receiver(lambda number, body: Fault(items=refuse)) as receiver:
        agent = start(make_agent, receiver, log)
        page = expect_all(agent, receiver, log, rejected=bad)
        assert page.sum("events_rejected_total", sink="siem") == len(bad) == 13
        assert all(receiver.sent[identifier] == 1 for identifier in bad), "a reject was retried"
        agent.stop()
        letters = b"".join(path.read_bytes() for path in (agent.state / "dead_letter").rglob("*")
                           if path.is_file())
        assert all(identifier.encode() in letters for identifier in bad)
        assert b"failed to parse field" in letters, "the receiver's reason is not kept"


def test_one_event_that_is_too_large_alone_does_not_stop_the_rest(log, make_agent):
    single = independent_verify.file_ids(log, NAME, "idp")[700]
    with Receiver(lambda number, body: Fault(status=413) if single.encode() in body else None
                  ) as receiver:
        agent = start(make_agent, receiver, log)
        expect_all(agent, receiver, log, rejected={single})
        agent.stop()


def test_an_empty_200_is_no_delivery(log, make_agent):
    with Receiver(lambda number, body: Fault(empty=True) if number % 4 == 1 else None) as receiver:
        agent = start(make_agent, receiver, log)
        expect_all(agent, receiver, log)
        assert receiver.faults["empty"] > 0
        agent.stop()


@pytest.mark.parametrize("cut", ["reset", "half"])
def test_broken_connections_repeat_with_the_same_ids(cut, log, make_agent):
    with Receiver(lambda number, body: Fault(cut=cut) if number % 3 == 1 else None) as receiver:
        agent = start(make_agent, receiver, log)
        expect_all(agent, receiver, log)
        assert receiver.faults[cut] > 3
        agent.stop()


def test_a_slow_receiver_gets_everything_in_the_end(log, make_agent):
    with Receiver(lambda number, body: Fault(before=0.15)) as receiver:
        agent = start(make_agent, receiver, log)
        expect_all(agent, receiver, log)
        agent.stop()


def test_a_receiver_that_comes_late_gets_everything(log, make_agent):
    first = Receiver()
    port = first.port
    first.server.server_close()
    agent = make_agent([file_input(log)], [elasticsearch_sink(first, **SMALL_BATCHES)]).start()
    agent.wait_read(LINES)
    agent.wait_for(lambda: agent.metrics().sum("sink_up", sink="siem") == 0, 10, "sink_up 0")
    with Receiver(port=port) as receiver:
        expect_all(agent, receiver, log)
        assert agent.metrics().sum("sink_up", sink="siem") == 1
        agent.stop()


def test_all_faults_at_once_in_random_order(log, make_agent):
    pick = random.Random(11)

    def items(identifier, document):
        return 429 if pick.random() < 0.1 else None

    def script(number, body):
        return pick.choice([
            None, None, None, Fault(status=503), Fault(status=502, body=b"<html>"),
            Fault(cut="reset"), Fault(cut="half"), Fault(empty=True), Fault(items=items),
            Fault(before=0.1), Fault(status=429, headers={"Retry-After": "1"})])
    with Receiver(script) as receiver:
        agent = start(make_agent, receiver, log)
        expect_all(agent, receiver, log)
        agent.stop()


def test_tls_with_an_authority_of_our_own(log, make_agent, tmp_path):
    authority = Authority(tmp_path)
    certificate, key = authority.issue("server", addresses=["127.0.0.1"])
    with Receiver(certificate=certificate, key=key) as receiver:
        agent = start(make_agent, receiver, log, tls={"ca_file": str(authority.path)})
        expect_all(agent, receiver, log)
        agent.stop()


def test_tls_refuses_a_stranger_and_keeps_everything(log, make_agent, tmp_path):
    (tmp_path / "strange").mkdir()
    stranger, authority = Authority(tmp_path / "strange"), Authority(tmp_path)
    certificate, key = stranger.issue("server", addresses=["127.0.0.1"])
    with Receiver(certificate=certificate, key=key) as receiver:
        agent = start(make_agent, receiver, log, tls={"ca_file": str(authority.path)})
        agent.wait_read(LINES)
        agent.wait_for(lambda: agent.metrics().sum("sink_up", sink="siem") == 0, 10, "an alarm")
        time.sleep(0.5)
        assert receiver.requests == 0, "data went to a server that nobody vouches for"
        assert agent.metrics().sum("events_waiting", sink="siem") >= LINES
        agent.stop()


def test_tls_with_a_client_certificate(log, make_agent, tmp_path):
    authority = Authority(tmp_path)
    certificate, key = authority.issue("server", addresses=["127.0.0.1"])
    client, client_key = authority.issue("client")
    with Receiver(certificate=certificate, key=key, client_ca=authority.path) as receiver:
        agent = start(make_agent, receiver, log, tls={
            "ca_file": str(authority.path), "cert_file": str(client),
            "key_file": str(client_key)})
        expect_all(agent, receiver, log)
        agent.stop()
