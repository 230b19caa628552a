"""A drain of the node, as far as the one pod goes: a running build survives it where the environment asks for that.

The node itself is never drained or cordoned: kubectl's drain is a dry run on the server, which asks the same eviction API, and
the one real eviction is of the test's own pod.
"""

from __future__ import annotations

import subprocess

from tests.cluster.own_images import BUSYBOX_IMAGE
from tests.e2e.environments.conftest import Environments, load_images
from tests.environment import Environment, eventually
from tests.kube.client import ApiError
from tests.live import condition

BUILDING = ("sh", "-c", "while true; do sleep 1; done")


def refused_eviction(environment: Environment) -> str:
    """What the API server says when it is asked what a drain asks for each pod; empty if it evicts the pod."""
    metadata = {"name": environment.name, "namespace": environment.namespace}
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata}
    path = f"/api/v1/namespaces/{environment.namespace}/pods/{environment.name}/eviction"
    try:
        environment.cluster.api.create(path, body)
    except ApiError as error:
        return error.message
    return ""


def drain(environment: Environment) -> subprocess.CompletedProcess[str]:
    """`kubectl drain` of its node, for this pod alone and without doing it. It gives up after ten seconds."""
    pod = environment.pod()
    assert pod is not None
    chosen = f"--pod-selector=dind.dev/environment={environment.name}"
    flags = (chosen, "--dry-run=server", "--delete-emptydir-data", "--timeout=10s")
    return environment.cluster.run("drain", pod["spec"]["nodeName"], *flags, timeout=60)


def budget(environment: Environment) -> dict[str, object]:
    found = environment.cluster.get("poddisruptionbudget", environment.name, environment.namespace)
    return found or {}


def counted(environment: Environment) -> bool:
    """The disruption controller has seen that the pod is well."""
    status = budget(environment).get("status") or {}
    return isinstance(status, dict) and status.get("currentHealthy") == 1


def building(environment: Environment) -> bool:
    return environment.docker("inspect", "--format={{.State.Running}}", "build") == "true"


def test_a_running_build_survives_a_drain_until_it_is_allowed(environments: Environments) -> None:
    environment = environments("drained").apply({"disruptionPolicy": "Protect"}).ready()
    environment.wait(lambda seen: condition(seen, "DisruptionProtected").get("status") == "True", "the protection")
    eventually(lambda: counted(environment), "the pod being counted", 60, environment.story)
    load_images(environment)
    environment.docker("run", "--detach", "--name=build", BUSYBOX_IMAGE, *BUILDING)
    uid, daemon = environment.pod_uid(), environment.daemon_process()

    assert "disruption budget" in refused_eviction(environment)
    drained = drain(environment)
    assert drained.returncode
    assert "disruption budget" in drained.stderr
    assert environment.pod_uid() == uid
    assert environment.daemon_process() == daemon
    assert building(environment)

    # Without the guard. The change restarts nothing by itself.
    environment.patch({"disruptionPolicy": "Allow"})
    eventually(lambda: not budget(environment), "the budget being removed", 60, environment.story)
    drained = drain(environment)
    assert drained.returncode == 0, drained.stderr
    assert environment.pod_uid() == uid
    assert building(environment)
    assert refused_eviction(environment) == ""
    environment.wait_pod(lambda pod: pod and pod["metadata"]["uid"] != uid, "another pod")
    environment.ready()


def test_the_autoscaler_is_told_not_to_evict_any_environment(bench: Environment) -> None:
    pod = bench.pod()
    assert pod is not None
    assert pod["metadata"]["annotations"]["cluster-autoscaler.kubernetes.io/safe-to-evict"] == "false"
