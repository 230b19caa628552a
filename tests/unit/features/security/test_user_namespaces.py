"""A pod in a user namespace that gets no sandbox: certain at once, probable after a while, silent where nothing is known."""

from datetime import timedelta
from typing import Any

import pytest
from tests.unit import objects
from tests.unit.objects import NOW, POLICY, container, environment, observed, scheduled, set_containers, terminated

from dind_operator.api.status import Phase
from dind_operator.controller.decide import make_plan
from dind_operator.features.security import user_namespaces as sandboxes
from dind_operator.state.observed import NodeView
from dind_operator.state.periods import REAL

FIELDS = {"security": {"mode": "UserNamespace"}}
WAITING = {"waiting": {"reason": "PodInitializing"}}


def handler(name: str, *, user_namespaces: bool) -> dict[str, Any]:
    return {"name": name, "features": {"userNamespaces": user_namespaces}}


def node(*handlers: dict[str, Any]) -> NodeView:
    view = objects.node()
    assert view.manifest
    view.manifest["status"]["runtimeHandlers"] = list(handlers)
    return view


def pod(
    fields: dict[str, Any] | None = None, *, seconds: float = 3600, state: dict[str, Any] | None = None
) -> dict[str, Any]:
    """A pod on a node whose sandbox is not made for that many seconds."""
    made = set_containers(scheduled(objects.pod(FIELDS if fields is None else fields)), None, None)
    since = (NOW - timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
    condition = {"type": "PodReadyToStartContainers", "status": "False", "lastTransitionTime": since}
    made["status"]["conditions"].append(condition)
    return set_containers(made, container("mount-cgroups", state or WAITING), None)


def plan(node: NodeView | None, given: dict[str, Any], fields: dict[str, Any] | None = None) -> dict[str, Any]:
    made = make_plan(observed(environment(FIELDS if fields is None else fields), given, node=node), POLICY)
    assert made.actions == ()
    assert made.status is not None
    return {**made.status, "again": made.requeue_after}


def reasons(status: dict[str, Any]) -> set[str]:
    return {objects.condition(status, kind)["reason"] for kind in ("Ready", "DaemonReady")}


YOUNG, OLD = 2, 60
WITH = handler("dind", user_namespaces=True)
OTHER = handler("kata", user_namespaces=True)
WITHOUT = [handler("", user_namespaces=False), handler("runc", user_namespaces=False)]


@pytest.mark.parametrize("seconds", [YOUNG, OLD])
def test_a_runtime_without_user_namespaces_is_told_at_once(seconds: int) -> None:
    status = plan(node(*WITHOUT), pod(seconds=seconds))
    assert reasons(status) == {"RuntimeHandlerMissing"}
    message = objects.condition(status, "Ready")["message"]
    assert objects.NODE in message
    assert "cgroup_writable = true" in message
    assert "spec.security.runtimeClassName" in message
    assert objects.condition(status, "PodScheduled")["status"] == "True"
    assert (status["phase"], status["again"]) == (Phase.FAILED, REAL.blocked_check_seconds)


@pytest.mark.parametrize(
    ("handlers", "known"),
    [([OTHER], " (its handlers: kata)."), ([handler("", user_namespaces=True)], "dind."), ([], "dind.")],
)
def test_a_handler_of_another_name_is_told_after_a_while(handlers: list[dict[str, Any]], known: str) -> None:
    assert reasons(plan(node(*handlers), pod(seconds=YOUNG))) == {"Initializing"}
    status = plan(node(*handlers), pod(seconds=OLD))
    assert reasons(status) == {"RuntimeHandlerMissing"}
    assert (
        f"no handler for the RuntimeClass dind{known.removeprefix('dind')}"
        in objects.condition(status, "Ready")["message"]
    )


@pytest.mark.parametrize("view", [None, objects.node(), node(*WITHOUT, WITH)], ids=["unread", "mute", "able"])
def test_what_is_on_its_way_is_not_called_trouble(view: NodeView | None) -> None:
    status = plan(view, pod(seconds=YOUNG))
    assert reasons(status) == {"Initializing"}
    # Nobody would tell when patience ends.
    assert status["again"] == REAL.blocked_check_seconds


def test_a_node_that_has_the_handler_is_not_accused() -> None:
    assert reasons(plan(node(WITH), pod(seconds=OLD))) == {"Initializing"}


@pytest.mark.parametrize("state", [{"running": {}}, terminated(1, "")], ids=["runs", "ended"])
def test_a_container_that_ran_had_a_sandbox(state: dict[str, Any]) -> None:
    assert not sandboxes.waits(pod(state=state))


def test_other_modes_are_not_looked_at() -> None:
    for fields in ({}, {"security": {"mode": "Capabilities"}}):
        status = plan(node(*WITHOUT), pod(fields), fields)
        assert reasons(status) == {"Initializing"}
        assert status["again"] is None


def test_a_node_that_is_gone_is_not_asked() -> None:
    seen = observed(environment(FIELDS), pod(), node=NodeView("n", None))
    assessment = sandboxes.assess(object(), seen, pod())  # type: ignore[arg-type]
    assert not hasattr(assessment, "ready"), "the verdict is handed on as it was"


def test_the_words_do_not_change_while_it_lasts() -> None:
    first, later = (plan(node(OTHER), pod(seconds=seconds)) for seconds in (OLD, 60 * OLD))
    assert objects.condition(first, "Ready")["message"] == objects.condition(later, "Ready")["message"]
