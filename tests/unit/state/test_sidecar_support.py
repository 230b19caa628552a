"""Clusters without native sidecars: their own words are understood, and those of others are not taken for them."""

from __future__ import annotations

import pytest
from tests.unit.objects import POLICY, condition, environment, failed_pod, node, observed

from dind_operator.api.conditions import Reason
from dind_operator.controller.api_errors import ErrorClass, error_of
from dind_operator.controller.decide import make_plan
from dind_operator.state.sidecar_support import REFUSED_BY_KUBELET

WORK = {"workloads": {"containers": [{"name": "work", "image": "i"}]}}
# A server of 1.28 (read: pkg/apis/core/validation), and one of today for the same pod.
SAID = [
    'Pod "a" is invalid: spec.initContainers[1].livenessProbe: Invalid value: core.Probe{…}: must not be set for init containers',
    'Pod "a" is invalid: spec.initContainers[1].startupProbe: Forbidden: may not be set for init containers without '
    "restartPolicy=Always",
]


@pytest.mark.parametrize("message", SAID)
def test_a_server_that_takes_the_daemon_for_an_ordinary_init_container(message: str) -> None:
    error = error_of(422, {"message": message})
    assert (error.error_class, error.reason) == (ErrorClass.INVALID, Reason.SIDECARS_UNSUPPORTED)
    assert "The API server is older than Kubernetes 1.29" in error.message
    other = error_of(422, {"message": 'Pod "a" is invalid: spec.containers[0].livenessProbe: Required value'})
    assert other.reason is Reason.INVALID_POD


def test_a_kubelet_that_refuses_sidecars_is_asked_once() -> None:
    plan = make_plan(observed(environment(WORK), failed_pod(REFUSED_BY_KUBELET, fields=WORK), node=node()), POLICY)
    ready = condition(plan.status, "Ready")
    assert (ready["reason"], plan.actions) == ("SidecarsUnsupported", ())
    assert "The node's kubelet is older than Kubernetes 1.29" in ready["message"]
    # What does not repeat itself is made again.
    assert make_plan(observed(environment(WORK), failed_pod("OutOfcpu", fields=WORK), node=node()), POLICY).actions
