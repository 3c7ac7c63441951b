# SPDX-License-Identifier: Apache-2.0
"""Templates for Elasticsearch: what each member of an ECS document is to the index.

The name of a file is the name of the template, the name of its folder the endpoint that takes it.
"""

import json

import tables

NAME = "logs-oauth.audit"
PATTERN = f"{NAME}-*"

# No string of an event is longer than 8 KiB, so nothing is too long to be found.
LONGEST = 8192
KEYWORD = {"type": "keyword", "ignore_above": LONGEST}
# Kept in the document, but in no index: nobody looks for a proof or for the signed bytes.
KEPT = {"type": "keyword", "index": False, "doc_values": False}

KINDS = {
    "text": KEYWORD, "word": KEYWORD, "set": KEYWORD,
    "integer": {"type": "long"}, "boolean": {"type": "boolean"}, "time": {"type": "date"},
    # One field in the index, however many labels there are.
    "map": {"type": "flattened", "ignore_above": LONGEST},
}

# Where ECS 9.4 says otherwise than the canonical type does.
ECS_TYPES = {
    "event.severity": {"type": "long"},
    "related.ip": {"type": "ip"},
    "source.ip": {"type": "ip"},
    "url.path": {"type": "wildcard", "ignore_above": LONGEST},
}

# What is in every document and made of no field.
FRAME = {
    "data_stream.dataset": {"type": "constant_keyword"},
    "data_stream.namespace": {"type": "constant_keyword"},
    "data_stream.type": {"type": "constant_keyword"},
    "ecs.version": KEYWORD,
    "event.dataset": KEYWORD,
    "event.hash": KEYWORD,
    "event.kind": KEYWORD,
    "event.module": KEYWORD,
    "event.original": KEPT,
    "event.sequence": {"type": "long"},
    "integrity.proof": KEPT,
    "integrity.seq": {"type": "long"},
    "integrity.stream": KEYWORD,
    "oauth.mapping": KEYWORD,
    "observer.type": KEYWORD,
    "tags": KEYWORD,
}

META = {"managed_by": "sealtail", "description": "OAuth and OIDC audit events of Sealtail"}


def flat():
    """Every member of the document with its mapping, by path."""
    found = dict(FRAME)
    for field in tables.fields():
        for path in field.ecs:
            found[path] = ECS_TYPES.get(path) or KINDS[field.kind]
    return found


def nested(mappings):
    """The same as Elasticsearch takes it: objects in objects."""
    root = {}
    for path, mapping in sorted(mappings.items()):
        *parents, key = path.split(".")
        place = root
        for parent in parents:
            place = place.setdefault(parent, {}).setdefault("properties", {})
        place[key] = mapping
    return root


def files():
    """The templates by the path of their file."""
    mappings = {
        # What a later version adds is kept in the document and not in the index, so that neither
        # a field nor a sender can make the mapping grow, and nothing is refused for its sake.
        "dynamic": False, "date_detection": False, "numeric_detection": False,
        "properties": nested(flat()),
    }
    settings = {
        # Synthetic source would cut times to milliseconds, and `sealtail verify` compares them.
        "index.mode": "standard",
        "index.codec": "best_compression",
        # One odd value costs its own field, not the event.
        "index.mapping.ignore_malformed": True,
    }
    index = {
        "index_patterns": [PATTERN], "data_stream": {}, "priority": 500,
        "composed_of": [f"{NAME}@mappings", f"{NAME}@settings", f"{NAME}@custom"],
        # Yours, where there is one: shards, retention, fields of your own.
        "ignore_missing_component_templates": [f"{NAME}@custom"],
        "version": 1, "_meta": META,
    }
    parts = {
        f"_component_template/{NAME}@mappings": {"template": {"mappings": mappings}},
        # Rollover as the cluster does it by default; an audit trail is not deleted unasked.
        f"_component_template/{NAME}@settings": {
            "template": {"settings": settings, "lifecycle": {"enabled": True}}},
    }
    for part in parts.values():
        part.update({"version": 1, "_meta": META})
    parts[f"_index_template/{NAME}"] = index
    return {
        f"packaging/elasticsearch/{path}.json": json.dumps(body, indent=1) + "\n"
        for path, body in parts.items()
    }
