"""The schema: every value has a description, and a wrong one is refused by its name before anything is applied."""

from typing import Any

import pytest
from tests.helm import REQUIRED, Helm, merged


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
        ({"proxy": {"httpProxy": "http://user:password@p"}}, "/proxy/httpProxy", "does not match pattern"),
        ({"proxy": {"noProxy": ["a,b"]}}, "/proxy/noProxy/0", "does not match pattern"),
        ({"hostPath": {"allowedPrefixes": ["srv"]}}, "/hostPath/allowedPrefixes/0", "does not match pattern"),
        ({"hostPath": {"allowedPrefixes": ["/srv/../etc"]}}, "/hostPath/allowedPrefixes/0", "'not' failed"),
        ({"allowedServiceAccounts": ["*"]}, "/allowedServiceAccounts/0", "does not match pattern"),
        ({"policy": {"rules": {"sysctls": ["net.core*"]}}}, "/policy/rules/sysctls/0", "does not match pattern"),
        ({"policy": {"rules": {"nameResolution": ["dns"]}}}, "/policy/rules/nameResolution/0", "'hostAliases'"),
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
