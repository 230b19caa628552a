"""The benchmark is fair: the hand-written pod has what the operator's has, but for the operator's own doing."""

from __future__ import annotations

from typing import Any

import pytest
from tests.bench.burst import environment, pod_of
from tests.bench.cold_start import HELPER, hand_written

NAMESPACE, NAME = "cold", "n1"
# The tool comes from the init container, which the other pod does not have.
TOOL = "dind-tool"


@pytest.fixture
def theirs() -> Any:
    metadata = {"namespace": NAMESPACE, "name": NAME, "uid": "none"}
    return pod_of(environment(NAMESPACE, NAME, endpoint=False) | {"metadata": metadata})["spec"]


@pytest.fixture
def mine() -> Any:
    return hand_written(NAMESPACE, NAME)["spec"]


def test_the_pod_waits_for_nothing_that_only_the_operator_makes(mine: Any) -> None:
    assert {key for volume in mine["volumes"] for key in volume} == {"name", "emptyDir"}
    assert all("valueFrom" not in each for each in mine["containers"][0].get("env", []))


def test_one_container_against_the_same_one_after_an_init_container(theirs: Any, mine: Any) -> None:
    assert [len(theirs["initContainers"]), len(theirs["containers"]), len(mine["containers"])] == [1, 1, 1]
    assert "initContainers" not in mine


@pytest.mark.parametrize("key", ["image", "imagePullPolicy", "resources", "securityContext"])
def test_the_container_has_the_same(theirs: Any, mine: Any, key: str) -> None:
    assert mine["containers"][0].get(key) == theirs["containers"][0].get(key)


def test_the_volumes_are_the_same_and_mounted_alike_but_for_the_tools(theirs: Any, mine: Any) -> None:
    assert mine["volumes"] == theirs["volumes"]
    mounts = [mount for mount in theirs["containers"][0]["volumeMounts"] if mount["name"] != TOOL]
    assert mine["containers"][0]["volumeMounts"] == mounts
    assert "/var/lib/docker" in [mount["mountPath"] for mount in mounts]


@pytest.mark.parametrize("probe", ["startupProbe", "readinessProbe", "livenessProbe"])
def test_the_probes_are_the_same_but_for_where_the_helper_is(theirs: Any, mine: Any, probe: str) -> None:
    own, other = mine["containers"][0][probe], theirs["containers"][0][probe]
    assert own["exec"]["command"] == [HELPER, *other["exec"]["command"][1:]]
    assert own | {"exec": None} == other | {"exec": None}


def test_neither_gets_a_token_and_both_may_end_as_slowly(theirs: Any, mine: Any) -> None:
    for key in ("automountServiceAccountToken", "terminationGracePeriodSeconds"):
        assert mine[key] == theirs[key]
