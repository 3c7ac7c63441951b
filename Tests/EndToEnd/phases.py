# SPDX-License-Identifier: Apache-2.0
"""Tells from outside what a running agent is doing: by its threads' names, states and calls."""

import os
import platform

# Numbers of system calls, by name, where these tests know them.
CALLS = {
    "x86_64": {"read": 0, "write": 1, "fstat": 5, "pread64": 17, "pwrite64": 18, "writev": 20,
               "sendto": 44, "sendmsg": 46, "fsync": 74, "fdatasync": 75, "ftruncate": 77,
               "openat": 257, "newfstatat": 262, "sync_file_range": 277, "fallocate": 285,
               "pwritev": 296},
    "aarch64": {"fallocate": 47, "ftruncate": 46, "openat": 56, "read": 63, "write": 64,
                "writev": 66, "pread64": 67, "pwrite64": 68, "pwritev": 70, "newfstatat": 79,
                "fstat": 80, "fsync": 82, "fdatasync": 83, "sync_file_range": 84, "sendto": 206,
                "sendmsg": 211},
}.get(platform.machine(), {})
READING = {CALLS.get(name) for name in ("read", "pread64", "openat", "fstat", "newfstatat")}
COMMITTING = {CALLS.get(name) for name in (
    "write", "pwrite64", "writev", "pwritev", "fsync", "fdatasync", "sync_file_range",
    "fallocate", "ftruncate")}
SENDING = {CALLS.get(name) for name in ("sendto", "sendmsg", "write", "writev")}

PHASES = ("reading", "parsing", "sealing", "committing", "delivering")


def _text(path):
    try:
        with open(path, "rb", buffering=0) as file:
            return file.read(512).decode(errors="replace")
    except OSError:
        return ""


class Observer:
    """Looks at one process; remembers the names of its threads."""

    def __init__(self, pid):
        self.folder = f"/proc/{pid}/task"
        self.names = {}

    def threads(self):
        """(name, state, number of the system call or None) of every thread."""
        found = []
        try:
            identifiers = os.listdir(self.folder)
        except OSError:
            return found
        for identifier in identifiers:
            name = self.names.get(identifier)
            if name is None or name == "sealtail":
                name = self.names[identifier] = _text(
                    f"{self.folder}/{identifier}/comm").strip()
            state = _text(f"{self.folder}/{identifier}/stat").rpartition(")")[2].split()
            call = _text(f"{self.folder}/{identifier}/syscall").split()
            number = int(call[0]) if call and call[0].lstrip("-").isdigit() else None
            found.append((name, state[0] if state else "?", number))
        return found

    def phases(self, requests_under_way):
        """The set of phases that the agent is in right now."""
        found = set()
        for name, state, call in self.threads():
            busy = state in "RD"
            if name.startswith("reader") and (busy or call in READING):
                found.add("reading")
            if name.startswith("parse") and busy:
                found.add("parsing")
            if name.startswith("sealer"):
                if state == "D" or call in COMMITTING:
                    found.add("committing")
                elif state == "R":
                    found.add("sealing")
            if name.startswith("deliver") and (busy or call in SENDING):
                found.add("delivering")
        if requests_under_way:
            found.add("delivering")
        return found

    def processor_seconds(self):
        """User and system seconds so far, by the thread's name."""
        tick = os.sysconf("SC_CLK_TCK")
        found = {}
        for identifier in os.listdir(self.folder):
            name = _text(f"{self.folder}/{identifier}/comm").strip()
            fields = _text(f"{self.folder}/{identifier}/stat").rpartition(")")[2].split()
            if len(fields) > 12:
                used = (int(fields[11]) + int(fields[12])) / tick
                found[name] = found.get(name, 0.0) + used
        return found
