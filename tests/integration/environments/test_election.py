"""Two operators, one acts. The Lease is a real one; its times are shortened, in the same order as the real ones."""

import pytest
from tests.helm import NAMESPACE
from tests.integration.environments.conftest import Operators
from tests.integration.harness.calls import Answer, Do, on
from tests.integration.harness.kubelet import Kubelet
from tests.integration.harness.running import RunningOperator
from tests.integration.harness.space import Space
from tests.kube.api import Api
from tests.kube.eventually import eventually

from dind_operator.manager import leader_election as election
from dind_operator.manager.leader_election import LeadershipLostError

LEASES = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases"


@pytest.fixture(autouse=True)
def short_times(monkeypatch: pytest.MonkeyPatch, api: Api) -> None:
    # A machine under load must not take a Lease from its holder: a renewal may fail three times.
    monkeypatch.setattr(election, "LEASE_SECONDS", 6)
    monkeypatch.setattr(election, "RENEW_DEADLINE_SECONDS", 5)
    monkeypatch.setattr(election, "RETRY_SECONDS", 1)
    monkeypatch.setattr(election, "CALL_SECONDS", 1)
    api.delete(f"{LEASES}/{election.LEASE_NAME}")


def candidate(start: Operators, name: str) -> RunningOperator:
    return start(leader_election=True, pod_namespace=NAMESPACE, pod_name=name)


def leads(operator: RunningOperator) -> bool:
    return "dind_operator_leader 1.0" in operator.http("/metrics")[1]


def holder(api: Api) -> str | None:
    name: str | None = ((api.get(f"{LEASES}/{election.LEASE_NAME}") or {}).get("spec") or {}).get("holderIdentity")
    return name


def test_one_acts_and_the_other_takes_over_from_the_dead(
    start: Operators, api: Api, space: Space, kubelet: Kubelet
) -> None:
    """The follower is ready, alive and silent; when the leader dies it waits out the Lease and goes on."""
    first = candidate(start, "first").wait_ready()
    eventually(lambda: leads(first), "the first leading")
    second = candidate(start, "second").wait_ready()
    space.create()
    kubelet.run(space.wait_pod())
    space.wait_reason("Ready")
    eventually(
        lambda: second.proxy.count(on("get", "leases", election.LEASE_NAME)) > 1, "the second asking for the Lease"
    )
    assert (holder(api), leads(second)) == ("first", False)
    assert second.http("/livez")[0] == 200
    assert [call.resource for call in second.proxy.calls if call.resource != "leases"] == []

    first.kill()
    space.create("two")
    kubelet.run(space.wait_pod("two"))
    space.wait_reason("Ready", name="two")
    assert (holder(api), leads(second)) == ("second", True)


def test_a_leader_that_ends_in_order_gives_the_lease_back(start: Operators, api: Api, space: Space) -> None:
    """An upgrade or a drained node costs no lease time: the Lease has no holder before the process is gone."""
    first = candidate(start, "first").wait_ready()
    eventually(lambda: leads(first), "the first leading")
    first.stop()
    assert first.error is None
    assert api.get(f"{LEASES}/{election.LEASE_NAME}") is not None
    assert holder(api) is None
    second = candidate(start, "second").wait_ready()
    eventually(lambda: leads(second), "the second leading")
    space.create()
    space.wait_pod()


@pytest.mark.parametrize("act", [Answer(500), Do.DROP_BEFORE, Do.HANG], ids=["500", "dropped", "hanging"])
def test_a_renewal_that_fails_once_costs_nothing(start: Operators, space: Space, act: Answer | Do) -> None:
    """One renewal fails, in any way, and the leader goes on leading."""
    leader = candidate(start, "first").wait_ready()
    eventually(lambda: leads(leader), "leading")
    fault = leader.proxy.fault(on("update", "leases"), act)
    eventually(lambda: fault.hits, "the renewal failing")
    renewed = leader.proxy.count(on("update", "leases"))
    eventually(lambda: leader.proxy.count(on("update", "leases")) > renewed + 1, "it being renewed again")
    assert leads(leader)
    space.create()
    space.wait_pod()


def test_a_leader_that_cannot_renew_ends(start: Operators, space: Space) -> None:
    """Cut off from its Lease it stops before the Lease runs out, and says why; it never acts beside the next one."""
    leader = candidate(start, "first").wait_ready()
    eventually(lambda: leads(leader), "leading")
    leader.proxy.fault(lambda call: call.resource == "leases", Do.DROP_BEFORE, times=None)
    eventually(lambda: not leader.alive, "its end")
    assert isinstance(leader.error, LeadershipLostError)
