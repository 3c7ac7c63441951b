# SPDX-License-Identifier: Apache-2.0
"""Log files rotate, shrink, appear and grow in the middle of a line: every line comes once."""

import grp
import os
import pwd
import random
import shutil
import subprocess
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

import independent_verify
from agent import NAME, PARSERS, binary, file_input, file_sink, is_agent_event, read_events
from keycloak_log import KeycloakLog

SOAK = bool(os.environ.get("SOAK"))


class Writer:
    """Writes numbered lines and knows which it wrote."""

    def __init__(self, path, seed=1):
        self.path, self.log, self.written = path, KeycloakLog(seed), []

    def line(self):
        """The next line, remembered as written."""
        line = self.log.line()
        self.written.append(line)
        return line + b"\n"

    def append(self, count, path=None):
        with open(path or self.path, "ab") as file:
            file.write(b"".join(self.line() for _ in range(count)))


def delivered(path):
    """Per time of the log line, how often it was delivered; each line has a time of its own."""
    return Counter(event["time"] for event in read_events(path) if not is_agent_event(event))


def times(lines):
    """The times that those lines carry, cut to microseconds as an event's are."""
    return Counter(line[14:40].decode() + "Z" for line in lines)


def expect_exactly(agent, output, writer, seconds=30):
    """Waits for all lines, then for a moment of silence, and compares both ways."""
    wanted = times(writer.written)
    assert max(wanted.values()) == 1, "the test's own lines must differ in their time"
    agent.wait_for(lambda: len(delivered(output)) >= len(wanted), seconds,
                   f"{len(wanted)} lines")
    time.sleep(0.3)
    found = delivered(output)
    assert found == wanted, (
        f"lost {len(wanted - found)}, invented or repeated {len(found - wanted)}")
    events = [event for event in read_events(output) if not is_agent_event(event)]
    assert len({event["id"] for event in events}) == len(events), "two events share an id"


@pytest.fixture
def setting(tmp_path, make_agent):
    """A started agent on logs/*.log with a file sink, and a writer."""
    logs = tmp_path / "logs"
    logs.mkdir()
    output = tmp_path / "out.ndjson"
    agent = make_agent([file_input(logs / "*.log")], [file_sink(output)])
    return agent, output, Writer(logs / "idp.log")


def test_rename_rotation_loses_and_repeats_nothing(setting):
    agent, output, writer = setting
    writer.append(200)
    agent.start()
    for turn in range(5):
        writer.append(150)
        # logrotate's `create` mode: the name goes away first, and the writer keeps its open file.
        with open(writer.path, "ab") as still_open:
            os.rename(writer.path, writer.path.with_name(f"idp.log.{turn}"))
            still_open.write(b"".join(writer.line() for _ in range(20)))
            still_open.flush()
            time.sleep(0.05)
            still_open.write(b"".join(writer.line() for _ in range(20)))
        writer.append(50)
        # A file that lives for less than this under a name we watch may never be seen.
        time.sleep(0.3)
    expect_exactly(agent, output, writer)
    agent.stop()


def test_rename_rotation_while_the_agent_is_down(setting):
    agent, output, writer = setting
    agent.configuration["inputs"][0]["paths"].append(str(writer.path) + ".1")
    agent.write()
    writer.append(300)
    agent.start()
    expect_exactly(agent, output, writer)
    agent.stop()
    writer.append(100)
    os.rename(writer.path, str(writer.path) + ".1")
    writer.append(100)
    agent.start()
    expect_exactly(agent, output, writer)
    agent.stop()


def test_copytruncate_loses_and_repeats_nothing(setting):
    agent, output, writer = setting
    writer.append(300)
    agent.start()
    for turn in range(4):
        expect_exactly(agent, output, writer)
        shutil.copyfile(writer.path, writer.path.with_name(f"idp.log.{turn}"))
        os.truncate(writer.path, 0)
        writer.append(random.Random(turn).randrange(20, 400))
    expect_exactly(agent, output, writer)
    agent.stop()


def test_truncation_to_a_longer_file_is_seen(setting):
    agent, output, writer = setting
    writer.append(50)
    agent.start()
    expect_exactly(agent, output, writer)
    # The new content is longer than the old, so only the bytes before the offset can tell.
    os.truncate(writer.path, 0)
    writer.append(200)
    expect_exactly(agent, output, writer)
    agent.stop()


def test_truncation_while_the_agent_is_down(setting):
    agent, output, writer = setting
    writer.append(120)
    agent.start()
    expect_exactly(agent, output, writer)
    agent.stop()
    os.truncate(writer.path, 0)
    writer.append(40)
    agent.start()
    expect_exactly(agent, output, writer)
    agent.stop()


def test_files_that_appear_later_are_read_from_their_beginning(setting):
    agent, output, writer = setting
    agent.start()
    for turn in range(3):
        writer.append(80, path=writer.path.with_name(f"node-{turn}.log"))
        time.sleep(0.1)
    expect_exactly(agent, output, writer)
    agent.stop()


def test_a_partial_last_line_waits_for_its_end(setting):
    agent, output, writer = setting
    writer.append(10)
    agent.start()
    expect_exactly(agent, output, writer)
    line = writer.log.line()
    with open(writer.path, "ab") as file:
        file.write(line[:200])
        file.flush()
        time.sleep(0.5)
        assert len(delivered(output)) == 10, "half a line became an event"
        file.write(line[200:] + b"\n")
    writer.written.append(line)
    expect_exactly(agent, output, writer)
    agent.stop()


def test_a_rotation_in_the_middle_of_a_line_keeps_both_halves(setting):
    agent, output, writer = setting
    writer.append(10)
    agent.start()
    expect_exactly(agent, output, writer)
    line = writer.log.line()
    with open(writer.path, "ab") as file:
        file.write(line[:200])
        file.flush()
        time.sleep(0.2)
        os.rename(writer.path, writer.path.with_name("idp.log.1"))
        writer.append(10)
        time.sleep(0.2)
        file.write(line[200:] + b"\n")
    writer.written.append(line)
    expect_exactly(agent, output, writer)
    agent.stop()


def test_restarts_resume_at_the_exact_byte_while_lines_are_written(setting):
    agent, output, writer = setting
    stop = threading.Event()

    def write():
        pick = random.Random(7)
        with open(writer.path, "ab", buffering=0) as file:
            while not stop.is_set():
                line = writer.line()
                cut = pick.randrange(len(line))
                file.write(line[:cut])
                time.sleep(0.001)
                file.write(line[cut:])
    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    for _ in range(25 if SOAK else 5):
        agent.start()
        time.sleep(0.4)
        agent.stop()
    stop.set()
    thread.join()
    agent.start()
    expect_exactly(agent, output, writer)
    agent.stop()
    lines = output.read_text().splitlines()
    verdict = independent_verify.verify(lines, [agent.verifier_key()])
    assert verdict.findings == []
    assert len(verdict.by_stream) == (26 if SOAK else 6)
    wanted = independent_verify.file_ids(writer.path, NAME, "idp")
    assert sorted(wanted) == sorted(
        event.body["id"] for event in verdict.events if not is_agent_event(event.body))


# Real logrotate, in every mode that its manual page has for our purpose.
LOGROTATE = {
    "create": "create 0640",
    "copytruncate": "copytruncate",
    "create-compress": "create 0640\n compress",
    "create-delaycompress": "create 0640\n compress\n delaycompress",
    "copytruncate-compress": "copytruncate\n compress",
    "create-zstd": "create 0640\n compress\n compresscmd /usr/bin/zstd\n compressext .zst\n"
                   " uncompresscmd /usr/bin/unzstd\n compressoptions -q",
    "dateext": "create 0640\n dateext\n dateformat -%Y%m%d-%s",
}


class Logrotate:
    """Rotates one log by force, again and again."""

    def __init__(self, folder, log, options):
        self.state, self.rules = folder / "logrotate.state", folder / "logrotate.conf"
        log.parent.chmod(0o755)
        self.rules.write_text(
            f"{log} {{\n rotate 50\n nomail\n missingok\n {options}\n}}\n")
        self.rules.chmod(0o644)

    def rotate(self):
        done = subprocess.run(
            ["/usr/sbin/logrotate", "-f", "-s", str(self.state), str(self.rules)],
            capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("mode", LOGROTATE)
@pytest.mark.parametrize("pattern", ["idp.log", "idp.log*"])
def test_logrotate_loses_and_repeats_nothing(setting, tmp_path, mode, pattern):
    agent, output, writer = setting
    agent.configuration["inputs"][0]["paths"] = [str(writer.path.parent / pattern)]
    agent.write()
    logrotate = Logrotate(tmp_path, writer.path, LOGROTATE[mode])
    writer.append(100)
    agent.start()
    # What is rotated before the very first look is an old file like any other.
    expect_exactly(agent, output, writer)
    for turn in range(3):
        writer.append(60)
        if turn == 1:
            expect_exactly(agent, output, writer)
        # In the other turns logrotate is faster than the agent: copies hold lines nobody read yet.
        logrotate.rotate()
        writer.append(40)
        if mode == "dateext":
            time.sleep(1.1)
    expect_exactly(agent, output, writer)
    agent.stop()
    # While the agent is down: lines behind the position, and whole files that it never sees.
    for _ in range(2):
        writer.append(50)
        logrotate.rotate()
        if mode == "dateext":
            time.sleep(1.1)
    writer.append(30)
    agent.start()
    expect_exactly(agent, output, writer)
    assert agent.metrics().sum("input_lost_bytes_total") == 0
    agent.stop()


def test_bytes_that_are_truncated_away_are_stated_once(setting):
    agent, output, writer = setting
    writer.append(20)
    agent.start()
    expect_exactly(agent, output, writer)
    # A line that is not finished is seen, not read, and then gone.
    with open(writer.path, "ab") as file:
        file.write(b"x" * 777)
    agent.wait_for(lambda: agent.metrics().sum("input_lag_bytes") == 777, 20, "the lag")
    os.truncate(writer.path, 0)
    writer.append(5)
    expect_exactly(agent, output, writer)

    def losses():
        return [event for event in read_events(output) if event["action"] == "AgentEventsLost"]
    agent.wait_for(lambda: len(losses()) == 1, 20, "AgentEventsLost")
    assert "777" in str(losses()[0])
    agent.stop()
    agent.start()
    writer.append(5)
    expect_exactly(agent, output, writer)
    assert len(losses()) == 1
    agent.stop()


@pytest.fixture
def open_folder():
    """A folder that every user may enter."""
    folder = Path(tempfile.mkdtemp(prefix="sealtail-open-", dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def test_a_file_without_permission_degrades_health_and_is_read_once_granted(
        open_folder, make_agent):
    logs = open_folder / "logs"
    logs.mkdir()
    writer = Writer(logs / "idp.log")
    output = open_folder / "out" / "out.ndjson"
    output.parent.mkdir()
    # Whoever the agent runs as need not be able to enter the checkout.
    parsers = open_folder / "parsers"
    shutil.copytree(PARSERS, parsers)
    agent = make_agent([file_input(writer.path)], [file_sink(output)],
                       folder=open_folder / "agent", agent={"parsers_dir": str(parsers)})
    if os.geteuid() == 0:
        # Root may read everything, so the agent runs as somebody else.
        user = pwd.getpwnam("nobody")
        for path in (open_folder / "agent", output.parent):
            shutil.chown(path, user.pw_uid, user.pw_gid)
        agent.prefix = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}",
                        "--clear-groups"]
    writer.append(10)
    writer.path.chmod(0)
    agent.start()
    # As logrotate does it: created for its owner alone, and given to its group a little later.
    status, page = agent.wait_for(
        lambda: (lambda got: got if "permission denied" in got[1] else None)(agent.get("/readyz")),
        20, "the reason on /readyz")
    assert status == 503
    group = grp.getgrgid(writer.path.stat().st_gid).gr_name
    assert f"group {group}" in page and "add user" in page
    assert agent.metrics().sum("input_readable") == 0
    time.sleep(1.5)
    writer.path.chmod(0o644)
    expect_exactly(agent, output, writer)
    agent.wait_for(lambda: agent.get("/readyz")[0] == 200, 20, "health")
    assert agent.metrics().sum("input_readable") == 1
    agent.stop()


def processor_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_ten_thousand_quiet_files_cost_next_to_nothing(tmp_path, make_agent):
    logs = tmp_path / "logs"
    logs.mkdir()
    output = tmp_path / "out.ndjson"
    log = KeycloakLog(3)
    count = 10_000
    for number in range(count):
        (logs / f"{number}.log").write_bytes(log.line() + b"\n")
    agent = make_agent([file_input(logs / "*.log")], [file_sink(output)])
    agent.start()
    agent.wait_read(count, seconds=120)
    pid = agent.process.pid
    assert len(os.listdir(f"/proc/{pid}/fd")) < 1000
    time.sleep(5)
    seconds = 30 if SOAK else 10
    before = processor_seconds(pid)
    time.sleep(seconds)
    share = (processor_seconds(pid) - before) / seconds
    print(f"10,000 quiet files: {share:.2%} of a core")
    # A debug build does the same work, only slower.
    assert share < (0.01 if "release" in str(binary()) else 0.03)
    with open(logs / "7777.log", "ab") as file:
        file.write(log.line() + b"\n")
    agent.wait_read(count + 1, seconds=20)
    agent.stop()
