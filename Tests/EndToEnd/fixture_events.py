# SPDX-License-Identifier: Apache-2.0
"""Every event that the parsers' fixtures expect, and the agent's own from the seal's vectors."""

import json
from pathlib import Path

FIXTURES = Path(__file__).resolve().parent.parent / "Fixtures"


def events():
    """Canonical events by where they stand; agent events included."""
    found = []
    for path in sorted((FIXTURES / "parsers").glob("*.fixture")):
        for record in path.read_text(encoding="utf-8").split("\n===\n"):
            expected = record.partition("\n---\n")[2]
            found += [(path.stem, json.loads(line)) for line in expected.split("\n")
                      if line.startswith('{"action":')]
    for line in (FIXTURES / "seal" / "stream-a.ndjson").read_text(encoding="utf-8").splitlines():
        found.append(("seal", json.loads(line)))
    return found


def with_action(action, example):
    """An event of any action, for those that no product in the fixtures has."""
    return {**example, "action": action}
