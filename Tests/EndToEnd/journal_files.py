# SPDX-License-Identifier: Apache-2.0
"""Makes real journal files by systemd's own tool."""

import json
import subprocess
from pathlib import Path

TOOLS = [Path("/usr/lib/systemd/systemd-journal-remote"),
         Path("/lib/systemd/systemd-journal-remote")]
START = 1_790_000_000_000_000


def message(name):
    return json.dumps({"time": "2026-11-20T10:00:00Z", "event": "token.issued",
                       "client_id": "web", "event_id": name})


class Journal:
    """Writes entries as journald would store them."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()
        self.count = 0
        self.tool = next((path for path in TOOLS if path.is_file()), None)
        assert self.tool, "systemd-journal-remote is missing; `make setup` installs it"

    def append(self, names, file="system.journal", **fields):
        self.write([(message(name), fields) for name in names], file)

    def write(self, entries, file="system.journal"):
        text = []
        for line, fields in entries:
            self.count += 1
            lines = [f"__REALTIME_TIMESTAMP={START + self.count * 1000}",
                     f"__MONOTONIC_TIMESTAMP={self.count * 1000}",
                     "_BOOT_ID=00112233445566778899aabbccddeeff",
                     "_HOSTNAME=idp.example.com"]
            members = {"MESSAGE": line, **fields}
            lines += [f"{key}={value}" for key, value in members.items()]
            text.append("\n".join(lines) + "\n\n")
        subprocess.run([str(self.tool), "-o", str(self.folder / file), "-"],
                       input="".join(text).encode(), check=True, capture_output=True, timeout=60)

    def rotate(self, number):
        (self.folder / "system.journal").rename(self.folder / f"system@{number}.journal")

    def cursors(self):
        """Cursor and message of each entry, in order, as journalctl sees them."""
        done = subprocess.run(["journalctl", "-D", str(self.folder), "-o", "json"],
                              capture_output=True, check=True, timeout=60)
        rows = [json.loads(line) for line in done.stdout.splitlines()]
        return [(row["__CURSOR"], row["MESSAGE"]) for row in rows]
