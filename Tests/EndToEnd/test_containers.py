# SPDX-License-Identifier: Apache-2.0
"""The Dockerfile and the manifests: judged by others' schemas, and their configurations run."""

import shutil
import subprocess
import sys
from pathlib import Path

import kubernetes_validate
import pytest
import yaml
from agent import PARSERS, ROOT, file_sink, is_agent_event, read_events, run
from keycloak_log import KeycloakLog

CONTAINER = ROOT / "packaging" / "container"
KUBERNETES = ROOT / "packaging" / "kubernetes"
# Native sidecars came with the first; the second is the newest whose schema the package has.
VERSIONS = ("1.29.0", kubernetes_validate.latest_version())
SECRETS = "/etc/sealtail/secrets"
NUMBER = 65532


def documents():
    """(path, document) of every manifest."""
    return [(path, document) for path in sorted(KUBERNETES.rglob("*.yaml"))
            for document in yaml.safe_load_all(path.read_text())]


def manifest(folder, kind):
    found = [document for path, document in documents()
             if path.parent.name == folder and document["kind"] == kind]
    assert len(found) == 1, f"{len(found)} of {kind} in {folder}"
    return found[0]


def pod(folder):
    kind = {"sidecar": "StatefulSet", "daemonset": "DaemonSet"}[folder]
    return manifest(folder, kind)["spec"]["template"]


def agent_container(folder):
    spec = pod(folder)["spec"]
    containers = spec["containers"] + spec["initContainers"]
    return next(one for one in containers if one["name"] == "sealtail")


def configuration(folder):
    return yaml.safe_load(manifest(folder, "ConfigMap")["data"]["agent.yaml"])


def test_hadolint_finds_no_fault_in_the_dockerfile():
    done = subprocess.run(
        [Path(sys.executable).with_name("hadolint"), "--no-color", "--failure-threshold", "style",
         CONTAINER / "Dockerfile"], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize("version", VERSIONS)
def test_the_published_schemas_accept_the_manifests(version):
    judged = 0
    for path, document in documents():
        if document["kind"] not in ("Kustomization", "PodMonitor"):
            try:
                kubernetes_validate.validate(document, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                pytest.fail(f"{path.name}: {error.message}", pytrace=False)
            judged += 1
    assert judged == 5


def test_the_schemas_would_notice_a_mistake():
    sidecar = manifest("sidecar", "StatefulSet")
    sidecar["spec"]["template"]["spec"]["initContainers"][0]["restartpolicy"] = "Always"
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(sidecar, VERSIONS[0], strict=True)


def test_kustomizations_name_files_that_are_there():
    for path, document in documents():
        if document["kind"] == "Kustomization":
            for name in document["resources"]:
                target = path.parent / name
                assert target.is_file() or (target / "kustomization.yaml").is_file(), target


@pytest.mark.parametrize("folder", ["sidecar", "daemonset"])
def test_the_agent_may_do_no_more_than_it_must(folder):
    spec, container = pod(folder)["spec"], agent_container(folder)
    context = {**spec["securityContext"], **container["securityContext"]}
    assert context["runAsNonRoot"] is True
    assert context["runAsUser"] == context["runAsGroup"] == NUMBER
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    assert context["readOnlyRootFilesystem"] is True
    assert context["allowPrivilegeEscalation"] is False
    assert context["capabilities"] == {"drop": ["ALL"]}
    assert spec["automountServiceAccountToken"] is False
    writable = [mount["mountPath"] for mount in container["volumeMounts"]
                if not mount.get("readOnly")]
    assert writable == ["/var/lib/sealtail"]


@pytest.mark.parametrize("folder", ["sidecar", "daemonset"])
def test_probes_and_prometheus_reach_the_agent(folder):
    container, port = agent_container(folder), configuration(folder)["agent"]["listen"]
    assert container["ports"] == [{"name": "sealtail",
                                   "containerPort": int(port.removeprefix("0.0.0.0:"))}]
    for probe in ("startupProbe", "livenessProbe"):
        assert container[probe]["httpGet"] == {"path": "/livez", "port": "sealtail"}
    monitor = manifest("monitoring", "PodMonitor")
    assert (monitor["apiVersion"], monitor["metadata"]["name"]) == (
        "monitoring.coreos.com/v1", "sealtail")
    chosen = monitor["spec"]["selector"]["matchExpressions"]
    assert [(one["key"], one["operator"]) for one in chosen] == [("sealtail", "In")]
    assert pod(folder)["metadata"]["labels"]["sealtail"] in chosen[0]["values"]
    assert [(one["port"], one["path"]) for one in monitor["spec"]["podMetricsEndpoints"]] == [
        ("sealtail", "/metrics")]


def test_a_sidecar_never_takes_its_provider_out_of_service():
    container = agent_container("sidecar")
    assert container["restartPolicy"] == "Always" and "readinessProbe" not in container
    agent = configuration("sidecar")["agent"]
    assert agent["shutdown"]["mode"] == "sidecar"
    seconds = pod("sidecar")["spec"]["terminationGracePeriodSeconds"]
    assert seconds > int(agent["grace"].removesuffix("s"))


@pytest.mark.parametrize("folder", ["sidecar", "daemonset"])
def test_check_accepts_the_configuration_of_the_manifest(folder, tmp_path):
    text = manifest(folder, "ConfigMap")["data"]["agent.yaml"]
    # As the volume of a secret gives it out, which check looks at.
    (tmp_path / "es.key").write_text("bm90IGEga2V5\n")
    (tmp_path / "es.key").chmod(0o440)
    path = tmp_path / "agent.yaml"
    path.write_text(text.replace(SECRETS, str(tmp_path)).replace(
        "agent:\n", f"agent:\n  parsers_dir: {PARSERS}\n", 1))
    variables = {entry["name"]: "some-name" for entry in agent_container(folder)["env"]}
    run("check", "--offline", "--config", path, check=0, **variables)


def test_the_daemonset_reads_what_containers_print(tmp_path, make_agent):
    """Files as containerd writes them and the kubelet rotates them; a stranger's are left alone."""
    lines = KeycloakLog(9).chunk(60).splitlines()
    pods = tmp_path / "pods"
    provider = pods / "identity_keycloak-0_2f1d3c52-7d0e-4d4f-9a7b-3f6f2f0c9a11" / "keycloak"
    stranger = pods / "shop_cart-0_9b0c41f2-8d2b-4d9c-8a53-07a2b6a4f0de" / "cart"
    for folder in (provider, stranger):
        folder.mkdir(parents=True)

    def printed(some):
        return b"".join(b"2026-11-20T08:00:00.123456789Z stdout F " + line + b"\n"
                        for line in some)
    (provider / "0.log").write_bytes(printed(lines[:40]))
    shutil.copy(provider / "0.log", stranger / "0.log")
    inputs = configuration("daemonset")["inputs"]
    for one in inputs:
        one["paths"] = [path.replace("/var/log/pods", str(pods)) for path in one["paths"]]
        one["labels"] = {"node": "node1"}
    output = tmp_path / "out.ndjson"
    agent = make_agent(inputs, [file_sink(output)]).start()
    agent.wait_read(40, input_id="keycloak")
    (provider / "0.log").rename(provider / "0.log.20261120-080001")
    (provider / "0.log").write_bytes(printed(lines[40:]))
    agent.wait_read(60, input_id="keycloak")
    agent.stop()
    events = [event for event in read_events(output) if not is_agent_event(event)]
    assert len(events) == 60 == len({event["id"] for event in events})
    assert {event["provider"]["product"] for event in events} == {"keycloak"}
