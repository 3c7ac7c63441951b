# SPDX-License-Identifier: Apache-2.0
"""The metrics page, the alarms and the dashboard, judged by a real Prometheus and its promtool."""

import json
import re

import pytest
import yaml
from agent import ROOT, Agent, Metrics, elasticsearch_sink, file_input, file_sink
from certificates import Authority
from keycloak_log import KeycloakLog
from prometheus_server import Prometheus, promtool
from receiver import Receiver

RULES = ROOT / "packaging" / "prometheus" / "sealtail.rules.yml"
RULE_TESTS = ROOT / "packaging" / "prometheus" / "sealtail.rules.test.yml"
DASHBOARD = ROOT / "packaging" / "grafana" / "sealtail.json"
OPERATING = ROOT / "docs" / "operating.md"
LINES = 400
COLUMNS = 24

# What scripts and dashboards hang on: the type and exactly these labels. More may be exported.
PROMISED = {
    "build_info": ("gauge", "version"),
    "bytes_read_total": ("counter", "input"),
    "certificate_expiry_timestamp_seconds": ("gauge", "sink"),
    "checkpoint_timestamp_seconds": ("gauge", ""),
    "config_reload_success": ("gauge", ""),
    "dead_letter_events": ("gauge", "sink"),
    "delivery_retries_total": ("counter", "sink reason"),
    "delivery_seconds": ("histogram", "sink"),
    "events_delivered_total": ("counter", "sink"),
    "events_filtered_total": ("counter", "sink"),
    "events_lost_total": ("counter", "sink"),
    "events_rejected_total": ("counter", "sink reason"),
    "events_replayed_total": ("counter", "sink"),
    "events_sealed_total": ("counter", "input parser"),
    "events_unclassified_total": ("counter", "input parser"),
    "events_waiting": ("gauge", "sink"),
    "input_lag_bytes": ("gauge", "input"),
    "input_last_record_timestamp_seconds": ("gauge", "input"),
    "input_readable": ("gauge", "input"),
    "ledger_bytes": ("gauge", ""),
    "ledger_commit_seconds": ("histogram", ""),
    "ledger_max_bytes": ("gauge", ""),
    "ledger_quarantined_frames_total": ("counter", ""),
    "oldest_undelivered_age_seconds": ("gauge", "sink"),
    "records_dropped_total": ("counter", "input reason"),
    "records_ignored_total": ("counter", "input parser"),
    "records_read_total": ("counter", "input"),
    "records_sealed_total": ("counter", "input"),
    "records_truncated_total": ("counter", "input"),
    "sequence_number": ("gauge", ""),
    "sink_up": ("gauge", "sink"),
}


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    """(agent, Prometheus): a file sink and one over TLS, one reload, so that nothing is unset."""
    folder = tmp_path_factory.mktemp("watched")
    log = folder / "idp.log"
    log.write_bytes(KeycloakLog(9).chunk(LINES))
    certificate, key = Authority(folder).issue("receiver", ["127.0.0.1"])
    with Receiver(certificate=certificate, key=key) as receiver:
        agent = Agent(folder / "agent", [file_input(log)], [
            file_sink(folder / "out.ndjson"),
            elasticsearch_sink(receiver, tls={"ca_file": str(folder / "ca.pem")})]).start()
        try:
            agent.wait_read(LINES)
            for sink in ("out", "siem"):
                agent.wait_delivered(sink)
            # Another filter ends the stream, and with it comes a checkpoint.
            agent.configuration["sinks"][0]["filter"] = {"min_severity": "low"}
            agent.write()
            agent.reload()
            agent.wait_for(lambda: agent.metrics().has("checkpoint_timestamp_seconds"), 20,
                           "a checkpoint")
            with Prometheus(folder / "prometheus", [agent.port], [RULES]) as prometheus:
                prometheus.wait_for(
                    lambda: prometheus.query("count_over_time(sealtail_build_info[1m]) >= 4"),
                    "four scrapes")
                yield agent, prometheus
            agent.stop()
        finally:
            if agent.is_running():
                agent.kill()


def families(text):
    """The type of each family of a page."""
    return dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))


def names(expression):
    """The metrics of the agent that a text names, without what histograms add to their names."""
    found = re.findall(r"\b(?:sealtail|process)_[a-z_]+", expression)
    return {re.sub(r"(_seconds)_(?:bucket|sum|count)$", r"\1", name) for name in found}


def alerts():
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def panels():
    return [panel for panel in json.loads(DASHBOARD.read_text())["panels"]
            if panel["type"] != "row"]


def queries():
    """(title, expression) of all that the dashboard asks, with its variables filled in."""
    board = json.loads(DASHBOARD.read_text())
    asked = [(panel["title"], target["expr"]) for panel in panels()
             for target in panel["targets"]]
    asked += [(note["name"], note["expr"]) for note in board["annotations"]["list"]
              if "expr" in note]
    return [(title, text.replace("$instance", ".*").replace("$__rate_interval", "10s"))
            for title, text in asked]


def test_every_promised_metric_is_there_and_promtool_finds_no_fault(watched):
    text = watched[0].get("/metrics")[1]
    assert promtool("check", "metrics", stdin=text) == ""
    types, page = families(text), Metrics(text)
    for name, (kind, labels) in PROMISED.items():
        assert types.get(f"sealtail_{name}") == kind, name
        suffix = "_count" if kind == "histogram" else ""
        rows = page.rows[f"sealtail_{name}{suffix}"]
        assert rows, f"{name} has no number"
        assert all(set(row) == set(labels.split()) for row, _ in rows), (name, rows)
    assert 0 < page.rows["process_resident_memory_bytes"][0][1] < page.sum("memory_ceiling_bytes")
    assert page.rows["process_cpu_seconds_total"][0][1] > 0
    assert page.sum("ledger_undelivered_bytes") == 0 < page.sum("ledger_bytes")


def test_prometheus_reads_every_number_of_the_page(watched):
    agent, prometheus = watched
    target = prometheus.get("targets")["activeTargets"][0]
    assert target["health"] == "up" and target["lastError"] == ""
    stored = {row["metric"]["__name__"] for row in prometheus.query(
        '{__name__=~"(sealtail|process)_.+"}')}
    assert set(Metrics(agent.get("/metrics")[1]).rows) == stored


def test_promtool_accepts_the_alarms_and_their_tests():
    promtool("check", "rules", RULES)
    promtool("test", "rules", RULE_TESTS.name, cwd=RULE_TESTS.parent)


def test_every_alarm_is_tested_to_fire_and_to_be_silent():
    found = {}
    for group in yaml.safe_load(RULE_TESTS.read_text())["tests"]:
        for test in group["promql_expr_test"]:
            name = re.search(r'alertname="(\w+)"', test["expr"])[1]
            found.setdefault(name, {True: [], False: []})[bool(test["exp_samples"])].append(test)
    assert sorted(found) == sorted(rule["alert"] for rule in alerts())
    for rule in alerts():
        kinds = found[rule["alert"]]
        assert kinds[True] and kinds[False], rule["alert"]
        said = " ".join(rule["annotations"].values())
        for label in re.findall(r"\$labels\.(\w+)", said):
            rows = [sample["labels"] for test in kinds[True] for sample in test["exp_samples"]]
            assert any(f'{label}="' in row for row in rows), f"{rule['alert']} has no {label}"


def test_every_alarm_says_what_it_means_and_where_to_read_on():
    headings = re.findall(r"^### (Sealtail\w+)$", OPERATING.read_text(), re.MULTILINE)
    assert headings == [rule["alert"] for rule in alerts()]
    for rule in alerts():
        assert rule["labels"]["severity"] in ("critical", "warning")
        notes = rule["annotations"]
        assert set(notes) == {"summary", "description", "runbook"}
        assert notes["runbook"] == f"docs/operating.md#{rule['alert'].lower()}"


def test_no_alarm_is_raised_about_an_agent_that_is_well(watched):
    _, prometheus = watched
    prometheus.wait_for(lambda: all(rule["lastEvaluation"] > "2" for rule in prometheus.rules()),
                        "an evaluation of every rule")
    found = {rule["name"]: rule for rule in prometheus.rules()}
    assert sorted(found) == sorted(rule["alert"] for rule in alerts())
    assert {name for name, rule in found.items() if rule["health"] != "ok"} == set()
    raised = {name for name, rule in found.items() if rule["state"] != "inactive"}
    # Its log does grow no more; that becomes an alarm after an hour.
    assert raised <= {"SealtailInputSilent"}


def test_what_alarms_dashboard_and_manual_name_is_exported(watched):
    exported = set(families(watched[0].get("/metrics")[1]))
    for rule in alerts():
        assert names(rule["expr"] + " ".join(rule["annotations"].values())) <= exported, rule
    for title, expression in queries():
        assert names(expression) <= exported, title
    assert names(OPERATING.read_text()) - {"sealtail_damage"} <= exported


def test_the_dashboard_shows_something_in_every_panel(watched):
    _, prometheus = watched
    for title, expression in queries():
        rows = prometheus.query(expression)
        assert rows or expression.endswith("> 0") or title == "Starts", f"{title}: {expression}"


def test_the_dashboard_has_the_shape_that_grafana_reads():
    board = json.loads(DASHBOARD.read_text())
    assert board["id"] is None and re.fullmatch(r"[A-Za-z0-9_-]{1,40}", board["uid"])
    variables = {entry["name"]: entry for entry in board["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource"
    assert variables["datasource"]["query"] == "prometheus"
    assert variables["instance"]["multi"] and variables["instance"]["includeAll"]
    taken = set()
    for panel in board["panels"]:
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"])
                 for y in range(place["y"], place["y"] + place["h"])}
        assert place["x"] + place["w"] <= COLUMNS and not cells & taken, panel["title"]
        taken |= cells
    numbers = [panel["id"] for panel in board["panels"]]
    assert len(set(numbers)) == len(numbers)
    source = {"type": "prometheus", "uid": "${datasource}"}
    for panel in panels():
        assert panel["datasource"] == source and panel["description"], panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        for target in panel["targets"]:
            assert target["datasource"] == source
        letters = [target["refId"] for target in panel["targets"]]
        assert len(set(letters)) == len(letters)
