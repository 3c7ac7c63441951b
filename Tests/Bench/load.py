#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes log lines at a steady rate, in a process of its own, and rotates the file by size.

usage: load.py --path FILE --rate 5000 --seconds 3600 [--rotate-mb 256] [--keep 3] [--times FILE]

Prints the number of lines written so far once a second, and at last `end N`. With --times each
line's own moment is kept: eight bytes each, seconds of the monotonic clock as a double, taken just
before the line is handed to the kernel. Rotated files beyond --keep are deleted: choose it so large
that everything in them was read long ago.
"""

import argparse
import array
import os
import sys
import time

from keycloak_log import KeycloakLog

MEBIBYTE = 1 << 20


class RotatingFile:
    """A log that is renamed when it is large, as logrotate does by size."""

    def __init__(self, path, megabytes, keep):
        self.path, self.limit, self.keep = path, megabytes * MEBIBYTE, keep
        self.rotations = self.size = 0
        self.file = open(path, "ab", buffering=0)

    def write(self, data):
        self.file.write(data)
        self.size += len(data)
        if self.size >= self.limit:
            self.rotations += 1
            os.rename(self.path, f"{self.path}.{self.rotations}")
            self.file.close()
            self.file, self.size = open(self.path, "ab", buffering=0), 0
            old = f"{self.path}.{self.rotations - self.keep}"
            if os.path.exists(old):
                os.unlink(old)


def steps(rate):
    """(lines in a write, writes in a second): single lines up to a thousand a second."""
    per_second = min(rate, 1000)
    return max(1, round(rate / per_second)), per_second


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--path", required=True)
    options.add_argument("--rate", type=int, required=True)
    options.add_argument("--seconds", type=float, required=True)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--rotate-mb", type=int, default=256)
    options.add_argument("--keep", type=int, default=3)
    options.add_argument("--times")
    chosen = options.parse_args()
    log, lines = KeycloakLog(chosen.seed), 0
    file = RotatingFile(chosen.path, chosen.rotate_mb, chosen.keep)
    size, per_second = steps(chosen.rate)
    times = array.array("d")
    began = time.monotonic()
    reported = 0
    for step in range(int(chosen.seconds * per_second)):
        data = log.chunk(size)
        wait = began + step / per_second - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        if chosen.times:
            times.extend([time.monotonic()] * size)
        file.write(data)
        lines += size
        if int(time.monotonic() - began) > reported:
            reported = int(time.monotonic() - began)
            print(lines, flush=True)
    if chosen.times:
        with open(chosen.times, "wb") as target:
            times.tofile(target)
    print("end", lines, flush=True)
    # The reader ends when whoever started this closes the pipe.
    sys.stdin.read()


if __name__ == "__main__":
    main()
