"""The schema: every value has a description, and a wrong one is refused by its name before anything is applied."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from tests.helm import CHART, REQUIRED, Helm, merged

SCHEMA = json.loads((CHART / "values.schema.json").read_text())
VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
# Not in values.yaml: a parent chart's, not this chart's.
PARENTS = {"global", "enabled"}


def resolved(node: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in node:
        found: dict[str, Any] = SCHEMA["definitions"][node["$ref"].rpartition("/")[2]]
        return found
    return node


def nodes(node: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    for name, child in node.get("properties", {}).items():
        yield f"{path}.{name}", resolved(child)
        yield from nodes(resolved(child), f"{path}.{name}")


def test_every_value_is_described_and_closed() -> None:
    found = dict(nodes(SCHEMA))
    assert len(found) > 50
    assert SCHEMA["additionalProperties"] is False
    for path, node in found.items():
        assert node.get("description"), f"{path} has no description"
        if "properties" in node:
            assert node["additionalProperties"] is False, f"{path} accepts anything"


def test_schema_and_values_name_the_same_things() -> None:
    def compare(node: dict[str, Any], values: dict[str, Any], path: str) -> None:
        known = set(node["properties"]) - (PARENTS if not path else set())
        assert known == set(values), f"{path or 'values.yaml'} and its schema differ"
        for name, child in node["properties"].items():
            if "properties" in resolved(child):
                compare(resolved(child), values[name], f"{path}.{name}")

    closed = merged(SCHEMA, {})
    # Kubernetes decides what may stand in resources; the defaults name only some of it.
    closed["properties"] = {key: value for key, value in SCHEMA["properties"].items() if key != "resources"}
    compare(closed, {key: value for key, value in VALUES.items() if key != "resources"}, "")


@pytest.mark.parametrize(
    ("values", "where", "what"),
    [
        ({"imageRegistry": "x"}, "''", "'imageRegistry' not allowed"),
        ({"image": {"operator": {"image": "x"}}}, "/image/operator", "'image' not allowed"),
        ({"image": {"daemon": {"pullPolicy": "Always"}}}, "/image/daemon", "'pullPolicy' not allowed"),
        ({"image": {"operator": {"pullPolicy": "always"}}}, "/image/operator/pullPolicy", "'IfNotPresent'"),
        ({"image": {"nodeTool": {"digest": "sha256:abc"}}}, "/image/nodeTool/digest", "does not match pattern"),
        ({"image": {"registry": "https://registry.test"}}, "/image/registry", "does not match pattern"),
        ({"image": {"tag": 1.5}}, "/image/tag", "got number, want string"),
        ({"logging": {"level": "loud"}}, "/logging/level", "'debug', 'info', 'warning', 'error'"),
        ({"logging": {"format": "xml"}}, "/logging/format", "'json', 'text'"),
        ({"requireNamespaceLabel": "false"}, "/requireNamespaceLabel", "got string, want boolean"),
        ({"workers": 0}, "/workers", "minimum: got 0, want 1"),
        ({"resyncSeconds": 1}, "/resyncSeconds", "minimum: got 1, want 10"),
        ({"replicas": 1.5}, "/replicas", "got number, want integer"),
        ({"clusterCIDRs": ["10.0.0.0"]}, "/clusterCIDRs/0", "does not match pattern"),
        ({"registry": {"mirrors": ["https://user:password@m"]}}, "/registry/mirrors/0", "does not match pattern"),
        ({"hostPath": {"allowedPrefixes": ["srv"]}}, "/hostPath/allowedPrefixes/0", "does not match pattern"),
        ({"hostPath": {"allowedPrefixes": ["/srv/../etc"]}}, "/hostPath/allowedPrefixes/0", "'not' failed"),
        ({"policy": {"rules": {"images": ["registry.test*"]}}}, "/policy/rules/images/0", "does not match pattern"),
        ({"policy": {"rules": {"images": ["docker:*"]}}}, "/policy/rules/images/0", "does not match pattern"),
        ({"policy": {"rules": {"images": ["i" * 129]}}}, "/policy/rules/images/0", "maxLength"),
        ({"policy": {"rules": {"images": [f"i{n}" for n in range(25)]}}}, "/policy/rules/images", "maxItems"),
        ({"policy": {"rules": {"modes": []}}}, "/policy/rules/modes", "minItems: got 0, want 1"),
        ({"policy": {"rules": {"modes": ["Root"]}}}, "/policy/rules/modes/0", "'UserNamespace'"),
        ({"policy": {"rules": {"tolerations": ["a b"]}}}, "/policy/rules/tolerations/0", "does not match pattern"),
        ({"policy": {"rules": {"daemonArgs": ["--mtu=1"]}}}, "/policy/rules/daemonArgs/0", "does not match pattern"),
        ({"policy": {"rules": {"maxResources": {"cpu": 8}}}}, "/policy/rules/maxResources/cpu", "want string"),
        ({"policy": {"rules": {"nodeSelector": {"a": "b\nc=d"}}}}, "/policy/rules/nodeSelector/a", "match pattern"),
        ({"policy": {"rules": {"lifetimes": []}}}, "/policy/rules", "'lifetimes' not allowed"),
        ({"defaultReserveMemory": "lots"}, "/defaultReserveMemory", "does not match pattern"),
        ({"userNamespaces": {"runtimeClass": {"name": ""}}}, "/userNamespaces/runtimeClass/name", "minLength"),
        ({"userNamespaces": {"runtimeClass": {"handler": "a.b"}}}, "/userNamespaces/runtimeClass/handler", "pattern"),
        ({"resources": {"requests": {"memory": "1GB"}}}, "/resources/requests/memory", "does not match pattern"),
        ({"imagePullSecrets": ["login"]}, "/imagePullSecrets/0", "got string, want object"),
        ({"networkPolicy": {"apiServerPorts": []}}, "/networkPolicy/apiServerPorts", "minItems: got 0, want 1"),
        ({"apparmor": {"load": {"namespace": "Kube_System"}}}, "/apparmor/load/namespace", "does not match pattern"),
        ({"apparmor": {"load": True}}, "/apparmor/load", "got boolean, want object"),
        ({"apparmor": {"extraRules": ["umount,"]}}, "/apparmor/extraRules", "got array, want string"),
        ({"userNamespaces": {"runtimeClass": {"create": "yes"}}}, "/runtimeClass/create", "got string, want boolean"),
        ({"metrics": {"podMonitor": {"interval": "30"}}}, "/metrics/podMonitor/interval", "does not match pattern"),
    ],
)
def test_a_wrong_value_is_refused_by_name(helm: Helm, values: dict[str, Any], where: str, what: str) -> None:
    done = helm.try_template(merged(REQUIRED, values))
    assert done.returncode
    assert f"{where}" in done.stderr
    assert what in done.stderr


def test_a_parent_chart_may_pass_its_own_values(helm: Helm) -> None:
    assert helm.template({"global": {"anything": 1}, "enabled": True})
