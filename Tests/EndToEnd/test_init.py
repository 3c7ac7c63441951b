# SPDX-License-Identifier: Apache-2.0
"""`sealtail init` looks at a machine and writes a configuration that works as it stands."""

import os
import stat

import pytest
from agent import (PARSERS, Agent, free_port, is_agent_event, read_events, run)
from journal_files import Journal

KEYCLOAK = ('2026-11-20 08:00:0{n},000 WARN  [org.keycloak.events] (executor-thread-1) '
            'type="LOGIN_ERROR", realmId="r1", clientId="web", userId="null", '
            'ipAddress="192.0.2.{n}", error="invalid_user_credentials", username="ada"\n')
VAULT = ('{"time":"2026-11-20T08:00:00Z","type":"request","auth":{"token_type":"default"},'
         '"request":{"id":"0c1","operation":"update","path":"auth/userpass/login/ada",'
         '"mount_type":"userpass","remote_address":"192.0.2.9"}}\n')
CONTAINER = "0123456789abcdef" * 4
HOSTILE = 'a: "$(reboot)" ${HOME} \'#\n- x\t*[é].log'


class Machine:
    """A root folder with processes and logs that were never there."""

    def __init__(self, folder):
        self.root = folder / "root"
        self.write("/etc/passwd", "root:x:0:0::/root:/bin/sh\nsealtail:x:990:990::/:/bin/false\n")
        self.write("/etc/group", "root:x:0:\nadm:x:4:\nsealtail:x:990:\nidp:x:991:\n")
        (self.root / "proc").mkdir()

    def write(self, path, text):
        place = self.root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
        return place

    def process(self, number, *arguments, group="/", writes=()):
        place = self.root / "proc" / str(number)
        for folder in ("fd", "fdinfo"):
            (place / folder).mkdir(parents=True)
        (place / "cmdline").write_text("\0".join(arguments) + "\0")
        (place / "comm").write_text(os.path.basename(arguments[0])[:15] + "\n")
        (place / "cgroup").write_text(f"0::{group}\n")
        for descriptor, path in enumerate(writes, 3):
            (place / "fd" / str(descriptor)).symlink_to(path)
            (place / "fdinfo" / str(descriptor)).write_text("pos:\t0\nflags:\t0102001\n")

    def init(self, *more, check=0):
        return run("init", "--root", self.root, "--parsers", PARSERS, *more, check=check)


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def fragment(folder, **agent):
    """What belongs to the test and not to the machine, in a fragment beside the file."""
    (folder / "conf.d").mkdir(exist_ok=True)
    (folder / "conf.d" / "test.yaml").write_text(
        f"agent:\n  listen: 127.0.0.1:{free_port()}\n  parsers_dir: {PARSERS}\n"
        + "".join(f"  {key}: {value}\n" for key, value in agent.items()))


def test_from_init_to_the_first_event(tmp_path, machine):
    log = machine.write("/opt/keycloak/data/log/keycloak.log",
                        "".join(KEYCLOAK.format(n=n) for n in range(1, 6)))
    machine.process(31, "/usr/bin/java", "-Dkc.home.dir=/opt/keycloak", "-jar", "quarkus-run.jar",
                    writes=["/opt/keycloak/data/log/keycloak.log"])
    out, state = tmp_path / "agent.yaml", tmp_path / "state"
    said = machine.init("--out", out, "--state", state).stderr
    assert "Keycloak, running as process 31" in said and "100 %" in said
    assert "hides successes" in said and "success-level=info" in said
    assert "sealtail check" in said and "sealtail run" in said and "sealtail status" in said
    assert f"The events then stand in {state}/events.ndjson" in said
    assert stat.S_IMODE(out.stat().st_mode) & 0o037 == 0, "others may read or write it"
    fragment(tmp_path, log="{level: debug}", grace="10s")
    assert "good" in run("check", "--config", out, check=0).stderr

    agent = Agent(tmp_path / "unused", [], [], state_dir=state)
    agent.path = out
    agent.port = int((tmp_path / "conf.d/test.yaml").read_text().split("127.0.0.1:")[1].split()[0])
    agent.start()
    agent.wait_read(5)
    agent.wait_delivered("archive")
    agent.stop()
    events = [event for event in read_events(state / "events.ndjson") if not is_agent_event(event)]
    assert [event["action"] for event in events] == ["LoginFailed"] * 5
    assert log.read_text().count("\n") == 5


def test_every_kind_of_log_is_found_once(tmp_path, machine):
    text = KEYCLOAK.format(n=1)
    machine.write("/srv/sso/logs/server.log", text)
    machine.process(40, "java", "-cp", "/srv/keycloak/lib", "Main", writes=["/srv/sso/logs/server.log"])
    machine.write("/var/log/vault/audit.log", VAULT)
    machine.write("/var/log/vault/audit.log.1", VAULT)
    machine.process(41, "/usr/local/bin/hydra", "serve", "all", group="/system.slice/hydra.service")
    machine.process(42, "dex", "serve", group=f"/system.slice/docker-{CONTAINER}.scope")
    machine.process(43, "/usr/bin/vim", "/etc/keycloak/keycloak.conf")
    machine.process(44, "zitadel", "start", group="/system.slice/zitadel.service")
    machine.write(f"/var/log/containers/sso-0_idp_keycloak-{CONTAINER}.log",
                  "2026-11-20T08:00:01.0Z stdout F " + text)
    draft = machine.init("--print").stdout
    assert draft.count("audit.log\"") >= 1 and "audit.log.1" not in draft
    assert f"{machine.root}/var/log/containers/*_idp_keycloak-*.log" in draft
    assert f"{machine.root}/srv/sso/logs/server.log" in draft
    assert 'units: ["hydra.service"]' in draft
    assert "zitadel_journal" not in draft, "its standard output has technical lines only"
    said = machine.init("--print").stderr
    assert "running as process 40:" in said and "43" not in said.split("running")[1].split(":")[0]
    assert "ZITADEL" in said and "no log was found" in said


def test_a_product_is_found_by_what_its_service_wrote_into_the_journal(machine):
    """No process of it is seen, as when it runs under a wrapper: its lines say whose they are."""
    machine.write("/var/log/journal/keep", "")
    journal = Journal(machine.root / "var/log/journal" / ("0123456789abcdef" * 2))
    journal.append(["one"], _SYSTEMD_UNIT="other.service")
    journal.append(["two"], _SYSTEMD_UNIT="sso.service", MESSAGE=KEYCLOAK.format(n=1).strip())
    draft = machine.init("--print").stdout
    assert 'units: ["sso.service"]' in draft and "parser: keycloak" in draft
    assert "other.service" not in draft


def test_hostile_names_stay_names(tmp_path, machine):
    place = machine.write("/var/log/keycloak/" + HOSTILE, KEYCLOAK.format(n=1))
    (machine.root / "var/log/keycloak" / os.fsdecode(b"\xff.log")).write_text(
        KEYCLOAK.format(n=2))
    out = tmp_path / "agent.yaml"
    said = machine.init("--out", out, "--state", tmp_path / "state").stderr
    fragment(tmp_path)
    run("check", "--config", out, check=0)
    sample = run("check", "--config", out).stdout
    # The warning about successes proves that the pattern finds the file again.
    assert "1 refusal and no success" in sample, sample + out.read_text()
    assert "\n- x" not in out.read_text() and "\n- x" not in said
    assert place.exists()


def test_what_the_service_may_not_read_comes_with_what_to_type(machine):
    for path, mode, group in (("/var/log/vault/audit.log", 0o640, 991),
                              ("/opt/keycloak/data/log/keycloak.log", 0o600, 0)):
        place = machine.write(path, VAULT if "vault" in path else KEYCLOAK.format(n=1))
        place.chmod(mode)
        if os.geteuid() == 0:
            os.chown(place, 0, group)
    said = machine.init("--print", "--user", "sealtail").stderr
    assert "setfacl -m u:sealtail:r " in said and "setfacl -d -m u:sealtail:r " in said
    if os.geteuid() == 0:
        assert "usermod -aG idp sealtail" in said


def test_an_old_file_is_never_lost(tmp_path, machine):
    out = tmp_path / "agent.yaml"
    out.write_text("old\n")
    assert "--force" in machine.init("--out", out, check=74).stderr
    assert out.read_text() == "old\n"
    machine.init("--out", out, "--force")
    assert (tmp_path / "agent.yaml.old").read_text() == "old\n" and "inputs:" in out.read_text()
    assert "agent.yaml.old: is there already" in machine.init(
        "--out", out, "--force", check=74).stderr
    assert (tmp_path / "agent.yaml.old").read_text() == "old\n"


def test_an_empty_machine_gets_an_example_that_passes(tmp_path, machine):
    out = tmp_path / "agent.yaml"
    said = machine.init("--out", out, "--state", tmp_path / "state").stderr
    assert "Found no product" in said
    fragment(tmp_path)
    run("check", "--offline", "--config", out, check=0)
    assert machine.init("--out", tmp_path / "x.yaml", "--state", "relative", check=78).stderr.count(
        "absolute") == 1
    assert not (tmp_path / "x.yaml").exists()


def test_a_user_that_is_not_there_is_not_taken_for_another(tmp_path, machine):
    out = tmp_path / "agent.yaml"
    said = machine.init("--out", out, "--user", "nobody-here", check=64).stderr
    assert "there is no user nobody-here in " in said and "name another one" in said
    assert not out.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_the_user_that_is_named_can_read_the_file(tmp_path, machine):
    machine.write("/etc/passwd", "root:x:0:0::/root:/bin/sh\nsealtail:x:990:990::/:/bin/false\n"
                  "idp:x:70000:70001::/:/bin/false\n")
    for more, group in (((), 990), (("--user", "idp"), 70001)):
        out = tmp_path / f"{group}.yaml"
        machine.init("--out", out, *more)
        status = out.stat()
        assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (0, group, 0o640)
    machine.init("--out", tmp_path / "root.yaml", "--user", "root")
    assert stat.S_IMODE((tmp_path / "root.yaml").stat().st_mode) == 0o600


def test_a_link_beside_the_file_gives_no_other_file_away(tmp_path, machine):
    other = tmp_path / "other"
    other.write_text("other\n")
    other.chmod(0o600)
    before = other.stat()
    (tmp_path / "agent.yaml.new").symlink_to(other)
    machine.init("--out", tmp_path / "agent.yaml")
    after = other.stat()
    assert other.read_text() == "other\n"
    assert (after.st_mode, after.st_gid, after.st_ino) == (
        before.st_mode, before.st_gid, before.st_ino)
    assert "inputs:" in (tmp_path / "agent.yaml").read_text()
