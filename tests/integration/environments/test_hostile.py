"""What a tenant may write: it concerns their environment, and neither the operator nor anybody else."""

from __future__ import annotations

from typing import Any

import pytest
from tests.integration.environments.conftest import Operators
from tests.integration.harness.kubelet import Kubelet
from tests.integration.harness.paths import environments
from tests.integration.harness.running import OFTEN
from tests.integration.harness.space import Space


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
    space.change({"network": {"avoid": ["999.0.0.0/8"]}, **stop})
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
