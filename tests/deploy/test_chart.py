"""The Helm chart, rendered by Helm's own engine and held against Kubernetes' schemas."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from connectors.sdk.errors import concrete
from gateway.settings import Settings
from gateway.telemetry import Metrics
from tests.deploy.tools import ROOT, module

CHART = ROOT / "deploy" / "helm" / "gatehouse"
VERSIONS = ("1.30", "1.37")
PEER = {"ipBlock": {"cidr": "10.0.1.5/32"}}
LEAST: dict[str, Any] = {
    "vault": {"address": "https://vault.example:8200"},
    "networkPolicy": {"postgres": [PEER], "vault": [PEER]},
}
ALL: dict[str, Any] = {
    **LEAST,
    "image": {"repository": "registry.example/gatehouse", "digest": "sha256:" + "0" * 64},
    "imagePullSecrets": [{"name": "pull"}],
    "autoscaling": {"enabled": True},
    "externalSecret": {"enabled": True, "store": {"name": "vault"}},
    "redis": {"url": "rediss://redis.example:6379/0", "username": "gatehouse", "passwordFromSecret": True},
    "vault": {"address": "https://vault.example:8200", "namespace": "team", "caConfigMap": "vault-ca"},
    "networkPolicy": {"postgres": [PEER], "vault": [PEER], "redis": [PEER], "extra": [{"to": [PEER]}]},
    "publicUrl": "https://gatehouse.example",
    "tls": {"secret": "gatehouse-tls", "callersConfigMap": "callers"},
    "connectors": ["acme"],
    "openedNetworks": ["10.1.0.0/16"],
    "trustedProxies": ["10.2.0.0/16", "10.3.0.0/16"],
    "outboundProxy": "http://proxy.example:3128",
    "otlpEndpoint": "http://collector.example:4318",
    "settings": {"GATEHOUSE_CONCURRENCY": "2048"},
    "ingress": {"enabled": True, "className": "nginx", "host": "gatehouse.example", "tlsSecret": "tls"},
    "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
    "alerts": {"enabled": True},
    "tolerations": [{"operator": "Exists"}],
    "nodeSelector": {"pool": "gateways"},
    "priorityClassName": "high",
    "podAnnotations": {"note": "one"},
}
OF_OTHERS = {"ExternalSecret", "ServiceMonitor", "PrometheusRule"}


def rendered(values: dict[str, Any], revision: int = 1) -> list[dict[str, Any]]:
    """Return the manifests that Helm would apply."""
    with module("helm_python").Chart.load(CHART) as chart:
        chart.validate_schema(values)
        made = chart.render(values, name="gatehouse", namespace="gatehouse", revision=revision)
    texts = [text for name, text in sorted(made.items()) if name.endswith(".yaml")]
    return [found for text in texts for found in yaml.safe_load_all(text) if found]


def only(manifests: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    (found,) = [manifest for manifest in manifests if manifest["kind"] == kind]
    return found


def pods(manifests: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [manifest["spec"]["template"]["spec"] for manifest in manifests if manifest["kind"] in {"Deployment", "Job"}]


@pytest.mark.parametrize("values", [LEAST, ALL], ids=["least", "all"])
def test_helm_has_nothing_to_say(values: dict[str, Any]) -> None:
    report = module("helm_python").lint(CHART, values, strict=True, kube_version="v1.30.0")

    assert not report["errors"]
    assert [said["error"] for said in report["messages"] if said["severity"] > 1] == []


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("values", [LEAST, ALL], ids=["least", "all"])
def test_what_is_rendered_is_what_kubernetes_knows(values: dict[str, Any], version: str) -> None:
    manifests = rendered(values)

    kinds = {manifest["kind"] for manifest in manifests}
    for manifest in manifests:
        if manifest["kind"] not in OF_OTHERS:
            module("kubernetes_validate").validate(manifest, version, strict=True)
    least = {"Deployment", "Service", "ServiceAccount", "NetworkPolicy", "PodDisruptionBudget", "Job"}
    assert kinds == (least if values is LEAST else least | OF_OTHERS | {"HorizontalPodAutoscaler", "Ingress"})


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({}, "vault"),
        ({**LEAST, "vault": {"address": "http://vault:8200"}}, "address"),
        ({**LEAST, "networkPolicy": {"vault": [PEER]}}, "postgres"),
        ({**LEAST, "networkPolicy": {"postgres": [{}], "vault": [PEER]}}, "postgres"),
        ({**LEAST, "redis": {"url": "redis://user:secret@redis:6379/0"}}, "redis"),
        ({**LEAST, "settings": {"GATEHOUSE_MASTER_KEY": "x"}}, "GATEHOUSE_MASTER_KEY"),
        ({**LEAST, "settings": {"GATEHOUSE_CONCURRENCY": 1000000}}, "settings"),
        ({**LEAST, "ingress": {"enabled": True}}, "ingress"),
        ({**LEAST, "replcas": 3}, "replcas"),
        ({**LEAST, "preStopSeconds": 0}, "preStopSeconds"),
        ({**LEAST, "tls": {"callersConfigMap": "callers"}}, "tls"),
    ],
)
def test_values_that_cannot_work_are_refused(values: dict[str, Any], said: str) -> None:
    with pytest.raises(module("helm_python").HelmError, match=said):
        rendered(values)


@pytest.mark.parametrize("values", [LEAST, ALL], ids=["least", "all"])
def test_every_pod_is_restricted_and_has_no_token_for_the_cluster(values: dict[str, Any]) -> None:
    found = pods(rendered(values))

    assert len(found) == 2
    for pod in found:
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in pod["containers"]:
            rights = container["securityContext"]
            assert rights["allowPrivilegeEscalation"] is False
            assert rights["readOnlyRootFilesystem"] is True
            assert rights["capabilities"] == {"drop": ["ALL"]}
            assert container["resources"]["limits"]["memory"]
        written = {
            mount["mountPath"] for c in pod["containers"] for mount in c["volumeMounts"] if not mount.get("readOnly")
        }
        assert written == {"/var/lib/gatehouse", "/tmp"}


def test_a_pod_gets_longer_than_it_waits_and_drains() -> None:
    values = {**LEAST, "drainSeconds": 120, "preStopSeconds": 20}

    pod = only(rendered(values), "Deployment")["spec"]["template"]["spec"]

    (container,) = pod["containers"]
    assert container["lifecycle"]["preStop"] == {"sleep": {"seconds": 20}}
    assert {"name": "GATEHOUSE_DRAIN_SECONDS", "value": "120"} in container["env"]
    assert pod["terminationGracePeriodSeconds"] > 140
    assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"
    assert container["startupProbe"]["httpGet"]["path"] == "/healthz"
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"


@pytest.mark.parametrize(("values", "scheme"), [(LEAST, "HTTP"), (ALL, "HTTPS")], ids=["least", "all"])
def test_probes_and_service_speak_as_the_pod_does(values: dict[str, Any], scheme: str) -> None:
    manifests = rendered(values)

    (container,) = only(manifests, "Deployment")["spec"]["template"]["spec"]["containers"]
    services = [one for one in manifests if one["kind"] == "Service"]
    assert {container[f"{kind}Probe"]["httpGet"]["scheme"] for kind in ("startup", "liveness", "readiness")} == {scheme}
    assert {one["appProtocol"] for one in services[0]["spec"]["ports"]} == {scheme.lower()}


@pytest.mark.parametrize("values", [LEAST, ALL], ids=["least", "all"])
def test_the_environment_of_a_pod_is_one_that_the_gateway_starts_with(
    values: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (container,) = only(rendered(values), "Deployment")["spec"]["template"]["spec"]["containers"]
    given = {one["name"]: one.get("value") for one in container["env"]}
    assert {name for name, value in given.items() if value is None} == {
        "GATEHOUSE_DATABASE_URL",
        "GATEHOUSE_MASTER_KEY",
    }
    (tmp_path / "file").write_text("x")
    for name, value in given.items():
        shown = str(tmp_path / "file") if name.endswith("_FILE") else value or f"postgresql://of-the-secret/{name}"
        monkeypatch.setenv(name, shown)

    settings = Settings()

    known = {f"GATEHOUSE_{name.upper()}" for name in Settings.model_fields} | {"OTEL_EXPORTER_OTLP_ENDPOINT"}
    assert given.keys() <= known
    assert settings.vault_login == "kubernetes"
    assert settings.vault_role == "gatehouse"
    if values is ALL:
        assert settings.concurrency == 2048
        assert len(settings.proxies()) == 2
        assert settings.redis() is not None


def test_egress_is_closed_but_for_what_is_named() -> None:
    policy = only(rendered(LEAST), "NetworkPolicy")["spec"]

    open_to = [(rule["to"], [port["port"] for port in rule["ports"]]) for rule in policy["egress"]]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert ([PEER], [5432]) in open_to
    assert ([PEER], [8200]) in open_to
    assert [6379] not in [ports for _, ports in open_to]
    (vendors,) = [to for to, ports in open_to if ports == [443]]
    assert {"10.0.0.0/8", "169.254.0.0/16"} <= set(vendors[0]["ipBlock"]["except"])


def test_the_ledger_is_set_up_by_a_job_that_nothing_waits_for() -> None:
    manifests = rendered(LEAST, revision=7)

    job, deployment = only(manifests, "Job"), only(manifests, "Deployment")
    # Before the install a hook would have no service account; after it what waits for replicas would wait for it.
    assert "helm.sh/hook" not in str(manifests)
    assert job["metadata"]["name"] == "gatehouse-init-7"
    (init,) = job["spec"]["template"]["spec"]["containers"]
    (gateway,) = deployment["spec"]["template"]["spec"]["containers"]
    assert init["args"] == ["init", "--if-needed", "--token-file=/run/operator/operator-token"]
    assert init["env"] == gateway["env"]
    assert not any(mount["name"] == "operator" for mount in gateway["volumeMounts"])


def test_every_alert_asks_for_metrics_that_there_are_and_is_in_the_operations_page() -> None:
    rules = only(rendered(ALL), "PrometheusRule")["spec"]["groups"][0]["rules"]
    page = (ROOT / "docs" / "operations.md").read_text()
    made = Metrics().registry
    known = {sample for metric in made.collect() for sample in _samples(metric.name, metric.type)}

    assert len(rules) >= 10
    for rule in rules:
        asked = set(re.findall(r"gatehouse_[a-z_]+", rule["expr"]))
        assert asked
        assert asked <= known, rule["alert"]
        assert set(re.findall(r'code="(\w+)"', rule["expr"])) <= concrete().keys(), rule["alert"]
        assert f"`{rule['alert']}`" in page


def _samples(name: str, kind: str) -> set[str]:
    return {
        "counter": {f"{name}_total"},
        "histogram": {f"{name}_bucket", f"{name}_sum", f"{name}_count"},
    }.get(kind, {name})
