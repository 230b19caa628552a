"""What a node says of itself, and when it is gone."""

from typing import Any

import pytest
from tests.unit.objects import node

from dind_operator.state.observed import NodeView


def view(spec: dict[str, Any] | None = None, status: dict[str, Any] | None = None) -> NodeView:
    return NodeView("n", {"spec": spec or {}, "status": status or {}})


def test_a_deleted_node_is_gone() -> None:
    gone = node(gone=True)
    assert gone.gone
    assert not gone.ready
    assert gone.info == {}


@pytest.mark.parametrize(
    ("taints", "gone"),
    [
        (None, False),
        ([], False),
        ([{"key": "node.kubernetes.io/unreachable"}], False),
        ([{"key": "a"}, {"key": "node.kubernetes.io/out-of-service", "effect": "NoExecute"}], True),
    ],
)
def test_only_an_administrator_declares_a_node_out_of_service(taints: list[dict[str, str]] | None, gone: bool) -> None:
    assert view({"taints": taints} if taints is not None else {}).gone is gone


@pytest.mark.parametrize(("status", "ready"), [("True", True), ("False", False), ("Unknown", False)])
def test_ready_is_what_the_kubelet_says(status: str, ready: bool) -> None:
    assert view(status={"conditions": [{"type": "Ready", "status": status}]}).ready is ready


def test_a_node_without_conditions_is_not_ready() -> None:
    assert not view().ready
    assert view().info == {}
