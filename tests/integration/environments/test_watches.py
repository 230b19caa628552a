"""Watches that break, expire or go silent. What vanishes meanwhile is in no event."""

import pytest
from tests.integration.environments.conftest import Operators
from tests.integration.harness.calls import Call, Do, on
from tests.integration.harness.kubelet import Kubelet
from tests.integration.harness.paths import pods
from tests.integration.harness.running import OFTEN, RunningOperator
from tests.integration.harness.space import Space
from tests.kube.eventually import eventually

WATCHED = ("dindenvironments", "pods")
NAMED = {"dindenvironments": "environments"}


def gone(space: Space, kubelet: Kubelet, name: str) -> None:
    """Delete a pod and let its kubelet confirm it."""
    space.delete_pod(name)
    kubelet.finish(space.wait_going(name))
    space.wait_no_pod(name)


@pytest.mark.parametrize("others", [True, False], ids=["others-remain", "nothing-remains"])
@pytest.mark.parametrize("expired", [True, False], ids=["410", "resumed"])
def test_a_pod_vanishes_while_the_watch_is_cut(
    operator: RunningOperator, space: Space, kubelet: Kubelet, expired: bool, others: bool
) -> None:
    """The pod is made again soon after the watch is back, long before the resync: also when the relist is empty."""
    names = ["one", "two"] if others else ["one"]
    for name in names:
        space.create(name)
        kubelet.run(space.wait_pod(name))
        space.wait_reason("Ready", name=name)
    pod = space.wait_pod()
    operator.proxy.cut_watches("pods")
    eventually(lambda: not operator.proxy.watching("pods"), "the watch being cut")
    gone(space, kubelet, "one")
    operator.proxy.allow_watches("pods", error=410 if expired else None)
    kubelet.run(space.wait_pod(other_than=pod))
    space.wait_reason("Ready")
    assert operator.proxy.count(lambda call: on("create", "pods")(call) and call.code == 201) == len(names) + 1


def test_an_environment_vanishes_while_the_watch_is_cut(
    operator: RunningOperator, space: Space, kubelet: Kubelet
) -> None:
    """No ghost acts: for an environment that is gone no pod is made and nothing is written, before and after the 410."""
    space.create()
    kubelet.run(space.wait_pod())
    space.wait_told("Ready")
    operator.proxy.cut_watches(*WATCHED)
    eventually(lambda: not any(operator.proxy.watching(kind) for kind in WATCHED), "the watches being cut")
    before = len(operator.proxy.writes())
    space.remove()
    kubelet.finish(space.wait_going())
    space.wait_no_pod()
    assert space.environment() is None
    # The pods' watch is back first: it shows a pod gone whose environment the index still has.
    resyncs = operator.resyncs()
    operator.proxy.allow_watches("pods", error=410)
    eventually(lambda: operator.resyncs() > resyncs, "the resync after the relist")
    operator.proxy.allow_watches("dindenvironments", error=410)
    eventually(lambda: 'phase="Running"} 0.0' in operator.http("/metrics")[1], "the ghost being forgotten")
    space.create("two")
    kubelet.run(space.wait_pod("two"))
    space.wait_reason("Ready", name="two")
    # What all environments share goes with the first and comes with the second.
    writes = [call for call in operator.proxy.writes()[before:] if call.resource not in ("services", "networkpolicies")]
    assert [str(call) for call in writes if call.name != "two" and "two" not in str(call.body)] == []


def test_a_namespace_made_again_while_its_watch_is_cut(
    operator: RunningOperator, space: Space, kubelet: Kubelet
) -> None:
    """The old namespace is in no event any more: neither its end nor its label may be taken for the new one's."""
    going, closed = Space(space.api, f"{space.name}-going"), Space(space.api, f"{space.name}-closed")
    for made in (going, closed):
        made.open()
    # Held by a finalizer, the first is seen ending before its watch is lost.
    going.api.create(f"{going.path}/configmaps", {"metadata": {"name": "held", "finalizers": ["dind.dev/test"]}})
    seen = operator.operator.controller.view
    going.api.delete(going.path)
    eventually(lambda: (seen.namespace(going.name) or {})["metadata"].get("deletionTimestamp"), "its end being seen")
    operator.proxy.cut_watches("namespaces")
    eventually(lambda: not operator.proxy.watching("namespaces"), "the watch being cut")
    going.api.patch(f"{going.path}/configmaps/held", {"metadata": {"finalizers": None}})
    closed.api.delete(closed.path)
    for made, labels in ((going, None), (closed, {})):
        made.wait("/api/v1/namespaces", made.name, lambda found: found is None, "gone")
        made.open(labels)
    operator.proxy.allow_watches("namespaces", error=410)
    going.create()
    kubelet.run(going.wait_pod())
    going.wait_reason("Ready")
    closed.create()
    closed.wait_reason("NamespaceNotEnabled")
    assert closed.pod() is None
    for made in (going, closed):
        made.close()


def test_a_ghost_in_the_index_is_read_live_first(operator: RunningOperator, space: Space, kubelet: Kubelet) -> None:
    """Only the environments' watch is silent: the pod's end is seen, the environment's is not, and no pod is made."""
    space.create()
    kubelet.run(space.wait_pod())
    space.wait_told("Ready")
    operator.proxy.hold_watches("dindenvironments")
    reads = operator.proxy.count(on("get", "dindenvironments", "one"))
    before = len(operator.proxy.writes())
    space.remove()
    kubelet.finish(space.wait_going())
    eventually(lambda: operator.proxy.count(on("get", "dindenvironments", "one")) > reads, "the live read")
    operator.proxy.release_watches()
    space.create("two")
    space.wait_pod("two")
    made = [call for call in operator.proxy.writes()[before:] if on("create", "pods")(call)]
    assert [call.body["metadata"]["name"] for call in made if call.body] == ["two"]


def test_a_recreated_environment_behind_the_watch(operator: RunningOperator, space: Space, kubelet: Kubelet) -> None:
    """The same name, another object: what the index says of the old one is not done to the new one."""
    old = space.create()
    pod = kubelet.run(space.wait_pod())
    space.wait_reason("Ready")
    # No event of its pod either, until the other is there: it would be looked for in between, and known to be gone.
    operator.proxy.hold_watches("dindenvironments", "pods")
    space.remove()
    space.wait_gone()
    new = space.create(spec={"daemon": {"logLevel": "Debug"}})
    operator.proxy.hold_watches("dindenvironments")
    kubelet.finish(space.wait_going())
    after = space.wait_pod(other_than=pod)
    assert after["metadata"]["ownerReferences"][0]["uid"] == new["metadata"]["uid"] != old["metadata"]["uid"]
    operator.proxy.release_watches()
    kubelet.run(after)
    space.wait_reason("Ready")
    assert "lastFailure" not in space.status()


def test_the_resync_finds_what_no_watch_told(start: Operators, space: Space, kubelet: Kubelet) -> None:
    """A pod watch that is open and silent: within a resync the pod that vanished is made again."""
    operator = start(resync_seconds=OFTEN).wait_ready()
    space.create()
    pod = kubelet.run(space.wait_pod())
    space.wait_reason("Ready")
    operator.proxy.hold_watches("pods")
    gone(space, kubelet, "one")
    kubelet.run(space.wait_pod(other_than=pod))
    space.wait_reason("Ready")


@pytest.mark.parametrize("kind", [*WATCHED, "namespaces"])
def test_a_dead_watch_fails_liveness(start: Operators, space: Space, kubelet: Kubelet, kind: str) -> None:
    """Alive while watches work; dead when one shows nothing new over two resyncs; alive again when it does."""
    # On a loaded machine a watch may take longer than two resyncs that come OFTEN.
    operator = start(resync_seconds=1).wait_ready()
    space.create()
    kubelet.run(space.wait_pod())
    space.wait_reason("Ready")
    operator.wait_resyncs(2)
    assert operator.http("/livez") == (200, "ok\n")
    operator.proxy.hold_watches(kind)
    if kind == "pods":
        space.edit_pod({"annotations": {"touched": "yes"}})
    elif kind == "namespaces":
        space.label({"touched": "yes"})
    else:
        space.change({"probes": {}, "updatePolicy": "OnDelete"})
    eventually(lambda: operator.http("/livez")[0] == 503, "liveness failing", story=lambda: operator.http("/livez"))
    where = space.name if kind == "namespaces" else f"{space.name}/one"
    problem = (
        f"the watch of {NAMED.get(kind, kind)} has not reported the state of {where} that a previous resync listed"
    )
    assert problem in operator.http("/livez")[1]
    operator.proxy.release_watches()
    eventually(lambda: operator.http("/livez")[0] == 200, "liveness again", story=lambda: operator.http("/livez"))


def test_what_goes_during_a_resync_is_no_dead_watch(start: Operators, space: Space) -> None:
    """It stands in a list that the resync has read, and the watch tells of its end before the resync is done."""
    operator = start(resync_seconds=1).wait_ready()
    going = Space(space.api, f"{space.name}-going")
    going.open()
    operator.wait_resyncs(1)  # one has it, and expects to hear of it
    last = operator.proxy.fault(resync_of_pods, Do.LATE)
    eventually(lambda: last.hits, "the last list of a resync")
    going.api.delete(going.path)
    seen = operator.operator.controller.view
    eventually(lambda: seen.namespace(going.name) is None, "its end being seen")
    operator.proxy.heal()
    following = operator.proxy.fault(resync_of_pods, Do.LATE)
    eventually(lambda: following.hits, "the following resync")
    assert operator.http("/livez") == (200, "ok\n")
    assert seen.namespace(going.name) is None, "it has come back"


def resync_of_pods(call: Call) -> bool:
    return on("list", "pods")(call) and "limit" in call.query


def test_a_watch_that_fails_for_good_ends_the_operator(operator: RunningOperator, space: Space) -> None:
    """Better ended and started anew than alive and blind: an error that no relist can cure is the operator's end."""
    operator.proxy.cut_watches("pods")
    operator.proxy.allow_watches("pods", error=500)
    eventually(lambda: not operator.alive, "its end")
    assert operator.error is not None


def test_a_fresh_operator_finds_everything(start: Operators, space: Space, kubelet: Kubelet) -> None:
    """What happened while no operator ran is caught up with: a pod gone, one failed, a spec changed, one to delete."""
    first = start().wait_ready()
    for name in ("gone", "failed", "changed", "suspended", "well"):
        space.create(name)
        kubelet.run(space.wait_pod(name))
        space.wait_reason("Ready", name=name)
    first.stop()
    before = {pod["metadata"]["name"]: pod for pod in space.api.items(pods(space.name))}
    gone(space, kubelet, "gone")
    kubelet.fail(space.wait_pod("failed"), "Evicted", "disk")
    space.change({"daemon": {"logLevel": "Warn"}}, "changed")
    space.change({"operatingMode": "Suspended"}, "suspended")
    second = start().wait_ready()
    for name in ("changed", "suspended"):
        kubelet.finish(space.wait_going(name))
    for name in ("gone", "failed", "changed"):
        kubelet.run(space.wait_pod(name, other_than=before[name]))
        space.wait_reason("Ready", name=name)
    space.wait_reason("Suspended", name="suspended")
    assert space.status("failed")["lastFailure"]["reason"] == "Evicted"
    assert [call for call in second.proxy.writes() if call.name == "well"] == []
