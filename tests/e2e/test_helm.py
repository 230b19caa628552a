"""The chart's life with the operator running as a pod: no step of it may touch an environment."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.e2e.conftest import Installations
from tests.helm import NAMESPACE, RELEASE
from tests.installation import Installation
from tests.kube.client import Executed
from tests.live import Cluster, Object, condition, eventually, is_ready

from dind_operator.api.reasons import Reason
from dind_operator.manager.leader_election import LEASE_NAME

pytestmark = pytest.mark.serial

Namespaces = Callable[..., str]
KIND = "dindenvironments.dind.dev"
NAME = "sandbox"


# Helm 3 beside 4: `make matrix` runs it.
@pytest.fixture(scope="module", params=[pytest.param(3, marks=pytest.mark.matrix), 4], ids=["helm3", "helm4"])
def release(request: pytest.FixtureRequest, installations: Installations) -> Iterator[Installation]:
    """Nothing is installed when the first test begins. Each puts what it needs over what the one before it left."""
    installation: Installation = installations[request.param]
    installation.clear()
    yield installation
    installation.clear()


@pytest.fixture
def namespaces(kubectl: Cluster, all_namespaces: list[str]) -> Iterator[Namespaces]:
    """Makes namespaces that are open to environments, unless other labels are given; deletes them at the end."""
    made: list[str] = []

    def make(labels: dict[str, str] | None = None) -> str:
        made.append(f"dind-helm-{uuid.uuid4().hex[:6]}")
        chosen = {"dind.dev/environments": "enabled"} if labels is None else labels
        kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": made[-1], "labels": chosen}})
        return made[-1]

    yield make
    for name in made:
        kubectl.empty(name)
        kubectl.start_deleting("namespace", name)
    all_namespaces += made


@pytest.fixture(scope="module")
def all_namespaces(kubectl: Cluster) -> Iterator[list[str]]:
    """The namespaces of all tests here, which must all be gone in the end."""
    made: list[str] = []
    yield made
    for name in made:
        kubectl.delete("namespace", name)


def apply(kubectl: Cluster, namespace: str, **spec: Any) -> None:
    kind = {"apiVersion": "dind.dev/v1alpha1", "kind": "DindEnvironment"}
    kubectl.apply({**kind, "metadata": {"name": NAME, "namespace": namespace}, "spec": spec})


def wait_ready(kubectl: Cluster, namespace: str) -> Object:
    found = kubectl.wait_for(KIND, NAME, namespace, is_ready, what="Ready")
    assert found is not None
    return found


def in_daemon(kubectl: Cluster, namespace: str, *command: str) -> str:
    """What a command in the daemon's container prints."""
    done = kubectl.api.execute(namespace, NAME, "daemon", command)
    assert done.returncode == 0, done.stderr
    return done.stdout


def daemon(kubectl: Cluster, namespace: str) -> tuple[str, str, int]:
    """Which daemon runs: equal twice means that nobody restarted it. It must answer, too."""
    pod = kubectl.existing("pod", NAME, namespace)
    (status,) = pod["status"]["containerStatuses"]
    assert in_daemon(kubectl, namespace, "docker", "version")
    return pod["metadata"]["uid"], status["containerID"], status["restartCount"]


def operator_uid(installation: Installation) -> str:
    (pod,) = [pod for pod in installation.operator_pods() if not pod["metadata"].get("deletionTimestamp")]
    return str(pod["metadata"]["uid"])


def test_installed_it_serves_an_environment(release: Installation, kubectl: Cluster, namespaces: Namespaces) -> None:
    assert "kubectl label namespace" in release.put()
    namespace = namespaces()
    apply(kubectl, namespace)
    wait_ready(kubectl, namespace)
    daemon(kubectl, namespace)
    tested = release.test()
    assert tested.returncode == 0, tested.stdout + tested.stderr
    assert kubectl.get("pod", f"{RELEASE}-test", NAMESPACE) is None
    assert kubectl.get("serviceaccount", f"{RELEASE}-test", NAMESPACE) is None
    metrics = f"/api/v1/namespaces/{NAMESPACE}/services/{RELEASE}-metrics:metrics/proxy/metrics"
    assert "dind_" in kubectl.api.text(metrics)
    assert_nobody_who_writes_nowhere(release)


def assert_nobody_who_writes_nowhere(release: Installation) -> None:
    """The operator's process has no user's rights, no capabilities, and no file system to write to."""
    (pod,) = [item for item in release.operator_pods() if not item["metadata"].get("deletionTimestamp")]

    def inside(script: str) -> Executed:
        return release.cluster.api.execute(NAMESPACE, pod["metadata"]["name"], None, ["sh", "-c", script])

    assert inside("id -u").stdout.strip() == "65532"
    assert "CapEff:\t0000000000000000" in inside("cat /proc/self/status").stdout
    assert "Read-only file system" in inside("touch /opt/here").stderr
    assert inside("touch /tmp/here").returncode == 0


def test_upgrade_and_rollback_restart_no_environment(
    release: Installation, kubectl: Cluster, namespaces: Namespaces
) -> None:
    release.put()
    installed = release.revision()
    namespace = namespaces()
    apply(kubectl, namespace)
    wait_ready(kubectl, namespace)
    before, first = daemon(kubectl, namespace), operator_uid(release)

    release.upgrade({"resyncSeconds": 60, "defaultReserveMemory": "300Mi"})
    second = operator_uid(release)
    assert second != first
    assert release.setting("DIND_RESYNC_SECONDS") == "60"
    wait_ready(kubectl, namespace)
    assert daemon(kubectl, namespace) == before

    release.rollback(installed)
    assert operator_uid(release) != second
    assert release.setting("DIND_RESYNC_SECONDS") == "300"
    assert daemon(kubectl, namespace) == before
    assert_at_work(kubectl, namespace)


def assert_at_work(kubectl: Cluster, namespace: str) -> None:
    """The operator that runs now acts on the environment: it suspends it."""
    apply(kubectl, namespace, operatingMode="Suspended")
    kubectl.wait_for("pod", NAME, namespace, lambda pod: pod is None, what="gone")


def test_environments_survive_an_uninstall_and_are_taken_over(
    release: Installation, kubectl: Cluster, namespaces: Namespaces
) -> None:
    release.put()
    namespace = namespaces()
    apply(kubectl, namespace)
    uid = wait_ready(kubectl, namespace)["metadata"]["uid"]
    before = daemon(kubectl, namespace)

    release.uninstall()
    eventually(lambda: not release.operator_pods(), "the operator gone")
    assert kubectl.existing(KIND, NAME, namespace)["metadata"]["uid"] == uid
    assert daemon(kubectl, namespace) == before

    release.install()
    wait_ready(kubectl, namespace)
    assert kubectl.existing(KIND, NAME, namespace)["metadata"]["uid"] == uid
    assert daemon(kubectl, namespace) == before
    assert_at_work(kubectl, namespace)


def test_what_the_installation_allows_can_be_changed(
    release: Installation, kubectl: Cluster, namespaces: Namespaces
) -> None:
    release.put()
    opened, closed = namespaces(), namespaces({})
    apply(kubectl, opened)
    apply(kubectl, closed)
    kubectl.wait_for(KIND, NAME, opened, docker_version, what="one that shows Docker's version")

    def refused(found: Object | None) -> bool:
        return condition(found, "Ready").get("status") == "False"

    found = kubectl.wait_for(KIND, NAME, closed, refused, what="refused")
    assert condition(found, "Ready")["reason"] == Reason.NAMESPACE_NOT_ENABLED
    assert "dind.dev/environments" in condition(found, "Ready")["message"]
    assert kubectl.get("pod", NAME, closed) is None

    release.upgrade({"requireNamespaceLabel": False, "readPodLogs": False})
    assert not docker_version(wait_ready(kubectl, closed))


def docker_version(found: Object | None) -> Any:
    return (((found or {}).get("status") or {}).get("docker") or {}).get("serverVersion")


def test_the_mirror_of_the_installation_is_for_who_names_none(
    release: Installation, kubectl: Cluster, namespaces: Namespaces
) -> None:
    theirs, own = "https://mirror.example.com", "https://team.example.com"
    release.put({"registry": {"mirrors": [theirs]}})
    for spec, expected in (({}, theirs), ({"registry": {"mirrors": [own]}}, own)):
        namespace = namespaces()
        apply(kubectl, namespace, **spec)
        assert wait_ready(kubectl, namespace)["status"]["registryMirrors"] == [expected]
        asked = ("docker", "info", "--format={{json .RegistryConfig.Mirrors}}")
        assert json.loads(in_daemon(kubectl, namespace, *asked)) == [f"{expected}/"]


def test_with_two_replicas_the_other_takes_over(
    release: Installation, kubectl: Cluster, namespaces: Namespaces
) -> None:
    release.put({"replicas": 2})
    names = {pod["metadata"]["name"] for pod in release.operator_pods() if not pod["metadata"].get("deletionTimestamp")}
    assert len(names) == 2
    leader = eventually(lambda: holder(kubectl) in names and holder(kubectl), "a leader")
    # Without a word of goodbye: the other has to find out by itself.
    kubectl.start_deleting("pod", leader, NAMESPACE, gracePeriodSeconds=0)
    namespace = namespaces()
    apply(kubectl, namespace)
    wait_ready(kubectl, namespace)
    assert holder(kubectl) != leader


def holder(kubectl: Cluster) -> str:
    """The name of the pod that leads."""
    lease = kubectl.get("lease", LEASE_NAME, NAMESPACE)
    return str(((lease or {}).get("spec") or {}).get("holderIdentity"))


def test_helm_test_fails_and_says_why_when_no_operator_runs(release: Installation, kubectl: Cluster) -> None:
    release.put({"replicas": 0, "extraEnv": [{"name": "DIND_HELM_TEST_SECONDS", "value": "2"}]})
    tested = release.test()
    assert tested.returncode
    said = kubectl.log(NAMESPACE, f"{RELEASE}-test")
    assert "ok: /apis/dind.dev/v1alpha1 serves" in said
    assert "See the operator's log" in said
    kubectl.delete("pod", f"{RELEASE}-test", NAMESPACE)
    kubectl.delete("serviceaccount", f"{RELEASE}-test", NAMESPACE)
