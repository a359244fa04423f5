"""The StatefulSet of `examples/`: its fields by the schema, its parts by one another, and what a pod would start.

It was not run on a cluster. Where `kubernetes-validate` is installed, the schemas of Kubernetes itself judge it,
strictly; everywhere the fields that must fit each other are looked at.
"""

import os
import socket
import subprocess

import pytest

from tests.balancers import EXAMPLES
from trio_voice.config.reading import read_settings
from trio_voice.daemon.daemon import AFTER_DRAIN_SECONDS

FILE = EXAMPLES / "nodes" / "kubernetes.yaml"
SECRETS = {
    "TWILIO_AUTH_TOKEN": "0" * 32,
    "TRIO_VOICE_API_TOKEN": "a-token-of-the-operator",
    "TRIO_VOICE_JOURNAL_URL": "postgresql://db/trio_voice",
    "ASSEMBLYAI_API_KEY": "k",
}


@pytest.fixture
def documents():
    yaml = pytest.importorskip("yaml", reason="no PyYAML by that name on this Python")
    found = list(yaml.safe_load_all(FILE.read_text()))
    return {(each["kind"], each["metadata"]["name"]): each for each in found}


def test_the_schemas_of_kubernetes_take_it(documents):
    judge = pytest.importorskip("kubernetes_validate", reason="pip install kubernetes-validate")
    for document in documents.values():
        judge.validate(document, judge.latest_version(), strict=True)


def test_its_parts_fit_each_other(documents):
    assert {(each["apiVersion"], kind) for (kind, _), each in documents.items()} == {
        ("v1", "Service"),
        ("v1", "ConfigMap"),
        ("apps/v1", "StatefulSet"),
    }
    pods = documents["StatefulSet", "voice"]["spec"]
    assert set(pods) == {"serviceName", "replicas", "podManagementPolicy", "selector", "template"}
    labels = pods["template"]["metadata"]["labels"]
    assert pods["selector"]["matchLabels"] == labels
    (container,) = pods["template"]["spec"]["containers"]
    ports = {each["containerPort"] for each in container["ports"]}
    for (kind, _), each in documents.items():
        if kind == "Service":
            assert each["spec"]["selector"] == labels
            assert {port["port"] for port in each["spec"]["ports"]} <= ports
    own = documents["Service", pods["serviceName"]]["spec"]
    assert own["clusterIP"] == "None"  # each pod has a name of its own
    assert own["publishNotReadyAddresses"] is True  # and answers for its calls while it is not ready for new ones
    for probe, path in (("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")):
        asked = container[probe]["httpGet"]
        assert asked["path"] == path
        assert asked["port"] in ports
    volumes = {each["name"]: each for each in pods["template"]["spec"]["volumes"]}
    assert {each["name"] for each in container["volumeMounts"]} == set(volumes)
    assert ("ConfigMap", volumes["config"]["configMap"]["name"]) in documents


def test_its_pods_are_nodes_by_their_ordinal_and_have_time_to_drain(documents, tmp_path, monkeypatch):
    pod = documents["StatefulSet", "voice"]["spec"]["template"]["spec"]
    text = documents["ConfigMap", "voice"]["data"]["config.toml"].replace("AC...", "AC" + "0" * 32)
    mounted, made = tmp_path / "mounted.toml", tmp_path / "config.toml"
    mounted.write_text(text)
    *shell, line = pod["containers"][0]["command"]
    line = line.replace("/etc/trio-voice/config.toml", str(mounted)).replace("/tmp/config.toml", str(made))
    started = tmp_path / "trio-voice"
    started.write_text('#!/bin/sh\necho "$@"\n')
    started.chmod(0o755)
    run = subprocess.run(
        [*shell, line],
        check=True,
        capture_output=True,
        text=True,
        env={"POD_IP": "10.1.2.3", "PATH": f"{tmp_path}:{os.environ['PATH']}"},
    )
    assert run.stdout.split() == ["--config", str(made), "serve"]
    for ordinal, digits in ((0, "00"), (2, "02"), (10, "0a")):
        monkeypatch.setattr(socket, "gethostname", lambda ordinal=ordinal: f"voice-{ordinal}")
        settings = read_settings(made, SECRETS)
        assert settings.server.digits == digits
        assert settings.server.peer_url == "http://10.1.2.3:8081"
    limits = settings.limits
    least = limits.drain_seconds + limits.close_seconds + AFTER_DRAIN_SECONDS
    assert pod["terminationGracePeriodSeconds"] >= least
