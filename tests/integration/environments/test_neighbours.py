"""Neighbours that are slow or do not answer, a node or a namespace: they cost the other environments nothing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.integration.environments.conftest import Operators
from tests.integration.harness.calls import Call, Do, on
from tests.integration.harness.kubelet import Kubelet
from tests.integration.harness.paths import environments, pods
from tests.integration.harness.space import WAIT_SECONDS, Space, open_space
from tests.kube.client import Object
from tests.kube.eventually import eventually

from dind_operator.controller import log_budget

PODS = 150
WORKERS = 32
OF_ONE_NODE = 4
"""A quarter of the workers reads logs, and half of those of one node."""
NEW = 8


def test_many_pods_on_a_dead_kubelet_hold_up_nobody_else(
    start: Operators, space: Space, kubelet: Kubelet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Few reads of logs wait for it, once; environments elsewhere get their pods; when it answers, everything is reported."""
    monkeypatch.setattr(log_budget, "FIRST_PAUSE", 3.0)
    monkeypatch.setattr(log_budget, "MAX_PAUSE", 3.0)
    operator = start(workers=WORKERS).wait_ready()
    names = [f"dead-{number}" for number in range(PODS)]
    spec = {"endpoint": {"enabled": False}}
    kubelet.held.begin()
    with ThreadPoolExecutor(8) as many:
        list(many.map(lambda name: space.create(name, spec), names))
        made = space.api.wait_items(pods(space.name), lambda found: len(found) == PODS, "all pods", WAIT_SECONDS)
        list(many.map(kubelet.run_at_once, made))
    eventually(lambda: kubelet.held.total, "reads of logs that get no answer")
    for number in range(NEW):
        space.create(f"new-{number}")
        space.wait_pod(f"new-{number}")
    eventually(lambda: kubelet.held.total > kubelet.held.most, "a read after the pause")
    assert kubelet.held.most <= OF_ONE_NODE
    assert operator.http("/livez")[0] == 200
    # All are ready meanwhile: the reports are all that is not there.

    def all_run(found: list[Object]) -> bool:
        return sum(item["status"].get("phase") == "Running" for item in found) == PODS

    space.api.wait_items(environments(space.name), all_run, "each daemon running", WAIT_SECONDS)
    assert operator.proxy.count(on("get", "pods/log")) < PODS
    kubelet.held.end()

    def all_reported(found: list[Object]) -> bool:
        return sum("docker" in item["status"] for item in found) == PODS

    space.api.wait_items(environments(space.name), all_reported, "the report of each daemon", WAIT_SECONDS)
    metrics = [line.split() for line in operator.http("/metrics")[1].splitlines() if "log_reads_total{" in line]
    counted = {name.split('"')[1]: float(value) for name, value in metrics}
    assert set(counted) == {"ok", "failed", "skipped"}
    assert counted["ok"] == PODS
    assert counted["failed"] >= 1


def test_a_webhook_that_hangs_in_one_namespace_holds_up_no_other(start: Operators, space: Space) -> None:
    """The webhook is asked for each pod of the namespace, of which there are more than workers, and does not respond."""
    operator = start(workers=8, timeout=300.0).wait_ready()
    with open_space(space.api) as other:
        hangs = operator.proxy.fault(
            lambda call: on("create", "pods")(call) and call.namespace == other.name, Do.HANG, times=None
        )
        for number in range(16):
            other.create(f"env-{number}", {"endpoint": {"enabled": False}})
        eventually(lambda: len(hangs.hits) == 4, "pods that are not created", story=lambda: list(map(str, hangs.hits)))

        def to_a_pod(call: Call) -> bool:
            return on("create", "pods")(call) and call.namespace == space.name

        for number in range(NEW):
            space.create(f"new-{number}")
            space.wait_pod(f"new-{number}")
        assert operator.proxy.count(to_a_pod) == NEW
        assert len(hangs.hits) == 4
        assert operator.http("/livez")[0] == 200
        operator.proxy.heal()
        for number in range(16):
            other.wait_pod(f"env-{number}")
