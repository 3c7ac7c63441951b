# SPDX-License-Identifier: Apache-2.0
"""Pipelines for sigma-cli: what the fields of the rules are called in ECS documents and in Splunk.

The rules themselves are written by hand, in the words of the canonical event.
"""

import elasticsearch
import splunk
import tables

SPDX = "# SPDX-License-Identifier: Apache-2.0\n"
SEVERITIES = ["info", "low", "medium", "high", "critical"]
# Of several members the one that has the field's own words.
VERBATIM = {"action": "event.action", "outcome": "oauth.outcome"}
# Gathered from several fields, so a match says too little.
GATHERED = {"related.ip", "related.user", "user.hash"}


def ecs_names():
    """Where each field goes, by its path: to one place, or to several that depend on the event."""
    found = {}
    for field in tables.fields():
        own = [path for path in field.fixed if path not in GATHERED]
        places = own[:1] or [path for path in field.ecs if path not in GATHERED]
        found[field.path] = [VERBATIM[field.path]] if field.path in VERBATIM else places
    return found


def splunk_names():
    """What Splunk calls the fields whose names it changes; the add-on hides some behind CIM's."""
    found = {field.path: f"{field.path}{{}}"
             for field in tables.fields() if field.kind == "set"}
    return found | splunk.ALIASES


def mapping(names):
    lines = ["    mapping:"]
    for path, name in names.items():
        if isinstance(name, str):
            lines.append(f"      {path}: '{name}'")
        else:
            lines.append(f"      {path}:")
            lines += [f"        - '{one}'" for one in name]
    return lines


def pipeline(title, *transformations):
    lines = [f"name: {title}", "priority: 20", "transformations:"]
    for identity, kind, *body in transformations:
        lines += [f"  - id: {identity}", f"    type: {kind}", *body,
                  "    rule_conditions:",
                  "      - type: logsource", "        product: sealtail", "        service: oauth"]
    return SPDX + "\n".join(lines) + "\n"


def ecs():
    names = ecs_names()
    missing = [path for path, places in names.items() if not places]
    known = {path: places[0] if len(places) == 1 else places
             for path, places in names.items() if places and places != [path]}
    numbers = [f"      {word}: '{number}'" for number, word in enumerate(SEVERITIES, 1)]
    return pipeline(
        "Sealtail, format ecs",
        ("severity", "map_string", "    mapping:", *numbers, "    field_name_conditions:",
         "      - type: include_fields", "        fields: [severity]"),
        ("missing", "detection_item_failure",
         "    message: the mapping to ECS carries this field in event.original only",
         "    field_name_conditions:", "      - type: include_fields", "        fields:",
         *[f"          - {path}" for path in missing]),
        ("names", "field_name_mapping", *mapping(known)),
        ("index", "set_state", "    key: index", f"    val: {elasticsearch.PATTERN}"),
    )


def search():
    return pipeline(
        "Sealtail, format canonical in Splunk with TA-sealtail",
        ("severity", "map_string", "    mapping:", "      info: informational",
         "    field_name_conditions:",
         "      - type: include_fields", "        fields: [severity]"),
        ("names", "field_name_mapping", *mapping(splunk_names())),
        ("sourcetype", "add_condition", "    conditions:",
         f"      sourcetype: '{splunk.SOURCETYPE}'"),
    )


def files():
    folder = "packaging/sigma/pipelines"
    return {f"{folder}/ecs.yml": ecs(), f"{folder}/splunk.yml": search()}
