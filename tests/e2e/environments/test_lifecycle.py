"""From apply to Ready, and through suspension and changes of the spec."""

from __future__ import annotations

from pathlib import Path

import yaml
from tests.cluster.own_images import BUSYBOX_IMAGE
from tests.e2e.environments.conftest import Environments, load_images
from tests.environment import Environment, eventually, ready
from tests.live import Cluster, condition

# The last to come: a container is started for the one, once the daemon answers; the other is looked at by itself.
LATE = ("IsolationVerified", "EndpointReady")
EXAMPLES = Path(__file__).parents[3] / "examples"


def example(name: str) -> dict[str, object]:
    spec: dict[str, object] = yaml.safe_load((EXAMPLES / f"{name}.yaml").read_text())["spec"]
    return spec


def test_the_examples_become_ready_and_say_what_they_are(environments: Environments) -> None:
    minimal = environments("minimal").apply(example("minimal"))
    builder = environments("builder").apply(example("builder"))
    ready([minimal, builder])

    assert minimal.condition("CgroupsMounted")["reason"] == "NoMemoryLimit"
    assert builder.condition("CgroupsMounted")["reason"] == "CgroupsMounted"
    for environment in (minimal, builder):
        everything = (
            "Ready",
            "PodScheduled",
            "CgroupsMounted",
            "StorageHealthy",
            "DaemonReady",
            "UpToDate",
            "NetworkReady",
        )
        found = environment.wait(
            lambda seen: all(condition(seen, kind).get("status") == "True" for kind in LATE), "what comes last", 150
        )
        conditions = {item["type"]: item["status"] for item in found["status"]["conditions"]}
        assert conditions == dict.fromkeys((*everything, *LATE), "True")
        assert found["status"]["phase"] == "Running"
        pod = environment.pod()
        assert pod
        assert found["status"]["podName"] == pod["metadata"]["name"]
        assert found["status"]["nodeName"] == pod["spec"]["nodeName"]
        # The user's spec is never written by the operator: what was resolved is in status.
        assert found["spec"].get("daemon", {}).get("image") is None
        assert found["status"]["daemonImage"] == pod["spec"]["containers"][0]["image"]


def test_status_tells_the_versions_that_the_daemon_and_the_node_tell(bench: Environment) -> None:
    status = bench.status()
    told = bench.docker("info", "--format", "{{.ServerVersion}} {{.Driver}} {{.CgroupVersion}} {{.CgroupDriver}}")
    docker = status["docker"]
    assert told.split() == [docker[key] for key in ("serverVersion", "storageDriver", "cgroupVersion", "cgroupDriver")]
    assert docker["storageDriver"] == "overlayfs"
    assert status["node"]["kernelVersion"] == bench.run("uname", "-r")
    assert status["reserveMemory"] == "384Mi"


def test_people_see_it_in_columns_and_events(bench: Environment) -> None:
    where = f"--namespace={bench.namespace}"
    header, row = bench.cluster("get", "dind", "bench", where).splitlines()
    assert header.split()[:3] == ["NAME", "PHASE", "READY"]
    assert row.split()[:3] == ["bench", "Running", "True"]
    described = bench.cluster("describe", "dind", "bench", where)
    events = described[described.index("Events:") :]
    assert "dind-operator" in events
    assert "The Docker daemon responds to requests" in events


def test_dockerd_has_the_variables_of_the_spec(environments: Environments) -> None:
    proxy = "http://proxy.example.com:3128/$(HOME)"
    environment = environments("proxied").apply({"daemon": {"env": [{"name": "HTTPS_PROXY", "value": proxy}]}}).ready()
    assert environment.docker("info", "--format={{.HTTPSProxy}}") == proxy
    before = environment.pod_uid()
    environment.patch({"daemon": {"env": [{"name": "NO_PROXY", "value": ".svc"}]}})
    environment.wait_pod(lambda pod: pod and pod["metadata"]["uid"] != before, "another pod")
    environment.ready()
    assert environment.docker("info", "--format={{.HTTPSProxy}} {{.NoProxy}}").strip() == ".svc"


def test_suspending_removes_the_pod_and_resuming_brings_a_new_daemon(environments: Environments, kube: Cluster) -> None:
    environment = environments("sleeper").apply().ready()
    first = environment.pod_uid()

    environment.patch({"operatingMode": "Suspended"})
    told = environment.wait_reason("Suspended", 60)
    assert "operatingMode" in told["message"]
    assert environment.pod() is None
    assert environment.status()["phase"] == "Suspended"
    assert "podName" not in environment.status()

    environment.patch({"operatingMode": "Running"})
    environment.ready()
    assert environment.pod_uid() != first
    # Nothing of the first one; what the check of isolation starts goes again by itself.
    eventually(lambda: environment.docker("ps", "--all", "--quiet") == "", "no container", 60, environment.story)


def test_a_changed_spec_replaces_the_pod_at_once_or_when_it_is_deleted(environments: Environments) -> None:
    def spec(policy: str, level: str) -> dict[str, object]:
        return {"updatePolicy": policy, "daemon": {"logLevel": level}}

    prompt = environments("prompt").apply(spec("Recreate", "Info"))
    patient = environments("patient").apply(spec("OnDelete", "Info"))
    ready([prompt, patient])
    first, kept = prompt.pod_uid(), patient.pod_uid()

    prompt.apply(spec("Recreate", "Debug"))
    patient.apply(spec("OnDelete", "Debug"))
    prompt.wait_pod(lambda pod: pod and pod["metadata"]["uid"] != first, "another pod")
    told = patient.wait(
        lambda found: patient.condition("UpToDate").get("reason") == "SpecChanged", "the change is told"
    )
    prompt.ready()

    # Meanwhile the other has worked on: the same pod, not restarted, Ready, and with the old level.
    assert patient.pod_uid() == kept
    assert told["status"]["phase"] == "Running"
    assert patient.condition("Ready")["status"] == "True"
    assert (log_level(prompt), log_level(patient)) == ("debug", "info")

    patient.delete_pod()
    patient.wait_pod(lambda pod: pod and pod["metadata"]["uid"] != kept, "another pod")
    patient.ready()
    assert log_level(patient) == "debug"
    eventually(lambda: patient.condition("UpToDate").get("status") == "True", "up to date", 30, patient.story)


def log_level(environment: Environment) -> str:
    """What the running daemon was given: the wrapper's file, not the pod's spec."""
    return environment.run("sh", "-c", 'sed \'s/.*"log-level":"\\([a-z]*\\)".*/\\1/\' /run/dind-private/daemon.json')


def test_a_change_that_concerns_no_pod_restarts_nobody(bench: Environment) -> None:
    before = bench.pod_uid()
    bench.patch({"updatePolicy": "OnDelete"})
    generation = (bench.get() or {})["metadata"]["generation"]
    bench.wait(lambda found: found["status"].get("observedGeneration") == generation, "the change is seen", 30)
    assert bench.condition("UpToDate")["status"] == "True"
    assert bench.pod_uid() == before


def test_a_volume_that_outgrows_its_limit_is_evicted_and_the_environment_comes_back(environments: Environments) -> None:
    """A disk's sizeLimit is found by polling: the kubelet measures once in a while, and a minute is not rare."""
    environment = environments("outgrown").apply({"storage": {"emptyDir": {"sizeLimit": "64Mi"}}}).ready()
    load_images(environment)
    first = environment.pod_uid()
    fill = ["dd", "if=/dev/zero", "of=/data/file", "bs=1M", "count=200"]
    environment.docker("run", "--rm", "--volume=data:/data", BUSYBOX_IMAGE, *fill)
    told = environment.wait(lambda found: "lastFailure" in found.get("status", {}), "the failure is told", 150)
    assert told["status"]["lastFailure"]["reason"] == "Evicted"
    environment.wait_pod(lambda pod: pod and pod["metadata"]["uid"] != first, "another pod")
    environment.ready()
    # The volume went with the pod, and an Event says so.
    environment.wait_event("Evicted")
    messages = [item["message"] for item in environment.events("Evicted")]
    assert any("volumes on its emptyDir volume are lost" in message for message in messages)
    assert environment.docker("volume", "ls", "--quiet") == ""


def test_a_deleted_pod_is_made_again(environments: Environments) -> None:
    environment = environments("phoenix").apply().ready()
    load_images(environment)
    first = environment.pod_uid()
    environment.delete_pod(gracePeriodSeconds=1)
    environment.wait_pod(lambda pod: pod and pod["metadata"]["uid"] != first, "another pod")
    environment.ready()
    # A new pod is a new, empty daemon: docker data lives as long as the pod.
    assert environment.attempt("docker", "image", "inspect", BUSYBOX_IMAGE).returncode == 1
