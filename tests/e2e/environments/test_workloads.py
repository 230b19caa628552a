"""Containers beside the daemon: what they can do with it, in which order they live, and what becomes of the environment then."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.cluster.images import image_name
from tests.cluster.own_images import BUSYBOX_IMAGE
from tests.e2e.environments.conftest import Environments, load_images
from tests.e2e.environments.test_operator import kill
from tests.environment import Environment, eventually
from tests.helm import NAMESPACE as OPERATOR_NAMESPACE
from tests.installation import Installation
from tests.live import Cluster, Object, condition

EXAMPLE = Path(__file__).parents[3] / "examples" / "ci-job.yaml"
# What no registry gives here comes a moment after the daemon is ready.
AWAIT_IMAGE = f"until docker image inspect {BUSYBOX_IMAGE} >/dev/null 2>&1; do sleep 0.3; done; "


# It ends when asked, as sleep by itself, as the first process of a container, does not.
LONG = "trap 'exit 143' TERM; sleep 600 & wait"


def workload(script: str, *, name: str = "work", image: str = BUSYBOX_IMAGE, **more: Any) -> Object:
    return {"name": name, "image": image, "command": ["sh", "-euc", script], **more}


def workloads(*containers: Object, **more: Any) -> Object:
    return {"workloads": {"containers": list(containers), "dockerCli": True, **more}}


def ended(environment: Environment, phase: str) -> Object:
    """Waits for the phase; returns status."""
    found: Object = environment.wait(lambda it: (it.get("status") or {}).get("phase") == phase, f"phase {phase}")
    return found["status"]


def test_the_ci_job_of_the_examples_builds_tests_and_keeps_its_image(kube: Cluster, environments: Environments) -> None:
    """In an image without Docker and with another C library than the daemon's: the copied CLI runs there."""
    job, source = yaml.safe_load_all(EXAMPLE.read_text())
    environment = environments(job["metadata"]["name"])
    kube.apply({**source, "metadata": {**source["metadata"], "namespace": environment.namespace}})
    (container,) = job["spec"]["workloads"]["containers"]
    # Names for a site without a registry; all else is as it stands there.
    container["image"] = BUSYBOX_IMAGE
    container["env"][0]["value"] = BUSYBOX_IMAGE
    container["args"][0] = AWAIT_IMAGE + container["args"][0]
    environment.apply(job["spec"])
    environment.wait(lambda it: condition(it, "DaemonReady").get("status") == "True", "the daemon answers")
    load_images(environment)

    status = ended(environment, "Succeeded")
    said = environment.log("build")
    assert "test passed" in said
    assert "/workspace/image.tar" in said
    (told,) = status["workloads"]["containers"]
    assert (told["name"], told["exitCode"], told["reason"]) == ("build", 0, "Completed")
    assert status["workloads"]["result"] == "WorkloadsSucceeded"
    ready = environment.condition("Ready")
    assert (ready["status"], ready["reason"]) == ("False", "WorkloadsSucceeded")
    assert environment.condition("WorkloadsSucceeded")["status"] == "True"
    pod = environment.pod()
    assert pod
    assert pod["status"]["phase"] == "Succeeded"
    # In this order: the daemon answered, the job ran, the daemon ended.
    daemon = environment.daemon_status()["state"]["terminated"]
    first, last = (datetime.fromisoformat(told[key]) for key in ("startedAt", "finishedAt"))
    assert datetime.fromisoformat(daemon["startedAt"]) < first <= last <= datetime.fromisoformat(daemon["finishedAt"])


@pytest.mark.serial
def test_a_workload_that_fails_fails_the_environment_and_no_operator_runs_it_again(
    operator: Installation, environments: Environments
) -> None:
    environment = environments("failing").apply(workloads(workload("exit 3"), workload("exit 0", name="other")))
    status = ended(environment, "Failed")
    codes = {item["name"]: item["exitCode"] for item in status["workloads"]["containers"]}
    assert codes == {"work": 3, "other": 0}
    assert environment.condition("Ready")["reason"] == "WorkloadsFailed"
    assert "work exited with code 3" in environment.condition("Ready")["message"]

    first, version = environment.pod_uid(), (environment.get() or {})["metadata"]["resourceVersion"]
    kill(operator)
    again = environments("failing-again").apply(workloads(workload("exit 0")))
    ended(again, "Succeeded")  # the next operator is at work
    assert environment.pod_uid() == first
    environment.delete_pod()
    eventually(lambda: environment.pod() is None, "the pod that ended is gone")
    kept = environment.wait(lambda it: it["metadata"]["resourceVersion"] != version, "the operator saw it")
    assert kept["status"]["workloads"] == status["workloads"]
    assert environment.pod() is None

    environment.patch({"workloads": {"run": 2}})
    environment.wait_pod(lambda pod: pod and pod["metadata"]["uid"] != first, "another run")
    ended(environment, "Failed")


def test_workloads_wait_for_the_daemon_and_end_before_it(environments: Environments) -> None:
    """The one shape a running environment has beside workloads: everything that looks at the daemon finds it."""
    last_words = "trap 'sleep 3; echo last $(docker version --format {{.Server.Version}}); exit 0' TERM; "
    script = "docker version --format '{{.Server.Version}}'; " + AWAIT_IMAGE
    script += f"docker run --rm {BUSYBOX_IMAGE} echo nested; {last_words}sleep 600 & wait"
    # An image that has the docker CLI itself.
    work = workload(script, image=image_name("daemon"))
    # With a user ID that no image knows.
    theirs = f"docker version --format '{{{{.Server.Version}}}}'; id >/workspace/theirs; {LONG}"
    user = {"securityContext": {"runAsUser": 1001, "runAsGroup": 1001}}
    other = workload(theirs, name="user", image=image_name("daemon"), **user)
    environment = environments("serving").apply(workloads(work, other, restartPolicy="Always", dockerCli=False))
    environment.ready()
    load_images(environment)
    eventually(lambda: "nested" in environment.log("work"), "a nested container, started by the workload")
    environment.known()
    environment.wait(
        lambda found: condition(found, "WorkloadsSucceeded").get("reason") == "WorkloadsRunning", "workloads that run"
    )
    # The first line is a version: no call came before the daemon answered.
    assert environment.log("work").splitlines()[0][0].isdigit(), environment.log("work")
    status = environment.status()
    assert (status["phase"], status["restarts"]) == ("Running", 0)
    assert status["docker"]["serverVersion"] == environment.log("work").splitlines()[0]
    assert status["node"]["kubeletVersion"]
    assert environment.log("user").splitlines()[0] == status["docker"]["serverVersion"]
    assert "uid=1001" in environment.run("cat", "/workspace/theirs")
    environment.is_true("IsolationVerified")
    # Files of the workspace are the same for the workload, the daemon and what is nested.
    environment.run("sh", "-c", "echo shared >/workspace/file")
    line = ["docker", "run", "--rm", "--volume=/workspace:/w", BUSYBOX_IMAGE, "cat", "/w/file"]
    assert environment.run(*line, container="work") == "shared"
    # No token, no privilege, nothing of the node.
    assert environment.attempt("ls", "/var/run/secrets/kubernetes.io", container="work").returncode != 0
    assert environment.run("sh", "-c", "ls /dev | grep -c loop || true", container="work") == "0"

    # It is asked to end, takes its time, and its last call finds a daemon that still answers.
    with ThreadPoolExecutor(1) as pool:
        following = pool.submit(environment.log, "work", follow="true")
        environment.delete()
        last = following.result(60).splitlines()[-1]
    assert last.split() == ["last", status["docker"]["serverVersion"]]
    environment.gone()


def test_report_and_kubectl_find_both_shapes_alike(operator: Installation, environments: Environments) -> None:
    environment = environments("told").apply(workloads(workload(f"echo at work; {LONG}"), restartPolicy="OnFailure"))
    environment.ready()
    # The daemon is ready before its workloads are started.
    environment.wait(lambda it: condition(it, "WorkloadsSucceeded").get("reason") == "WorkloadsRunning", "at work")
    told = environment.cluster(
        "exec", "deploy/dind-operator", f"--namespace={OPERATOR_NAMESPACE}", "--",
        "dind-operator", "report", environment.name, f"--namespace={environment.namespace}", "--output=yaml",
    )  # fmt: skip
    containers = yaml.safe_load(told)["containers"]
    assert set(containers) == {"mount-cgroups", "daemon", "work"}
    assert {item["state"].split()[0] for item in (containers["daemon"], containers["work"])} == {"running"}
    # Without a name kubectl means the daemon, as without workloads.
    where = f"--namespace={environment.namespace}"
    assert "dind-report" in environment.cluster("logs", environment.name, where)
    assert environment.cluster("exec", environment.name, where, "--", "cat", "/proc/1/comm").strip() == "dind-node"
    assert environment.cluster("exec", environment.name, where, "--container=work", "--", "docker", "version").strip()
    # A container of a tenant that is stuck is told, and the daemon goes on.
    stuck = environments("stuck").apply(workloads(workload("true", image="dind.local/none:1", imagePullPolicy="Never")))
    found = stuck.wait(lambda it: condition(it, "WorkloadsSucceeded").get("reason") == "WorkloadCannotStart", "told")
    assert "work" in condition(found, "WorkloadsSucceeded")["message"]


def test_suspended_workloads_run_again_and_those_that_have_ended_do_not(environments: Environments) -> None:
    going, done = environments("going"), environments("done")
    going.apply(workloads(workload(LONG)))
    done.apply(workloads(workload("exit 0")))
    ended(done, "Succeeded")
    eventually(
        lambda: (going.pod() or {}).get("status", {}).get("containerStatuses", [{}])[0].get("started"), "started"
    )
    for environment in (going, done):
        environment.patch({"operatingMode": "Suspended"})
        environment.wait(lambda it: it["status"]["phase"] == "Suspended", "suspended")
        assert environment.pod() is None
        environment.patch({"operatingMode": "Running"})
    going.wait_pod(lambda pod: pod.get("status", {}).get("phase") == "Running", "it runs again")
    ended(done, "Succeeded")
    assert done.pod() is None
    # Deleted before its end, and it may run only once.
    going.wait(
        lambda it: (it["status"].get("workloads") or {}).get("containers", [{}])[0].get("startedAt"), "seen to run"
    )
    going.delete_pod()
    ended(going, "Failed")
    assert going.condition("Ready")["reason"] == "WorkloadsLost"
    assert going.pod() is None
