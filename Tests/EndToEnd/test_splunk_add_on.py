# SPDX-License-Identifier: Apache-2.0
"""The add-on for Splunk gives what the Common Information Model asks for, on every fixture.

Splunk itself is not here: `splunk_search` evaluates the add-on's own files. What CIM requires of
Authentication, Change and Alerts is written down below in our words.
"""

import csv
import datetime
import json
import re
from collections import Counter
from pathlib import Path

import pytest

import splunk_search
from fixture_events import events, with_action

ROOT = Path(__file__).resolve().parent.parent.parent
FOLDER = ROOT / "packaging/splunk/TA-sealtail"
SOURCETYPE = "sealtail:oauth"

REQUIRED = {
    "authentication": {"action", "app", "dest", "src", "user"},
    "change": {"action", "change_type", "command", "dest", "dvc", "object", "object_attrs",
               "object_category", "object_id", "src", "status", "user", "vendor_product"},
    "alert": {"app", "description", "dest", "id", "severity", "signature", "signature_id", "src",
              "type", "user"},
}
ALLOWED = {
    "authentication": {"action": {"success", "failure", "pending", "error"}},
    "change": {"status": {"success", "failure"},
               "action": {"created", "deleted", "modified", "updated", "acl_modified"}},
    "alert": {"severity": {"critical", "high", "medium", "low", "informational"},
              "type": {"alarm", "alert", "event", "task", "warning"}},
}
MODELS = {"Authentication": "authentication", "Change": "change", "Alerts": "alert"}
# Datasets below Change that must not count what is none of theirs.
ACCOUNTS_CREATED = {"UserCreated"}
ACCOUNTS_DELETED = {"UserDeleted"}


@pytest.fixture(scope="module")
def add_on():
    return splunk_search.Add_on(FOLDER)


@pytest.fixture(scope="module")
def corpus():
    return events()


@pytest.fixture(scope="module")
def table():
    with open(FOLDER / "lookups/sealtail_actions.csv", newline="", encoding="utf-8") as file:
        return {row["oauth_action"]: row for row in csv.DictReader(file)}


def defects(fields, tags):
    for model in tags & REQUIRED.keys():
        for name in REQUIRED[model]:
            value = fields.get(name)
            if not value or value == [""]:
                yield f"{model}: {name} is missing"
        for name, allowed in ALLOWED[model].items():
            if fields.get(name) not in allowed:
                yield f"{model}: {name} is {fields.get(name)}"
    if "change" in tags:
        if fields["status"] == "failure" and not fields.get("result"):
            yield "change: result is missing"
        # Accounts are those objects that are users, and no others.
        if ("account" in tags) != (fields["object_category"] == "user"):
            yield f"change: account with {fields['object_category']}"
        if "account" in tags and not fields.get("src_user"):
            yield "account: src_user is missing"
    if "authentication" in tags and ("privileged" in tags) != ("src_user" in fields):
        yield "authentication: src_user goes with privileged"


def test_every_fixture_gives_what_cim_requires(add_on, corpus, table):
    found, seen = Counter(), Counter()
    for place, event in corpus:
        fields, _, tags = add_on.search(event, SOURCETYPE)
        model = MODELS.get(table[event["action"]]["cim_model"])
        if tags & REQUIRED.keys() != ({model} if model else set()):
            found[f"{event['action']}: tagged {tags}"] += 1
        for defect in defects(fields, tags):
            found[f"{place}: {event['action']}: {defect}"] += 1
        seen[event["action"]] += 1
    assert not found, found
    assert len(seen) > 60 and sum(seen.values()) > 5000


def test_every_action_gives_what_cim_requires_even_when_nothing_else_is_known(add_on, table):
    example = {
        "schema": "1.0", "id": "0" * 32, "time": "2026-11-20T08:00:00.000000Z",
        "observed": "2026-11-20T08:00:00.000000Z", "outcome": "success", "severity": "info",
        "provider": {"vendor": "Example", "product": "example"},
    }
    assert len(table) == 69
    for action in table:
        for outcome in ("success", "failure", "denied", "unknown"):
            event = {**with_action(action, example), "outcome": outcome}
            fields, types, tags = add_on.search(event, SOURCETYPE)
            assert not list(defects(fields, tags)), (action, outcome)
            assert "sealtail" in types and fields["oauth_action"] == action


def test_only_accounts_count_as_accounts_created_and_deleted(add_on, corpus):
    verbs = {"created": ACCOUNTS_CREATED, "deleted": ACCOUNTS_DELETED}
    for _, event in corpus:
        fields, _, tags = add_on.search(event, SOURCETYPE)
        if "account" in tags and fields["action"] in verbs:
            assert event["action"] in verbs[fields["action"]]


def test_who_did_it_and_to_whom(add_on):
    event = {
        "action": "UserImpersonated", "outcome": "success", "severity": "high",
        "actor": {"type": "admin", "id": "a1", "name": "root"},
        "target": {"type": "user", "id": "u7", "name": "mina"},
        "provider": {"vendor": "Example", "product": "example", "host": "idp.example.com"},
    }
    fields, _, tags = add_on.search(event, SOURCETYPE)
    assert (fields["user"], fields["src_user"], fields["user_id"]) == ("mina", "root", "u7")
    assert tags == {"authentication", "privileged"}
    fields, _, tags = add_on.search({**event, "action": "UserLocked"}, SOURCETYPE)
    assert (fields["action"], fields["result"], fields["object"]) == ("modified", "lockout", "mina")
    assert tags == {"change", "account"}
    # A session of an account is no account: the user is who ended it.
    fields, _, tags = add_on.search({**event, "action": "SessionRevoked"}, SOURCETYPE)
    assert (fields["user"], fields["object"], tags) == ("root", "mina", {"change"})


def test_attributes_of_a_change_are_those_of_the_event(add_on):
    event = {
        "action": "RoleGranted", "outcome": "success", "severity": "medium",
        "provider": {"vendor": "Example", "product": "example"},
        "change": {"kind": "roles", "added": ["admin", "auditor"]},
        "target": {"type": "user", "id": "u7"},
    }
    fields, _, _ = add_on.search(event, SOURCETYPE)
    assert fields["object_attrs"] == ["admin", "auditor"]
    fields, _, _ = add_on.search({**event, "change": {"kind": "roles"}}, SOURCETYPE)
    assert fields["object_attrs"] == "roles"


def test_the_time_is_that_of_the_event_even_where_a_label_is_called_time(add_on):
    props = add_on.props[SOURCETYPE]
    body = {"labels": {"time": "2001-01-01T00:00:00.000000Z"}, "raw": 'x","time":"y',
            "time": "2026-11-20T08:00:00.123456Z", "token": {"type": "access_token"},
            "integrity": {"stream": "a", "seq": 1, "proof": "p"}}
    line = json.dumps(body, separators=(",", ":"))
    start = re.match(props["TIME_PREFIX"], line).end()
    text = line[start:start + int(props["MAX_TIMESTAMP_LOOKAHEAD"])]
    # Splunk's %6N are six digits of a fraction, which Python calls %f.
    form = props["TIME_FORMAT"].replace("%6N", "%f").replace("%Z", "%z")
    assert datetime.datetime.strptime(text, form).isoformat() == "2026-11-20T08:00:00.123456+00:00"


def test_files_refer_to_what_is_there(add_on):
    for lines in add_on.transforms.values():
        assert (FOLDER / "lookups" / lines["filename"]).is_file()
    for name in add_on.tags:
        assert name.removeprefix("eventtype=") in add_on.types
