"""The protocol that reconciling asks for is the one the client offers."""

import inspect

import pytest

from dind_operator.manager.client import ApiCluster
from dind_operator.state.cluster import Cluster, ObjectKind

CALLS = [name for name, _ in inspect.getmembers(Cluster, inspect.isfunction) if not name.startswith("_")]


@pytest.mark.parametrize("name", CALLS)
def test_the_client_has_every_call_with_the_same_parameters(name: str) -> None:
    asked, offered = getattr(Cluster, name), getattr(ApiCluster, name)
    assert inspect.iscoroutinefunction(offered)
    assert inspect.signature(asked).parameters == inspect.signature(offered).parameters


def test_nothing_in_it_can_write_a_spec_or_run_a_program_in_a_pod() -> None:
    assert set(CALLS) == {
        "environment",
        "pod",
        "node",
        "create_pod",
        "delete_pod",
        "delete_environment",
        "patch_pod_metadata",
        "patch_status",
        "owned",
        "create_owned",
        "replace_owned",
        "delete_owned",
        "daemon_log_head",
        "daemon_log_tail",
        "record",
    }
    # What else it may write. None of these runs anything.
    assert {kind.value for kind in ObjectKind} == {"secrets", "services", "networkpolicies", "poddisruptionbudgets"}
