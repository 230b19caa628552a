"""What is the node's and not the pod's, and what becomes of it (docs/differences.md)."""

from __future__ import annotations

from tests.cluster import images
from tests.cluster.own_images import BUSYBOX_IMAGE
from tests.e2e.environments.conftest import Environments, load_images
from tests.environment import eventually
from tests.node_view import NodeView

# One more than the nodes that containers of most machines start with, and some.
DEVICES = 11


def test_loop_devices_can_be_had_and_are_detached_with_the_environment(
    environments: Environments, node: NodeView
) -> None:
    """Their files are on a volume and in a container's own layer; both containers are gone long before the environment."""
    environment = environments("loops").apply({}).ready()
    load_images(environment)
    # In the names of the files: what is above them is seen only while the container runs.
    mark = environment.pod_uid()

    def attached() -> list[str]:
        return node.run(f"grep -h {mark} /sys/block/loop*/loop/backing_file 2>/dev/null || true").splitlines()

    nested = ("docker", "run", "--rm", "--privileged", "--volume=disks:/disks", BUSYBOX_IMAGE, "sh", "-euc")
    attach = "truncate -s 1M {0}; losetup -f {0}"
    environment.run(*nested, f"for n in $(seq {DEVICES - 1}); do {attach.format(f'/disks/{mark}-$n')}; done")
    environment.run(*nested, attach.format(f"/{mark}-own"))
    assert len(attached()) == DEVICES
    # What is detached by its user is.
    environment.run(*nested, f"losetup -d $(losetup -a | sed -n 's|: .*/{mark}-1$||p')")
    assert len(attached()) == DEVICES - 1
    environment.delete()
    eventually(lambda: not attached(), "no device stays attached", 120)


def test_a_ulimit_above_what_may_be_had_is_the_most_that_may_be_had(environments: Environments) -> None:
    """As Compose files of search engines have it. All containers of this cluster lack CAP_SYS_RESOURCE on the node."""
    environment = environments("ulimits").apply({}).ready()
    load_images(environment)
    most = environment.run("sh", "-c", "ulimit -H -l").strip()
    assert most != "unlimited"
    look = (BUSYBOX_IMAGE, "sh", "-c", "ulimit -H -l; ulimit -H -c")
    shown = environment.docker("run", "--rm", "--ulimit=memlock=-1:-1", "--ulimit=core=0:0", *look)
    assert shown.split() == [most, "0"]
    assert "the limit RLIMIT_MEMLOCK of a container is lowered" in environment.log()


def test_a_swarm_of_one_daemon(environments: Environments) -> None:
    """Services, and an overlay network where their names are found. (A virtual address needs IPVS in the node's kernel.)"""
    environment = environments("swarm").apply({}).ready()
    load_images(environment)
    environment.docker("swarm", "init")
    environment.docker("network", "create", "--driver=overlay", "--attachable", "mine")
    serve = (BUSYBOX_IMAGE, "httpd", "-f", "-p", "80", "-h", "/etc")
    environment.docker(
        *(
            "service",
            "create",
            "--detach",
            "--no-resolve-image",
            "--name=web",
            "--network=mine",
            "--endpoint-mode=dnsrr",
        ),
        *serve,
    )
    fetch = ("docker", "run", "--rm", "--network=mine", BUSYBOX_IMAGE, "wget", "-q", "-O", "-", "http://web/hostname")

    def answer() -> str:
        return environment.attempt(*fetch).stdout.strip()

    eventually(answer, "the service", 60, environment.story)
    assert answer() == environment.docker("ps", "--filter=name=web", "--format={{.ID}}")
    environment.docker("swarm", "leave", "--force")


def test_root_of_nested_containers_can_be_another_user(environments: Environments) -> None:
    """`userns-remap`, with the user and the range that dockerd itself makes."""
    environment = environments("remap").apply({"daemon": {"config": {"userns-remap": "default"}}}).ready()
    load_images(environment)
    shown = environment.docker("run", "--rm", BUSYBOX_IMAGE, "cat", "/proc/self/uid_map")
    inner, outer, count = map(int, shown.split())
    assert (inner, count) == (0, 65536)
    assert outer > 0
    environment.is_true("IsolationVerified")


INIT = """FROM debian:trixie-slim
RUN apt-get update && apt-get install -y --no-install-recommends systemd systemd-sysv dbus && rm -rf /var/lib/apt/lists/*
CMD ["/sbin/init"]
"""


def test_systemd_as_the_first_process_of_a_nested_container(environments: Environments) -> None:
    """What kind's node image is made on. On cgroup v1 systemd 257 starts where it is told that this is meant."""
    environment = environments("systemd").apply({}).ready()
    environment.docker("load", stdin=images.nested_base_tar())
    environment.docker("build", "--quiet", "--tag=init", "-", stdin=INIT.encode(), timeout=240)
    legacy = "SYSTEMD_PROC_CMDLINE=systemd.unified_cgroup_hierarchy=0 SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1"
    options = ("--privileged", "--cgroupns=private", "--tmpfs=/run", "--tmpfs=/tmp", "--tty", f"--env={legacy}")
    environment.docker("run", "--detach", "--name=system", *options, "init")

    def system(*arguments: str) -> str:
        return environment.attempt("docker", "exec", "system", "systemctl", *arguments).stdout.strip()

    eventually(lambda: system("is-active", "multi-user.target") == "active", "all services", 60, environment.story)
    assert system("is-active", "dbus.service") == "active"
