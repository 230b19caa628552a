"""What the client writes to an object that is not the one it saw, or not as it saw it: nothing."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from kubernetes.aio import client, config
from tests.cluster.controlplane import ControlPlane
from tests.integration.harness.kubelet import Kubelet
from tests.integration.harness.running import RunningOperator, kubeconfig
from tests.integration.harness.space import Space
from tests.kube.client import Object

from dind_operator.api.environment import DindEnvironment
from dind_operator.controller.api_errors import ClusterError, ErrorClass
from dind_operator.manager.client import ApiCluster
from dind_operator.pod.metadata import object_labels, owner_reference


@pytest.fixture
async def cluster(plane: ControlPlane, token: str, tmp_path: Path) -> AsyncIterator[ApiCluster]:
    """The operator's own client, with the operator's rights."""
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps(kubeconfig(plane.url, plane.ca, token)))
    configuration = client.Configuration()
    await config.load_kube_config(config_file=str(path), client_configuration=configuration)
    async with ApiCluster(client.ApiClient(configuration)) as made:
        yield made


def other(seen: Object, **metadata: str) -> Object:
    return {**seen, "metadata": {**seen["metadata"], **metadata}}


async def test_a_status_goes_to_the_object_it_was_made_from(cluster: ApiCluster, space: Space) -> None:
    """An older version, and an object that has the name now: both are conflicts, and nothing is stored."""
    key = (space.name, "one")
    old = space.create()
    seen = await cluster.patch_status(key, old, {"phase": "Pending"})
    with pytest.raises(ClusterError) as older:
        await cluster.patch_status(key, old, {"phase": "Failed"})
    space.remove()
    space.wait_gone()
    new = space.create()
    with pytest.raises(ClusterError) as another:
        await cluster.patch_status(key, seen, {"phase": "Failed"})
    assert {error.value.error_class for error in (older, another)} == {ErrorClass.CONFLICT}
    assert "phase" not in space.status()
    await cluster.patch_status(key, new, {"phase": "Pending"})
    assert space.status()["phase"] == "Pending"


async def test_an_environment_is_deleted_only_as_it_was_seen(cluster: ApiCluster, space: Space) -> None:
    """One that was extended since, which is no new generation, and one that has the name now, are left alone."""
    old = space.create(spec={"lifetime": {"ttl": "1h", "expire": "Delete"}})
    extended = space.extend("2999-01-01T00:00:00Z")
    assert extended["metadata"]["generation"] == old["metadata"]["generation"]
    for stale in (old, other(extended, uid="11111111-0000-4000-8000-000000000001")):
        with pytest.raises(ClusterError) as refused:
            await cluster.delete_environment(stale)
        assert refused.value.error_class is ErrorClass.CONFLICT
    assert "deletionTimestamp" not in (space.environment() or {})["metadata"]
    # Nor does the policy for the account come first: it would deny the deletion of what is to stay.
    space.change({"lifetime": {"expire": "Suspend"}})
    with pytest.raises(ClusterError) as refused:
        await cluster.delete_environment(extended)
    assert refused.value.error_class is ErrorClass.CONFLICT
    await cluster.delete_environment(space.change({"lifetime": {"expire": "Delete"}}))
    space.wait_gone()


async def test_a_repair_of_another_pod_is_a_conflict(cluster: ApiCluster, space: Space) -> None:
    """The API server calls a wrong uid invalid, as if the pod were: the version, which is wrong too, is asked first."""
    key = (space.name, "one")
    foreign = {"metadata": {"name": "one"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    environment = DindEnvironment.from_dict(space.create())
    labels, owner = object_labels("one"), owner_reference(environment)
    ours = {**foreign, "metadata": {"name": "one", "labels": labels, "ownerReferences": [owner]}}
    seen = space.api.create(f"{space.path}/pods", ours)
    for body in (foreign, ours):
        space.api.delete(f"{space.path}/pods/one", gracePeriodSeconds=0)
        space.wait_no_pod()
        new = space.api.create(f"{space.path}/pods", body)
        with pytest.raises(ClusterError) as refused:
            await cluster.patch_pod_metadata(key, seen, {"labels": {"a": "b"}})
        assert refused.value.error_class is ErrorClass.CONFLICT
    stored = await cluster.patch_pod_metadata(key, new, {"labels": {"a": "b"}})
    assert stored["metadata"]["labels"] == {**labels, "a": "b"}


def test_a_status_is_never_given_to_a_successor(operator: RunningOperator, space: Space, kubelet: Kubelet) -> None:
    """Behind a silent watch an environment is made again under its name: it is not called what the old one was."""
    space.create()
    pod = kubelet.run(space.wait_pod())
    space.wait_reason("Ready")
    # No event of its pod either, until the other is there: it would be looked for in between, and known to be gone.
    operator.proxy.hold_watches("dindenvironments", "pods")
    space.remove(policy="Orphan")
    space.wait_gone()
    space.create(spec={"operatingMode": "Suspended"})
    operator.proxy.hold_watches("dindenvironments")
    kubelet.busy(space.wait_pod())
    space.wait_reason("WaitingForPreviousPod")
    operator.proxy.release_watches()
    kubelet.finish(pod)
    space.wait_reason("Suspended")
