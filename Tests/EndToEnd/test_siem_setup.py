# SPDX-License-Identifier: Apache-2.0
"""Templates and dashboard: made from the tables, whole in themselves, installed by the command.

No Elasticsearch and no Kibana is here: a small server notes down what the command sends.
"""

import http.server
import json
import re
import subprocess
import sys
import threading

import pytest

from agent import ROOT, run

FOLDER = ROOT / "packaging/elasticsearch"
MAPPINGS = FOLDER / "_component_template/logs-oauth.audit@mappings.json"
# What Kibana can count or group by; the rest is looked at in the document.
GROUPING = {"keyword", "ip", "long", "constant_keyword", "wildcard", "boolean", "date"}


def load(path):
    return json.loads(path.read_text(encoding="utf-8"))


def flat(properties, path=""):
    for name, mapping in properties.items():
        if "properties" in mapping:
            yield from flat(mapping["properties"], f"{path}{name}.")
        else:
            yield path + name, mapping


@pytest.fixture(scope="module")
def fields():
    return dict(flat(load(MAPPINGS)["template"]["mappings"]["properties"]))


def documents():
    """ECS documents of the seal's own vectors."""
    text = (ROOT / "Tests/Fixtures/seal/stream-a-ecs.ndjson").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def members(document, path=""):
    for name, value in document.items():
        if isinstance(value, dict):
            yield from members(value, f"{path}{name}.")
        else:
            yield path + name, value


def test_what_is_committed_is_what_the_tables_say():
    done = subprocess.run([sys.executable, "-B", str(ROOT / "scripts/siem"), "--check"],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_member_of_a_document_is_mapped_and_fits(fields):
    kinds = {"long": int, "boolean": bool, "flattened": str}
    seen = set()
    for document in documents():
        for path, value in members(document):
            name = "labels" if path.startswith("labels.") else path
            assert name in fields, f"{path} has no mapping"
            kind = kinds.get(fields[name]["type"], str)
            for one in value if isinstance(value, list) else [value]:
                assert type(one) is kind, path
            seen.add(name)
    assert len(seen) > 50


def test_the_mapping_cannot_grow_and_keeps_the_signed_bytes_out_of_every_index(fields):
    mappings = load(MAPPINGS)["template"]["mappings"]
    assert mappings["dynamic"] is False and "dynamic_templates" not in mappings
    assert '"dynamic"' not in json.dumps(mappings["properties"])
    assert fields["labels"]["type"] == "flattened"
    for path in ("event.original", "integrity.proof"):
        assert fields[path] == {"type": "keyword", "index": False, "doc_values": False}
    assert fields["event.hash"]["type"] == "keyword" and fields["@timestamp"]["type"] == "date"
    assert len(fields) < 200


def test_the_index_template_is_composed_of_what_is_there():
    index = load(FOLDER / "_index_template/logs-oauth.audit.json")
    there = {path.stem for path in (FOLDER / "_component_template").glob("*.json")}
    assert set(index["composed_of"]) - set(index["ignore_missing_component_templates"]) == there
    assert index["index_patterns"] == ["logs-oauth.audit-*"] and index["data_stream"] == {}
    # Higher than Elastic's own templates for logs-*-*, which would add pipelines and fields.
    assert index["priority"] > 200
    for path in FOLDER.glob("_*/*.json"):
        assert "pipeline" not in path.read_text(encoding="utf-8")


def test_the_dashboard_refers_only_to_what_is_there(fields):
    lines = (FOLDER / "kibana.ndjson").read_text(encoding="utf-8").splitlines()
    objects = {(one["type"], one["id"]): one for one in map(json.loads, lines)}
    assert len(objects) == len(lines)
    for one in objects.values():
        for reference in one["references"]:
            assert (reference["type"], reference["id"]) in objects
    view, = [one for (kind, _), one in objects.items() if kind == "index-pattern"]
    assert view["attributes"]["title"] == "logs-oauth.audit-*"
    for (kind, name), one in objects.items():
        if kind != "lens":
            continue
        state = one["attributes"]["state"]
        (layer, inner), = state["datasourceStates"]["formBased"]["layers"].items()
        assert one["references"][0]["name"] == f"indexpattern-datasource-layer-{layer}"
        assert sorted(inner["columnOrder"]) == sorted(inner["columns"])
        for column in inner["columns"].values():
            field = column["sourceField"]
            assert field == "___records___" or fields[field]["type"] in GROUPING, name
        shown = set(re.findall(r'"(\w+)"', json.dumps(state["visualization"])))
        assert set(inner["columns"]) <= shown, name
        for field in re.findall(r"([\w.@]+)\s*(?:>=|:)", state["query"]["query"]):
            assert field in fields, name


def test_panels_stand_side_by_side_and_do_not_overlap():
    lines = (FOLDER / "kibana.ndjson").read_text(encoding="utf-8").splitlines()
    board, = [one for one in map(json.loads, lines) if one["type"] == "dashboard"]
    panels = json.loads(board["attributes"]["panelsJSON"])
    taken = set()
    for panel in panels:
        place = panel["gridData"]
        assert place["x"] + place["w"] <= 48 and place["i"] == panel["panelIndex"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"])
                 for y in range(place["y"], place["y"] + place["h"])}
        assert not cells & taken
        taken |= cells
        assert any(reference["name"] == f"{place['i']}:{panel['panelRefName']}"
                   for reference in board["references"])
    assert len(panels) == len(board["references"]) == len(lines) - 2


class Cluster(http.server.ThreadingHTTPServer):
    """Takes every template and keeps it."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.taken = []
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_PUT(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.taken.append((self.path, json.loads(body)))
        answer = b'{"acknowledged":true}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


@pytest.fixture
def cluster():
    with Cluster() as server:
        yield server
        server.shutdown()


def configuration(tmp_path, cluster, more=""):
    path = tmp_path / "agent.yaml"
    path.write_text(f"""
agent: {{name: idp1.example.com, state_dir: {tmp_path / 'state'}, parsers_dir: {ROOT / 'parsers'}}}
inputs: [{{id: idp, type: file, paths: [/var/log/idp.log], parser: keycloak}}]
sinks:
  - {{id: copy, type: file, path: {tmp_path / 'copy.ndjson'}}}
  - {{id: siem, type: elasticsearch, endpoint: "http://127.0.0.1:{cluster.server_port}"{more}}}
""")
    return path


def setup(path, *more, check=0):
    return run("setup", "elasticsearch", "--config", path, "--templates", FOLDER, *more,
               check=check)


def test_the_command_installs_what_the_package_has(tmp_path, cluster):
    done = setup(configuration(tmp_path, cluster), "--sink", "siem")
    paths = [path for path, _ in cluster.taken]
    assert paths == ["/_component_template/logs-oauth.audit@mappings",
                     "/_component_template/logs-oauth.audit@settings",
                     "/_index_template/logs-oauth.audit"]
    for path, body in cluster.taken:
        assert body == load(FOLDER / f"{path[1:]}.json")
    assert done.stdout.splitlines() == [f"PUT {path}" for path in paths]
    assert "POST /logs-oauth.audit-default/_rollover" in done.stderr
    assert not (tmp_path / "state").exists()


def test_a_dry_run_sends_nothing(tmp_path, cluster):
    done = setup(configuration(tmp_path, cluster), "--dry-run")
    assert done.stdout.count("PUT /") == 3 and cluster.taken == []


def test_mistakes_are_sentences(tmp_path, cluster):
    path = configuration(tmp_path, cluster, ", index: audit")
    assert "logs-oauth.audit-*" in setup(path, check=78).stderr
    assert "there is no sink other" in setup(path, "--sink", "other", check=64).stderr
    assert "must be elasticsearch" in setup(path, "--sink", "copy", check=78).stderr
    assert cluster.taken == []
