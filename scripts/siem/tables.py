# SPDX-License-Identifier: Apache-2.0
"""The tables of the agent, as `sealtail schema --json` prints them into docs/schema.json."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
SCHEMA = ROOT / "docs/schema.json"


@dataclass(frozen=True)
class Field:
    """A member of the canonical event."""

    path: str
    kind: str     # text, word, integer, boolean, time, set, map
    ecs: tuple    # the members of an ECS document that are made of it
    fixed: tuple  # those of them that are made of it in every event


@dataclass(frozen=True)
class Action:
    """What happened, and as what Splunk's Common Information Model knows it."""

    name: str
    cim_model: str    # Authentication, Change; empty for none
    cim_action: str


def read():
    return json.loads(SCHEMA.read_text(encoding="utf-8"))


def fields():
    """All fields."""
    found = []
    for row in read()["fields"]:
        members = row.get("ecs", [])
        found.append(Field(
            row["field"], row["type"], tuple(member["path"] for member in members),
            tuple(member["path"] for member in members if not member.get("when"))))
    return sorted(found, key=lambda field: field.path)


def actions():
    """All actions, in order."""
    found = []
    for row in read()["actions"]:
        cim = row.get("cim") or {"model": "", "action": ""}
        found.append(Action(row["action"], cim["model"], cim["action"]))
    return found


def version():
    """The version of the agent."""
    text = (ROOT / "Sources/Platform/Version.swift").read_text(encoding="utf-8")
    return re.search(r'sealtailVersion = "([^"]+)"', text)[1]
