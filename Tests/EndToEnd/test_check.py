# SPDX-License-Identifier: Apache-2.0
"""`sealtail check` names every mistake at once, with its place and a way out."""

import os
import pathlib
import pwd
import re
import stat
import tempfile

import pytest
from agent import PARSERS, ROOT, elasticsearch_sink, file_input, file_sink, run, yaml
from receiver import Receiver

BROKEN = """\
agent:
  name: idp1.example.com
  parsers_dir: PARSERS
  state_dirr: /tmp/nowhere
  listen: 127.0.0.1:99999
inputs:
  - id: idp
    type: fiel
    paths: [/var/log/idp/*.log]
    parser: keycloak
  - id: other
    type: file
    paths: [/var/log/other/*.log]
    parser: keycloack
    timezone: Mars/Olympus
    max_record_bytes: plenty
ledger:
  max_size: 10 elephants
  when_full: explode
sinks:
  - id: SIEM
    type: elasticsearch
    endpoint: https://es.example.com:9200
    compresion: gzip
    retry: {initial: 5, max: 60s}
  - id: two
    type: file
    path: ${SEALTAIL_TEST_UNDEFINED}
"""

# (line, word that the sentence must hold) for each mistake above.
MISTAKES = [
    (4, "state_dirr"), (4, "state_dir"), (5, "99999"), (8, "fiel"), (8, "file"),
    (14, "keycloack"), (14, "keycloak"), (15, "Mars/Olympus"), (16, "plenty"),
    (18, "10 elephants"), (19, "explode"), (19, "block"), (21, "SIEM"), (24, "compresion"),
    (24, "compression"), (25, "initial"), (28, "SEALTAIL_TEST_UNDEFINED"),
]


def by_line(text, path):
    """The sentences of a report, by the line they point at."""
    found = {}
    for line, column, sentence in re.findall(
            re.escape(str(path)) + r":(\d+):(\d+): (.*)", text):
        assert int(column) > 0
        found.setdefault(int(line), []).append(sentence)
    return found


def test_every_mistake_is_named_at_once(tmp_path):
    path = tmp_path / "agent.yaml"
    path.write_text(BROKEN.replace("PARSERS", str(PARSERS)))
    done = run("check", "--offline", "--config", path, check=78)
    report = done.stdout + done.stderr
    found = by_line(report, path)
    for line, word in MISTAKES:
        assert any(word in sentence for sentence in found.get(line, [])), (
            f"nothing says {word!r} about line {line}:\n{report}")
    assert "did you mean" in report
    assert list(found) == sorted(found), "the report is not in the order of the file"


def test_a_file_that_is_no_yaml_is_named_with_its_place(tmp_path):
    path = tmp_path / "agent.yaml"
    path.write_text("agent:\n  name: [unclosed\ninputs: }\n")
    done = run("check", "--offline", "--config", path, check=78)
    assert by_line(done.stdout + done.stderr, path)


def test_a_duplicate_key_and_a_duplicate_id_are_mistakes(tmp_path):
    path = tmp_path / "agent.yaml"
    path.write_text(
        "agent: {name: a.example.com, name: b.example.com, state_dir: %s, parsers_dir: %s}\n"
        "inputs:\n  - {id: idp, type: file, paths: [/tmp/a.log], parser: keycloak}\n"
        "  - {id: idp, type: file, paths: [/tmp/b.log], parser: keycloak}\n"
        "sinks:\n  - {id: out, type: stdout}\n" % (tmp_path, PARSERS))
    done = run("check", "--offline", "--config", path, check=78)
    found = by_line(done.stdout + done.stderr, path)
    assert 1 in found and 4 in found, done.stdout + done.stderr


def test_no_secret_is_printed(tmp_path):
    secret = tmp_path / "es.key"
    secret.write_text("s3cr3t-api-key\n")
    secret.chmod(stat.S_IRUSR | stat.S_IWUSR)
    path = tmp_path / "agent.yaml"
    path.write_text(yaml({
        "agent": {"name": "idp1.example.com", "state_dir": str(tmp_path / "state"),
                      "parsers_dir": str(PARSERS)},
        "inputs": [file_input(tmp_path / "idp.log")],
        "sinks": [{"id": "siem", "type": "elasticsearch", "endpoint": "no address at all",
                   "auth": {"api_key": "${file:%s}" % secret}}]}) + "\n")
    done = run("check", "--offline", "--config", path, check=78)
    assert "s3cr3t-api-key" not in done.stdout + done.stderr


def test_a_good_configuration_passes_with_and_without_the_world(tmp_path):
    log = tmp_path / "idp.log"
    log.write_text("")
    with Receiver() as receiver:
        path = tmp_path / "agent.yaml"
        path.write_text(yaml({
            "agent": {"name": "idp1.example.com", "state_dir": str(tmp_path / "state"),
                      "parsers_dir": str(PARSERS)},
            "inputs": [file_input(log)],
            "sinks": [elasticsearch_sink(receiver), file_sink(tmp_path / "out.ndjson")]}) + "\n")
        run("check", "--offline", "--config", path, check=0)
        run("check", "--config", path, check=0)
    done = run("check", "--config", path, check=78)
    assert "siem" in done.stdout + done.stderr, "an unreachable sink was not named"
    run("check", "--offline", "--config", path, check=0)


def test_a_credential_is_no_mistake_where_systemd_hands_none_out(tmp_path, monkeypatch):
    """By hand the rest is checked; in a unit, and for `run`, what is missing is missing."""
    for name in ("INVOCATION_ID", "CREDENTIALS_DIRECTORY"):
        monkeypatch.delenv(name, raising=False)
    log = tmp_path / "idp.log"
    log.write_text("")
    path = tmp_path / "agent.yaml"

    def write(**more):
        path.write_text(yaml({
            "agent": {"name": "idp1.example.com", "state_dir": str(tmp_path / "state"),
                      "parsers_dir": str(PARSERS), "status": {"token": "${credential:page}"}},
            "inputs": [file_input(log), {
                "id": "hooks", "type": "http", "listen": "192.0.2.1:9", "parser": "oidc_json",
                "auth": {"bearer": "${credential:hooks}"}, **more}],
            "signing": {"key": "${credential:signing.key}"},
            "privacy": {"key": "${credential:privacy}"},
            "ledger": {"encryption": {"key": "${credential:ledger}"}},
            "sinks": [
                file_sink(tmp_path / "out.ndjson"),
                {"id": "siem", "type": "elasticsearch", "endpoint": "https://127.0.0.1:9",
                 "auth": {"api_key": "${credential:siem.key}"}},
                {"id": "splunk", "type": "splunk_hec", "endpoint": "https://127.0.0.1:9",
                 "auth": {"token": "${credential:hec}"}, "tls": {
                     "ca_file": "${CREDENTIALS_DIRECTORY}/ca.pem"}},
                {"id": "fleet", "type": "kafka", "brokers": ["127.0.0.1:9"], "topic": "audit",
                 "sasl": {"mechanism": "scram_sha_512", "username": "u",
                          "password": "${credential:sasl}"}},
                {"id": "cloud", "type": "s3", "region": "eu-central-1", "bucket": "trail",
                 "auth": {"access_key_id": "${credential:id}",
                          "secret_access_key": "${credential:aws}"}}]}) + "\n")

    write()
    done = run("check", "--offline", "--config", path, check=0)
    warnings = [line for line in done.stdout.splitlines() if "only there under systemd" in line]
    assert len(warnings) == 1 and done.stdout.count("\n") == 1, done.stdout
    for place in ("signing.key", "sinks[1].auth.api_key", "sinks[4].auth.secret_access_key",
                  "inputs[1].auth.bearer", "sinks[2].tls.ca_file", "agent.status.token"):
        assert place in warnings[0], place
    assert "good" in done.stderr
    refused = run("run", "--config", path, check=78).stderr
    assert "LoadCredential=siem.key" in refused
    assert "LoadCredential=siem.key" in run(
        "check", "--offline", "--config", path, check=78, INVOCATION_ID="0" * 32).stdout
    log.unlink()
    done = run("check", "--config", path)
    assert "no file is there yet" in done.stdout, "the rest was not looked at"
    assert "sinks.siem: " not in done.stdout, "a sink was tried without its secret"
    write(timeoutt="1s")
    done = run("check", "--offline", "--config", path, check=78)
    assert "timeoutt" in done.stdout and "1 mistake" in done.stderr, done.stdout


def test_the_shipped_configuration_is_good_but_for_this_machine(tmp_path):
    """Every mistake that is found is the secret that only a real installation has."""
    shipped = (ROOT / "agent.yaml").read_text()
    path = tmp_path / "agent.yaml"
    path.write_text(re.sub(r"# parsers_dir: \S+", f"parsers_dir: {PARSERS}", shipped))
    assert path.read_text() != shipped
    done = run("check", "--offline", "--config", path)
    mistakes = by_line(done.stdout + done.stderr, path)
    report = done.stdout + done.stderr
    assert all("/etc/sealtail/es.key" in sentence for sentence in sum(mistakes.values(), [])), report
    assert done.returncode in ((78,) if mistakes else (0,)), report


def test_a_log_without_successes_is_a_warning_with_the_setting(tmp_path):
    log = tmp_path / "keycloak.log"
    log.write_text(
        '2026-11-20 08:00:00,001 WARN  [org.keycloak.events] (executor-thread-1) '
        'type="LOGIN_ERROR", realmId="r1", clientId="web", userId="null", '
        'ipAddress="192.0.2.1", error="user_not_found", username="mina"\n')
    config = tmp_path / "agent.yaml"
    config.write_text(yaml({
        "agent": {"name": "idp1.example.com", "state_dir": str(tmp_path / "state"),
                  "parsers_dir": str(PARSERS)},
        "inputs": [file_input(log, parser="auto")],
        "sinks": [file_sink(tmp_path / "out.ndjson")]}) + "\n")
    done = run("check", "--config", config, check=0)
    assert "warning: inputs." in done.stdout and "1 refusal and no success" in done.stdout
    assert "org.keycloak.events at DEBUG" in done.stdout
    with log.open("a") as file:
        file.write(
            '2026-11-20 08:00:01,001 DEBUG [org.keycloak.events] (executor-thread-1) '
            'type="LOGIN", realmId="r1", clientId="web", userId="u1", ipAddress="192.0.2.1"\n')
    assert "warning: inputs" not in run("check", "--config", config, check=0).stdout


def test_a_mistake_in_a_parser_that_no_input_names_is_a_warning(tmp_path):
    own = tmp_path / "parsers"
    own.mkdir()
    (own / "doorman.yaml").write_text("format: 1\nname: doorman\n")
    (own / "keycloak.yaml").write_text((PARSERS / "keycloak.yaml").read_text())
    log = tmp_path / "idp.log"
    log.write_text("")
    config = tmp_path / "agent.yaml"

    def write(parser):
        config.write_text(yaml({
            "agent": {"name": "idp1.example.com", "state_dir": str(tmp_path / "state"),
                      "parsers_dir": str(own)},
            "inputs": [file_input(log, parser=parser)],
            "sinks": [file_sink(tmp_path / "out.ndjson")]}) + "\n")

    write("auto")
    done = run("check", "--offline", "--config", config, check=0)
    assert f"warning: {own / 'doorman.yaml'}" in done.stdout
    write("keycloak")
    assert "warning" not in run("check", "--offline", "--config", config, check=0).stdout
    write("doorman")
    done = run("check", "--offline", "--config", config, check=78)
    assert "doorman.yaml" in done.stdout and "there is no parser" not in done.stdout, done.stdout


def opened_as(user, paths):
    """Which files the kernel lets a user open: asked by a child that has become that user."""
    record = pwd.getpwnam(user)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        os.initgroups(user, record.pw_gid)
        os.setresgid(record.pw_gid, record.pw_gid, record.pw_gid)
        os.setresuid(record.pw_uid, record.pw_uid, record.pw_uid)
        for path in paths:
            try:
                os.close(os.open(path, os.O_RDONLY))
                os.write(writer, b"1")
            except OSError:
                os.write(writer, b"0")
        os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    answer = os.read(reader, len(paths) + 1)
    os.close(reader)
    return {path for path, letter in zip(paths, answer.decode()) if letter == "1"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can ask the kernel for another user")
def test_check_says_of_the_service_user_what_the_kernel_says():
    # The folders of pytest, and TMPDIR, may be closed to others.
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        compare_with_the_kernel(pathlib.Path(folder))


def compare_with_the_kernel(tmp_path):
    user = pwd.getpwnam("nobody")
    tmp_path.chmod(0o755)
    paths = []
    for mode in (0o600, 0o640, 0o604, 0o444, 0o060, 0o006, 0o200, 0o400):
        for owner in (0, user.pw_uid):
            for group in (0, user.pw_gid):
                for below in ("open", "closed"):
                    path = tmp_path / below / f"{mode:o}-{owner}-{group}.log"
                    path.parent.mkdir(exist_ok=True)
                    path.write_text("")
                    os.chown(path, owner, group)
                    path.chmod(mode)
                    paths.append(path)
    (tmp_path / "open").chmod(0o711)
    (tmp_path / "closed").chmod(0o700)
    config = tmp_path / "agent.yaml"
    config.write_text(yaml({
        "agent": {"name": "idp1.example.com", "state_dir": str(tmp_path / "state"),
                  "parsers_dir": str(PARSERS)},
        "inputs": [file_input(tmp_path / "*" / "*.log")],
        "sinks": [file_sink("/dev/null")]}) + "\n")
    config.chmod(0o644)
    report = run("check", "--config", config, "--user", "nobody", check=78).stdout
    refused = {line.split("inputs.idp.paths: ")[1].split(": ")[0]
               for line in report.splitlines() if "inputs.idp.paths: " in line}
    allowed = {str(path) for path in opened_as("nobody", paths)}
    assert allowed and refused
    assert {str(path) for path in paths} - refused == allowed, report
    assert "type: usermod -aG" in report or "type: setfacl" in report


def test_check_changes_nothing(tmp_path):
    """The sink's file is neither made nor touched: an agent may be writing to it right now."""
    log, out = tmp_path / "idp.log", tmp_path / "out.ndjson"
    log.write_text("")
    out.write_text('{"half a line')
    config = tmp_path / "agent.yaml"
    config.write_text(yaml({
        "agent": {"name": "idp1.example.com", "state_dir": str(tmp_path / "state"),
                  "parsers_dir": str(PARSERS)},
        "inputs": [file_input(log)],
        "sinks": [file_sink(out), {**file_sink(tmp_path / "new.ndjson"), "id": "two"}]}) + "\n")
    before = sorted(tmp_path.iterdir())
    run("check", "--config", config, check=0)
    assert sorted(tmp_path.iterdir()) == before and out.read_text() == '{"half a line'
