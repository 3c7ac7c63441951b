#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes numbered log lines and rotates its files, in a process of its own.

usage: producer.py --folder F --kept F --settled FILE --report FILE [--seed 1] [--burst 6]

Each log has a family name and a way to rotate. The lines of a family are numbered from 0: the user
id of line 7 of the family `chain` is `chain-00000007`. What was written is kept a second time, one
file for each content, so that a judge knows every byte without asking anybody. A content ends when
its file is truncated, deleted or renamed away.

Some ways to rotate lose lines by themselves when nobody has read them: deleting, and copying with
truncation. Families with a gate do so only when every line is settled, as the oracle tells in
--settled (a JSON object from family to the number of settled lines). The family `copytruncate` has
no gate; the report says what each truncation took away.

Ends when its standard input does and each log was rotated, and writes the report.
"""

import argparse
import gzip
import json
import os
import random
import select
import shutil
import sys
import time
from pathlib import Path

from keycloak_log import KeycloakLog

TICK = 0.04
LARGE_BURST = 200
LARGE_BURST_CHANCE = 0.01
PAUSE_CHANCE = 0.35
HALF_LINE_CHANCE = 0.3
CHAIN_LENGTH = 4
# A name that changes hands faster than anybody looks cannot be followed by name.
ROTATION_SECONDS = (0.4, 2.5)
GATE_SECONDS = (0.3, 1.2)
LAST_SECONDS_LIMIT = 30.0
INODE_TRIES = 64


class NumberedLog(KeycloakLog):
    """Keycloak's lines, each with a user id that is its number."""

    def __init__(self, seed, family):
        super().__init__(seed)
        self.family = family

    def line(self):
        name = f"{self.family}-{self.number:08d}"
        self.users = [(name, f"user{self.number}@example.org")]
        return super().line()


class Log:
    """One log file with its family's way to rotate."""

    def __init__(self, family, folder, kept, seed, burst):
        self.family, self.folder, self.kept_folder = family, Path(folder), Path(kept)
        self.pick = random.Random(f"{seed}/{family}")
        self.lines = NumberedLog(f"{seed}/{family}/lines", family)
        self.burst = burst
        self.contents = []
        self.rotations = 0
        self.half = b""
        self.inodes = set()
        self.reused_inodes = 0
        self.settled = 0
        self.file = None
        self.path = self.folder / f"{family}.log"
        self.begin()
        self.plan_rotation()

    # Writing

    mode = 0o640

    def begin(self):
        """Opens the path anew, as a logger does that was told to open its file again."""
        self.close()
        number = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, self.mode)
        self.file = os.fdopen(number, "ab", buffering=0)
        self.note_content()

    def note_content(self):
        """A new content begins in the open file."""
        if self.contents:
            self.contents[-1]["end"] = self.lines.number
            self.kept.close()
        inode = os.fstat(self.file.fileno()).st_ino
        self.contents.append({
            "family": self.family, "first": self.lines.number, "end": None, "inode": inode,
            "inodes": [inode], "path": str(self.path),
            "kept": f"{self.family}-{len(self.contents):05d}.kept",
            "truncated": False})
        self.kept = open(self.kept_folder / self.contents[-1]["kept"], "ab")

    def close(self):
        if self.file:
            self.file.close()
            self.file = None

    def emit(self, data):
        self.file.write(data)
        self.kept.write(data)

    def write(self, count):
        """So many whole lines; a half line is finished first."""
        self.finish_half()
        if count:
            self.emit(self.lines.chunk(count))

    def write_half(self):
        self.finish_half()
        line = self.lines.line() + b"\n"
        cut = self.pick.randrange(1, len(line))
        self.emit(line[:cut])
        self.half = line[cut:]

    def finish_half(self):
        if self.half:
            self.emit(self.half)
            self.half = b""

    # Time

    def plan_rotation(self):
        bounds = GATE_SECONDS if self.has_gate else ROTATION_SECONDS
        self.next_rotation = time.monotonic() + self.pick.uniform(*bounds)

    def turn(self, now):
        """Writes something, and rotates when it is time."""
        if self.has_gate and now >= self.next_rotation:
            # The writer rests until everything is settled, so the gate opens.
            self.finish_half()
            if self.settled >= self.lines.number:
                self.rotations += self.rotate() is not False
                self.plan_rotation()
            return
        if self.pick.random() < PAUSE_CHANCE:
            return
        roll = self.pick.random()
        if roll < LARGE_BURST_CHANCE:
            self.write(LARGE_BURST)
        else:
            self.write(self.pick.randrange(1, 2 * self.burst))
        if self.pick.random() < HALF_LINE_CHANCE:
            self.write_half()
        # Rotated files match no pattern: who never read a line of a log knows none of them.
        if not self.has_gate and now >= self.next_rotation and self.settled:
            self.rotations += self.rotate() is not False
            self.plan_rotation()

    has_gate = False

    def rotate(self):
        """What becomes of the file; False when it stays as it is."""

    def finish(self):
        self.finish_half()
        self.contents[-1]["end"] = self.lines.number
        self.kept.close()
        self.close()


class RenameLog(Log):
    """Renamed to a name of its own; the writer goes on in the renamed file for a moment."""

    def rotate(self):
        os.rename(self.path, f"{self.path}.{self.rotations + 1}")
        if self.pick.random() < 0.7:
            self.write(self.pick.randrange(0, 30))
        self.finish_half()
        self.begin()


class UnreadableLog(RenameLog):
    """Made so that nobody may read it; the rights come a moment later, as with a slow logrotate."""

    mode = 0
    readable_at = 0.0

    def begin(self):
        super().begin()
        self.readable_at = time.monotonic() + self.pick.uniform(0.0, 1.0)

    def turn(self, now):
        if now >= self.readable_at:
            os.fchmod(self.file.fileno(), 0o640)
        super().turn(now)

    def rotate(self):
        os.fchmod(self.file.fileno(), 0o640)
        super().rotate()

    def finish(self):
        os.fchmod(self.file.fileno(), 0o640)
        super().finish()


class ChainLog(Log):
    """.1 becomes .2 and so on; what falls off the end is deleted, once it is settled."""

    def rotate(self):
        last = Path(f"{self.path}.{CHAIN_LENGTH}")
        ends = [content["end"] for content in self.contents[:-1]]
        if last.exists() and self.settled < ends[-CHAIN_LENGTH]:
            return False
        self.finish_half()
        for number in range(CHAIN_LENGTH - 1, 0, -1):
            if os.path.exists(f"{self.path}.{number}"):
                os.rename(f"{self.path}.{number}", f"{self.path}.{number + 1}")
        os.rename(self.path, f"{self.path}.1")
        self.begin()
        return True


class GzipLog(Log):
    """Renamed, and a moment later there is a compressed file in its place."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.waiting = []

    def rotate(self):
        self.finish_half()
        path = f"{self.path}.{self.rotations + 1}"
        os.rename(self.path, path)
        self.begin()
        self.waiting.append(
            (time.monotonic() + self.pick.uniform(0.0, 0.8), path, self.contents[-2]))

    def turn(self, now):
        while self.waiting and self.waiting[0][0] <= now:
            self.compress(*self.waiting.pop(0)[1:])
        super().turn(now)

    def compress(self, path, content):
        """As gzip(1) does: a new file, the old one's times, then the old one goes."""
        status = os.stat(path)
        with open(path, "rb") as plain, gzip.open(path + ".gz", "wb") as packed:
            shutil.copyfileobj(plain, packed)
            content["inodes"].append(os.fstat(packed.fileno()).st_ino)
        os.utime(path + ".gz", ns=(status.st_atime_ns, status.st_mtime_ns))
        os.unlink(path)

    def finish(self):
        for _, path, content in self.waiting:
            self.compress(path, content)
        super().finish()


class CopyTruncateLog(Log):
    """Copied to another name, then cut to nothing under the writer's feet."""

    def rotate(self):
        self.finish_half()
        for number in range(CHAIN_LENGTH - 1, 0, -1):
            if os.path.exists(f"{self.path}.{number}"):
                os.rename(f"{self.path}.{number}", f"{self.path}.{number + 1}")
        shutil.copyfile(self.path, f"{self.path}.1")
        # Who comes late finds these lines in the copy alone.
        self.contents[-1]["inodes"].append(os.stat(f"{self.path}.1").st_ino)
        os.ftruncate(self.file.fileno(), 0)
        self.contents[-1]["truncated"] = True
        self.note_content()


class GatedCopyTruncateLog(CopyTruncateLog):
    """The same, but never before everything is settled: nothing may be lost."""

    has_gate = True


class RecreateLog(Log):
    """Deleted and made anew under its name; many file systems give it the same inode again."""

    has_gate = True

    def next_path(self):
        return self.path

    def rotate(self):
        before = os.fstat(self.file.fileno()).st_ino
        self.close()
        os.unlink(self.path)
        self.path = self.next_path()
        self.make_with_inode(before)
        self.begin()
        self.reused_inodes += self.contents[-1]["inode"] == before


    def make_with_inode(self, wanted):
        """Makes the new file with the old one's inode, if the file system gives it away in time."""
        tries = [self.folder / f".{self.family}-{number}" for number in range(INODE_TRIES)]
        for at, path in enumerate(tries):
            path.touch(mode=self.mode)
            if path.stat().st_ino == wanted:
                path.rename(self.path)
                break
        for path in tries[:at + 1]:
            path.unlink(missing_ok=True)


class ReuseLog(RecreateLog):
    """Deleted, and a file of another name gets its inode."""

    def next_path(self):
        return self.folder / f"{self.family}{self.rotations + 1}.log"


FAMILIES = {
    "rename": RenameLog, "unreadable": UnreadableLog, "chain": ChainLog, "gzip": GzipLog,
    "copytruncate": CopyTruncateLog, "gatedcopy": GatedCopyTruncateLog,
    "recreate": RecreateLog, "reuse": ReuseLog,
}


def read_settled(path):
    try:
        return json.loads(Path(path).read_text())
    except (OSError, ValueError):
        return {}


def produce(options):
    """Writes until standard input ends; returns what was written."""
    families = options.families.split(",") if options.families else list(FAMILIES)
    logs = [FAMILIES[family](family, options.folder, options.kept, options.seed, options.burst)
            for family in families]
    last = None
    while last is None or (time.monotonic() < last and not all(log.rotations for log in logs)):
        if select.select([sys.stdin], [], [], 0 if last else TICK)[0] and last is None:
            last = time.monotonic() + LAST_SECONDS_LIMIT
        if last:
            time.sleep(TICK)
        settled = read_settled(options.settled)
        for log in logs:
            log.settled = settled.get(log.family, 0)
            log.turn(time.monotonic())
    for log in logs:
        log.finish()
    return {
        "contents": [content for log in logs for content in log.contents],
        "rotations": {log.family: log.rotations for log in logs},
        "reused_inodes": sum(log.reused_inodes for log in logs)}


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--folder", required=True)
    options.add_argument("--kept", required=True)
    options.add_argument("--settled", required=True)
    options.add_argument("--report", required=True)
    options.add_argument("--seed", default="1")
    options.add_argument("--burst", type=int, default=6)
    options.add_argument("--families", default="")
    chosen = options.parse_args()
    Path(chosen.report).write_text(json.dumps(produce(chosen)))


if __name__ == "__main__":
    main()
