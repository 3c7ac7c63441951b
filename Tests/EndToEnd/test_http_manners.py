# SPDX-License-Identifier: Apache-2.0
"""What all sinks over HTTP share, against a real nginx: TLS for both sides, certificates that
are renewed, answers that ask for patience or for less, endpoints that fail, proxies."""

import json
import shutil
import time

import pytest

import independent_verify
from agent import NAME, elasticsearch_sink, file_input
from certificates import Authority
from http_peers import Collector, Nginx, TunnelProxy
from keycloak_log import KeycloakLog
from receiver import Receiver

SMALL_BATCHES = {"batch": {"max_events": 100, "max_bytes": "256KiB", "max_wait": "20ms"}}
QUICK = {"retry": {"initial": "50ms", "max": "500ms"}, **SMALL_BATCHES}


@pytest.fixture
def log(tmp_path):
    return tmp_path / "idp.log"


@pytest.fixture
def lines():
    """Writes so many further lines of one long log."""
    source = KeycloakLog(seed=11)

    def append(path, count):
        with path.open("ab") as file:
            file.write(source.chunk(count))
    return append


def events_of(log):
    return set(independent_verify.file_ids(log, NAME, "idp"))


def wait_stored(agent, receiver, log):
    """Every line of the log is stored."""
    wanted = events_of(log)
    receiver.wait(lambda r: wanted <= r.documents.keys(), 30, f"{len(wanted)} documents")
    agent.wait_delivered("siem")


def wait_retries(agent, sink, reason):
    agent.wait_for(
        lambda: agent.metrics().sum("delivery_retries_total", sink=sink, reason=reason)
        > 0, 20, f"a retry because of {reason}")


def install(pair, folder):
    """The files that an agent is configured with, replaced as a renewal would do it."""
    for source, name in zip(pair, ("agent.pem", "agent.key")):
        temporary = folder / (name + ".new")
        shutil.copy(source, temporary)
        temporary.replace(folder / name)


def mutual_tls(tmp_path, **server):
    """(authority, what nginx needs, the tls block of an agent)."""
    authority = Authority(tmp_path)
    certificate, key = authority.issue("server", **server)
    tls = {"certificate": certificate, "key": key, "authority": authority.path}
    return authority, tls, {
        "ca_file": str(authority.path), "cert_file": str(tmp_path / "agent.pem"),
        "key_file": str(tmp_path / "agent.key")}


def test_a_certificate_is_renewed_without_a_restart_and_without_a_gap(
        tmp_path, log, lines, make_agent):
    authority, server, tls = mutual_tls(tmp_path, addresses=("127.0.0.1",), days=9)
    first, second = authority.issue("first", days=5), authority.issue("second", days=20)
    install(first, tmp_path)
    lines(log, 300)
    with Receiver() as receiver, Nginx(
            tmp_path / "nginx", receiver.url, tls=server) as nginx:
        agent = make_agent([file_input(log)], [elasticsearch_sink(
            receiver, **{**QUICK, "endpoint": nginx.url, "tls": tls})]).start()
        wait_stored(agent, receiver, log)
        assert {header["X-Client"] for header in receiver.headers} == {"CN=first"}
        # nginx offers HTTP/2; the sinks speak HTTP/1.1.
        assert {header["X-Protocol"] for header in receiver.headers} == {"HTTP/1.1"}
        days = (agent.metrics().sum("certificate_expiry_timestamp_seconds", sink="siem")
                - time.time()) / 86400
        assert 4.9 < days < 5.1, "not the end of the certificate that ends first"

        # A new certificate with the old key: the pair in use stays, and the log says why.
        install((second[0], first[1]), tmp_path)
        agent.wait_for(lambda: "agent.key is not the key of the certificate" in agent.log_text(),
                       20, "a word about the pair")
        assert "stay in use" in json.loads(agent.get("/readyz")[1])["warnings"][0]
        lines(log, 100)
        wait_stored(agent, receiver, log)
        assert receiver.headers[-1]["X-Client"] == "CN=first"

        install(second, tmp_path)

        def is_renewed():
            lines(log, 10)
            wait_stored(agent, receiver, log)
            return receiver.headers[-1]["X-Client"] == "CN=second"
        agent.wait_for(is_renewed, 20, "a request with the new certificate")
        days = (agent.metrics().sum("certificate_expiry_timestamp_seconds", sink="siem")
                - time.time()) / 86400
        assert 8.9 < days < 9.1, "not the end of the receiver's certificate"
        page = agent.metrics()
        assert page.sum("delivery_retries_total") == 0
        assert page.sum("config_reloads_total") == 0
        assert "warnings" not in json.loads(agent.get("/readyz")[1])
        assert max(receiver.sent.values()) == 1
        agent.stop()


def test_a_certificate_that_is_missing_rejects_no_event(tmp_path, log, lines, make_agent):
    _, server, tls = mutual_tls(tmp_path, addresses=("127.0.0.1",))
    lines(log, 50)
    with Receiver() as receiver, Nginx(
            tmp_path / "nginx", receiver.url, tls=server) as nginx:
        agent = make_agent([file_input(log)], [elasticsearch_sink(receiver, **{
            **QUICK, "endpoint": nginx.url, "tls": {"ca_file": tls["ca_file"]}})],
            agent={"grace": "1s"}).start()
        agent.wait_read(50)
        wait_retries(agent, "siem", "tls")
        page = agent.metrics()
        assert page.sum("sink_up", sink="siem") == 0
        assert page.sum("events_rejected_total") == page.sum("dead_letter_events") == 0
        assert page.sum("events_waiting", sink="siem") > 50
        assert receiver.requests == 0
        agent.stop()


def test_verification_that_is_off_is_said_at_the_start_and_in_readyz(
        tmp_path, log, lines, make_agent):
    authority = Authority(tmp_path)
    certificate, key = authority.issue("receiver", ["127.0.0.1"])
    lines(log, 10)
    with Receiver(certificate=certificate, key=key) as receiver:
        agent = make_agent([file_input(log)], [elasticsearch_sink(
            receiver, **QUICK, tls={"insecure_skip_verify": True})]).start()
        wait_stored(agent, receiver, log)
        for _ in range(2):
            assert "TLS verification is off" in agent.log_text()
            assert json.loads(agent.get("/readyz")[1])["warnings"] == [
                "sinks.siem: tls.insecure_skip_verify is on"]
            agent.stop()
            agent.errors_path.unlink()
            agent.start()
        agent.stop()


def test_patience_less_at_once_and_no_answer(tmp_path, log, lines, make_agent):
    """429 with Retry-After, 413 and a connection that is closed without a word."""
    throttled, shut = tmp_path / "throttled", tmp_path / "shut"
    with Collector() as collector, Nginx(
            tmp_path / "nginx", collector.url, server="client_max_body_size 20k;",
            location=f"""
      if (-f {throttled}) {{ return 429; }}
      add_header Retry-After 1 always;
      if (-f {shut}) {{ return 444; }}""") as nginx:
        throttled.touch()
        lines(log, 200)
        agent = make_agent([file_input(log)], [{
            "id": "hook", "type": "http", "endpoint": nginx.url, "path": "/in?from=sealtail",
            "body": "json_array", "headers": {"Idempotency-Key": "{batch_id}"},
            **QUICK}]).start()
        wait_retries(agent, "hook", "busy")
        throttled.unlink()
        agent.wait_delivered("hook")
        assert agent.metrics().sum("delivery_retries_total", sink="hook", reason="size") > 0
        shut.touch()
        lines(log, 50)
        wait_retries(agent, "hook", "connection")
        shut.unlink()
        agent.wait_read(250)
        agent.wait_delivered("hook")
        page = agent.metrics()
        assert page.sum("events_rejected_total") == page.sum("dead_letter_events") == 0
        agent.stop()
        requests = collector.requests()
        ids = [event["id"] for _, events in requests for event in events]
        assert events_of(log) <= set(ids)
        assert len(ids) == len(set(ids)), "what was never taken was not sent twice"
        keys = [header["Idempotency-Key"] for header, _ in requests]
        assert len(set(keys)) == len(keys)


def test_another_endpoint_takes_over(tmp_path, log, lines, make_agent):
    with Receiver() as first, Receiver() as second:
        with Nginx(tmp_path / "nginx", first.url) as front:
            lines(log, 200)
            agent = make_agent([file_input(log)], [elasticsearch_sink(
                first, **{**QUICK, "endpoint": [front.url, second.url]})]).start()
            wait_stored(agent, first, log)
            assert second.requests == 0
        before = events_of(log)
        lines(log, 200)
        wanted = events_of(log) - before
        second.wait(lambda r: wanted <= r.documents.keys(), 30, f"{len(wanted)} documents")
        agent.wait_delivered("siem")
        assert agent.metrics().sum("sink_up", sink="siem") == 1
        agent.stop()


def test_a_proxy_makes_a_tunnel_and_sees_nothing_else(tmp_path, log, lines, make_agent):
    authority, server, tls = mutual_tls(tmp_path, names=("receiver.example.org",))
    install(authority.issue("first"), tmp_path)
    lines(log, 50)
    with Receiver() as receiver, Nginx(
            tmp_path / "nginx", receiver.url, tls=server) as nginx, TunnelProxy(
            nginx.port, "sealtail", "s3cret-of-the-proxy") as proxy:
        agent = make_agent([file_input(log)], [elasticsearch_sink(receiver, **{
            **QUICK, "endpoint": "https://receiver.example.org:9200", "tls": tls,
            "auth": {"api_key": "s3cret-of-the-receiver"},
            "proxy": {"endpoint": proxy.url, "basic": {
                "username": "sealtail", "password": "s3cret-of-the-proxy"}}})]).start()
        wait_stored(agent, receiver, log)
        assert receiver.headers[-1]["Authorization"] == "ApiKey s3cret-of-the-receiver"
        assert "Proxy-Authorization" not in receiver.headers[-1]
        assert all(text.startswith("CONNECT receiver.example.org:9200 ") for text in proxy.asked)
        assert "s3cret" not in "".join(proxy.asked)
        agent.stop()
        assert "s3cret" not in agent.log_text()
