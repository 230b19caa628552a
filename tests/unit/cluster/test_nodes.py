"""NODES says which nodes a cluster has; what it does not know it says so."""

from __future__ import annotations

import pytest
from tests.cluster import nodes
from tests.cluster.progress import ClusterError


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, ("host",)),
        ("", ("host",)),
        ("host", ("host",)),
        ("host,vm", ("host", "vm")),
        ("vm, host", ("vm", "host")),
    ],
)
def test_the_first_node_alone_unless_asked(value: str | None, expected: tuple[str, ...]) -> None:
    assert nodes.wanted(value) == expected


@pytest.mark.parametrize("value", ["vm", "host,vn", "host,", "HOST"])
def test_a_mistake_is_said_with_what_is_known(value: str) -> None:
    with pytest.raises(ClusterError, match=f"NODES={value} .*NODES=host,vm"):
        nodes.wanted(value)


def test_the_environment_chooses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NODES", raising=False)
    assert not nodes.vm_wanted()
    monkeypatch.setenv("NODES", "host,vm")
    assert nodes.vm_wanted()
