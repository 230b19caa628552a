"""Docker in Docker in Docker: an environment, a container in it with the project's daemon image, and containers in that.

The checks are the same on every node. The second level runs only the entrypoint of the image, without operator and kubelet.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.cluster import images
from tests.cluster.own_images import BUSYBOX_IMAGE
from tests.environment import Environment, eventually
from tests.kube.client import Executed
from tests.nested import fill, groups_below_the_pod
from tests.node_view import NodeView, container_id

DAEMON_IMAGE = images.image_name("daemon")
MIB = 2**20

# What level 2 needs instead of --privileged, as docs/docker-in-docker-in-docker.md has it.
LISTED = (
    "--cap-add=SYS_ADMIN",
    "--cap-add=NET_ADMIN",
    "--security-opt=seccomp=unconfined",
    "--security-opt=apparmor=unconfined",
    "--device-cgroup-rule=a *:* rwm",
)

# 640 MiB for all that is nested, in every level below the first.
SPEC = {"daemon": {"resources": {"limits": {"memory": "1Gi"}}, "reserve": {"memory": "384Mi"}}}
# Of these the second level's daemon keeps 192 MiB and half of the processes, so the third level has what follows.
LIMITED = (
    "--memory=512m",
    "--memory-swap=512m",
    f'--env=DIND_NODE_CONFIG={{"reserveBytes":{192 * MIB}}}',
    "--pids-limit=400",
)
LIMITED_BYTES = 320 * MIB
LIMITED_PROCESSES = 200

# The container of an environment with the project's own image is that image, but for what the second level does not need.
_COPY = """tar --create --one-file-system --directory=/ --exclude='./run/*' --exclude=./usr/local/libexec/docker/cli-plugins . |
docker import --change 'ENTRYPOINT ["/usr/local/lib/dind/entrypoint"]' --change 'VOLUME /var/lib/docker' - """


@dataclass(frozen=True)
class Inner(Environment):
    """The second level, used through its own docker CLI as an environment is. `name` is still the environment's."""

    container: str = ""
    # How many times as long as on an idle machine everything may take.
    patience: float = 1

    def attempt(
        self, *command: str, stdin: Path | bytes | None = None, timeout: float = 120, container: str = "daemon"
    ) -> Executed:
        line = ("docker", "exec", "--interactive", self.container, *command)
        return super().attempt(*line, stdin=stdin, timeout=timeout * self.patience, container=container)


def prepare(environment: Environment) -> None:
    """Loads the image of the second level."""
    environment.docker("load", "--quiet", stdin=images.build("daemon").archive, timeout=180)


def prepare_inside(environment: Environment, patience: float) -> None:
    """Makes the image of the second level from the first, where half a gigabyte through `kubectl exec` takes too long."""
    environment.run("sh", "-ec", _COPY + DAEMON_IMAGE, timeout=180 * patience)


@contextmanager
def second_level(environment: Environment, *options: str, patience: float = 1) -> Iterator[Inner]:
    """The daemon's image as a container of the environment, answering. Its anonymous volume goes with it."""
    container = environment.docker("run", "--detach", *options, DAEMON_IMAGE, timeout=120 * patience)
    inner = Inner(environment.cluster, environment.namespace, environment.name, container, patience)

    def story() -> str:
        return environment.attempt("docker", "logs", "--tail=30", container).stderr

    try:
        # docker exec into a container that ended would say no more than that it ended.
        eventually(lambda: inner.attempt("docker", "info").returncode == 0, "level 2 answers", 60 * patience, story)
        inner.docker("load", "--quiet", stdin=images.nested_busybox_tar())
        yield inner
    finally:
        environment.docker("rm", "--force", "--volumes", container, timeout=120 * patience)


def groups_lie_in_each_other(environment: Environment, inner: Inner, node: NodeView) -> None:
    """In every hierarchy: the third level's group under the second's, that under the daemon's own, that under the pod's."""
    third = inner.docker("run", "--detach", "--rm", BUSYBOX_IMAGE, "sleep", "600")
    try:
        groups_below_the_pod(environment, node, third, f"/docker/{inner.container}/docker")
        (process,) = {node.run(f"cat {group}/cgroup.procs") for group in node.groups(third)}
        assert node.run(f"tr '\\0' ' ' </proc/{process}/cmdline") == "sleep 600"
    finally:
        inner.docker("kill", third)
    # The helper of the second level asks its own daemon the same, as it does in a pod.
    log = ("logs", inner.container)
    eventually(lambda: '"inside":true' in environment.docker(*log), "level 2's own check", 60 * inner.patience)


def run_build_and_network_work(inner: Inner) -> None:
    """On overlays, because the image brings a volume; and the second level's own bridge carries."""
    assert inner.docker("info", "--format", "{{.Driver}}") == "overlayfs"
    dockerfile = f"FROM {BUSYBOX_IMAGE}\\nRUN echo built >/greeting\\n"
    inner.run("sh", "-c", f"printf '{dockerfile}' | docker build --quiet --tag=greeter -", timeout=240)
    assert inner.docker("run", "--rm", "greeter", "cat", "/greeting") == "built"
    serve = "echo level three >/index.html; exec httpd -f -p 80 -h /"
    inner.docker("run", "--detach", "--rm", "--name=web", "--publish=8080:80", BUSYBOX_IMAGE, "sh", "-c", serve)
    fetch = ("run", "--rm", "--network=host", BUSYBOX_IMAGE, "timeout", "10", "wget", "-q", "-O", "-")

    def answers() -> bool:
        return inner.attempt("docker", *fetch, "http://127.0.0.1:8080/").stdout.strip() == "level three"

    eventually(answers, "level 3 answers at level 2's port", 30 * inner.patience)
    inner.docker("rm", "--force", "web")


@dataclass(frozen=True)
class Daemons:
    """The daemons of the first two levels: equal twice means that both lived on."""

    first: str
    second: str

    @classmethod
    def of(cls, environment: Environment, inner: Inner) -> Daemons:
        return cls(environment.daemon_process(), inner.daemon_process())


def the_pods_limit_holds(environment: Environment, inner: Inner, node: NodeView) -> None:
    """`inner` has no limit of its own: what ends the hog of the third level is the environment's."""
    before = Daemons.of(environment, inner)
    assert fill(inner, 400) == 0
    assert fill(inner, 900) == 137
    assert fill(inner, 96, "--memory=64m", "--memory-swap=64m") == 137
    assert Daemons.of(environment, inner) == before
    assert environment.restarts() == 0
    own = container_id(environment.daemon_status())
    limit, most = memory(node, own, own)
    assert limit == 1024 * MIB
    # The 400 MiB above were the pod's: counted, and within its limit.
    assert 400 * MIB < most <= limit


def the_second_levels_limit_holds(environment: Environment, inner: Inner, node: NodeView) -> None:
    """`inner` was started with LIMITED: its reserve keeps its daemon, and the hog that fitted above does not fit."""
    assert memory(node, inner.container, "docker")[0] == LIMITED_BYTES
    before = Daemons.of(environment, inner)
    assert fill(inner, 128) == 0
    assert fill(inner, 400) == 137
    too_many = fork(inner, LIMITED_PROCESSES + 50)
    assert "can't fork" in too_many
    assert "all of them" not in too_many
    assert "all of them" in fork(inner, LIMITED_PROCESSES // 2)
    the_second_levels_cpu_is_the_thirds(environment, inner, node)
    assert Daemons.of(environment, inner) == before
    limit, most = memory(node, inner.container, inner.container)
    assert limit == 512 * MIB
    assert 128 * MIB < most <= limit


def fork(inner: Inner, count: int) -> str:
    """What a container of the third level says that starts `count` processes and ends."""
    script = f"i=0; while [ $i -lt {count} ]; do sleep 600 & i=$((i + 1)); done; echo all of them"
    done = inner.attempt("docker", "run", "--rm", BUSYBOX_IMAGE, "sh", "-c", script)
    return done.stdout + done.stderr


def the_second_levels_cpu_is_the_thirds(environment: Environment, inner: Inner, node: NodeView) -> None:
    """A busy container of the third level has no limit of its own, and is held back in the second's group."""
    files = " ".join(f"{group}/cpu.stat" for group in node.groups(inner.container))

    def held_back() -> int:
        return int(node.run(f"cat {files} 2>/dev/null | sed -n 's/^nr_throttled //p'") or 0)

    before = held_back()
    busy = inner.docker("run", "--detach", "--rm", BUSYBOX_IMAGE, "sh", "-c", "while :; do :; done")
    environment.docker("update", "--cpus=0.1", inner.container, timeout=120 * inner.patience)
    eventually(lambda: held_back() > before, "level 3 is held back by level 2's limit", 60 * inner.patience)
    # Docker has no word for "no limit any more" but a large one.
    environment.docker("update", "--cpus=1", inner.container, timeout=120 * inner.patience)
    inner.docker("kill", busy)


def memory(node: NodeView, below: str, name: str) -> tuple[int, int]:
    """Limit and highest use in bytes of the memory group `name` at or below the container `below`, as the node sees it."""
    (group,) = [
        found
        for found in node.groups(f"*{name}*")
        if found.partition(below)[2].removesuffix(".scope") == ("" if name == below else f"/{name}")
        and ("/memory/" in found or len(node.hierarchies()) == 1)
    ]
    names = ["memory.limit_in_bytes", "memory.max_usage_in_bytes", "memory.max", "memory.peak"]
    files = " ".join(f"{group}/{file}" for file in names)
    limit, most = node.run(f"cat {files} 2>/dev/null || true").split()
    return int(limit), int(most)
