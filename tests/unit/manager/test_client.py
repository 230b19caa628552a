"""The client's own decisions: which cluster, which words. Its calls are tested against a real API server."""

from pathlib import Path

import pytest
from kubernetes.aio import config

from dind_operator.manager.client import connect

KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: a
clusters: [{name: a, cluster: {server: "https://api.example.com:6443", insecure-skip-tls-verify: true}}]
contexts: [{name: a, context: {cluster: a, user: a}}]
users: [{name: a, user: {token: x}}]
"""


@pytest.fixture(autouse=True)
def _not_in_a_cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.mark.parametrize("first", [True, False])
async def test_a_kubeconfig_is_used_outside_of_a_cluster(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, first: bool
) -> None:
    path = tmp_path / "config"
    path.write_text(KUBECONFIG)
    monkeypatch.setenv("KUBECONFIG", str(path))
    async with await connect(kubeconfig_first=first) as cluster:
        assert cluster.api.configuration.host == "https://api.example.com:6443"


@pytest.mark.parametrize("content", [None, "", "text", "[]", "{", "clusters: 7", "current-context: gone"])
async def test_whatever_is_wrong_with_it_is_one_kind_of_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str | None
) -> None:
    path = tmp_path / "config"
    if content is not None:
        path.write_text(content)
    monkeypatch.setenv("KUBECONFIG", str(path))
    with pytest.raises(config.ConfigException):
        await connect()


async def test_a_context_is_chosen_by_its_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "config"
    other = KUBECONFIG.replace("contexts: [", "contexts: [{name: b, context: {cluster: b, user: a}}, ").replace(
        "clusters: [", 'clusters: [{name: b, cluster: {server: "https://b.example.com"}}, '
    )
    path.write_text(other)
    monkeypatch.setenv("KUBECONFIG", str(path))
    for context, host in (("b", "https://b.example.com"), (None, "https://api.example.com:6443")):
        async with await connect(kubeconfig_first=True, context=context) as cluster:
            assert cluster.api.configuration.host == host
    with pytest.raises(config.ConfigException):
        await connect(context="gone")
