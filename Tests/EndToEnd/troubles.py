# SPDX-License-Identifier: Apache-2.0
"""What goes wrong around an agent while it works: a disk that is full, a clock that jumps.

A trouble is a context manager; while `with` lasts, a thread of its own makes the trouble. Where a
machine does not let a test make one, the test fails and says what is missing: it never skips.
"""

import contextlib
import glob
import os
import random
import subprocess
import threading
from pathlib import Path

import pytest

CHUNK_BYTES = 1 << 16
FULL_SECONDS = (0.2, 1.0)
ROOM_SECONDS = (0.3, 1.2)
JUMP_SECONDS = (0.2, 1.0)
JUMP_LIMIT_HOURS = 40
LIBRARIES = ("/usr/lib/*/faketime/libfaketimeMT.so.1", "/usr/lib64/faketime/libfaketimeMT.so.1",
             "/usr/lib/faketime/libfaketimeMT.so.1")


class SmallDisk:
    """A file system in memory of a few megabytes."""

    def __init__(self, folder, megabytes):
        self.folder, self.megabytes = Path(folder), megabytes
        self.filler = self.folder / "filler"

    def __enter__(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            mounted = subprocess.run(
                ["mount", "-t", "tmpfs", "-o", f"size={self.megabytes}m,mode=0700",
                 "sealtail-test", str(self.folder)], capture_output=True, text=True)
            reason = mounted.stderr.strip() if mounted.returncode else ""
        except OSError as error:
            reason = str(error)
        if reason:
            pytest.fail(f"a small disk is needed at {self.folder}, and mounting was refused: "
                        f"{reason}. Run the tests as root, in a container with CAP_SYS_ADMIN",
                        pytrace=False)
        return self

    def __exit__(self, *_):
        subprocess.run(["umount", "-l", str(self.folder)], check=True)

    def fill(self):
        """Takes all room that is left, to the last page."""
        with open(self.filler, "ab", buffering=0) as file:
            room = self.room()
            with contextlib.suppress(OSError):
                os.posix_fallocate(file.fileno(), os.fstat(file.fileno()).st_size, max(room, 1))
            with contextlib.suppress(OSError):
                file.seek(0, os.SEEK_END)
                while file.write(bytes(CHUNK_BYTES)) == CHUNK_BYTES:
                    pass

    def free(self):
        self.filler.unlink(missing_ok=True)

    def room(self):
        status = os.statvfs(self.folder)
        return status.f_bavail * status.f_frsize


class Trouble:
    """Makes trouble from a thread of its own, and looks afterwards whether there was any."""

    def __init__(self, seed):
        self.pick = random.Random(f"{seed}/trouble")
        self.stopping = threading.Event()
        self.count = 0

    def prepare(self, agent):
        """Changes how the agent is started."""

    def is_enough(self, agent):
        """Whether the agent has felt it by now."""
        return True

    def __enter__(self):
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        """Ends the trouble; what it took is given back."""
        self.stopping.set()
        self.thread.join()

    def run(self):
        pass

    def expect_some(self, agent, judge):
        """Fails when the agent never felt it."""


class FillingDisk(Trouble):
    """The disk under the ledger is full for a moment, again and again."""

    def __init__(self, seed, disk):
        super().__init__(seed)
        self.disk = disk

    def run(self):
        while not self.stopping.is_set():
            self.disk.fill()
            self.count += 1
            self.stopping.wait(self.pick.uniform(*FULL_SECONDS))
            self.disk.free()
            self.stopping.wait(self.pick.uniform(*ROOM_SECONDS))

    def is_enough(self, agent):
        return self.count > 3 and "takes nothing" in agent.log_text()

    def expect_some(self, agent, judge):
        said = agent.log_text().count("takes nothing")
        print(f"the disk was full {self.count} times, the agent said so {said} times")
        assert self.is_enough(agent), "the disk was never full when it mattered"


class JumpingClock(Trouble):
    """The clock that the agent sees goes hours forward and back; the machine's does not."""

    def __init__(self, seed, folder):
        super().__init__(seed)
        self.file = Path(folder) / "clock"
        self.jumps = {"forward": 0, "back": 0}
        self.hours = 0.0
        self.set(0.0)

    def prepare(self, agent):
        libraries = [path for pattern in LIBRARIES for path in glob.glob(pattern)]
        if not libraries:
            pytest.fail("libfaketime is not installed; run `scripts/setup.sh packages`",
                        pytrace=False)
        agent.environment.update(
            LD_PRELOAD=libraries[0], FAKETIME_TIMESTAMP_FILE=str(self.file), FAKETIME_NO_CACHE="1",
            DONT_FAKE_MONOTONIC="1", FAKETIME_DONT_FAKE_MONOTONIC="1", NO_FAKE_STAT="1")

    def set(self, hours):
        """Lets the agent's clock go wrong by so many hours from now on."""
        unfinished = self.file.with_suffix(".part")
        unfinished.write_text(f"{hours * 3600:+.0f}\n")
        unfinished.rename(self.file)
        self.jumps["forward" if hours > self.hours else "back"] += hours != self.hours
        self.hours = hours

    def run(self):
        way = 1
        while not self.stopping.wait(self.pick.uniform(*JUMP_SECONDS)):
            self.set(way * self.pick.uniform(1, JUMP_LIMIT_HOURS))
            way = -way

    def is_enough(self, agent):
        return all(count > 2 for count in self.jumps.values())

    def expect_some(self, agent, judge):
        observed = sorted(event.body["observed"] for event in judge.ours)
        print(f"clock jumps {self.jumps}; lines observed between {observed[0]} and {observed[-1]}")
        assert self.is_enough(agent), f"too few jumps: {self.jumps}"
        assert observed[0][:10] != observed[-1][:10], "the agent never saw another day"
