# SPDX-License-Identifier: Apache-2.0
"""Runs Sigma rules on canonical events, for as much of Sigma as our rules use.

pySigma reads the rules; what is judged here are its conditions. What this does not know it
refuses.
"""

import datetime
import re

from sigma.collection import SigmaCollection
from sigma.conditions import (
    ConditionAND, ConditionFieldEqualsValueExpression, ConditionNOT, ConditionOR)
from sigma.correlations import SigmaCorrelationRule, SigmaCorrelationType
from sigma.types import SigmaBool, SigmaNumber, SigmaString, SpecialChars


def load(path):
    """The rules of one file, correlations behind those that they count."""
    collection = SigmaCollection.from_yaml(path.read_text(encoding="utf-8"))
    collection.resolve_rule_references()
    return list(collection)


def is_correlation(rule):
    return isinstance(rule, SigmaCorrelationRule)


def values(event, path):
    """The values of a field, as a list; empty when it is not there."""
    group, _, key = path.partition(".")
    value = event.get(group)
    if key:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, list) else [] if value is None else [value]


def matcher(rule):
    """What says of an event whether a rule that counts nothing matches it."""
    conditions = [one.parsed for one in rule.detection.parsed_condition]
    return lambda event: any(holds(condition, event) for condition in conditions)


def holds(item, event):
    if isinstance(item, ConditionAND):
        return all(holds(one, event) for one in item.args)
    if isinstance(item, ConditionOR):
        return any(holds(one, event) for one in item.args)
    if isinstance(item, ConditionNOT):
        return not any(holds(one, event) for one in item.args)
    assert isinstance(item, ConditionFieldEqualsValueExpression), item
    return any(equals(item.value, value) for value in values(event, item.field))


def equals(wanted, value):
    if isinstance(wanted, SigmaBool):
        return value is wanted.boolean
    if isinstance(wanted, SigmaNumber):
        return value == wanted.number
    assert isinstance(wanted, SigmaString), wanted
    pattern = "".join(
        {SpecialChars.WILDCARD_MULTI: ".*", SpecialChars.WILDCARD_SINGLE: "."}[part]
        if isinstance(part, SpecialChars) else re.escape(part) for part in wanted.s)
    return re.fullmatch(pattern, str(value), re.S) is not None


def fires(correlation, events):
    """Whether a correlation fires on events, in any window of its timespan."""
    span = datetime.timedelta(seconds=correlation.timespan.seconds)
    matchers = [matcher(reference.rule) for reference in correlation.rules]
    groups = {}
    for event in events:
        if any(matches(event) for matches in matchers):
            key = tuple(tuple(values(event, path)) for path in correlation.group_by)
            # Splunk leaves out what lacks a field of the grouping.
            if all(key):
                groups.setdefault(key, []).append(event)
    return any(enough(correlation, found, span) for found in groups.values())


def enough(correlation, events, span):
    condition = correlation.condition
    assert condition.op.name == "GTE"
    moments = [datetime.datetime.fromisoformat(event["time"].replace("Z", "+00:00"))
               for event in events]
    for start in moments:
        inside = [event for event, moment in zip(events, moments)
                  if datetime.timedelta(0) <= moment - start < span]
        if correlation.type == SigmaCorrelationType.EVENT_COUNT:
            count = len(inside)
        else:
            assert correlation.type == SigmaCorrelationType.VALUE_COUNT
            field = condition.fieldref
            fields = field if isinstance(field, list) else [field]
            count = len({value for event in inside for path in fields
                         for value in values(event, path)})
        if count >= condition.count:
            return True
    return False
