"""What a tenant may write: it concerns their environment, and neither the operator nor anybody else."""

from __future__ import annotations

import time
from typing import Any

import pytest
from tests.integration.environments.conftest import Operators
from tests.integration.harness.calls import Answer, on
from tests.integration.harness.kubelet import Kubelet
from tests.integration.harness.paths import environments
from tests.integration.harness.running import OFTEN
from tests.integration.harness.space import Space

from dind_operator.controller.status_rate import FREE_WRITES


@pytest.mark.parametrize(
    "stop", [{"operatingMode": "Suspended"}, {"lifetime": {"ttl": "1m"}}], ids=["suspended", "ttl"]
)
def test_a_daemon_ends_although_its_spec_became_invalid(
    start: Operators, space: Space, kubelet: Kubelet, stop: dict[str, Any]
) -> None:
    start(minute_seconds=1, resync_seconds=OFTEN).wait_ready()
    space.create()
    kubelet.run(space.wait_pod())
    space.wait_reason("Ready")
    # The API server takes it, and the operator does not.
    deep: Any = 1
    for _ in range(40):
        deep = [deep]
    space.change({"daemon": {"config": {"x": deep}}, **stop})
    kubelet.finish(space.wait_going())
    space.wait_reason("Suspended" if "operatingMode" in stop else "TTLExpired")
    space.wait_no_pod()


def test_a_finalizer_keeps_the_object_and_not_its_daemon(start: Operators, space: Space, kubelet: Kubelet) -> None:
    start().wait_ready()
    space.create()
    kubelet.run(space.wait_pod())
    space.wait_reason("Ready")
    space.api.patch(f"{environments(space.name)}/one", {"metadata": {"finalizers": ["a.example/x"]}})
    space.remove()
    kubelet.finish(space.wait_going())
    space.wait_no_pod()
    assert (space.environment() or {})["metadata"]["finalizers"] == ["a.example/x"]
    space.api.patch(f"{environments(space.name)}/one", {"metadata": {"finalizers": None}})
    space.wait_gone()


def test_a_pod_that_was_orphaned_ends(start: Operators, space: Space, kubelet: Kubelet) -> None:
    start().wait_ready()
    space.create()
    kubelet.run(space.wait_pod())
    space.wait_reason("Ready")
    space.remove(policy="Orphan")
    kubelet.finish(space.wait_going())
    space.wait_no_pod()
    space.wait_gone()


def test_a_pod_that_was_orphaned_ends_although_there_is_another_environment_of_its_name(
    start: Operators, space: Space, kubelet: Kubelet
) -> None:
    first = start().wait_ready()
    space.create()
    pod = kubelet.run(space.wait_pod())
    space.wait_reason("Ready")
    first.stop()
    space.remove(policy="Orphan")
    space.wait_gone()
    space.create(spec={"endpoint": {"enabled": False}})
    start(blocked_check_seconds=1).wait_ready()
    kubelet.finish(space.wait_going())
    kubelet.run(space.wait_pod(other_than=pod))
    space.wait_reason("Ready")


def test_a_pod_that_was_orphaned_while_no_operator_ran_ends(start: Operators, space: Space, kubelet: Kubelet) -> None:
    first = start().wait_ready()
    space.create()
    kubelet.run(space.wait_pod())
    space.wait_reason("Ready")
    first.stop()
    space.remove(policy="Orphan")
    space.wait_gone()
    pod = space.pod() or {}
    assert not pod["metadata"].get("ownerReferences")
    # A pod that only looks like one of ours is not touched.
    space.api.create(
        f"{space.path}/pods",
        {
            "metadata": {
                "name": "mine",
                "labels": {"app.kubernetes.io/managed-by": "dind-operator", "dind.dev/environment": "mine"},
            },
            "spec": {"containers": [{"name": "daemon", "image": "x"}]},
        },
    )
    second = start(resync_seconds=OFTEN).wait_ready()
    kubelet.finish(space.wait_going())
    space.wait_no_pod()
    second.wait_resyncs(2)
    assert "deletionTimestamp" not in (space.pod("mine") or {})["metadata"]


@pytest.mark.parametrize("verb", ["get", "create"])
@pytest.mark.parametrize("resource", ["services", "secrets", "networkpolicies"])
def test_a_webhook_that_fails_for_an_object_of_the_endpoint_holds_up_nothing_else(
    start: Operators, space: Space, kubelet: Kubelet, resource: str, verb: str
) -> None:
    """As a webhook that answers 500, on the endpoint's objects: a condition names it, and the daemon can be ended."""
    operator = start(minute_seconds=1, resync_seconds=OFTEN, endpoint_check_seconds=1).wait_ready()
    space.create()
    pod = kubelet.run(space.wait_pod())
    space.wait_reason("EndpointReady", "EndpointReady")
    words = 'failed calling webhook "all.example.com": an error on the server'
    operator.proxy.fault(on(verb, resource), Answer(500, "InternalError", words), times=None)
    name = {"services": "dind", "secrets": "one-client", "networkpolicies": "environments.dind.dev"}[resource]
    group = "/apis/networking.k8s.io/v1/namespaces/" + space.name if resource == "networkpolicies" else space.path
    space.api.delete(f"{group}/{resource}/{name}")
    if verb == "create":
        assert words in space.wait_reason("EndpointObjectRejected", "EndpointReady")["message"]
    assert space.condition()["status"] == "True", "the daemon works"
    space.change({"operatingMode": "Suspended"})
    kubelet.finish(space.wait_going())
    space.wait_reason("Suspended")
    operator.proxy.heal()
    space.change({"operatingMode": "Running"})
    kubelet.run(space.wait_pod(other_than=pod))
    space.wait_reason("EndpointReady", "EndpointReady")


def test_a_url_that_is_too_long_for_the_status_costs_that_url_alone(
    start: Operators, space: Space, kubelet: Kubelet
) -> None:
    start(minute_seconds=1, resync_seconds=OFTEN).wait_ready()
    mirrors = [f"https://m.example.com/{'x' * 600}", "https://n.example.com"]
    space.create(spec={"daemon": {"config": {"registry-mirrors": mirrors}}})
    kubelet.run(space.wait_pod())
    space.wait_reason("Ready")
    assert space.status()["registryMirrors"] == ["https://n.example.com"]
    space.change({"lifetime": {"ttl": "1m"}})
    kubelet.finish(space.wait_going())
    space.wait_reason("TTLExpired")


def test_of_a_status_that_the_api_server_refuses_the_essential_is_written(
    start: Operators, space: Space, kubelet: Kubelet
) -> None:
    """As an API server with an older CRD may: it knows a field otherwise."""
    operator = start(resync_seconds=OFTEN).wait_ready()
    space.create()
    pod = space.wait_pod()
    space.wait_reason("PodPending")
    refusal = Answer(422, "Invalid", "status.restarts: Invalid value")
    operator.proxy.fault(on("patch", "dindenvironments/status"), refusal, times=1)
    kubelet.run(pod)
    space.wait_reason("Ready")
    misfits = [line for line in operator.http("/metrics")[1].splitlines() if "status_misfits_total" in line]
    assert misfits[-1].endswith(" 1.0")


def test_a_daemon_that_is_ready_every_other_moment_costs_a_bounded_number_of_writes(
    start: Operators, space: Space, kubelet: Kubelet
) -> None:
    operator = start().wait_ready()
    space.create()
    pod = kubelet.run(space.wait_pod())
    space.wait_told("Ready")
    before = operator.proxy.count(on("patch", "dindenvironments/status"))
    for turn in range(24):
        pod = kubelet.busy(pod) if turn % 2 == 0 else kubelet.ready(pod)
        time.sleep(0.25)  # the operator could write each of them
    writes = operator.proxy.count(on("patch", "dindenvironments/status")) - before
    assert writes <= FREE_WRITES, f"{writes} for 24 changes in six seconds"
    # The last state is told in the end.
    space.wait_reason("Ready")
    assert space.condition()["status"] == "True"
