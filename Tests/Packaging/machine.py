# SPDX-License-Identifier: Apache-2.0
"""A Debian that systemd boots: a tree from mmdebstrap, started by systemd-nspawn.

Everything happens in namespaces of its own (mounts, processes, network), so when the process that
made them ends, nothing is left running or mounted, however it ends. The network is a loopback that
the machine shares with this process: a receiver that listens here is where the machine reaches it.
"""

import ctypes
import fcntl
import hashlib
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

BOOT_LIMIT = 60.0
COMMAND_LIMIT = 60.0
CGROUPS = Path("/sys/fs/cgroup")
NSPAWN = "systemd-nspawn"
INSIDE = "SEALTAIL_TEST_FOLDER"
PR_SET_PDEATHSIG = 1
ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1


class Failure(Exception):
    """Something that was to be shown is not so."""


def missing_tools():
    """What this machine lacks, as a sentence; None when all is there."""
    if os.geteuid() != 0:
        return "root is needed to boot a machine: sudo make systemd-test"
    lacking = [name for name in ("mmdebstrap", NSPAWN, "unshare", "nsenter")
               if not shutil.which(name)]
    return f"missing: {', '.join(lacking)}; run scripts/setup.sh packages" if lacking else None


def die_with_parent():
    """To be called in a child before it becomes another program."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def folder_inside():
    """The folder that was handed in; None in a program that is not inside."""
    return os.environ.get(INSIDE)


def run_inside(folder):
    """Starts this program again in namespaces of its own, and answers with its exit code.

    Whatever ends this one, the one inside has put everything away when this returns or raises.
    """
    end_in_order()
    command = ["unshare", "--mount", "--pid", "--net", "--fork", "--kill-child=SIGTERM",
               "--mount-proc", "--propagation", "private", sys.executable, "-B", *sys.argv]
    ours, theirs = os.pipe()
    try:
        return subprocess.run(
            command, env={**os.environ, INSIDE: str(folder)}, check=False, pass_fds=[theirs],
            preexec_fn=die_with_parent).returncode
    finally:
        # Nobody writes; the end of the file comes when nobody inside is left.
        os.close(theirs)
        os.read(ours, 1)


def end_in_order():
    """Makes the first request to end an exception; what comes after it does not disturb."""
    def leave(number, _):
        for signal_number in ENDINGS:
            signal.signal(signal_number, signal.SIG_IGN)
        sys.exit(128 + number)

    for number in ENDINGS:
        signal.signal(number, leave)


def prepare_namespaces():
    """Brings loopback up, and mounts what systemd-nspawn needs and what it would leave behind."""
    end_in_order()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = bytearray(struct.pack("16sH22x", b"lo", 0))
        fcntl.ioctl(control, SIOCGIFFLAGS, request)
        flags = struct.unpack_from("H", request, 16)[0]
        struct.pack_into("H", request, 16, flags | IFF_UP)
        fcntl.ioctl(control, SIOCSIFFLAGS, request)
    # systemd wants one unified hierarchy; a host may still have the split one of old.
    if not (CGROUPS / "cgroup.procs").exists():
        subprocess.run(["umount", "--recursive", str(CGROUPS)], check=False,
                       stderr=subprocess.DEVNULL)
        subprocess.run(["mount", "-t", "cgroup2", "cgroup2", str(CGROUPS)], check=True)
    # nspawn leaves its folders there.
    Path("/run/systemd").mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run/systemd"], check=True)


def build_tree(folder, packages):
    """A Debian with these packages; made once, and again when the list has changed."""
    stamp = folder / ".sealtail-made-from"
    wanted = hashlib.sha256("\n".join(sorted(packages)).encode()).hexdigest()
    if stamp.is_file() and stamp.read_text() == wanted:
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        ["mmdebstrap", "--quiet", "--variant=minbase", "--include=" + ",".join(sorted(packages)),
         "bookworm", str(folder)], check=True)
    stamp.write_text(wanted)


class Machine:
    """One boot of a tree. Start it with `with`; it is gone afterwards, and so is its cgroup."""

    def __init__(self, tree):
        self.tree = Path(tree)
        self.cgroup = CGROUPS / f"sealtail-test-{os.getpid()}-{time.monotonic_ns()}"

    def __enter__(self):
        self.cgroup.mkdir()
        self.process = subprocess.Popen(
            [NSPAWN, "--quiet", "--boot", f"--directory={self.tree}", "--machine=sealtail",
             "--register=no", "--keep-unit", "--console=pipe", "--resolv-conf=off",
             "--timezone=off", "--link-journal=no"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            preexec_fn=self.join_cgroup)
        try:
            self.leader = self.wait_for(self.find_leader, BOOT_LIMIT, "systemd was not started")
            self.wait_for(self.is_up, BOOT_LIMIT, "systemd did not come up")
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    def join_cgroup(self):
        (self.cgroup / "cgroup.procs").write_text("0")
        die_with_parent()

    def close(self):
        """Powers the machine off."""
        self.process.terminate()
        try:
            self.process.communicate(timeout=BOOT_LIMIT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
        remove_cgroup(self.cgroup)

    def find_leader(self):
        if self.process.poll() is not None:
            raise Failure(f"systemd-nspawn ended: {self.process.stderr.read().decode()}")
        try:
            text = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        except FileNotFoundError:
            return None
        return int(text.split()[0]) if text.split() else None

    def is_up(self):
        if self.process.poll() is not None:
            raise Failure(f"systemd-nspawn ended: {self.process.stderr.read().decode()}")
        done = self.run("systemctl", "is-system-running", check=None)
        return done.stdout.strip() in ("running", "degraded")

    def wait_for(self, condition, seconds, what):
        """Asks until the answer is true and returns it."""
        deadline = time.monotonic() + seconds
        while True:
            answer = condition()
            if answer:
                return answer
            if time.monotonic() > deadline:
                raise Failure(f"{what} within {seconds:.0f} s")
            time.sleep(0.05)

    def run(self, *command, check=0, stdin=None, seconds=COMMAND_LIMIT):
        """Runs a command in the machine, as root; `check` is the exit code it must have."""
        done = subprocess.run(
            ["nsenter", f"--target={self.leader}", "--mount", "--uts", "--ipc", "--net", "--pid",
             "--cgroup", "--root", "--wd", *map(str, command)],
            input=stdin, stdin=None if stdin else subprocess.DEVNULL, capture_output=True,
            text=True, timeout=seconds,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC",
                 "SYSTEMD_COLORS": "0", "SYSTEMD_PAGER": "cat"})
        if check is not None and done.returncode != check:
            raise Failure(f"{' '.join(map(str, command))} exited with {done.returncode}: "
                          f"{done.stdout[-2000:]}{done.stderr[-2000:]}")
        return done

    def write(self, path, text, owner="root:root", mode=0o644):
        """Writes a file of the machine; its folders are made where they are missing."""
        place = self.tree / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
        place.chmod(mode)
        if owner != "root:root":
            self.run("chown", owner, path)

    def append(self, path, text):
        """Appends to a file, as its owner would."""
        with open(self.tree / path.lstrip("/"), "a", encoding="utf-8") as file:
            file.write(text)

    def read(self, path):
        return (self.tree / path.lstrip("/")).read_text()

    def properties(self, unit, *names):
        """What systemd says of a unit, by name."""
        text = self.run("systemctl", "show", unit, "--property=" + ",".join(names)).stdout
        return dict(line.split("=", 1) for line in text.splitlines())

    def journal(self, unit):
        """The messages about a unit: its own and the manager's."""
        self.run("journalctl", "--sync")
        return self.run("journalctl", "--unit", unit, "--output=cat", "--no-pager").stdout


def remove_cgroup(folder):
    """Removes a cgroup and those in it, once the last process has left them."""
    deadline = time.monotonic() + 10
    while folder.exists():
        try:
            for inner, _, _ in sorted(os.walk(folder), reverse=True):
                os.rmdir(inner)
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
