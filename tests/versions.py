"""One release of Docker as an environment's daemon, and what has to work with any: shared by the tests of both nodes."""

from __future__ import annotations

from pathlib import Path

from tests.cluster import docker_releases, images
from tests.cluster.own_images import BUSYBOX_IMAGE
from tests.environment import Environment, eventually
from tests.live import Object
from tests.nested import fill, groups_below_the_pod
from tests.node_view import NodeView

DOCKERFILE = f'FROM {BUSYBOX_IMAGE}\nRUN echo "built inside" >/greeting\nCMD ["cat", "/greeting"]\n'


def spec(release: str, **daemon: object) -> Object:
    """512Mi, of which 256Mi are kept from nested containers."""
    memory = {"resources": {"limits": {"memory": "512Mi"}}, "reserve": {"memory": "256Mi"}}
    image = {"image": docker_releases.image(release).name, "imagePullPolicy": "IfNotPresent"}
    return {"daemon": {**image, **memory, **daemon}}


def status_tells(environment: Environment, release: str, patience: float = 1) -> None:
    """The version that was asked for, as the daemon says it and as status does."""
    docker = eventually(
        lambda: environment.status().get("docker"), "Docker's versions", 30 * patience, environment.story
    )
    told = environment.docker("version", "--format", "{{.Server.Version}}", timeout=120 * patience)
    assert docker["serverVersion"] == told
    assert told.startswith(f"{release}."), (
        f"the image for Docker {release} has {told}: Debian went on. Rename the release in tests/cluster/docker_releases.py, "
        "tests/cluster/releases/Dockerfile and docs/versions.md"
    )
    assert docker["storageDriver"] == "overlay2"
    assert docker["cgroupDriver"] == "cgroupfs"


def isolation_is_verified(environment: Environment, patience: float = 1) -> None:
    """By the pod's own helper, which starts a container through this release's API and removes it."""
    told = environment.wait(lambda _: environment.condition("IsolationVerified"), "IsolationVerified", 60 * patience)
    assert environment.condition("IsolationVerified")["status"] == "True", told["status"]["conditions"]


def run_and_build_work(environment: Environment, folder: Path, patience: float = 1) -> None:
    environment.docker("load", stdin=images.nested_busybox_tar(), timeout=120 * patience)
    (file := folder / "Dockerfile").write_text(DOCKERFILE)
    environment.docker("build", "--tag=greeter", "-", stdin=file, timeout=240 * patience)
    assert environment.docker("run", "--rm", "greeter", timeout=120 * patience) == "built inside"


def nested_containers_are_the_pods(environment: Environment, node: NodeView, patience: float = 1) -> None:
    nested = environment.docker("run", "--detach", "--rm", BUSYBOX_IMAGE, "sleep", "600", timeout=120 * patience)
    groups_below_the_pod(environment, node, nested)
    environment.docker("kill", nested)
    eventually(lambda: not node.groups(nested), "the groups of a container that ended are removed", 20 * patience)


def limits_hold(environment: Environment, patience: float = 1) -> None:
    """A container's own, and what the reserve leaves; the daemon survives both."""
    before = environment.daemon_process()
    assert fill(environment, 96, "--memory=64m", "--memory-swap=64m", patience=patience) == 137
    assert fill(environment, 128, patience=patience) == 0
    assert fill(environment, 400, patience=patience) == 137
    assert environment.daemon_process() == before
    assert environment.restarts() == 0


def sleeps_and_wakes(environment: Environment, ready_seconds: float) -> None:
    first = environment.pod_uid()
    environment.patch({"operatingMode": "Suspended"})
    environment.wait_reason("Suspended", ready_seconds)
    assert environment.pod() is None
    environment.patch({"operatingMode": "Running"})
    environment.ready(ready_seconds)
    assert environment.pod_uid() != first
    # Suspended, it has no such condition: this is the new daemon's, whose container for it is gone again.
    isolation_is_verified(environment, ready_seconds / 60)
    assert environment.docker("ps", "--all", "--quiet", timeout=ready_seconds) == ""


def a_bad_key_is_reported(environment: Environment, release: str, ready_seconds: float) -> None:
    """Before Docker 23 a configuration could only be tried; either way its sentence ends in the same condition."""
    environment.apply(spec(release, config={"no-such-key": True}))
    told = environment.wait_reason("InvalidDaemonConfig", ready_seconds)
    assert "daemon.config" in told["message"]
    assert environment.status()["lastFailure"]["reason"] == "InvalidDaemonConfig"
    environment.apply(spec(release, config={"debug": False}))
    environment.ready(ready_seconds)
