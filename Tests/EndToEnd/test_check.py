# SPDX-License-Identifier: Apache-2.0
"""`sealtail check` names every mistake at once, with its place and a way out."""

import re
import stat

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
