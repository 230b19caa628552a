"""What belongs to an environment that expires: kept with Suspend, garbage with Delete. The garbage collector is real."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

from tests.integration.environments.conftest import Operators
from tests.integration.environments.test_disruptions import budget, wait_no_budget
from tests.integration.environments.test_endpoint import (
    ALL,
    SECRETS,
    get,
    objects,
    path,
    ready,
    secret,
    wait_no_objects,
    wait_secret,
)
from tests.integration.environments.test_lifetimes import OVER, WARNING, warned
from tests.integration.harness.calls import on
from tests.integration.harness.kubelet import Kubelet
from tests.integration.harness.running import OFTEN, Clock, RunningOperator
from tests.integration.harness.space import Space
from tests.kube.client import Object
from tests.kube.eventually import eventually

TTL: Object = {"lifetime": {"ttl": "1h"}, "disruptionPolicy": "Protect"}
DELETE: Object = {"lifetime": {"ttl": "1h", "expire": "Delete"}, "disruptionPolicy": "Protect"}


def expiring(space: Space, kubelet: Kubelet, spec: Object) -> Object:
    """The pod of an environment with all that may belong to one."""
    space.create(spec=spec)
    pod = ready(space, kubelet)
    space.wait_reason("PodDisruptionBudgetReady", kind="DisruptionProtected")
    assert objects(space) == ALL
    return pod


def expire(clock: Clock, space: Space) -> None:
    clock.passed = WARNING
    warned(space)
    clock.passed = OVER


def looked(operator: RunningOperator) -> None:
    """The endpoint's objects are looked at twice more."""
    looks = operator.proxy.count(on("get", "networkpolicies"))
    eventually(lambda: operator.proxy.count(on("get", "networkpolicies")) >= looks + 2, "two more looks")


def test_suspended_by_its_lifetime_it_keeps_endpoint_certificates_and_budget(
    start: Operators, space: Space, kubelet: Kubelet
) -> None:
    clock = Clock()
    operator = start(resync_seconds=OFTEN, endpoint_check_seconds=1, clock=clock).wait_ready()
    pod = expiring(space, kubelet, TTL)
    before = {name: secret(space, name) for name in SECRETS}
    expire(clock, space)
    kubelet.finish(space.wait_going())
    space.wait_status(phase="Suspended")
    space.wait_reason("TTLExpired")
    assert "endpoint" not in space.status()
    version = (space.environment() or {})["metadata"]["resourceVersion"]
    writes = len(operator.proxy.writes())
    looked(operator)
    assert [str(call) for call in operator.proxy.writes()[writes:]] == []
    assert (space.environment() or {})["metadata"]["resourceVersion"] == version
    assert objects(space) == ALL
    assert budget(space) is not None
    assert {name: secret(space, name) for name in SECRETS} == before
    # It is minded as before: what is lost comes back, of the same authority.
    space.api.delete(path(space, "secrets", "one-client"))
    client = wait_secret(space, "one-client", before["one-client"]["cert.pem"])
    assert client["ca.pem"] == before["one-ca"]["ca.pem"]
    space.extend((clock() + timedelta(hours=3)).strftime("%Y-%m-%dT%H:%M:%SZ"))
    kubelet.run(space.wait_pod(other_than=pod))
    space.wait_reason("EndpointReady", "EndpointReady")
    assert secret(space, "one-server") == before["one-server"]


def test_deleted_by_its_lifetime_it_takes_all_with_it_and_nothing_is_made_again(
    start: Operators, space: Space, kubelet: Kubelet
) -> None:
    clock = Clock()
    operator = start(resync_seconds=OFTEN, endpoint_check_seconds=1, clock=clock).wait_ready()
    expiring(space, kubelet, DELETE)
    for kind, name in (entry.split("/") for entry in ALL):
        assert "finalizers" not in (get(space, kind, name) or {})["metadata"]
    expire(clock, space)
    space.wait_gone()
    wait_no_objects(space)
    wait_no_budget(space)
    kubelet.finish(space.wait_going())
    operator.wait_resyncs(2)
    eventually(lambda: objects(space) == set(), "what all share being gone with the last pod")
    assert space.pod() is None
    # The garbage collector did it: the operator deleted the environment, what all share, and nothing else.
    deleted = Counter(call.resource for call in operator.proxy.calls if call.verb == "delete")
    assert deleted == {"dindenvironments": 1, "services": 1, "networkpolicies": 1}
