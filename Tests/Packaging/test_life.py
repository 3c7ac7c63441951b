# SPDX-License-Identifier: Apache-2.0
"""What happens to a machine: install, run, upgrade, remove, purge."""

import json
import os
import re
import shutil
import signal
import subprocess
import time

import pytest

from conftest import ROOT, field

CONFIGURATION = "/etc/sealtail/agent.yaml"
STATE = "/var/lib/sealtail"
PATIENCE = 60       # seconds


def example_lines(product):
    text = (ROOT / f"Tests/Fixtures/parsers/{product}.fixture").read_text(encoding="utf-8")
    return [line for line in text.splitlines() if " type=\"LOGIN" in line]


def test_fresh_install_changes_nothing_but_its_files_and_says_the_next_step(machine, package):
    output = machine.install(package)
    assert output.count("Next step: sealtail init") == 1, output
    assert machine.run("dpkg", "--verify", "sealtail") == ""
    assert not machine.path(STATE).exists(), "the unit makes the state directory"
    # Disabled: nothing starts, now or after a boot, before the operator says so.
    assert machine.run("systemctl", "is-enabled", "sealtail", status=1).strip() == "disabled"
    user = machine.run("getent", "passwd", "sealtail").split(":")
    assert user[5:] == [STATE, "/usr/sbin/nologin\n"]
    assert 0 < int(user[2]) < 1000, "a system user"
    assert machine.run("dpkg-query", "-W", "-f", "${Conffiles}", "sealtail").split()[0::2] == [
        CONFIGURATION]
    assert not machine.path("/etc/logrotate.d/sealtail").exists()


def test_what_is_installed_works_without_the_tree(machine, package):
    machine.install(package)
    assert field(package, "Version").startswith(machine.run("sealtail", "version").split()[1])
    assert "good" in machine.run("sealtail", "check", "--offline")
    assert "keycloak" in machine.run("sealtail", "parsers", "list")
    assert "not found" not in machine.run("ldd", "/usr/bin/sealtail")
    assert machine.path("/etc/sealtail/conf.d").is_dir()
    assert machine.path("/usr/share/sealtail/elasticsearch/_index_template").is_dir()


def test_the_next_step_is_the_one_that_is_said(machine, package):
    machine.install(package)
    output = machine.run("sealtail", "init")
    assert f"wrote {CONFIGURATION}" in output, output
    assert "good" in machine.run("sealtail", "check", "--offline")
    # What somebody has written is not overwritten.
    assert "--force" in machine.run("sealtail", "init", status=74)


def test_the_shipped_configuration_seals_the_log_of_a_keycloak(machine, package):
    machine.install(package)
    lines = example_lines("keycloak")
    assert lines, "the fixture has no line of a login"
    machine.path("/var/log/keycloak").mkdir()
    machine.path("/var/log/keycloak/keycloak.log").write_text("\n".join(lines) + "\n", "utf-8")
    machine.path("/etc/sealtail/conf.d/here.yaml").write_text("agent: {listen: none}\n", "utf-8")
    machine.run("install", "-d", "-o", "sealtail", "-g", "sealtail", "-m", "700", STATE)
    archive = machine.path(STATE + "/archive.ndjson")
    agent = subprocess.Popen(
        ["chroot", "--userspec=sealtail:sealtail", machine.folder, "sealtail", "run"],
        stderr=subprocess.PIPE, text=True)
    try:
        def sealed():
            text = archive.read_text(encoding="utf-8") if archive.exists() else ""
            return [json.loads(line)["action"] for line in text.splitlines()]

        deadline = time.monotonic() + PATIENCE
        while not any(action.startswith("Login") for action in sealed()):
            assert agent.poll() is None, agent.stderr.read()
            assert time.monotonic() < deadline, f"sealed in {PATIENCE} s: {sealed()}"
            time.sleep(0.05)
        agent.send_signal(signal.SIGTERM)
        assert agent.wait(PATIENCE) == 0
    finally:
        if agent.poll() is None:
            agent.kill()
            agent.wait()
        agent.stderr.close()


@pytest.fixture
def used(machine, older):
    """A machine where the older version was configured and ran."""
    machine.install(older)
    with machine.path(CONFIGURATION).open("a", encoding="utf-8") as file:
        file.write("# what the operator wrote\n")
    machine.path("/etc/sealtail/conf.d/own.yaml").write_text("agent: {grace: 10s}\n", "utf-8")
    machine.run("install", "-d", "-o", "sealtail", "-m", "700", STATE, STATE + "/keys")
    machine.run("sealtail", "keygen", "--name", "idp1.example.com", "--out", STATE + "/keys")
    machine.evidence = evidence(machine)
    assert len(machine.evidence) == 2
    return machine


def evidence(machine):
    return {file.name: file.read_bytes() for file in machine.path(STATE).rglob("*.*key")}


def kept(machine):
    return evidence(machine) == machine.evidence


def test_upgrade_keeps_what_the_operator_wrote_and_takes_old_files_away(used, package):
    assert used.path("/usr/share/sealtail/forgotten").exists()
    output = used.install(package)
    assert "Next step" not in output and "Configuration file" not in output, output
    assert "what the operator wrote" in used.path(CONFIGURATION).read_text(encoding="utf-8")
    assert not used.path("/usr/share/sealtail/forgotten").exists()
    assert kept(used)
    assert "good" in used.run("sealtail", "check", "--offline")


def test_upgrade_keeps_a_unit_enabled(used, package):
    used.run("systemctl", "enable", "sealtail")
    used.install(package)
    assert used.run("systemctl", "is-enabled", "sealtail").strip() == "enabled"


def test_remove_leaves_configuration_and_evidence(used, package):
    used.install(package)
    used.run("dpkg", "--remove", "sealtail")
    assert not used.path("/usr/bin/sealtail").exists()
    assert not used.path("/lib/systemd/system/sealtail.service").exists()
    assert used.path(CONFIGURATION).exists()
    assert kept(used)


def test_purge_says_what_it_leaves(used, package):
    used.install(package)
    used.run("systemctl", "enable", "sealtail")
    output = used.run("dpkg", "--purge", "sealtail")
    assert f"leaves {STATE}" in output and "evidence" in output
    assert "leaves what you put into /etc/sealtail" in output
    assert kept(used)
    assert not used.path(CONFIGURATION).exists()
    assert used.path("/etc/sealtail/conf.d/own.yaml").exists()
    assert not os.path.lexists(
        used.path("/etc/systemd/system/multi-user.target.wants/sealtail.service"))
    assert used.run("getent", "passwd", "sealtail"), "the owner of the evidence stays"
    # And back again: what was left is found.
    used.install(package)
    assert kept(used)


def test_purge_of_what_never_ran_leaves_no_file(machine, package):
    machine.install(package)
    output = machine.run("dpkg", "--purge", "sealtail")
    assert "leaves" not in output, output
    left = machine.run("sh", "-c", "find / -xdev -iname '*sealtail*' -not -path '/tmp/*' | sort")
    assert left.split() == []


# What happens inside a booted machine: the older version runs, then the newer one comes.
UPGRADE = """\
#!/bin/sh
exec > /upgrade.log 2>&1
set -x
dpkg --install /opt/older.deb
systemctl enable --now sealtail
before=$(systemctl show --property MainPID --value sealtail)
dpkg --install /opt/sealtail.deb
systemctl is-active sealtail
after=$(systemctl show --property MainPID --value sealtail)
stat -c 'state %U %a' /var/lib/sealtail
echo "restarted $before $after"
dpkg --remove sealtail
systemctl is-active sealtail
systemctl --no-pager status sealtail
journalctl --no-pager -u sealtail
"""
UNIT = """\
[Unit]
After=multi-user.target
SuccessAction=poweroff-force
FailureAction=poweroff-force
[Service]
Type=oneshot
ExecStart=/bin/sh /upgrade.sh
TimeoutStartSec=90s
"""


def test_upgrade_restarts_an_agent_that_runs(machine, older, package):
    # A booted system begins with an empty /tmp.
    shutil.copy(package, machine.path("/opt/sealtail.deb"))
    shutil.copy(older, machine.path("/opt/older.deb"))
    machine.path("/upgrade.sh").write_text(UPGRADE, encoding="utf-8")
    machine.path("/etc/systemd/system/upgrade.service").write_text(UNIT, encoding="utf-8")
    machine.run("systemctl", "add-wants", "default.target", "upgrade.service")
    subprocess.run(
        ["systemd-nspawn", "--boot", "--quiet", "--register=no", "--keep-unit", "--private-network",
         "--directory", machine.folder], stdin=subprocess.DEVNULL, capture_output=True,
        timeout=180, check=False)
    log = machine.path("/upgrade.log").read_text(encoding="utf-8")
    pids = re.search(r"^restarted (\d+) (\d+)$", log, re.MULTILINE)
    assert pids and "0" not in pids.groups() and pids[1] != pids[2], log
    assert "\nactive\n" in log and "\nstate sealtail 700\n" in log, log
    assert "\ninactive\n" in log, f"removal stops it\n{log}"
