# SPDX-License-Identifier: Apache-2.0
"""What docs/schema.json will say, read from the Swift tables for as long as it is not there."""

import re
from pathlib import Path

from cim import CIM

SOURCES = Path(__file__).resolve().parent.parent.parent / "Sources"
COMPUTED = {
    "event.category": ["action"], "event.type": ["action"], "event.outcome": ["outcome"],
    "event.severity": ["severity"], "user.hash": ["actor.id", "actor.name", "actor.email"],
    "related.user": ["actor.id", "actor.name", "actor.email", "target.id", "target.name",
                     "target.email"],
    "related.ip": ["source.ip"],
}


def read(path):
    return (SOURCES / path).read_text(encoding="utf-8")


def schema():
    text = read("Events/Field.swift")
    rows = re.findall(r'\.init\(\s*(nil|"(\w+)"),\s*"(\w+)",\s*\.(\w+)', text)
    kinds = {f"{group}.{key}" if group else key: kind for _, group, key, kind in rows}
    cases = {case: path for path, case in re.findall(r"/// `([\w.]+)`\.\n    case (\w+)", text)}
    ecs = {path: [] for path in kinds}
    pattern = r'ECSRow\("([^"]+)", \.(\w+)(?:\(\.(\w+)\))?(?:, when: \.(\w+))?'
    for path, origin, source, when in re.findall(
            pattern, read("Sinks/Formats/ECSMapping.swift")):
        condition = [when] if when else []
        if origin == "field":
            ecs[cases[source]].append({"path": path, "when": condition})
        elif origin == "group":
            for field in kinds:
                if field.startswith(source + "."):
                    member = f"{path}.{field.partition('.')[2]}"
                    ecs[field].append({"path": member, "when": condition})
        for field in COMPUTED.get(path, []):
            ecs[field].append({"path": path, "when": condition})
    names = re.findall(r'\.init\(\s*"(\w+)", \[', read("Events/ActionEntry.swift"))
    return {
        "fields": [{"field": path, "type": kind, "ecs": ecs[path]}
                   for path, kind in kinds.items()],
        "actions": [{"action": name, "cim": dict(zip(("model", "action"), CIM[name]))}
                    if name in CIM else {"action": name} for name in names],
    }
