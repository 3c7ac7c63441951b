# SPDX-License-Identifier: Apache-2.0
"""`sealtail doctor` packs what helps, and nothing that is a secret or somebody's event."""

import base64
import io
import stat
import subprocess
import tarfile

from agent import PARSERS, Agent, binary, environment, file_input, file_sink, run

MARKER = "ada.lovelace.7f3a@example.com"
LINE = ('2026-11-20 08:00:00,000 WARN  [org.keycloak.events] (executor-thread-1) '
        'type="LOGIN_ERROR", realmId="r1", clientId="web", userId="null", ipAddress="192.0.2.7", '
        f'error="invalid_user_credentials", username="{MARKER}"\n')


def secret(name):
    return f"5ecr3t-{name}-{base64.b32encode(name.encode()).decode().strip('=').lower()}"


NAMES = [
    "api_key", "bearer", "password", "hec", "hook", "header", "query", "path", "userinfo",
    "proxy", "sasl", "aws_id", "aws_secret", "aws_session", "environment", "default", "file",
    "privacy", "ledger", "label", "tenant", "unknown", "comment", "broken",
    "slash",
]
SECRETS = {name: secret(name) for name in NAMES}
HEX = {"privacy": "c0ffee" * 10 + "abcd", "ledger": "facade" * 10 + "1234"}
SECRETS.update(HEX)

CONFIGURATION = """\
# a note to myself: {comment}
agent: {{name: idp1.example.com, state_dir: "{state}", parsers_dir: "{parsers}", listen: "127.0.0.1:{port}"}}
inputs:
  - id: idp
    type: file
    paths: ["{log}"]
    parser: keycloak
    labels: {{owner: "{label}"}}
    tenant: "{tenant}"
  - {{id: hooks, type: http, listen: "127.0.0.1:{free}", parser: oidc_json, auth: {{bearer: "{hook}"}}}}
privacy: {{key: "{privacy}"}}
ledger: {{encryption: {{key: "{ledger}"}}}}
sinks:
  - {{id: archive, type: file, path: "{out}"}}
  - {{id: siem, type: elasticsearch, endpoint: "https://127.0.0.1:9", auth: {{api_key: "{api_key}"}}}}
  - id: hook
    type: http
    endpoint: "http://127.0.0.1:9"
    path: "/ingest/{path}?token={query}"
    headers: {{X-Key: "{header}"}}
    auth: {{bearer: "{bearer}"}}
    proxy: {{endpoint: "http://127.0.0.1:9", basic: {{username: sealtail, password: "{proxy}"}}}}
  - {{id: splunk, type: splunk_hec, endpoint: "http://127.0.0.1:9", auth: {{token: "{hec}"}}}}
  - {{id: otlp, type: otlp, endpoint: "http://127.0.0.1:9", auth: {{basic: {{username: u, password: "{password}"}}}}}}
  - id: cloud
    type: cloudwatch_logs
    region: eu-central-1
    endpoint: "http://127.0.0.1:9"
    log_group: /idp
    auth: {{access_key_id: "{aws_id}", secret_access_key: "{aws_secret}", session_token: "{aws_session}"}}
  - {{id: es2, type: elasticsearch, endpoint: "http://127.0.0.1:9", auth: {{bearer: "${{file:{file_path}}}"}}}}
  - {{id: es3, type: elasticsearch, endpoint: "http://127.0.0.1:9", auth: {{bearer: "${{DOCTOR_TOKEN}}"}}}}
  - {{id: es4, type: elasticsearch, endpoint: "http://127.0.0.1:9", auth: {{bearer: "${{NOT_SET:-{default}}}"}}}}
  - id: fleet
    type: kafka
    brokers: ["127.0.0.1:9"]
    topic: audit
    tls: {{}}
    sasl: {{mechanism: plain, username: u, password: "{sasl}"}}
"""


def unpacked(packed):
    with tarfile.open(fileobj=io.BytesIO(packed), mode="r:gz") as archive:
        assert all(member.isfile() and member.mode == 0o600 for member in archive)
        return {member.name.split("/", 1)[1]: archive.extractfile(member).read().decode()
                for member in archive}


def expect_no_secret(files, said):
    assert set(SECRETS) == set(NAMES)
    everything = "\n".join(files.values()) + said
    for name, value in {**SECRETS, "marker": MARKER}.items():
        for form in (value, base64.b64encode(value.encode()).decode()):
            where = [file for file, text in files.items() if form in text]
            assert form not in everything, f"{name} stands in {where}"


def configuration(tmp_path, agent, text=CONFIGURATION):
    file = tmp_path / "token"
    file.write_text(SECRETS["file"] + "\n")
    file.chmod(0o600)
    path = tmp_path / "all.yaml"
    path.write_text(text.format(
        **SECRETS, state=agent.state, parsers=PARSERS, port=agent.port, log=tmp_path / "idp.log",
        out=tmp_path / "out.ndjson", file_path=file, free=1))
    return path


def test_the_bundle_of_a_running_agent_holds_no_secret_and_no_event(tmp_path):
    log = tmp_path / "idp.log"
    log.write_text(LINE * 3)
    agent = Agent(tmp_path, [file_input(log)], [file_sink(tmp_path / "out.ndjson")])
    agent.start()
    agent.wait_read(3)
    agent.wait_delivered("out")
    assert MARKER in (tmp_path / "out.ndjson").read_text()
    path, out = configuration(tmp_path, agent), tmp_path / "bundle.tar.gz"
    said = run("doctor", "--config", path, "--out", out, check=0,
               DOCTOR_TOKEN=SECRETS["environment"]).stderr
    assert "left out: keys, secrets" in said
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    files = unpacked(out.read_bytes())
    agent.stop()
    expect_no_secret(files, said)
    assert all(f"{name}: " in said for name in files)
    assert "sealtail_records_read_total" in files["metrics.txt"]
    assert "sealtail " in files["version.txt"] and "PRETTY_NAME" in files["machine.txt"]
    assert "Max open files" in files["process.txt"]
    assert "segments 1" in files["ledger.txt"] and "out: " in files["ledger.txt"]
    assert str(log) in files["files.txt"] and " 0600 " in files["files.txt"]
    shown = files["configuration.yaml"]
    assert "https://127.0.0.1:9" in shown and "${DOCTOR_TOKEN}" in shown and "***" in shown
    assert "sinks.siem" in files["check.txt"]


def test_secrets_that_only_the_service_has_do_not_empty_the_bundle(tmp_path):
    """By hand there are no credentials, and nothing of what a unit's environment holds."""
    log = tmp_path / "idp.log"
    log.write_text(LINE)
    agent = Agent(tmp_path, [file_input(log)], [file_sink(tmp_path / "out.ndjson")])
    agent.start()
    agent.wait_delivered("out")
    text = CONFIGURATION.replace("{api_key}", "${{credential:siem.key}}")
    path, out = configuration(tmp_path, agent, text), tmp_path / "bundle.tar.gz"
    said = run("doctor", "--config", path, "--out", out, check=0).stderr
    agent.stop()
    files = unpacked(out.read_bytes())
    expect_no_secret(files, said)
    assert "siem.key" in files["check.txt"] and "DOCTOR_TOKEN" in files["check.txt"]
    assert "sealtail_records_read_total" in files["metrics.txt"]
    assert '"sinks"' in files["status.json"] and "segments 1" in files["ledger.txt"]
    assert str(log) in files["files.txt"] and str(agent.state) in files["files.txt"]


def test_a_broken_configuration_is_packed_as_well(tmp_path):
    agent = Agent(tmp_path / "unused", [], [])
    text = CONFIGURATION + ('  - {{id: x, type: http, endpoint: "nowhere://u:{userinfo}@h/{broken}", '
                            'pasword: "{unknown}"}}\n'
                            '  - {{id: y, type: http, endpoint: "http://u:{slash}/1@h"}}\n')
    path = configuration(tmp_path, agent, text)
    done = subprocess.run(
        [str(binary()), "doctor", "--offline", "--config", str(path), "--out", "-"],
        capture_output=True, timeout=60, env=environment(DOCTOR_TOKEN=SECRETS["environment"]))
    assert done.returncode == 0, done.stderr
    files = unpacked(done.stdout)
    expect_no_secret(files, done.stderr.decode())
    assert "pasword" in files["check.txt"] and "endpoint" in files["check.txt"]
    assert "no agent" in files["process.txt"] or "limits" in files["process.txt"]


def test_with_a_mistake_what_has_none_is_looked_at_all_the_same(tmp_path):
    agent = Agent(tmp_path / "agent", [file_input(tmp_path / "gone" / "*.log")], [
        {"id": "there", "type": "http", "endpoint": "http://127.0.0.1:9"},
        {"id": "wrong", "type": "http", "endpoint": "http://127.0.0.1:9", "formatt": "ecs"}])
    agent.write()
    out = tmp_path / "bundle.tar.gz"
    run("doctor", "--config", agent.path, "--out", out, check=0)
    found = unpacked(out.read_bytes())["check.txt"]
    assert "formatt" in found and "as the user" in found
    assert "sinks.there" in found and "sinks.wrong" not in found.replace("sinks[1]", "")


def test_an_old_bundle_is_not_overwritten(tmp_path):
    out = tmp_path / "bundle.tar.gz"
    out.write_text("mine")
    path = tmp_path / "none.yaml"
    assert "--out" in run("doctor", "--config", path, "--out", out, check=74).stderr
    assert out.read_text() == "mine"
