"""What the wrapper makes of a docker volume that carries no overlay: fuse-overlayfs, or a sentence. Never vfs in silence."""

from __future__ import annotations

import pytest
from tests.cluster import images
from tests.cluster.own_images import BUSYBOX_IMAGE
from tests.integration.image.conftest import Daemon, StartDaemon
from tests.integration.image.test_daemon import CONFIG
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
    assert daemon.report()["storageDriver"] == "overlayfs"
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


def test_without_the_wrappers_choice_the_same_daemon_would_run_nothing(start_daemon: StartDaemon) -> None:
    """The guard of the tests before: dockerd itself does not try an overlay, and starts as if there were one."""
    daemon = start_daemon(
        inside=f"{ON_OVERLAY}; {NO_PROGRAM}", config={"storage": {"driver": "none-of-the-wrappers-business"}}
    )
    daemon.wait_ready()
    assert daemon.report()["storageDriver"] == "overlayfs"
    daemon.load(images.nested_busybox_tar())
    said = daemon.run("docker", "run", "--rm", "--network=none", BUSYBOX_IMAGE, "true", check=False)
    assert "failed to mount" in said


@pytest.mark.parametrize("driver", ["vfs", "native"])
def test_a_driver_that_copies_is_the_users_own_choice_by_name(start_daemon: StartDaemon, driver: str) -> None:
    daemon = start_daemon(f"--storage-driver={driver}", inside=f"{ON_OVERLAY}; {NO_PROGRAM}")
    daemon.wait_ready()
    assert daemon.report()["storageDriver"] == driver
    runs_and_builds(daemon)


def runs_and_builds(daemon: Daemon) -> None:
    """An image that is loaded, changed by a container, committed to by a build, saved, and loaded once more."""
    daemon.load(images.nested_busybox_tar())
    change = "rm /bin/ls; echo new >/f; cat /f"
    assert daemon.run("docker", "run", "--rm", "--network=none", BUSYBOX_IMAGE, "sh", "-c", change) == "new"
    lines = f"FROM {BUSYBOX_IMAGE}\\nRUN --network=none echo built >/greeting && rm /bin/ls\\n"
    daemon.run("sh", "-c", f"printf '{lines}' | docker build --quiet --tag=greeter -")
    daemon.run("sh", "-c", "docker save greeter >/tmp/saved.tar && docker image rm greeter")
    assert "greeter" not in daemon.run("docker", "image", "ls")
    daemon.run("sh", "-c", "docker load --quiet </tmp/saved.tar")
    assert daemon.run("docker", "run", "--rm", "--network=none", "greeter", "cat", "/greeting") == "built"
    assert "greeter" in daemon.run("docker", "image", "ls")


@pytest.mark.parametrize(("driver", "kind"), [("", "io.containerd.snapshotter.v1"), ("overlay2", "Backing Filesystem")])
def test_both_image_stores_run_build_save_and_load(start_daemon: StartDaemon, driver: str, kind: str) -> None:
    daemon = start_daemon(*([f"--storage-driver={driver}"] if driver else []))
    daemon.wait_ready()
    assert daemon.report()["storageDriver"] == (driver or "overlayfs")
    assert kind in daemon.run("docker", "info", "--format", "{{.DriverStatus}}")
    runs_and_builds(daemon)


def test_a_volume_keeps_the_image_store_that_it_has(start_daemon: StartDaemon) -> None:
    """docs/storage.md: a volume with images of Docker's own store is not moved to the other; nor is it the other way round."""
    first = start_daemon("--storage-driver=overlay2")
    first.wait_checked()
    first.load(images.nested_busybox_tar())
    first.run("sh", "-c", "kill -TERM 1")
    assert first.wait() == 0
    again = start_daemon()
    again.wait_checked()
    assert again.report()["storageDriver"] == "overlay2"
    assert BUSYBOX_IMAGE in again.run("docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}")
    again.run("sh", "-c", "kill -TERM 1")
    assert again.wait() == 0
    other = start_daemon(config={"daemonConfig": CONFIG | {"features": {"containerd-snapshotter": True}}})
    other.wait_checked()
    assert other.report()["storageDriver"] == "overlayfs"
    assert other.run("docker", "image", "ls", "--quiet") == ""


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
