"""The daemon's container and its pod's sandbox end in every way there is, with networks, ports and restarts in use."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.cluster.own_images import BUSYBOX_IMAGE
from tests.e2e.environments.conftest import load_images
from tests.environment import Environment, eventually, ready
from tests.live import Cluster, Object
from tests.node_view import NodeView, container_id

PORT = 8080
PAGE = "served from inside"

# 15 s for the containers, 10 s for containerd and a margin: what the operator gives a daemon of default settings.
GRACE_SECONDS = 40


# One environment for each way to end: from the second end on the kubelet waits 10 s, 20 s, 40 s before a restart.
ENDS = ("killed", "asked", "init-killed", "sandbox-killed")


@pytest.fixture(scope="module")
def served(kube: Cluster, namespace: str) -> Iterator[dict[str, Environment]]:
    """Environments at work: a user network, a web server on it that is always restarted, its port published."""
    made = {name: Environment(kube, namespace, name).apply() for name in ENDS}
    ready(list(made.values()))
    for environment in made.values():
        load_images(environment)
        environment.docker("network", "create", "inner")
        server = f"mkdir -p /www && echo {PAGE} >/www/index.html && exec httpd -f -p 80 -h /www"
        options = ["--detach", "--restart=always", "--name=web", "--network=inner", f"--publish={PORT}:80"]
        environment.docker("run", *options, BUSYBOX_IMAGE, "sh", "-c", server)
    yield made
    for environment in made.values():
        environment.delete()


def works(environment: Environment, node: NodeView) -> None:
    """The server answers outside of the pod, through the published port, and by its name on the user network."""
    eventually(lambda: node.fetch(environment, PORT).strip() == PAGE, "the published port", 60, environment.story)
    inside = ["wget", "-q", "-O", "-", "http://web/"]
    assert environment.docker("run", "--rm", "--network=inner", BUSYBOX_IMAGE, *inside) == PAGE
    # A second server and another network: what an earlier daemon left in the packet filter is no obstacle.
    environment.docker("network", "create", "second")
    options = ["--detach", "--rm", "--name=late", "--network=second", f"--publish={PORT + 1}:80"]
    environment.docker("run", *options, BUSYBOX_IMAGE, "sh", "-c", "echo late >/index.html; httpd -f -p 80 -h /")
    eventually(lambda: node.fetch(environment, PORT + 1).strip() == "late", "another port", 30, environment.story)
    environment.docker("rm", "--force", "late")
    environment.docker("network", "rm", "second")


def restarted(environment: Environment, before: Object) -> Object:
    """Waits until the kubelet has started the daemon's container once more and it is ready. Returns its status."""

    def again() -> Object | None:
        now = environment.daemon_status()
        other = now.get("containerID") != before["containerID"] and now.get("restartCount", 0) > before["restartCount"]
        # On a busy node, the kubelet reports the new container before it reports how the previous one ended.
        return now if other and now.get("ready") and "terminated" in now["lastState"] else None

    now: Object = eventually(again, "the daemon in a new container", 120, environment.story)
    environment.ready()
    return now


def test_the_environment_works_before_anything_is_killed(served: dict[str, Environment], node: NodeView) -> None:
    environment = served["killed"]
    works(environment, node)
    # The daemon does not listen on the machine: only what was published does.
    assert node.fetch(environment, 2375) == ""


def test_a_killed_daemon_comes_back_with_its_containers(served: dict[str, Environment], node: NodeView) -> None:
    environment = served["killed"]
    uid, before = environment.pod_uid(), environment.daemon_status()
    environment.attempt("sh", "-c", "kill -9 $(cat /var/run/docker.pid)")
    now = restarted(environment, before)
    assert environment.pod_uid() == uid
    ended = now["lastState"]["terminated"]
    assert ended["exitCode"] == 137
    environment.wait(lambda found: found["status"].get("restarts") == 1, "the restart in status", 30)
    assert environment.status()["lastFailure"]["exitCode"] == 137
    works(environment, node)


def test_a_daemon_that_is_asked_to_end_ends_well(served: dict[str, Environment], node: NodeView) -> None:
    environment = served["asked"]
    before = environment.daemon_status()
    environment.attempt("sh", "-c", "kill -TERM 1")
    ended = restarted(environment, before)["lastState"]["terminated"]
    assert (ended["exitCode"], ended.get("signal")) == (0, None)
    works(environment, node)


def test_a_container_whose_first_process_is_killed_comes_back(served: dict[str, Environment], node: NodeView) -> None:
    """From the node's side, as its out-of-memory killer would: nothing inside can clean up, pid files stay."""
    environment = served["init-killed"]
    before = environment.daemon_status()
    node.run(f"kill -9 {node.first_process(container_id(before))}")
    restarted(environment, before)
    works(environment, node)


def test_init_containers_run_again_over_what_they_left(served: dict[str, Environment], node: NodeView) -> None:
    """As after a reboot: the sandbox is gone, so the kubelet makes a new one, with the same volumes, and starts over."""
    environment = served["sandbox-killed"]
    pod = environment.pod()
    assert pod
    (first,) = pod["status"]["initContainerStatuses"]
    uid, address = pod["metadata"]["uid"], pod["status"]["podIP"]
    before = environment.daemon_status()
    tool = environment.run("stat", "-c", "%i", "/dind/entrypoint")

    pauses = node.run(
        f"for p in $(cat {' '.join(f'{group}/*/cgroup.procs' for group in memory_groups(node, uid))});"
        " do grep -qx /pause /proc/$p/comm || case $(tr '\\0' ' ' </proc/$p/cmdline) in /pause*) echo $p;; esac; done"
    ).split()
    assert len(pauses) == 1, f"the sandbox's own process was not found: {pauses}"
    node.run(f"kill -9 {pauses[0]}")

    restarted(environment, before)
    after = environment.pod()
    assert after
    assert after["metadata"]["uid"] == uid
    (second,) = after["status"]["initContainerStatuses"]
    assert second["containerID"] != first["containerID"]
    assert environment.run("stat", "-c", "%i", "/dind/entrypoint") != tool, "the tool was not installed again"
    assert after["status"]["podIP"] != address, "the network namespace is the old one: this was no new sandbox"
    works(environment, node)


def memory_groups(node: NodeView, uid: str) -> list[str]:
    """The pod's group, in one hierarchy that every process is in."""
    groups = [group for group in node.pod_groups(uid) if "/memory/" in group or len(node.hierarchies()) == 1]
    assert groups, f"the pod {uid} has no group on this node"
    return groups[:1]


def test_deletion_ends_the_daemon_and_its_containers_in_good_time(served: dict[str, Environment]) -> None:
    environment = served["asked"]
    (container,) = (environment.pod() or {})["spec"]["containers"]
    assert (environment.pod() or {})["spec"]["terminationGracePeriodSeconds"] == GRACE_SECONDS
    assert container["name"] == "daemon"
    environment.docker(
        "run", "--detach", "--name=polite", BUSYBOX_IMAGE, "sh", "-c", "trap 'exit 0' TERM; sleep 600 & wait"
    )
    environment.delete()
    ended = environment.wait_pod(terminated, "the daemon's end", GRACE_SECONDS)
    assert terminated(ended)["exitCode"] == 0
    environment.gone(GRACE_SECONDS)


def terminated(pod: Object) -> Object:
    """How the daemon's container ended; {} while it runs."""
    (status,) = (pod.get("status") or {}).get("containerStatuses") or [{}]
    ended: Object = (status.get("state") or {}).get("terminated") or {}
    return ended
