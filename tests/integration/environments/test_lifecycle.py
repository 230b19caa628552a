"""From an environment to a ready daemon and back: what the pod is, and what status says on the way."""

from tests.integration.environments.conftest import Operators
from tests.integration.harness.calls import on
from tests.integration.harness.kubelet import Kubelet
from tests.integration.harness.running import OFTEN, RunningOperator
from tests.integration.harness.space import Space


def test_a_daemon_comes_up_and_status_tells_each_step(
    operator: RunningOperator, space: Space, kubelet: Kubelet
) -> None:
    """Ready goes Unknown (the schema's own), Pending, Starting, True, as scheduler and kubelet proceed, with the parts."""
    made = space.create(spec={"daemon": {"resources": {"limits": {"memory": "1Gi"}}}})
    ready = made["status"]["conditions"][0]
    assert (ready["type"], ready["status"], ready["reason"]) == ("Ready", "Unknown", "Pending")

    pod = space.wait_pod()
    space.wait_reason("PodPending")
    assert space.status()["phase"] == "Pending"

    pod = kubelet.bind(pod)
    space.wait_reason("Scheduled", "PodScheduled")
    space.wait_reason("Initializing")

    pod = kubelet.check(pod)
    space.wait_reason("CgroupsMounted", "CgroupsMounted")
    space.wait_reason("StorageHealthy", "StorageHealthy")

    pod = kubelet.start(pod)
    space.wait_reason("DaemonStarting")
    assert space.status()["phase"] == "Starting"

    pod = kubelet.ready(pod)
    assert space.wait_reason("Ready")["status"] == "True"
    assert space.wait_reason("Ready", "DaemonReady")["status"] == "True"
    status = space.wait_status(phase="Running")
    assert status["docker"] == {
        "serverVersion": "26.1.5",
        "storageDriver": "overlay2",
        "cgroupVersion": "1",
        "cgroupDriver": "cgroupfs",
    }
    assert status["node"] == {
        "osImage": "Debian GNU/Linux 13 (trixie)",
        "kernelVersion": "6.18.44",
        "containerRuntimeVersion": "containerd://1.7.24",
        "kubeletVersion": "v1.34.4",
        "architecture": "amd64",
        "appArmor": "Disabled",
    }
    assert (status["podName"], status["podUID"]) == ("one", pod["metadata"]["uid"])
    assert (status["nodeName"], status["restarts"]) == (kubelet.node, 0)
    assert (status["daemonImage"], status["reserveMemory"]) == ("images.test/daemon:1", "256Mi")
    assert "lastFailure" not in status


def test_the_pod_is_what_the_daemon_needs(operator: RunningOperator, space: Space) -> None:
    """What the API server stored, defaults of its own included: privileges, AppArmor twice, volumes, owner, no token."""
    made = space.create(spec={"security": {"appArmorProfile": {"type": "Localhost", "localhostProfile": "dind-fine"}}})
    pod = space.wait_pod()
    owner = pod["metadata"]["ownerReferences"]
    assert [(item["kind"], item["uid"], item["controller"]) for item in owner] == [
        ("DindEnvironment", made["metadata"]["uid"], True)
    ]
    assert pod["metadata"]["labels"]["dind.dev/environment"] == "one"
    assert pod["metadata"]["annotations"]["cluster-autoscaler.kubernetes.io/safe-to-evict"] == "false"
    spec = pod["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["restartPolicy"] == "Always"
    assert spec["terminationGracePeriodSeconds"] > 25, "dockerd itself takes up to 15 s, its containerd 10 s more"
    (init,), (daemon,) = spec["initContainers"], spec["containers"]
    for container in (init, daemon):
        context = container["securityContext"]
        assert context["privileged"] is True
        assert context["appArmorProfile"] == {"type": "Localhost", "localhostProfile": "dind-fine"}
        annotation = f"container.apparmor.security.beta.kubernetes.io/{container['name']}"
        assert pod["metadata"]["annotations"][annotation] == "localhost/dind-fine"
        assert {"name": "docker-data", "mountPath": "/var/lib/docker"} in container["volumeMounts"]
    assert not [mount for mount in daemon["volumeMounts"] if "serviceaccount" in mount["mountPath"]]
    assert {probe for probe in daemon if probe.endswith("Probe")} == {"startupProbe", "readinessProbe", "livenessProbe"}
    volumes = {volume["name"] for volume in spec["volumes"]}
    assert volumes == {"docker-data", "dind-tool", "dind-socket", "dind-endpoint"}


def test_namespace_and_environment_applied_together(operator: RunningOperator, space: Space) -> None:
    """A namespace's service account comes a moment after it; a pod refused for that is tried again, not given up."""
    together = Space(space.api, f"{space.name}-new")
    space.api.create(
        "/api/v1/namespaces", {"metadata": {"name": together.name, "labels": {"dind.dev/environments": "enabled"}}}
    )
    together.create()
    together.wait_pod()
    together.close()


def test_events_tell_what_happened_once(operator: RunningOperator, space: Space, kubelet: Kubelet) -> None:
    """One Event when the daemon is ready, one when it is suspended; nothing for the steps between."""
    space.create()
    kubelet.run(space.wait_pod())
    space.wait_reason("Ready")
    space.change({"operatingMode": "Suspended"})
    kubelet.finish(space.wait_going())
    space.wait_reason("Suspended")
    space.wait_events(lambda events: len(events) >= 2, "two")
    assert sorted((event["reason"], event["type"]) for event in space.events()) == [
        ("Ready", "Normal"),
        ("Suspended", "Normal"),
    ]


def test_suspend_and_resume(operator: RunningOperator, space: Space, kubelet: Kubelet) -> None:
    """Suspended removes the pod and says so without calling it a failure; Running makes another one."""
    space.create()
    pod = kubelet.run(space.wait_pod())
    space.wait_reason("Ready")
    space.change({"operatingMode": "Suspended"})
    going = space.wait_going()
    space.wait_reason("Suspending")
    kubelet.finish(going)
    space.wait_reason("Suspended")
    status = space.wait_status(phase="Suspended")
    assert space.pod() is None
    assert "lastFailure" not in status
    assert "podName" not in status
    space.change({"operatingMode": "Running"})
    kubelet.run(space.wait_pod(other_than=pod))
    space.wait_reason("Ready")


def test_a_pod_that_lost_its_label_is_suspended_too(start: Operators, space: Space, kubelet: Kubelet) -> None:
    """No watch shows it. Before it is said that there is no pod, that is looked up; and once only."""
    first = start().wait_ready()
    space.create()
    kubelet.run(space.wait_pod())
    space.wait_reason("Ready")
    first.stop()
    space.edit_pod({"labels": {"app.kubernetes.io/managed-by": None}})
    space.change({"operatingMode": "Suspended"})
    second = start(resync_seconds=OFTEN).wait_ready()
    kubelet.finish(space.wait_going())
    space.wait_reason("Suspended")
    assert space.pod() is None
    reads = second.proxy.count(on("get", "pods"))
    second.wait_resyncs(2)
    assert second.proxy.count(on("get", "pods")) == reads


def test_made_suspended(operator: RunningOperator, space: Space) -> None:
    """An environment that is suspended from the start never gets a pod."""
    space.create(spec={"operatingMode": "Suspended"})
    space.wait_reason("Suspended")
    assert operator.proxy.count(on("create", "pods")) == 0


def test_labels_and_annotations_of_the_pod_are_those_of_the_spec_and_are_put_back(
    operator: RunningOperator, space: Space, kubelet: Kubelet
) -> None:
    mine = {"labels": {"team": "builds"}, "annotations": {"example.com/cost-center": "7"}}
    space.create(spec={"podMetadata": mine})
    pod = kubelet.run(space.wait_pod())
    assert pod["metadata"]["labels"].items() >= mine["labels"].items()
    assert pod["metadata"]["annotations"].items() >= mine["annotations"].items()
    space.edit_pod({"labels": {"team": "other"}, "annotations": {"example.com/cost-center": None}})
    space.wait_pod_that(
        lambda now: (
            now["metadata"]["labels"].items() >= mine["labels"].items()
            and now["metadata"]["annotations"].items() >= mine["annotations"].items()
        ),
        "with what the spec says",
    )
    space.change({"podMetadata": {"labels": {"team": "tests"}}})
    kubelet.finish(space.wait_going())
    assert space.wait_pod(other_than=pod)["metadata"]["labels"]["team"] == "tests"
