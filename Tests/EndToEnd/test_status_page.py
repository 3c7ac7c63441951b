# SPDX-License-Identifier: Apache-2.0
"""The status page, its numbers and who may see them; `sealtail status`. No browser is needed."""

import json
import os
import pty
import signal
import subprocess
import termios
import threading
import time

import requests

import agent as agents
from agent import elasticsearch_sink, environment, file_input, file_sink, read_events, run
from certificates import Authority
from keycloak_log import KeycloakLog
from receiver import Fault, Receiver

PAGES = ("/", "/status.json", "/history.json")
TOKEN = "0123456789abcdef-one"
OTHER_TOKEN = "0123456789abcdef-two"
MARKER = "mallory-7f3a9c"


def write_lines(path, count=40, user=None):
    log = KeycloakLog(seed=3)
    if user:
        log.users = [(user, f"{user}@example.org")]
    with path.open("ab") as file:
        file.write(log.chunk(count))


def status_of(agent):
    code, text = agent.get("/status.json")
    assert code == 200, text
    return json.loads(text)


def ask(agent, path, host="127.0.0.1", scheme="http", **how):
    return requests.get(f"{scheme}://{host}:{agent.port}{path}", timeout=10, **how)


def test_the_numbers_are_those_of_the_metrics(make_agent, tmp_path):
    log = tmp_path / "idp.log"
    write_lines(log)
    agent = make_agent([file_input(log)], [file_sink(tmp_path / "out.ndjson")]).start()
    agent.wait_read(40)
    agent.wait_delivered("out")
    # The rates come from two samples, two seconds apart.
    agent.wait_for(lambda: status_of(agent)["sample"]["records_per_second"] is not None, 20,
                   "a second sample")
    status, page = status_of(agent), agent.metrics()
    assert status["verdict"]["state"] == "good", status["verdict"]
    assert status["agent"]["name"] == agents.NAME
    one, out = status["inputs"][0], status["sinks"][0]
    assert (one["id"], one["type"], one["files"], one["readable"]) == ("idp", "file", 1, True)
    for member in ("records_read", "records_parsed", "records_in_flight"):
        assert one[member] == page.sum(f"{member}_total") + page.sum(member), member
    assert one["records_read"] == (one["records_parsed"] + one["records_ignored"]
                                   + one["records_dropped"] + one["records_in_flight"])
    assert out["events_delivered"] == page.sum("events_delivered_total", sink="out")
    assert status["chain"]["sequence_number"] == page.sum("sequence_number")
    assert status["chain"]["verifier_key"] == agent.verifier_key()
    assert status["ledger"]["max_bytes"] == page.sum("ledger_max_bytes")
    history = json.loads(agent.get("/history.json")[1])
    assert len(history["inputs"]["idp"]["records"]) == history["number"]
    assert set(history["sinks"]["out"]) == {"waiting", "delivered", "latency"}
    agent.stop()


def test_the_page_forbids_all_but_itself(make_agent, tmp_path):
    agent = make_agent([file_input(tmp_path / "idp.log")],
                       [file_sink(tmp_path / "out.ndjson")]).start()
    answer = ask(agent, "/")
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "http" not in policy
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    for path in PAGES:
        assert requests.post(f"http://127.0.0.1:{agent.port}{path}", timeout=10).status_code == 405
        refused = ask(agent, path, headers={"Host": f"attacker.example.com:{agent.port}"})
        assert refused.status_code == 403 and "agent.status.hosts" in refused.text
        assert ask(agent, path, headers={"Host": f"localhost:{agent.port}"}).status_code == 200
    for path in ("/metrics", "/livez", "/readyz"):
        other = ask(agent, path, headers={"Host": "idp1.example.com"})
        assert other.status_code in (200, 503), path
    agent.stop()


def test_no_user_name_is_told(make_agent, tmp_path):
    """Not even by a receiver that repeats what it was sent."""
    log = tmp_path / "idp.log"
    write_lines(log, user=MARKER)
    echo = json.dumps({"error": f"failed to parse value '{MARKER}'"}).encode()

    def script(number, documents):
        if number < 3:
            return Fault(status=500, body=echo)
        return Fault(status=400, body=echo)
    with Receiver(script) as receiver:
        agent = make_agent(
            [file_input(log)],
            [elasticsearch_sink(receiver), file_sink(tmp_path / "out.ndjson")],
            agent={"log": {"level": "info"}}).start()
        agent.wait_delivered("out")
        agent.wait_for(lambda: any("dead letter" in problem["message"]
                                   for problem in status_of(agent)["problems"]), 30, "a rejection")
        told = {path: agent.get(path)[1] for path in (*PAGES, "/readyz", "/livez", "/metrics")}
        messages = [problem["message"] for problem in status_of(agent)["problems"]]
        assert "The sink does not take events; they wait in the ledger." in messages
        shown = run("status", "--config", agent.path, check=0).stdout
        agent.stop()
    # It is what the log was about, so it could have been told.
    assert MARKER in json.dumps(read_events(tmp_path / "out.ndjson"))
    for place, text in {**told, "log": agent.log_text(), "status": shown}.items():
        assert MARKER not in text, f"{place}: {text}"
    assert "HTTP 500" in agent.log_text()


def test_elsewhere_it_takes_a_token_that_a_reload_replaces(make_agent, tmp_path):
    agent = make_agent([file_input(tmp_path / "idp.log")], [file_sink(tmp_path / "out.ndjson")])
    agent.configuration["agent"]["listen"] = f"0.0.0.0:{agent.port}"
    agent.write()
    agent.start()
    for path in PAGES:
        closed = ask(agent, path)
        assert closed.status_code == 403 and "agent.status.token" in closed.text
    assert ask(agent, "/metrics").status_code == 200 and ask(agent, "/livez").status_code == 200
    assert "agent.status.token" in run("status", "--config", agent.path, check=77).stderr

    agent.configuration["agent"]["status"] = {"token": TOKEN}
    agent.write()
    agent.reload()
    bare = ask(agent, "/")
    assert bare.status_code == 401 and bare.headers["WWW-Authenticate"].startswith("Basic ")
    for path in PAGES:
        assert ask(agent, path, auth=("operator", TOKEN)).status_code == 200
        assert ask(agent, path, headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200
        assert ask(agent, path, auth=("operator", TOKEN + "x")).status_code == 401
    assert agents.NAME in run("status", "--config", agent.path, check=0).stdout

    agent.configuration["agent"]["status"] = {"token": "short"}
    agent.write()
    agent.reload()
    assert ask(agent, "/", auth=("", TOKEN)).status_code == 200, "a bad file changes nothing"
    agent.configuration["agent"]["status"] = {"token": OTHER_TOKEN}
    agent.write()
    agent.reload()
    assert ask(agent, "/", auth=("", TOKEN)).status_code == 401
    assert ask(agent, "/", auth=("", OTHER_TOKEN)).status_code == 200
    assert TOKEN not in agent.log_text() and OTHER_TOKEN not in agent.log_text()
    agent.stop()


def test_a_client_certificate_opens_it_and_metrics_need_none(make_agent, tmp_path):
    ours, others = tmp_path / "ours", tmp_path / "others"
    ours.mkdir()
    others.mkdir()
    authority, stranger = Authority(ours), Authority(others)
    certificate, key = authority.issue("idp1", addresses=["127.0.0.1"])
    agent = make_agent([file_input(tmp_path / "idp.log")], [file_sink(tmp_path / "out.ndjson")])
    agent.configuration["agent"]["status"] = {"tls": {
        "cert_file": str(certificate), "key_file": str(key),
        "client_ca_file": str(authority.path)}}
    agent.configuration["agent"]["listen"] = f"0.0.0.0:{agent.port}"
    agent.write()
    agent.start(wait=False)

    def secured(path, pair=None):
        return ask(agent, path, scheme="https", verify=str(authority.path),
                   cert=pair and tuple(map(str, pair)))

    def answers():
        try:
            return secured("/livez").status_code == 200
        except requests.RequestException:
            return False
    agent.wait_for(answers, 20, "an answer over TLS")
    friend = authority.issue("operator")

    def days_left():
        name = 'certificate_expiry_timestamp_seconds{listener="agent.listen"} '
        return (float(secured("/metrics").text.split(name)[1].split()[0]) - time.time()) / 86400
    assert 29.9 < days_left() < 30.1
    for path in PAGES:
        assert secured(path).status_code == 403
        assert secured(path, friend).status_code == 200
        assert secured(path, stranger.issue("operator")).status_code == 403
    assert secured("/", authority.issue("late", days=-0.02)).status_code == 403, "it has expired"

    # With a token as well, the command sends it to whoever has the agent's own key.
    agent.configuration["agent"]["status"]["token"] = TOKEN
    renewed = authority.issue("renewed", addresses=["127.0.0.1"], days=5)
    agent.configuration["agent"]["status"]["tls"].update(
        cert_file=str(renewed[0]), key_file=str(renewed[1]))
    agent.write()
    agent.process.send_signal(signal.SIGHUP)
    agent.wait_for(lambda: "The configuration was reloaded." in agent.log_text(), 20, "a reload")
    assert agents.NAME in run("status", "--config", agent.path, check=0).stdout
    assert 4.9 < days_left() < 5.1
    agent.configuration["agent"]["status"]["tls"].update(
        cert_file=str(certificate), key_file=str(key))
    agent.write()
    assert "no agent answers" in run("status", "--config", agent.path, check=69).stderr
    port, agent.port = agent.port, None
    agent.stop()
    agent.port = port


def test_the_command_says_when_nobody_answers_and_speaks_json(make_agent, tmp_path):
    agent = make_agent([file_input(tmp_path / "idp.log")], [file_sink(tmp_path / "out.ndjson")])
    silent = run("status", "--config", agent.path, check=69)
    assert "no agent answers" in silent.stderr and silent.stdout == ""
    agent.start()
    assert json.loads(run("status", "--json", "--config", agent.path, check=0).stdout)["format"] == 1
    text = run("status", "--config", agent.path, check=0).stdout
    assert len(text.splitlines()) <= 12 and "\x1b" not in text, text
    assert "input   ok    idp" in text and "no file is there to be read" in text
    assert "terminal" in run("status", "--watch", "--config", agent.path, check=64).stderr
    agent.stop()


class Screen:
    """A terminal with `sealtail status --watch` in it."""

    def __init__(self, agent, columns=100, **more):
        self.ours, theirs = pty.openpty()
        termios.tcsetwinsize(theirs, (30, columns))
        self.theirs, self.before = theirs, termios.tcgetattr(theirs)
        self.process = subprocess.Popen(
            [str(agents.binary()), "status", "--watch", "--config", str(agent.path)],
            stdin=theirs, stdout=theirs, stderr=theirs,
            env={name: value for name, value in environment(**more).items()
                 if more.get(name, value) is not None})
        self.bytes = b""
        self.lock = threading.Condition()
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        while True:
            try:
                piece = os.read(self.ours, 65536)
            except OSError:
                return
            with self.lock:
                self.bytes += piece
                self.lock.notify_all()

    def wait_for(self, text, since=0, seconds=20):
        with self.lock:
            found = self.lock.wait_for(lambda: text in self.bytes[since:], seconds)
            assert found, f"{text} did not show: {self.bytes[since:]}"
            return len(self.bytes)

    def end(self):
        assert self.process.wait(timeout=20) == 0
        self.wait_for(b"\x1b[?25h\x1b[?1049l")
        assert termios.tcgetattr(self.theirs) == self.before, "the terminal is not as it was"
        os.close(self.theirs)


def test_it_is_live_in_a_terminal_and_leaves_it_as_it_was(make_agent, tmp_path):
    agent = make_agent([file_input(tmp_path / "idp.log")],
                       [file_sink(tmp_path / "out.ndjson")]).start()
    for way in ("q", "\x03", signal.SIGTERM):
        screen = Screen(agent)
        at = screen.wait_for(b"q leaves")
        assert b"idp1.example.com" in screen.bytes and b"\x1b[3" not in screen.bytes
        at = screen.wait_for(b"q leaves", since=at)
        if isinstance(way, str):
            os.write(screen.ours, way.encode())
        else:
            screen.process.send_signal(way)
        screen.end()
    # Another size is drawn at once, and no line is longer than it.
    screen = Screen(agent)
    at = screen.wait_for(b"q leaves")
    termios.tcsetwinsize(screen.theirs, (8, 24))
    at = screen.wait_for(b"\x1b[J", since=at)
    drawn = screen.bytes[at:] or screen.bytes
    frame = drawn.rpartition(b"\x1b[H")[2].partition(b"\x1b[J")[0].decode()
    lines = frame.replace("\x1b[K", "").split("\r\n")
    assert len(lines) <= 8 and all(len(line) <= 24 for line in lines), lines
    agent.stop()
    screen.wait_for(b"no agent answers", since=at)
    os.write(screen.ours, b"q")
    screen.end()
    deadline = time.monotonic() + 20
    while screen.process.poll() is None:
        assert time.monotonic() < deadline
