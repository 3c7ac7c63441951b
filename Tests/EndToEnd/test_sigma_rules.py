# SPDX-License-Identifier: Apache-2.0
"""Sigma rules are valid, can be converted, fire on what they are for and not on everyday events.

sigma-cli converts them to Lucene, ES|QL and SPL; nothing here runs the queries. What the rules
mean is tried on canonical events: of ours for each rule, and on those of the parsers' fixtures.
"""

import datetime
import json
import subprocess
import sys
from pathlib import Path

import pytest
from sigma.validation import SigmaValidator
from sigma.plugins import InstalledSigmaPlugins

import sigma_matcher
from fixture_events import events

ROOT = Path(__file__).resolve().parent.parent.parent
FOLDER = ROOT / "packaging/sigma"
RULES = sorted((FOLDER / "rules").glob("*.yml"))
CORRELATIONS = sorted((FOLDER / "correlations").glob("*.yml"))
CANONICAL = sorted((FOLDER / "canonical").glob("*.yml"))
COUNTING = CORRELATIONS + [FOLDER / "canonical/agent_cloned.yml"]
SINGLE = RULES + [FOLDER / "canonical/agent_stopped.yml"]
# These ask servers in the internet for lists.
ONLINE = {"attacktag", "d3_fendtag"}
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"


def event(action, time="2026-11-20T08:00:00.000000Z", **more):
    """A canonical event; groups as keywords."""
    basic = {"schema": "1.0", "action": action, "time": time, "outcome": "success",
             "severity": "info", "provider": {"vendor": "Example", "product": "example"},
             "actor": {"type": "user", "name": "mina"}, "client": {"id": "shop"},
             "source": {"ip": "192.0.2.7"}}
    return {**basic, **more}


# For each rule what it must fire on, and what comes close and is none of it.
CASES = {
    "admin_role_granted": (
        event("RoleGranted", change={"added": ["User Administrator"]}),
        event("RoleGranted", change={"added": ["reader"]})),
    "agent_stopped": (
        event("AgentStopped", agent={"reason": "SIGTERM"}),
        event("AgentStopped", agent={"reason": "the stream is 24 hours old"})),
    "chain_broken": (
        event("AgentStarted", severity="high", agent={"predecessor": "lost"}),
        event("AgentStarted", agent={"predecessor": "none"})),
    "client_redirect_changed": (
        event("ClientUpdated", change={"fields": ["jwks_uri", "redirect_uris"]}),
        event("ClientUpdated", change={"fields": ["logo_uri"]})),
    "client_secret_changed": (event("ClientCredentialChanged"), event("ClientUpdated")),
    "consent_to_risky_scope": (
        event("ConsentGranted", scope={"granted": ["Mail.Read", "openid"]}),
        event("ConsentGranted", scope={"granted": ["email", "openid", "profile"]})),
    "disabled_account_used": (
        event("LoginFailed", error={"code": "user_disabled"}),
        event("LoginFailed", error={"code": "invalid_user_credentials"})),
    "disabled_client_used": (
        event("AuthorizationFailed", error={"code": "invalid_client", "reason": "client_disabled"}),
        event("AuthorizationFailed", error={"code": "invalid_client"})),
    "events_lost": (event("AgentEventsLost"), event("CheckpointSigned")),
    "expired_token": (
        event("TokenRejected", error={"code": "invalid_token", "reason": "token is expired"}),
        event("TokenRejected", error={"code": "insufficient_scope"})),
    "impersonation": (event("UserImpersonated"), event("LoginSucceeded")),
    "mfa_removed": (event("CredentialRemoved"), event("CredentialAdded")),
    "signing_key_rotated": (event("SigningKeyRotated"), event("ConfigurationChanged")),
    "token_reuse": (event("TokenReuseDetected"), event("TokenRefreshed")),
}
# No provider writes these: they are the agent's own, or no fixture has one.
WITHOUT_FIXTURE = {"chain_broken", "events_lost"}


def series(count, seconds, make):
    """Events at a steady pace, each made from its number."""
    start = datetime.datetime(2026, 11, 20, 8, tzinfo=datetime.timezone.utc)
    times = (start + datetime.timedelta(seconds=seconds * index) for index in range(count))
    return [{**make(index), "time": time.strftime("%Y-%m-%dT%H:%M:%S.%fZ")}
            for index, time in enumerate(times)]


def address(index):
    return {"ip": f"198.51.100.{index}"}


def device_flow(addresses):
    steps = [event("DeviceAuthorizationRequested"), event("DeviceAuthorizationApproved"),
             event("AccessTokenIssued", grant={"type": DEVICE})]
    return [{**step, "grant": {**step.get("grant", {}), "id": "g1"}, "source": {"ip": one}}
            for step, one in zip(steps, addresses)]


def started(stream, predecessor):
    return event("AgentStarted", target={"type": "agent", "id": stream},
                 agent={"predecessor": predecessor})


def failed(code="invalid_user_credentials", **more):
    return event("LoginFailed", error={"code": code}, **more)


# For each correlation what it must fire on, and what comes close.
COUNTED = {
    "Many Failed Logins On One Account": (
        series(10, 20, lambda _: failed()),
        [series(9, 20, lambda _: failed()), series(10, 60, lambda _: failed()),
         series(10, 20, lambda _: failed("provider_error")),
         series(10, 20, lambda i: failed(actor={"type": "user", "name": f"user{i}"}))]),
    "Failed Logins On Many Accounts From One Address": (
        series(10, 20, lambda i: failed(actor={"type": "user", "name": f"user{i}"})),
        [series(20, 20, lambda i: failed(actor={"type": "user", "name": f"user{i % 9}"})),
         series(20, 20, lambda i: failed(actor={"type": "user", "name": f"user{i}"},
                                         source=address(i)))]),
    "Many Failed Client Authentications": (
        series(10, 20, lambda _: event("ClientAuthenticationFailed")),
        [series(10, 20, lambda i: event("ClientAuthenticationFailed", client={"id": f"c{i}"}))]),
    "Second Factor Asked Again And Again": (
        series(10, 40, lambda _: event("MfaChallenged")),
        [series(9, 40, lambda _: event("MfaFailed"))]),
    "Many Clients From One Address": (
        series(10, 40, lambda i: event("AccessTokenIssued", client={"id": f"c{i}"})),
        [series(50, 10, lambda i: event("AccessTokenIssued", client={"id": f"c{i % 9}"}))]),
    "Expired Tokens Used Again And Again": (
        series(20, 20, lambda _: event("TokenRejected", error={"code": "invalid_token"})),
        [series(19, 20, lambda _: event("TokenRejected", error={"code": "invalid_token"}))]),
    "Device Code Approved Far From Its Device": (
        device_flow(["192.0.2.7", "203.0.113.5", "192.0.2.7"]),
        [device_flow(["192.0.2.7"] * 3)]),
    "Two Audit Streams Name The Same Predecessor": (
        [started("a/main/2", "a/main/1 7 head"), started("a/main/3", "a/main/1 7 head")],
        [[started("a/main/2", "a/main/1 7 head"), started("a/main/3", "a/main/2 9 head")],
         [started("a/main/2", "none"), started("b/main/2", "none")]]),
}


@pytest.mark.parametrize("path", SINGLE, ids=lambda path: path.stem)
def test_a_rule_fires_on_its_case_and_not_on_its_neighbour(path):
    rule, = sigma_matcher.load(path)
    matches = sigma_matcher.matcher(rule)
    good, near = CASES[path.stem]
    assert matches(good) and not matches(near)
    assert not any(matches(case) for name, (case, _) in CASES.items() if name != path.stem)


def test_rules_fire_on_what_providers_really_log_and_on_little_of_it():
    corpus = [canonical for _, canonical in events()]
    for path in SINGLE:
        rule, = sigma_matcher.load(path)
        count = sum(map(sigma_matcher.matcher(rule), corpus))
        assert (count > 0) != (path.stem in WITHOUT_FIXTURE), path.stem
        assert count < len(corpus) / 20, path.stem


@pytest.mark.parametrize("path", COUNTING, ids=lambda path: path.stem)
def test_a_correlation_fires_on_enough_and_not_on_less(path):
    counting = [rule for rule in sigma_matcher.load(path) if sigma_matcher.is_correlation(rule)]
    assert counting
    for rule in counting:
        enough, less = COUNTED[rule.title]
        assert sigma_matcher.fires(rule, enough), rule.title
        for few in less:
            assert not sigma_matcher.fires(rule, few), rule.title


def test_every_case_belongs_to_a_rule():
    assert {path.stem for path in SINGLE} == CASES.keys()
    titles = {rule.title for path in COUNTING for rule in sigma_matcher.load(path)
              if sigma_matcher.is_correlation(rule)}
    assert titles == COUNTED.keys()
    assert set(CANONICAL) == set(SINGLE + COUNTING) - set(RULES + CORRELATIONS)


def test_the_reasons_of_a_change_of_streams_are_those_that_the_agent_gives():
    rule, = sigma_matcher.load(FOLDER / "canonical/agent_stopped.yml")
    reasons = rule.detection.detections["next_stream"].detection_items[0].value
    source = "".join(path.read_text() for path in (ROOT / "Sources/Pipeline").glob("*.swift"))
    assert len(reasons) == 2 and all(f'"{reason}"' in source for reason in reasons)


def test_rules_are_as_the_specification_wants_them():
    known = InstalledSigmaPlugins.autodiscover().validators
    validator = SigmaValidator(
        {name: one for name, one in known.items() if name not in ONLINE}.values())
    rules = [rule for path in SINGLE + COUNTING for rule in sigma_matcher.load(path)]
    issues = [str(issue) for rule in rules for issue in validator.validate_rule(rule)]
    assert not issues + [str(issue) for issue in validator.finalize()]
    assert len({rule.id for rule in rules}) == len(rules)
    for rule in rules:
        if not sigma_matcher.is_correlation(rule):
            assert (rule.logsource.product, rule.logsource.service) == ("sealtail", "oauth")


def convert(target, pipeline, *folders):
    run = subprocess.run(
        [sys.executable, "-B", "-m", "sigma.cli.main", "convert", "--disable-pipeline-check",
         "--target", target, "--pipeline", str(FOLDER / f"pipelines/{pipeline}.yml"),
         *[str(FOLDER / folder) for folder in folders]],
        capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return [query for query in run.stdout.split("\n\n") if query.strip()]


def test_lucene_speaks_ecs():
    queries = convert("lucene", "ecs", "rules")
    assert len(queries) == len(RULES)
    assert "event.action:AgentStarted AND event.severity:4" in queries
    names = set(json.loads((ROOT / "packaging/elasticsearch/_component_template"
                            / "logs-oauth.audit@mappings.json").read_text())
                ["template"]["mappings"]["properties"])
    for query in queries:
        for word in query.replace("(", " ").split():
            field, colon, _ = word.partition(":")
            assert not colon or field.split(".")[0] in names, query


def test_esql_counts():
    queries = convert("esql", "ecs", "correlations")
    assert len(queries) == len(COUNTED) - 1
    for query in queries:
        assert query.lstrip().startswith("from logs-oauth.audit-*") and "_count >= " in query


def test_spl_asks_for_the_words_behind_those_of_cim():
    queries = "\n".join(convert("splunk", "splunk", "rules", "correlations", "canonical"))
    assert queries.count('sourcetype="sealtail:oauth"') == len(SINGLE) + len(COUNTED)
    assert 'oauth_action="UserImpersonated"' in queries
    assert "scope.granted{}" in queries
    # The add-on gives these names another meaning.
    assert ' action="' not in queries and " outcome=" not in queries
