"""Who has which folder of a node."""

import copy
from dataclasses import replace
from typing import Any

import pytest
from tests.unit import objects
from tests.unit.objects import NOW, SETTINGS

from dind_operator.api.environment import DindEnvironment
from dind_operator.controller.actions import CreatePod, DeletePod
from dind_operator.controller.decide import make_plan
from dind_operator.controller.pod_manifest import daemon_pod
from dind_operator.features.storage import host_path_claims as folders
from dind_operator.features.storage.host_path_claims import Rival
from dind_operator.state.observed import Observed, Policy

ALLOWING = replace(SETTINGS, host_path_prefixes=("/srv/dind", "/srv"))
POLICY = Policy(build=ALLOWING)
OLDER, YOUNGER = "2025-06-01T11:00:00Z", "2025-06-01T11:59:30Z"


def fields(path: str, **more: Any) -> dict[str, Any]:
    return {"storage": {"hostPath": {"path": path}}, **more}


def on(hostname: str) -> dict[str, Any]:
    return {"scheduling": {"nodeSelector": {folders.HOSTNAME: hostname}}}


def environment(spec: dict[str, Any], name: str = "other", since: str = OLDER, **metadata: Any) -> dict[str, Any]:
    return objects.environment(spec, name=name, uid=f"uid-{name}", creationTimestamp=since, **metadata)


def pod_of(manifest: dict[str, Any]) -> dict[str, Any]:
    pod = copy.deepcopy(daemon_pod(DindEnvironment.from_dict(manifest), ALLOWING))
    pod["metadata"]["uid"] = "pod"
    pod["status"] = {"phase": "Running"}
    return pod


def mine(path: str = "/srv/dind/a", since: str = YOUNGER, **more: Any) -> DindEnvironment:
    return DindEnvironment.from_dict(environment(fields(path, **more), "mine", since))


def taken(wanted: DindEnvironment, *others: dict[str, Any], pods: tuple[dict[str, Any], ...] = ()) -> str | None:
    assessment = folders.taken(wanted, folders.rivals(others, pods))
    return assessment.ready.message if assessment else None


@pytest.mark.parametrize("path", ["/srv/dind/a", "/srv/dind"])
def test_a_pod_has_its_folder_with_all_that_is_above_and_below(path: str) -> None:
    other = environment(fields(path), since="2025-06-01T11:59:59Z")
    assert "the environment team-a/other uses " + path in str(taken(mine(), other, pods=(pod_of(other),)))
    # Younger and without a pod it has nothing yet.
    assert taken(mine(), other) is None


def test_a_folder_beside_it_is_free_also_when_its_name_begins_alike() -> None:
    other = environment(fields("/srv/dind/a"))
    assert taken(mine("/srv/dind/ab"), other, pods=(pod_of(other),)) is None
    assert taken(mine("/srv/dind/a"), other, pods=(pod_of(other),))


def test_the_older_comes_first_and_only_one_of_two_is_refused() -> None:
    older = environment(fields("/srv/dind/a"))
    assert taken(mine(), older)
    younger = environment(fields("/srv/dind/a"), since="2025-06-01T11:59:59Z")
    assert taken(mine(), younger) is None
    # Of the same second the uid decides: never both, never neither.
    same = environment(fields("/srv/dind/a"), since=YOUNGER)
    one = taken(mine(), same)
    other = folders.taken(
        DindEnvironment.from_dict(same), folders.rivals([environment(fields("/srv/dind/a"), "mine", YOUNGER)], [])
    )
    assert (one is None) != (other is None)


@pytest.mark.parametrize(
    "stopped",
    [
        {"status": {"phase": "Failed"}},
        {"status": {"phase": "Suspended"}},
        {"spec": fields("/srv/dind/a", operatingMode="Suspended")},
    ],
    ids=["failed", "was-suspended", "is-to-be"],
)
def test_an_environment_that_is_stopped_keeps_nobody_out(stopped: dict[str, Any]) -> None:
    other = environment(fields("/srv/dind/a"))
    assert taken(mine(), other)
    assert taken(mine(), other | stopped) is None
    # As long as its pod is there it does.
    assert taken(mine(), other | stopped, pods=(pod_of(other),))


def test_nodes_that_are_named_apart_have_folders_of_their_own() -> None:
    other = environment(fields("/srv/dind/a", **on("node-b")))
    assert taken(mine(**on("node-a")), other, pods=(pod_of(other),)) is None
    assert taken(mine(**on("node-b")), other, pods=(pod_of(other),))
    # Where one of them may be anywhere, nobody can know.
    assert taken(mine(), other, pods=(pod_of(other),))


def test_a_pod_whose_environment_is_gone_or_moved_on_still_has_its_folder() -> None:
    other = environment(fields("/srv/dind/a"))
    assert taken(mine(), pods=(pod_of(other),))
    assert taken(mine(), environment({}), pods=(pod_of(other),))
    ended = pod_of(other) | {"status": {"phase": "Failed"}}
    assert taken(mine(), pods=(ended,)) is None


def test_other_kinds_of_volumes_have_no_folder() -> None:
    other = environment({})
    assert folders.rivals([other], [pod_of(other)]) == []
    assert folders.taken(DindEnvironment.from_dict(other), [Rival("a/b", "u", "", "/srv/dind/a", None, None)]) is None


def test_the_second_gets_a_condition_instead_of_a_pod_and_the_pod_when_the_first_is_gone() -> None:
    first = environment(fields("/srv/dind/a"))
    rivals = tuple(folders.rivals([first], [pod_of(first)]))
    second = environment(fields("/srv/dind/a"), "mine", YOUNGER)
    observed = Observed(second, None, objects.namespace(), None, None, NOW, rivals=rivals)
    plan = make_plan(observed, POLICY)
    assert plan.actions == ()
    assert plan.status is not None
    assert plan.requeue_after
    (ready,) = [item for item in plan.status["conditions"] if item["type"] == "Ready"]
    assert (ready["status"], ready["reason"]) == ("False", "HostPathInUse")
    assert isinstance(make_plan(replace(observed, rivals=()), POLICY).actions[0], CreatePod)


def test_an_environment_that_would_move_into_anothers_folder_keeps_its_pod() -> None:
    first = environment(fields("/srv/dind/a"))
    rivals = tuple(folders.rivals([first], [pod_of(first)]))
    before = environment(fields("/srv/dind/b"), "mine", YOUNGER)
    moved = environment(fields("/srv/dind/a"), "mine", YOUNGER, generation=2)
    observed = Observed(moved, pod_of(before), objects.namespace(), None, None, NOW, rivals=rivals)
    plan = make_plan(observed, POLICY)
    assert plan.actions == ()
    assert plan.status is not None
    (fresh,) = [item for item in plan.status["conditions"] if item["type"] == "UpToDate"]
    assert (fresh["status"], fresh["reason"]) == ("False", "HostPathInUse")
    assert isinstance(make_plan(replace(observed, rivals=()), POLICY).actions[0], DeletePod)
