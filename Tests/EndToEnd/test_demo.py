# SPDX-License-Identifier: Apache-2.0
"""The demo of the README does what it says and leaves nothing behind."""

import re
import subprocess
import time
from pathlib import Path

from agent import ROOT, binary, environment


def test_the_demo_ends_well_and_leaves_nothing(tmp_path):
    began = time.monotonic()
    done = subprocess.run(
        [str(ROOT / "scripts" / "demo.sh"), str(binary())], capture_output=True, text=True,
        timeout=120, env=environment(TMPDIR=str(tmp_path)), stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert time.monotonic() - began < 100
    assert "\x1b" not in done.stdout, "colour without a terminal"
    assert re.search(r"invalid.*LoginFailed", done.stdout), "the altered event is not named"
    assert list(tmp_path.iterdir()) == [], "the demo left files behind"
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            assert str(tmp_path).encode() not in process.read_bytes(), "the demo left a process"
        except OSError:
            continue
