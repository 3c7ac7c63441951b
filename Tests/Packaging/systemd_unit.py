#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Shows that the unit does what it promises, under a systemd that was booted for it.

usage: systemd_unit.py PACKAGE.deb [--idle SECONDS] [--only WORD]

Installs the package in a fresh Debian 12, boots it with systemd-nspawn and prints one line for each
thing shown. The exit code is the number of things that could not be shown.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import machine as machines

ROOT = Path(__file__).resolve().parents[2]
BASE = ROOT / ".build" / "systemd-test" / "debian"
# Beside what the package depends on: a system that boots, and what Suggests names.
PACKAGES = {"systemd", "systemd-sysv", "dbus", "librdkafka1"}


def dependencies(package):
    """The names in Depends; of alternatives the first."""
    text = subprocess.run(["dpkg-deb", "--field", str(package), "Depends"], check=True,
                          capture_output=True, text=True).stdout
    return {re.split(r"[ (|]", part.strip())[0] for part in text.split(",")}


def install(machine, package):
    """Installs the package as an administrator would, and makes the user of a provider."""
    shutil.copy(package, machine.tree / "opt" / "sealtail.deb")
    machine.run("dpkg", "--install", "/opt/sealtail.deb")
    machine.run("useradd", "--system", "--user-group", "keycloak")
    found = machine.run("systemd-analyze", "verify", "sealtail.service", check=None)
    said = (found.stdout + found.stderr).strip()
    if found.returncode or said:
        raise machines.Failure(f"systemd-analyze verify: {said}")
    version = machine.run("systemctl", "--version").stdout.split("(")[1].split(")")[0]
    return f"installed; systemd {version} has nothing to say against the unit"


def steps(idle_seconds):
    """Name and step, in order."""
    import unit_steps as unit

    return [
        ("by group", unit.by_group), ("by group alone", unit.by_group_alone),
        ("by capability", unit.by_capability),
        ("capability and users", unit.capability_wants_the_users),
        ("sinks down", unit.sinks_down), ("credentials", unit.credentials),
        ("reload", unit.reload), ("stop", unit.drained), ("journal", unit.journal_input),
        ("bad configuration", unit.refused_for_good), ("low port", unit.low_port),
        ("sandbox", unit.hardened), ("start", unit.ready_in_time),
        ("idle", partial(unit.idle, seconds=idle_seconds)),
    ]


def show(name, step, *arguments):
    """Runs one step and prints its line; true when it could be shown."""
    begun = time.monotonic()
    try:
        sentence, is_shown = step(*arguments), True
    except (machines.Failure, AssertionError, subprocess.SubprocessError, OSError) as error:
        sentence, is_shown = str(error), False
    taken = time.monotonic() - begun
    print(f"{'ok    ' if is_shown else 'FAILED'} {name}: {sentence} [{taken:.1f} s]", flush=True)
    return is_shown


def run(options):
    from service import Service

    tree = Path(machines.folder_inside()) / "root"
    subprocess.run(["cp", "--archive", "--reflink=auto", str(BASE), str(tree)], check=True)
    failed = 0
    with machines.Machine(tree) as machine:
        if not show("package", install, machine, options.package):
            return 1
        service = Service(machine)
        for name, step in steps(options.idle):
            if options.only and options.only not in name:
                continue
            service.reset()
            if not show(name, step, service):
                failed += 1
                print(service.journal()[-3000:], file=sys.stderr)
    return failed


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("package", type=Path)
    parser.add_argument("--idle", type=float, default=180.0, help="seconds to idle for")
    parser.add_argument("--only", help="only the steps whose name has this in it")
    options = parser.parse_args()
    if refusal := machines.missing_tools():
        sys.exit(f"systemd_unit: {refusal}")
    if machines.folder_inside():
        machines.prepare_namespaces()
        sys.exit(run(options))
    machines.build_tree(BASE, PACKAGES | dependencies(options.package))
    with tempfile.TemporaryDirectory(dir=BASE.parent, prefix="run-") as folder:
        code = machines.run_inside(folder)
    sys.exit(code)


if __name__ == "__main__":
    main()
