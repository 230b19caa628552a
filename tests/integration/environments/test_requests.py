"""Every request that the operator makes for one environment, from its creation to its deletion, counted exactly.

What the API server and etcd bear grows with these numbers and the number of environments. One write more, or a read with each
look, is seen here and nowhere else. A number that is to change is changed here, on purpose.

The test waits for what each step of the kubelet makes of the status before it takes the next: of two steps at once the operator
may see both in one look, or in two, with a write each.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import pytest
from tests.integration.environments.conftest import Operators
from tests.integration.harness.calls import on
from tests.integration.harness.kubelet import Kubelet
from tests.integration.harness.running import OFTEN, RunningOperator
from tests.integration.harness.space import Space, occurred
from tests.kube.client import Object
from tests.kube.eventually import eventually

STATUS = "patch dindenvironments/status"
# From nothing to a daemon that answers.
CREATED = {
    "get dindenvironments": 1,
    "create pods": 1,
    STATUS: 5,  # pending, scheduled, accepted, starting, running
    "get nodes": 1,
    "get pods/log": 1,
    "create events": 1,
}
# For the first environment of a namespace, and when a pod is made later.
SHARED_READ = {"get services": 1, "get networkpolicies": 1}
SHARED_MADE = {**SHARED_READ, "create services": 1, "create networkpolicies": 1, "get dindenvironments": 1}
# Of what belongs to an endpoint, when it is made, and when a change of the spec makes the operator look at it, wanted or not.
ENDPOINT_MADE = {"create secrets": 3}
ENDPOINT_READ = {"get secrets": 3, "get networkpolicies": 1}
# With the last pod.
SHARED_DELETED = {**SHARED_READ, "delete services": 1, "delete networkpolicies": 1}
SUSPENDED = {
    "get dindenvironments": 1,
    "get poddisruptionbudgets": 1,
    "delete pods": 1,
    "get pods": 1,
    STATUS: 2,  # suspending, suspended
    "create events": 1,
}
RESUMED = {
    **CREATED,
    "get poddisruptionbudgets": 2,
    "patch events": 1,
}  # the same as before, once more
del RESUMED["create events"]
# One each, of everything, however many environments there are.
RESYNC = {"list namespaces": 1, "list dindenvironments": 1, "list pods": 1}
SPECS: list[tuple[Object, dict[str, int]]] = [({}, ENDPOINT_MADE), ({"endpoint": {"enabled": False}}, {})]


def summed(*parts: dict[str, int]) -> dict[str, int]:
    return dict(sum((Counter(part) for part in parts), Counter()))


@dataclass
class Requests:
    """What an operator asked for about one namespace, and of its node, since it was last asked."""

    operator: RunningOperator
    space: Space
    kubelet: Kubelet
    seen: int = field(init=False, default=0)

    def __call__(self) -> dict[str, int]:
        calls = self.operator.proxy.calls[self.seen :]
        self.seen += len(calls)
        about = [call for call in calls if call.namespace == self.space.name or call.name == self.kubelet.node]
        return dict(Counter(f"{call.verb} {call.resource}" for call in about))


def run(space: Space, kubelet: Kubelet, pod: Object) -> None:
    """From unscheduled to ready, a step at a time, and to the Event about it, which is the last write."""
    before = occurred(space.events())
    space.wait_reason("PodPending")
    kubelet.schedule(pod)
    space.wait_reason("Scheduled", "PodScheduled")
    pod = kubelet.accept(pod)
    space.wait_status(restarts=0)
    pod = kubelet.check(pod)
    space.wait_reason("DaemonStarting")
    kubelet.ready(kubelet.start(pod))
    space.wait_events(lambda events: occurred(events) > before, "one more")


@pytest.mark.parametrize(("spec", "made"), SPECS, ids=["endpoint", "no-endpoint"])
def test_a_life(start: Operators, space: Space, kubelet: Kubelet, spec: Object, made: dict[str, int]) -> None:
    operator = start().wait_ready()
    requests = Requests(operator, space, kubelet)
    space.create(spec=spec)
    run(space, kubelet, space.wait_pod())
    assert requests() == summed(CREATED, SHARED_MADE, made)
    space.change({"operatingMode": "Suspended"})
    going = space.wait_going()
    space.wait_reason("Suspending")
    kubelet.finish(going)
    space.wait_told("Suspended")
    suspended = requests()
    # With each look at a pod that ends: in how many looks the operator takes its own two writes and the events of them is chance.
    assert suspended.pop("get nodes") in (1, 2)
    assert suspended == summed(SUSPENDED, ENDPOINT_READ)
    space.change({"operatingMode": "Running"})
    run(space, kubelet, space.wait_pod())
    assert requests() == summed(RESUMED, ENDPOINT_READ)
    space.remove()
    kubelet.finish(space.wait_going())
    controller, key = operator.operator.controller, (space.name, "one")

    def forgotten() -> bool:
        return (
            controller.view.environment(key) is None and controller.view.pod(key) is None and not controller.queue.depth
        )

    eventually(forgotten, "the operator having seen the end")
    eventually(lambda: operator.proxy.count(on("delete", "services")), "what all share being gone")
    operator.stop()
    assert requests() == SHARED_DELETED, "the rest is the garbage collector's"


@pytest.mark.parametrize(("spec", "made"), SPECS, ids=["endpoint", "no-endpoint"])
def test_at_rest(start: Operators, space: Space, kubelet: Kubelet, spec: Object, made: dict[str, int]) -> None:
    """A resync costs three lists and nothing for an environment that is as it should be, running or suspended."""
    operator = start(resync_seconds=OFTEN).wait_ready()
    space.create(spec=spec)
    run(space, kubelet, space.wait_pod())
    space.create("two", {**spec, "operatingMode": "Suspended"})
    space.wait_told("Suspended", "two")
    assert at_rest(operator, 3) == {what: 3 * count for what, count in RESYNC.items()}


def at_rest(operator: RunningOperator, resyncs: int) -> dict[str, int]:
    """All that is asked for from the end of one resync's lists to that of another's, whatever it is about."""
    operator.wait_resyncs(1)
    begin = operator.resyncs()
    operator.wait_resyncs(resyncs)
    calls = operator.proxy.calls
    ends = [number for number, call in enumerate(calls) if call.verb == "list" and call.resource == "pods"]
    # The first list of pods is that of the watch.
    return dict(Counter(f"{call.verb} {call.resource}" for call in calls[ends[begin] : ends[begin + resyncs]]))
