"""Checks of an environment whose daemon is one release of Docker, shared by the tests of both nodes."""

from __future__ import annotations

from pathlib import Path

from tests.cluster import docker_releases, images
from tests.cluster.own_images import BUSYBOX_IMAGE
from tests.environment import Environment, eventually
from tests.live import Object, condition
from tests.nested import fill, groups_below_the_pod
from tests.node_view import NodeView

DOCKERFILE = f'FROM {BUSYBOX_IMAGE}\nRUN echo "built inside" >/greeting\nCMD ["cat", "/greeting"]\n'


def spec(release: str, **daemon: object) -> Object:
    """512Mi, of which 256Mi are kept from nested containers."""
    memory = {"resources": {"limits": {"memory": "512Mi"}}, "reserve": {"memory": "256Mi"}}
    image = {"image": docker_releases.image(release).name, "imagePullPolicy": "IfNotPresent"}
    return {"daemon": {**image, **memory, **daemon}}


def status_tells(environment: Environment, release: str, patience: float = 1) -> str:
    """The version that was asked for, as the daemon says it and as status does. Returns it in full, such as 28.5.2."""
    docker = eventually(
        lambda: environment.status().get("docker"), "Docker's versions", 30 * patience, environment.story
    )
    told = environment.docker("version", "--format", "{{.Server.Version}}", timeout=120 * patience)
    assert docker["serverVersion"] == told
    assert told.startswith(f"{release}."), (
        f"the image for Docker {release} has {told}: Debian went on. Rename the release in tests/cluster/docker_releases.py, "
        "tests/cluster/releases/Dockerfile and docs/versions.md"
    )
    assert docker["storageDriver"] == docker_releases.storage_driver(release)
    assert docker["cgroupDriver"] == "cgroupfs"
    return told


def isolation_is_verified(environment: Environment, patience: float = 1) -> None:
    """By the pod's own helper, which starts a container through this release's API and removes it."""
    environment.is_true("IsolationVerified", 60 * patience)


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


def is_ready(found: Object) -> bool:
    """Ready, for the present spec."""
    told = condition(found, "Ready")
    return told.get("status") == "True" and told.get("observedGeneration") == found.get("metadata", {}).get(
        "generation"
    )


def networks_fit(environment: Environment, release: str, seconds: float) -> None:
    """An MTU by hand on the default bridge, and on others from Docker 24; IPv6 where it is asked for, in every release."""
    major, network = int(release.partition(".")[0]), {"mtu": 1300, "ipv6": "Enabled"}
    environment.apply({**spec(release), "network": network})
    environment.wait(
        lambda found: "MTU 1300" in condition(found, "NetworkReady").get("message", "") and is_ready(found),
        "a daemon with the new MTU",
        seconds,
    )
    environment.docker("load", stdin=images.nested_busybox_tar())
    environment.docker("network", "create", "other")

    def seen(*options: str) -> str:
        script = "cat /sys/class/net/eth0/mtu; ip -6 addr show dev eth0 scope global"
        return environment.docker("run", "--rm", *options, BUSYBOX_IMAGE, "sh", "-c", script)

    default, other = seen(), seen("--network=other")
    assert default.split()[0] == "1300"
    assert "fd64:696e:6400:" in default
    assert other.split()[0] == ("1300" if major >= 24 else "1500")
    assert ("inet6 fd" in other) == (major >= 27)
    told = eventually(lambda: environment.status().get("docker"), "Docker's versions", 30, environment.story)
    assert told["serverVersion"].startswith(f"{release}.")
    message = environment.is_true("NetworkReady")["message"]
    assert ("applies the MTU only to the default bridge" in message) == (major < 24)
    environment.apply(spec(release)).ready()
