"""What the operator says of itself: liveness, readiness, metrics."""

import pytest
from tests.integration.environments.conftest import Operators
from tests.integration.harness.calls import Do, on
from tests.integration.harness.kubelet import Kubelet
from tests.integration.harness.running import RunningOperator
from tests.integration.harness.space import Space, open_space
from tests.kube.eventually import eventually

from dind_operator.manager import worker as controller


def metric(operator: RunningOperator, name: str) -> float | None:
    """The value of one sample, named with its labels; None if it is not there."""
    for line in operator.http("/metrics")[1].splitlines():
        if line.startswith(f"{name} "):
            return float(line.split()[-1])
    return None


def test_not_ready_before_the_first_lists(start: Operators, space: Space) -> None:
    """Alive at once, ready only when everything that exists is known."""
    proxy = start.proxy()
    fault = proxy.fault(on("list", "dindenvironments"), Do.HANG, times=None)
    operator = start(proxy)
    eventually(lambda: fault.hits, "the list hanging")
    assert operator.http("/livez")[0] == 200
    code, text = operator.http("/readyz")
    assert (code, text) == (503, "the initial lists are not complete\n")
    proxy.heal()
    operator.wait_ready()


def test_liveness_fails_when_a_worker_is_stuck(start: Operators, space: Space, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call that never comes back holds its worker; after the limit, which is shortened here, liveness says so."""
    monkeypatch.setattr(controller, "STUCK_WORK_SECONDS", 1.0)
    operator = start(timeout=60.0).wait_ready()
    fault = operator.proxy.fault(on("create", "pods"), Do.HANG)
    space.create()
    eventually(lambda: fault.hits, "the call hanging")
    assert operator.http("/livez")[0] == 200
    eventually(lambda: operator.http("/livez")[0] == 503, "liveness failing")
    assert "a worker has been reconciling one environment" in operator.http("/livez")[1]
    operator.proxy.heal()
    eventually(lambda: operator.http("/livez")[0] == 200, "liveness again")
    space.wait_pod()


def test_liveness_fails_when_the_queue_stands_still(
    start: Operators, space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All workers hang: what waits behind them is told by liveness and by the metrics."""
    monkeypatch.setattr(controller, "STUCK_QUEUE_SECONDS", 1.0)
    operator = start(timeout=60.0, workers=2).wait_ready()
    fault = operator.proxy.fault(on("create", "pods"), Do.HANG, times=2)
    # One namespace never takes all workers.
    with open_space(space.api) as second, open_space(space.api) as third:
        spaces = (space, second, third)
        for each in spaces:
            each.create()
        eventually(lambda: len(fault.hits) == 2, "both workers hanging")
        eventually(lambda: metric(operator, "dind_operator_queue_depth") == 1, "one in the queue")
        eventually(lambda: operator.http("/livez")[0] == 503, "liveness failing")
        assert "waiting for a worker" in operator.http("/livez")[1]
        assert (metric(operator, "dind_operator_queue_oldest_seconds") or 0) >= 1
        operator.proxy.heal()
        for each in spaces:
            each.wait_pod()
        eventually(lambda: operator.http("/livez")[0] == 200, "liveness again")


def test_liveness_is_not_about_what_waits_for_its_own_namespace(
    start: Operators, space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise a namespace in which every call hangs would restart the operator of all."""
    monkeypatch.setattr(controller, "STUCK_QUEUE_SECONDS", 0.5)
    operator = start(timeout=60.0, workers=2).wait_ready()
    operator.proxy.fault(on("create", "pods"), Do.HANG, times=1)
    for name in ("one", "two", "three"):
        space.create(name)
    eventually(lambda: (metric(operator, "dind_operator_queue_oldest_seconds") or 0) > 1, "two waiting")
    assert metric(operator, "dind_operator_queue_depth") == 2
    assert operator.http("/livez")[0] == 200
    operator.proxy.heal()
    for name in ("one", "two", "three"):
        space.wait_pod(name)


def test_metrics_tell_what_happened(start: Operators, space: Space, kubelet: Kubelet) -> None:
    """Reconciles, errors by class, environments by phase, and the times of a start, counted from what was done here."""
    operator = start().wait_ready()
    operator.proxy.fault(on("patch", "dindenvironments/status"), Do.DROP_BEFORE)
    phases = {
        phase: metric(operator, f'dind_operator_environments{{phase="{phase}"}}')
        for phase in ("Running", "Suspended", "Failed")
    }
    assert None not in phases.values(), "every phase has a sample, also without an environment"
    space.create()
    kubelet.run(space.wait_pod())
    space.create("two", {"operatingMode": "Suspended"})
    space.wait_reason("Ready")
    space.wait_reason("Suspended", name="two")

    def one_more(phase: str) -> bool:
        now = metric(operator, f'dind_operator_environments{{phase="{phase}"}}')
        return now == (phases[phase] or 0) + 1

    eventually(lambda: one_more("Running") and one_more("Suspended"), "both by phase")
    # Counted when a reconciliation is over, which is after its last write.
    done = 'dind_operator_reconciles_total{result="ok"}'
    eventually(lambda: (metric(operator, done) or 0) >= 2, "two reconciliations")
    assert metric(operator, 'dind_operator_reconcile_errors_total{class="retry"}') == 1
    assert metric(operator, 'dind_operator_reconcile_errors_total{class="defect"}') is None
    assert (metric(operator, "dind_operator_reconcile_seconds_count") or 0) >= 2
    for step in ("PodScheduled", "Initialized", "Ready"):
        assert metric(operator, f'dind_operator_startup_seconds_count{{step="{step}"}}') == 1
    assert metric(operator, "dind_operator_leader") == 1
    assert metric(operator, "process_resident_memory_bytes")
