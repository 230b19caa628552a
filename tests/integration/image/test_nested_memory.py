"""What a nested container sees of the memory that it may use, under a real dockerd and runc."""

from __future__ import annotations

from pathlib import Path

from tests.cluster import images
from tests.cluster.own_images import BUSYBOX_IMAGE
from tests.integration.image.conftest import Daemon, StartDaemon
from tests.sandbox import MIB

LIMIT, RESERVE = 512 * MIB, 128 * MIB
SHOW = "cat /sys/fs/cgroup/memory/memory.limit_in_bytes"
# Version 1 writes "no limit" as a number just below 2^63.
NO_LIMIT = 1 << 60


def seen(daemon: Daemon, *options: str) -> int:
    return int(daemon.run("docker", "run", "--rm", *options, BUSYBOX_IMAGE, *SHOW.split()))


def test_without_a_limit_of_its_own_it_is_what_all_of_them_may_have(start_daemon: StartDaemon, userland: str) -> None:
    daemon = start_daemon(userland=userland, memory=LIMIT, config={"reserveBytes": RESERVE})
    daemon.wait_checked()
    daemon.load(images.nested_busybox_tar())
    assert seen(daemon) == LIMIT - RESERVE
    assert seen(daemon, "--memory-swappiness=10") == LIMIT - RESERVE
    assert seen(daemon, "--memory=64m") == 64 * MIB
    # More than there is may be asked for; it is the group of all that then counts.
    assert seen(daemon, "--memory=2g") == 2048 * MIB
    dockerfile = f"FROM {BUSYBOX_IMAGE}\nRUN echo limit=$({SHOW})\n"
    Path(daemon.environment["SOCKETS"], "Dockerfile").write_text(dockerfile)
    build = "docker build --no-cache --progress=plain - </run/dind/Dockerfile"
    assert f"limit={LIMIT - RESERVE}\n" in daemon.run("sh", "-c", f"{build} 2>&1") + "\n"


def test_where_there_is_no_limit_none_is_made_up(start_daemon: StartDaemon) -> None:
    daemon = start_daemon()
    daemon.wait_checked()
    daemon.load(images.nested_busybox_tar())
    assert seen(daemon) > NO_LIMIT
