# SPDX-License-Identifier: Apache-2.0
"""The tables of the agent's sources: fields, actions, and what ECS calls the fields."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
SOURCES = ROOT / "Sources"


@dataclass(frozen=True)
class Field:
    """A member of the canonical event."""

    path: str
    kind: str   # text, word, integer, boolean, time, set, map

    @property
    def group(self):
        return self.path.partition(".")[0] if "." in self.path else None


@dataclass(frozen=True)
class Action:
    """What happened, and as what Splunk's Common Information Model knows it."""

    name: str
    cim_model: str    # Authentication, Change, Alerts; empty for none
    cim_action: str


@dataclass(frozen=True)
class Row:
    """A member of the ECS document: its path and what it is made of."""

    path: str
    origin: str      # field, constant, group, dataStream, computed
    source: str      # a field's path, a constant's JSON, a group's name, a computation's name
    condition: str   # always, actorIsUser, targetIsUser, targetIsGroup, targetIsOther


def read(path):
    return (SOURCES / path).read_text(encoding="utf-8")


def fields():
    """All fields in the order of RFC 8785."""
    pattern = r'\.init\(\s*(nil|"(\w+)"),\s*"(\w+)",\s*\.(\w+)'
    rows = re.findall(pattern, read("Events/Field.swift"))
    return [Field(f"{group}.{key}" if group else key, kind) for _, group, key, kind in rows]


def field_cases():
    """The path of each case of `Field`, as the mapping names them."""
    pattern = r"/// `([\w.]+)`\.\n    case (\w+)"
    return {case: path for path, case in re.findall(pattern, read("Events/Field.swift"))}


def actions():
    """All actions, in order."""
    pattern = r'\.init\(\s*"(\w+)", \[(?:(?!\.init\(\s*"\w+", \[)[\s\S])*'
    model = r'cim: \.init\("(\w+)"(?:, "(\w+)")?'
    found = []
    for row in re.finditer(pattern, read("Events/ActionEntry.swift")):
        cim = re.search(model, row[0])
        from cim import CIM
        found.append(Action(row[1], *CIM.get(row[1], ("", ""))))
    return found


def ecs_rows():
    """The mapping to ECS, in the order of the document."""
    cases = field_cases()
    pattern = r'ECSRow\("([^"]+)", \.(\w+)(?:\(("(?:[^"\\]|\\.)*"|\.\w+)\))?(?:, when: \.(\w+))?\)'
    found = []
    for path, origin, source, condition in re.findall(pattern, read("Sinks/Formats/ECSMapping.swift")):
        source = source.lstrip(".")
        if origin == "field":
            source = cases[source]
        elif origin == "constant":
            source = source[1:-1].replace('\\"', '"')
        found.append(Row(path, origin, source, condition or "always"))
    return found
