#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs a command as the unit's MemoryDenyWriteExecute=yes does: no page becomes executable that
was writable, so PCRE2 cannot make machine code of patterns and interprets them."""

import ctypes
import os
import sys

PR_SET_MDWE = 65
PR_MDWE_REFUSE_EXEC_GAIN = 1

if __name__ == "__main__":
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0) != 0:
        sys.exit(f"hardened: prctl: {os.strerror(ctypes.get_errno())}; Linux 6.3 has it first")
    os.execv(sys.argv[1], sys.argv[1:])
