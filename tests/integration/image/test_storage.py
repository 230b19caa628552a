"""What the wrapper makes of a docker volume that carries no overlay: fuse-overlayfs, or a sentence. Never vfs in silence."""

from __future__ import annotations

import pytest
from tests.cluster import images
from tests.cluster.own_images import BUSYBOX_IMAGE
from tests.integration.image.conftest import StartDaemon
from tests.integration.image.test_refusals import refused

# The container's own root is an overlay already; the layers of this one are in memory.
ON_OVERLAY = (
    "mkdir /run/o; mount -t tmpfs t /run/o; mkdir /run/o/l /run/o/u /run/o/w; "
    "mount -t overlay -o lowerdir=/run/o/l,upperdir=/run/o/u,workdir=/run/o/w o /var/lib/docker"
)
NO_DEVICE = "touch /run/none; mount --bind /run/none /dev/fuse"
NO_PROGRAM = "rm /usr/bin/fuse-overlayfs"


def test_a_volume_on_an_overlay_is_used_through_fuse(start_daemon: StartDaemon, userland: str) -> None:
    daemon = start_daemon(userland=userland, inside=ON_OVERLAY)
    daemon.wait_ready()
    assert daemon.report()["storageDriver"] == "fuse-overlayfs"
    assert "using fuse-overlayfs" in daemon.log.read_text()
    daemon.load(images.nested_busybox_tar())
    change = "rm /bin/ls; echo new >/f; cat /f"
    written = daemon.run("docker", "run", "--network=none", BUSYBOX_IMAGE, "sh", "-c", change)
    assert written == "new"
    # The check's own folder is gone; what is left is Docker's.
    assert ".dind-preflight" not in daemon.run("ls", "-a", "/var/lib/docker")


def test_elsewhere_dockerd_is_told_nothing(start_daemon: StartDaemon, userland: str) -> None:
    daemon = start_daemon(userland=userland)
    daemon.wait_ready()
    assert daemon.report()["storageDriver"] == "overlay2"
    assert "storage-driver" not in daemon.run("cat", "/proc/self/mountinfo", "/proc/1/cmdline").replace("\0", " ")


@pytest.mark.parametrize(
    ("lacks", "said"),
    [(NO_DEVICE, "needs /dev/fuse, which this container lacks"), (NO_PROGRAM, "is not in the daemon's image")],
    ids=["no-device", "no-program"],
)
def test_where_fuse_cannot_help_no_daemon_is_started(start_daemon: StartDaemon, lacks: str, said: str) -> None:
    error = refused(start_daemon(inside=f"{ON_OVERLAY}; {lacks}"))
    assert (error["check"], error["reason"]) == ("Storage", "FuseOverlayfsMissing")
    assert "(overlay) cannot carry an overlay" in error["message"]
    assert said in error["message"]


def test_without_the_wrappers_choice_the_same_daemon_would_copy(start_daemon: StartDaemon) -> None:
    """The guard of the tests before: dockerd itself falls back to vfs, and says so only in its log."""
    daemon = start_daemon(inside=f"{ON_OVERLAY}; {NO_PROGRAM}", DIND_STORAGE_DRIVER="none-of-the-wrappers-business")
    daemon.wait_ready()
    assert daemon.report()["storageDriver"] == "vfs"


def test_vfs_by_name_is_the_users_own_choice(start_daemon: StartDaemon) -> None:
    daemon = start_daemon("--storage-driver=vfs", inside=f"{ON_OVERLAY}; {NO_PROGRAM}")
    daemon.wait_ready()
    assert daemon.report()["storageDriver"] == "vfs"


def test_a_full_volume_is_told_in_the_log_and_so_is_the_room(start_daemon: StartDaemon) -> None:
    daemon = start_daemon(inside="mount -t tmpfs -o size=64m t /var/lib/docker")
    # Its container is gone then, and would otherwise leave room on the full volume when it goes.
    daemon.wait_checked()
    assert "dind-volume" not in daemon.log.read_text()
    daemon.run("sh", "-c", "dd if=/dev/zero of=/var/lib/docker/ballast bs=1M 2>/dev/null || :")
    daemon.wait_logged('dind-volume {"version":1,"full":true,"usedBytes":67108864,"limitBytes":67108864,')
    assert daemon.run("docker", "ps", "--quiet") == ""
    daemon.run("rm", "/var/lib/docker/ballast")
    daemon.wait_logged('dind-volume {"version":1,"full":false,')
