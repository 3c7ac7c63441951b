# SPDX-License-Identifier: Apache-2.0
"""Syslog as real senders send it: logger(1), plain sockets, TLS."""

import json
import random
import shutil
import signal
import socket
import ssl
import subprocess
import time

import pytest
import requests

from agent import file_sink, free_port, is_agent_event, read_events
from certificates import Authority
from identity import event_id


def syslog_input(port, transport, **more):
    return {"id": "net", "type": "syslog", "transport": transport,
            "listen": f"127.0.0.1:{port}", "parser": "oidc_json", **more}


def message(name):
    return json.dumps({"time": "2026-11-20T10:00:00Z", "event": "token.issued",
                       "client_id": "web", "sub": "u1", "event_id": name})


def ours(path):
    return [event for event in read_events(path) if not is_agent_event(event)]


def names(path):
    return [event["provider"]["event_id"] for event in ours(path)]


@pytest.fixture
def logger():
    """util-linux' own sender of syslog, part of every Debian."""
    path = shutil.which("logger")
    assert path, "logger(1) is missing; install bsdutils"

    def send(port, *options, text):
        subprocess.run([path, "--server", "127.0.0.1", "--port", str(port), *options, "--", text],
                       check=True, timeout=20)
    return send


def test_lines_of_one_program_are_one_record_and_a_stop_loses_none(tmp_path, make_agent):
    port, output = free_port(), tmp_path / "out.ndjson"
    agent = make_agent([syslog_input(port, "tcp", parser="cas")], [file_sink(output)]).start()
    head = "<13>Nov 20 10:00:00 idp cas[{}]: "
    with socket.create_connection(("127.0.0.1", port)) as client:
        for turn in range(2):
            for line in ["2026-11-20 09:00:01,001 INFO [org.apereo.inspektr.audit.support."
                         "Slf4jLoggingAuditTrailManager] - <Audit trail record BEGIN", "=" * 60,
                         "WHO: {who}", "WHAT: supplied credentials: [username: {who}]",
                         "ACTION: AUTHENTICATION_SUCCESS", "APPLICATION: CAS",
                         "WHEN: Fri Nov 20 09:00:01 CET 2026", "CLIENT IP ADDRESS: 192.0.2.17",
                         "SERVER IP ADDRESS: 198.51.100.9", "=" * 60, ">"]:
                for process in (1, 2):
                    text = head.format(process) + line.format(who=f"user{turn}{process}")
                    client.sendall(text.encode() + b"\n")
        agent.wait_read(2)
        # The last of each process still waits for a line that may belong to it.
        agent.stop()
    assert sorted(event["actor"]["name"] for event in ours(output)) == [
        "user01", "user02", "user11", "user12"]
    assert {event["action"] for event in ours(output)} == {"LoginSucceeded"}


def test_logger_speaks_udp_and_tcp_old_and_new(tmp_path, make_agent, logger):
    udp, tcp, output = free_port(), free_port(), tmp_path / "out.ndjson"
    agent = make_agent([syslog_input(udp, "udp"), {**syslog_input(tcp, "tcp"), "id": "tcp"}],
                       [file_sink(output)]).start()
    logger(udp, "--udp", "--rfc3164", text=message("udp-old"))
    logger(udp, "--udp", "--rfc5424", text=message("udp-new"))
    logger(tcp, "--tcp", "--rfc3164", text=message("tcp-old"))
    logger(tcp, "--tcp", "--rfc5424", text=message("tcp-new"))
    logger(tcp, "--tcp", "--rfc5424", "--octet-count", text=message("tcp-counted"))
    logger(tcp, "--tcp", "--rfc3164", "--octet-count", text=message("tcp-old-counted"))
    agent.wait_read(6)
    agent.wait_delivered("out")
    agent.stop()
    assert sorted(names(output)) == sorted([
        "udp-old", "udp-new", "tcp-old", "tcp-new", "tcp-counted", "tcp-old-counted"])
    # The host of the header is the host of the event.
    hosts = {event["provider"].get("host", "").split(".")[0] for event in ours(output)}
    assert hosts == {socket.gethostname().split(".")[0]}


def test_numbers_and_ids_go_on_after_a_restart(tmp_path, make_agent):
    port, output = free_port(), tmp_path / "out.ndjson"
    agent = make_agent([syslog_input(port, "tcp")], [file_sink(output)])
    plain = [json.dumps({"event": "token.issued", "client_id": f"c{number}"})
             for number in range(4)]
    for part in (plain[:2], plain[2:]):
        agent.start()
        with socket.create_connection(("127.0.0.1", port)) as sender:
            sender.sendall("".join(f"<13>Nov 21 10:00:00 idp a: {text}\n" for text in part)
                           .encode())
        agent.wait_read(2)
        agent.stop()
    events = ours(output)
    streams = [event["integrity"]["stream"] for event in events]
    assert len(set(streams)) == 2
    assert [event["id"] for event in events] == [
        event_id(f"{stream} net", number, text.encode())
        for number, (stream, text) in enumerate(zip(streams, plain))]


def test_datagrams_dropped_while_the_agent_stands_still_are_stated(tmp_path, make_agent):
    port, output = free_port(), tmp_path / "out.ndjson"
    agent = make_agent([syslog_input(port, "udp", receive_buffer="64KiB")],
                       [file_sink(output)]).start()
    sent = 3000
    agent.process.send_signal(signal.SIGSTOP)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for number in range(sent):
            sender.sendto(f"<13>{message(f'm{number}')}".encode(), ("127.0.0.1", port))
    agent.process.send_signal(signal.SIGCONT)

    def lost():
        return sum(event["agent"]["count"] for event in read_events(output)
                   if event["action"] == "AgentEventsLost")
    agent.wait_for(lambda: len(ours(output)) + lost() >= sent, 30, "all datagrams")
    agent.stop()
    assert 0 < lost() < sent
    assert len(set(names(output))) + lost() == sent
    reasons = {event["agent"]["reason"] for event in read_events(output)
               if event["action"] == "AgentEventsLost"}
    assert all("dropped by the kernel" in reason for reason in reasons), reasons


def test_an_over_long_message_is_cut_and_the_next_one_is_whole(tmp_path, make_agent):
    port, output = free_port(), tmp_path / "out.ndjson"
    agent = make_agent([syslog_input(port, "tcp", max_record_bytes="2KiB")],
                       [file_sink(output)]).start()
    with socket.create_connection(("127.0.0.1", port)) as sender:
        long = f"<13>Nov 21 10:00:00 idp a: {'x' * 100_000}"
        sender.sendall(f"{len(long)} {long}".encode())
        short = f"<13>Nov 21 10:00:00 idp a: {message('next')}"
        sender.sendall(f"{len(short)} {short}".encode())
        agent.wait_read(2)
    assert agent.metrics().sum("records_truncated_total", input="net") == 1
    agent.wait_delivered("out")
    agent.stop()
    assert names(output) == ["next"]


def connect(port, authority, identity=None, least=None, most=None):
    context = ssl.create_default_context(cafile=str(authority.path))
    if identity:
        context.load_cert_chain(*map(str, identity))
    if most:
        context.maximum_version = most
    raw = socket.create_connection(("127.0.0.1", port), timeout=10)
    return context.wrap_socket(raw, server_hostname="127.0.0.1")


def frame(name):
    text = f"<13>1 2026-11-21T10:00:00Z idp.example.com a - - - {message(name)}".encode()
    return f"{len(text)} ".encode() + text


def test_tls_lets_in_clients_with_a_certificate_only(tmp_path, make_agent):
    port, output = free_port(), tmp_path / "out.ndjson"
    authority = Authority(tmp_path)
    certificate, key = authority.issue("server", ["127.0.0.1"])
    client = authority.issue("client")
    agent = make_agent([syslog_input(port, "tls", tls={
        "cert_file": str(certificate), "key_file": str(key),
        "client_ca_file": str(authority.path)})], [file_sink(output)]).start()
    with connect(port, authority, client) as sender:
        assert sender.version() == "TLSv1.3"
        for number in range(200):
            sender.sendall(frame(f"m{number}"))
        agent.wait_read(200)
        # Without a certificate: in TLS 1.3 the client learns of it when it reads.
        with pytest.raises((ssl.SSLError, ConnectionError)):
            with connect(port, authority) as stranger:
                stranger.sendall(frame("stranger"))
                assert stranger.recv(1) == b"never"
        # A renewed certificate counts for new connections; this one goes on.
        first = agent.metrics().sum("certificate_expiry_timestamp_seconds", input="net")
        fresh = authority.issue("fresh", ["127.0.0.1"], days=2)
        certificate.write_bytes(fresh[0].read_bytes())
        key.write_bytes(fresh[1].read_bytes())
        agent.reload()
        with connect(port, authority, client) as later:
            names_of = dict(pair[0] for pair in later.getpeercert()["subject"])
            assert names_of["commonName"] == "fresh"
            now = agent.metrics().sum("certificate_expiry_timestamp_seconds", input="net")
            assert 0 < now < first
            later.sendall(frame("later"))
            sender.sendall(frame("still"))
            agent.wait_read(202)
    agent.wait_delivered("out")
    agent.stop()
    assert set(names(output)) == {f"m{number}" for number in range(200)} | {"later", "still"}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_tls_before_1_2_is_refused(tmp_path, make_agent):
    port, output = free_port(), tmp_path / "out.ndjson"
    authority = Authority(tmp_path)
    certificate, key = authority.issue("server", ["127.0.0.1"])
    agent = make_agent([syslog_input(port, "tls", tls={
        "cert_file": str(certificate), "key_file": str(key)})], [file_sink(output)]).start()
    with connect(port, authority, most=ssl.TLSVersion.TLSv1_2) as sender:
        assert sender.version() == "TLSv1.2"
        sender.sendall(frame("good"))
        agent.wait_read(1)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, ConnectionError)):
        context.wrap_socket(socket.create_connection(("127.0.0.1", port), timeout=10))
    # Nor does a connection without TLS get anywhere, and nobody else notices.
    with socket.create_connection(("127.0.0.1", port)) as plain:
        plain.sendall(b"<13>plain text\n")
        time.sleep(0.2)
    with connect(port, authority) as sender:
        sender.sendall(frame("after"))
        agent.wait_read(2)
    agent.stop()
    assert names(output) == ["good", "after"]


def test_a_port_that_is_taken_is_said_with_its_input(tmp_path, make_agent):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        agent = make_agent([syslog_input(port, "tcp")], [file_sink(tmp_path / "out")])
        agent.start(wait=False)
        assert agent.process.wait(timeout=20) != 0
        agent.process = None
        assert "net" in agent.log_text() and f"127.0.0.1:{port}" in agent.log_text()


def test_garbage_and_half_connections_disturb_nobody(tmp_path, make_agent):
    """Strangers may send anything, leave at any time, and take all connections for a while."""
    seed = random.SystemRandom().randrange(2**32)
    print(f"SEED={seed}")
    pick = random.Random(seed)
    ports, output = {name: free_port() for name in ("tcp", "tls", "udp", "http")}, tmp_path / "out"
    authority = Authority(tmp_path)
    certificate, key = authority.issue("server", ["127.0.0.1"])
    tls = {"cert_file": str(certificate), "key_file": str(key)}
    inputs = [
        {**syslog_input(ports["tcp"], "tcp", max_connections=4), "id": "tcp"},
        {**syslog_input(ports["tls"], "tls", tls=tls), "id": "tls"},
        {**syslog_input(ports["udp"], "udp"), "id": "udp"},
        {"id": "http", "type": "http", "listen": f"127.0.0.1:{ports['http']}",
         "parser": "oidc_json"}]
    agent = make_agent(inputs, [file_sink(output)]).start()
    beginnings = [b"", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999999999999999\r\n\r\n",
                  b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFF\r\n",
                  b"GET " + b"x" * 60_000, b"\x16\x03\x01\x02\x00\x01\x00", b"99999999999 <13>x",
                  b"4294967295 <13>x", b"<13>" + b"\xff" * 100]
    for _ in range(150):
        name = pick.choice(["tcp", "tls", "http", "udp"])
        junk = pick.choice(beginnings) + pick.randbytes(pick.choice([0, 1, 10, 3000]))
        if name == "udp":
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                sender.sendto(junk[:60_000], ("127.0.0.1", ports["udp"]))
            continue
        with socket.create_connection(("127.0.0.1", ports[name]), timeout=5) as sender:
            try:
                sender.sendall(junk)
                if pick.random() < 0.3:
                    sender.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            except OSError:
                pass
    for name in ("tcp", "udp"):
        kind = socket.SOCK_DGRAM if name == "udp" else socket.SOCK_STREAM
        with socket.socket(socket.AF_INET, kind) as sender:
            sender.connect(("127.0.0.1", ports[name]))
            sender.sendall(f"<13>{message('after ' + name)}\n".encode())
    with connect(ports["tls"], authority) as sender:
        sender.sendall(frame("after tls"))
        answer = requests.post(f"http://127.0.0.1:{ports['http']}/", data=message("after http"),
                               headers={"Content-Type": "application/json"}, timeout=20)
        assert answer.status_code == 200, f"seed {seed}"
        agent.wait_for(lambda: {f"after {name}" for name in ports} <= {
            event["provider"].get("event_id") for event in ours(output)}, 20, "the good ones")
    assert agent.get("/livez")[0] == 200
    agent.stop()
