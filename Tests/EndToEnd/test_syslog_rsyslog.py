# SPDX-License-Identifier: Apache-2.0
"""A real rsyslog takes what the syslog sink sends: over TLS of either kind, TCP and UDP."""

import re
import shutil
import signal
import subprocess
import time

import pytest

import independent_verify
from agent import NAME, file_input, free_port, run
from certificates import Authority
from keycloak_log import KeycloakLog

LINES = 800
HEADER = re.compile(
    r"<1(?:0[6-9]|1[01])>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z \S+ sealtail - [A-Z]\w+ - ")

# Queues that are direct: what rsyslog has read is in the file before it reads on.
CONFIGURATION = """
global(workDirectory="{folder}" maxMessageSize="128k"
       defaultNetstreamDriverCAFile="{ca}" defaultNetstreamDriverCertFile="{certificate}"
       defaultNetstreamDriverKeyFile="{key}")
main_queue(queue.type="Direct")
module(load="imtcp" streamDriver.name="{driver}" streamDriver.mode="{mode}"
       streamDriver.authMode="{mode_of_clients}")
module(load="imudp")
input(type="imtcp" address="127.0.0.1" port="{tcp}")
input(type="imudp" address="127.0.0.1" port="{udp}")
template(name="whole" type="string" string="%rawmsg%\\n")
action(type="omfile" file="{output}" template="whole" fileCreateMode="0644")
"""


class Rsyslog:
    """rsyslogd of Debian on ports of its own."""

    def __init__(self, folder, authority, driver="ossl", tls=True, clients="x509/certvalid"):
        self.path = shutil.which("rsyslogd", path="/usr/sbin:/usr/bin:/sbin")
        assert self.path, "rsyslogd is missing; install rsyslog, rsyslog-openssl, rsyslog-gnutls"
        self.folder, self.output = folder, folder / "received.log"
        self.tcp, self.udp = free_port(), free_port()
        certificate, key = authority.issue("receiver", ["127.0.0.1"])
        self.configuration = folder / "rsyslog.conf"
        self.configuration.write_text(CONFIGURATION.format(
            folder=folder, ca=authority.path, certificate=certificate, key=key, driver=driver,
            mode=int(tls), mode_of_clients=clients if tls else "anon", tcp=self.tcp,
            udp=self.udp, output=self.output))
        self.process = None

    def start(self):
        self.process = subprocess.Popen(
            [self.path, "-n", "-f", str(self.configuration), "-i", str(self.folder / "pid")],
            stdout=(self.folder / "rsyslog.out").open("ab"), stderr=subprocess.STDOUT)
        return self

    def stop(self, how=signal.SIGTERM):
        if self.process:
            self.process.send_signal(how)
            self.process.wait(timeout=20)
        self.process = None

    def messages(self):
        """What was received so far, a message a line; a last line that is not whole is not."""
        if not self.output.exists():
            return []
        whole = self.output.read_bytes().rpartition(b"\n")[0]
        return [line.decode() for line in whole.split(b"\n") if line]

    def events(self):
        """The part of each message that is the event."""
        return [HEADER.sub("", message, count=1) for message in self.messages()]


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


@pytest.fixture
def rsyslog(tmp_path, authority):
    made = []

    def make(**options):
        made.append(Rsyslog(tmp_path, authority, **options).start())
        return made[-1]
    yield make
    for receiver in made:
        receiver.stop(signal.SIGKILL)


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "idp.log"
    path.write_bytes(KeycloakLog(seed=7).chunk(LINES))
    return path


def sink(port, transport, **more):
    return {"id": "logs", "type": "syslog", "transport": transport,
            "endpoint": f"127.0.0.1:{port}", "retry": {"initial": "100ms", "max": "1s"},
            "batch": {"max_events": 100, "max_wait": "50ms"}, **more}


def ids(events):
    return {re.search(r'"id":"([0-9a-f]{32})","observed"', event)[1] for event in events}


def expect_all(agent, receiver, log, exactly=True):
    """Every line of the log has arrived, as it was signed; twice only where that is allowed."""
    wanted = set(independent_verify.file_ids(log, NAME, "idp"))
    agent.wait_for(lambda: wanted <= ids(receiver.events()), 30, f"{len(wanted)} messages")
    agent.wait_delivered("logs")
    messages = receiver.messages()
    assert all(HEADER.match(message) for message in messages)
    events = receiver.events()
    if exactly:
        assert len(events) == len(set(events))
    verdict = independent_verify.verify(
        sorted(set(events)), [agent.verifier_key()], whole=False)
    assert verdict.findings == []
    assert agent.metrics().sum("events_rejected_total", sink="logs") == 0


@pytest.mark.parametrize("driver", ["ossl", "gtls"])
def test_tls_with_and_without_the_certificate_that_is_demanded(
        driver, rsyslog, authority, log, make_agent):
    """Without it the sink is down and nothing counts as delivered; with it all of it arrives."""
    receiver = rsyslog(driver=driver)
    certificate, key = authority.issue("client")
    agent = make_agent([file_input(log)], [sink(
        receiver.tcp, "tls", tls={"ca_file": str(authority.path)})]).start()
    agent.wait_read(LINES)
    agent.wait_for(lambda: "asked for a certificate, set tls.cert_file" in agent.log_text(), 20,
                   "the reason")
    page = agent.metrics()
    assert page.sum("sink_up", sink="logs") == 0
    assert page.sum("events_delivered_total", sink="logs") == 0
    assert receiver.messages() == []
    agent.configuration["sinks"][0]["tls"].update(cert_file=str(certificate), key_file=str(key))
    agent.write()
    agent.reload()
    expect_all(agent, receiver, log)
    agent.stop()


@pytest.mark.parametrize("transport", ["tls", "tcp"])
def test_a_receiver_that_is_restarted_in_the_middle_loses_nothing(
        transport, rsyslog, authority, tmp_path, make_agent):
    receiver = rsyslog(tls=transport == "tls", clients="anon")
    log, lines = tmp_path / "idp.log", KeycloakLog(seed=11)
    log.write_bytes(lines.chunk(100))
    tls = {"tls": {"ca_file": str(authority.path)}} if transport == "tls" else {}
    agent = make_agent([file_input(log)], [sink(receiver.tcp, transport, **tls)]).start()
    for turn in range(3):
        agent.wait_for(lambda: len(receiver.messages()) > 300 * turn, 20, "messages")
        with log.open("ab") as file:
            file.write(lines.chunk(200))
            file.flush()
            receiver.stop()
            file.write(lines.chunk(200))
        receiver.start()
    expect_all(agent, receiver, log, exactly=False)
    assert agent.metrics().sum("delivery_retries_total", sink="logs") > 0
    agent.stop()


def test_udp_takes_one_message_a_datagram(rsyslog, log, make_agent):
    receiver = rsyslog(tls=False)
    log.write_bytes(b"".join(log.read_bytes().splitlines(keepends=True)[:50]))
    receiver_is_there(receiver)
    agent = make_agent([file_input(log)], [sink(receiver.udp, "udp")])
    talk = run("check", "--config", agent.path, check=0).stderr
    assert "sinks.logs: Syslog has no acknowledgement" in talk
    agent.start()
    expect_all(agent, receiver, log)
    agent.stop()


def receiver_is_there(receiver):
    """Waits until the port of UDP is open, which only /proc tells without a datagram."""
    deadline = time.monotonic() + 20
    while f"0100007F:{receiver.udp:04X} " not in open("/proc/net/udp").read():
        assert time.monotonic() < deadline, "rsyslogd does not listen"
        time.sleep(0.02)
