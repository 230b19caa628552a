"""The operator's own pod dies in the middle of its work, and nobody's daemon notices."""

from __future__ import annotations

import pytest
from tests.e2e.environments.conftest import Environments
from tests.environment import eventually, ready
from tests.helm import NAMESPACE as OPERATOR_NAMESPACE
from tests.installation import Installation

pytestmark = pytest.mark.serial


def kill(operator: Installation) -> None:
    """Ends the operator's pod without a chance to say anything, as a lost node would."""
    for pod in operator.operator_pods():
        operator.cluster.start_deleting("pod", pod["metadata"]["name"], OPERATOR_NAMESPACE, gracePeriodSeconds=0)


def no_surprises(operator: Installation) -> None:
    """Whatever tests did to environments so far is everyday life: no traceback, and no restart of the operator."""
    pods = operator.operator_pods()
    assert pods
    for pod in pods:
        log = operator.cluster.log(OPERATOR_NAMESPACE, pod["metadata"]["name"])
        assert log
        assert "Traceback" not in log
        assert "unexpectedly" not in log
        assert [status["restartCount"] for status in pod["status"]["containerStatuses"]] == [0]


def test_work_that_was_interrupted_is_finished_by_the_next_operator(
    operator: Installation, environments: Environments
) -> None:
    no_surprises(operator)
    steady, resting, changing, leaving = (
        environments(f"op-{name}") for name in ("steady", "resting", "changing", "leaving")
    )
    for environment in (steady, resting, changing, leaving):
        environment.apply({"daemon": {"logLevel": "Info"}})
    ready([steady, resting, changing, leaving])
    kept = steady.pod_uid(), steady.daemon_process()
    replaced = changing.pod_uid()

    coming = [environments(f"op-new-{number}") for number in range(3)]
    resting.patch({"operatingMode": "Suspended"})
    changing.patch({"daemon": {"logLevel": "Debug"}})
    leaving.delete()
    coming[0].apply()
    kill(operator)
    coming[1].apply()
    # While there is no operator: a pod is deleted, and nothing tells the next one of it.
    coming[0].delete_pod(gracePeriodSeconds=0)
    kill(operator)
    coming[2].apply()

    ready(coming)
    resting.wait_reason("Suspended")
    changing.wait_pod(lambda pod: pod and pod["metadata"]["uid"] != replaced, "another pod")
    changing.ready()
    leaving.gone()
    assert resting.pod() is None
    assert (steady.pod_uid(), steady.daemon_process()) == kept
    assert steady.restarts() == 0
    eventually(lambda: operator.deployment()["status"].get("readyReplicas") == 1, "the operator's new pod", 60)
    no_surprises(operator)
