"""The profile as text and as the automaton it compiles to: what an environment needs is granted, what it must not is not.

Compiled by this machine's parser. Debian 12's (3.0) reads mount rules more loosely than they are written, so that
nothing else is granted is tested with the loader image's own: tests/integration/image/test_apparmor.py.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from tests.apparmor import (
    BIND,
    MOVE,
    NODEV,
    NOEXEC,
    NOSUID,
    PRIVATE,
    PROFILES,
    RDONLY,
    REC,
    REMOUNT,
    SHARED,
    SILENT,
    SLAVE,
    Policy,
    compiled,
    complain_text,
)

DIND = (PROFILES / "dind").read_text()
# docs/apparmor.md gives this line to those who load with a parser of release 3.
OLD_PARSER = "mount options in (remount, bind, rbind, ro, rw, nosuid, nodev, noexec, silent, relatime, noatime),"
KERNEL = NOSUID | NODEV | NOEXEC


@pytest.fixture(scope="module", params=["dind", "dind-complain"])
def policy(request: pytest.FixtureRequest) -> Policy:
    """The rules are the same; what complains is the flag."""
    return Policy(compiled(DIND if request.param == "dind" else complain_text(DIND)))


@pytest.mark.parametrize("text", [DIND, complain_text(DIND)], ids=["dind", "dind-complain"])
def test_it_compiles_without_a_warning(text: str) -> None:
    done = subprocess.run(
        ["apparmor_parser", "-QK", "--kernel-features=/etc/apparmor.d/abi/3.0", "--warn=all"],
        input=text, capture_output=True, text=True, check=False,
    )  # fmt: skip
    said = [line for line in done.stderr.splitlines() if "Cache read/write disabled" not in line]
    assert (done.returncode, said) == (0, [])


@pytest.mark.parametrize(
    ("target", "source", "fstype", "flags"),
    [
        # The init container and the wrapper: by busybox (silent), by util-linux told to use mount(2).
        ("/", "", "", PRIVATE | REC | SILENT),
        ("/", "none", "", SHARED | REC),
        ("/sys/fs/cgroup/", "cgroup2", "cgroup2", KERNEL | SILENT),
        ("/sys/fs/cgroup/", "cgroup", "tmpfs", KERNEL),
        ("/sys/fs/cgroup/cpu,cpuacct/", "cgroup", "cgroup", KERNEL),
        ("/var/lib/docker/.dind-preflight.7/merged/", "overlay", "overlay", SILENT),
        # dockerd and containerd
        ("/var/lib/docker/overlay2/0a1b/merged/", "overlay", "overlay", 0),
        ("/var/lib/docker/buildkit/executor/x/rootfs/", "overlay", "overlay", 0),
        ("/tmp/containerd-mount123/", "overlay", "overlay", 0),
        # the same with containerd's image store; a snapshot of one layer is no overlay
        ("/var/lib/docker/rootfs/overlayfs/0a1b/", "overlay", "overlay", 0),
        ("/var/lib/docker/tmp/containerd-mount123/", "/var/lib/docker/containerd/daemon/snapshots/1/fs/", "", BIND | REC),
        ("/run/docker/netns/0a1b", "/proc/7/task/9/ns/net", "", BIND),
        ("/var/lib/docker/containers/0a1b/mounts/shm/", "shm", "tmpfs", KERNEL),
        ("/var/lib/docker/", "/var/lib/docker/", "", BIND),
        # runc: the root, what is in it, its propagation, and masked paths after pivot_root
        ("/var/lib/docker/overlay2/0a1b/merged/", "/var/lib/docker/overlay2/0a1b/merged/", "", BIND | REC),
        ("/", "", "", SLAVE | REC),
        ("/var/lib/docker/overlay2/0a1b/merged/proc/", "proc", "proc", KERNEL),
        ("/var/lib/docker/overlay2/0a1b/merged/dev/", "tmpfs", "tmpfs", NOSUID),
        ("/var/lib/docker/overlay2/0a1b/merged/dev/pts/", "devpts", "devpts", NOSUID | NOEXEC),
        ("/var/lib/docker/overlay2/0a1b/merged/dev/mqueue/", "mqueue", "mqueue", KERNEL),
        ("/var/lib/docker/overlay2/0a1b/merged/sys/", "sysfs", "sysfs", KERNEL | RDONLY),
        ("/var/lib/docker/overlay2/0a1b/merged/sys/fs/cgroup/", "cgroup", "cgroup2", KERNEL | RDONLY),
        ("/proc/kcore", "/dev/null", "", BIND),
        ("/proc/scsi/", "tmpfs", "tmpfs", RDONLY),
        # runc 1.5: one such tmpfs for all masked folders; before, runc 1.3.3 began to bring the console by its own name
        ("/sys/firmware/", "/proc/scsi/", "", BIND),
        ("/dev/console", "/dev/pts/0", "", BIND),
        # fuse-overlayfs, where the volume carries no overlay
        ("/var/lib/docker/fuse-overlayfs/0a1b/merged/", "fuse-overlayfs", "fuse.fuse-overlayfs", NODEV),
    ],
)  # fmt: skip
def test_a_mount_that_is_needed(policy: Policy, target: str, source: str, fstype: str, flags: int) -> None:
    assert policy.mount(target, source, fstype, flags)


@pytest.mark.parametrize("flags", [RDONLY | BIND, RDONLY | BIND | REC | KERNEL, 0, KERNEL | SILENT], ids=hex)
def test_remounts_are_granted_by_the_rule_or_by_the_line_for_old_parsers(tmp_path: Path, flags: int) -> None:
    assert f"\n{OLD_PARSER}\n" in (PROFILES.parents[1] / "docs" / "apparmor.md").read_text()
    (tmp_path / "local").mkdir()
    (tmp_path / "local" / "dind").write_text(f"{OLD_PARSER}\n")
    assert Policy(compiled(DIND, f"--Include={tmp_path}")).mount("/proc/sys/", flags=flags | REMOUNT)


@pytest.mark.parametrize("target", ["/mnt/", "/var/lib/docker/disk/"])
@pytest.mark.parametrize(
    "fstype",
    [
        *("ext4", "ext3", "xfs", "btrfs", "vfat", "iso9660", "squashfs", "fuseblk"),
        *("securityfs", "debugfs", "tracefs", "devtmpfs", "binfmt_misc", "efivarfs"),
    ],
)
def test_a_mount_of_the_node_is_denied(policy: Policy, target: str, fstype: str) -> None:
    for flags in (0, RDONLY, KERNEL | SILENT):
        assert not policy.mount(target, "/dev/vda1", fstype, flags)
    # The same question about what is needed has another answer.
    assert policy.mount(target, "tmpfs", "tmpfs")


@pytest.mark.parametrize("target", ["/", "/mnt/", "/run/x/", "/sys/fs/cgroup/", "/var/lib/docker/x/"])
def test_a_file_system_that_was_made_before_it_is_mounted_goes_nowhere(policy: Policy, target: str) -> None:
    """Of what type it is, and from which disk, the kernel does not show."""
    assert not policy.mount(target, flags=MOVE)
    assert policy.mount(target, "tmpfs", "tmpfs")


@pytest.mark.parametrize(
    ("path", "access"),
    [
        *((f"{root}/sysrq-trigger", "w") for root in ("/proc", "", "/var/lib/docker/overlay2/0a/merged/proc")),
        *((path, "r") for path in ("/proc/kcore", "/kcore", "/proc/kmem", "/dev/mem", "/dev/kmem", "/dev/port")),
        ("/sys/kernel/security/apparmor/profiles", "r"),
        ("/sys/kernel/security/apparmor/.remove", "w"),
        ("/apparmor/.replace", "w"),
        ("/sys/kernel/debug/", "r"),
        ("/sys/firmware/efi/efivars/Boot0000", "w"),
        *((f"{root}/sys/kernel/core_pattern", "w") for root in ("/proc", "")),
        ("/proc/sys/kernel/modprobe", "w"),
        ("/sys/fs/cgroup/memory/release_agent", "w"),
        ("/sys/kernel/uevent_helper", "w"),
        ("/proc/sys/fs/binfmt_misc/register", "w"),
        *((f"/dev/{disk}", access) for access in "rw" for disk in (
            "sda", "sda1", "sdaa3", "vda", "vdb14", "xvda1", "hda", "nvme0", "nvme0n1p2", "dm-0", "md127", "sg0",
            "mmcblk0p1", "mapper/vg-root", "mapper/control", "nbd0", "bsg/0:0:0:0",
        )),
    ],
)  # fmt: skip
def test_a_file_of_the_node_is_denied(policy: Policy, path: str, access: str) -> None:
    assert not policy.file(path, access)


@pytest.mark.parametrize(
    ("path", "access"),
    [
        ("/usr/bin/dockerd", "rmx"),
        ("/var/lib/docker/overlay2/0a1b/diff/etc/passwd", "rwkl"),
        ("/var/lib/docker/rootfs/overlayfs/0a1b/etc/passwd", "rwkl"),
        ("/runc", "rmx"),  # itself, on an overlay that is mounted nowhere
        ("/proc/sys/net/ipv4/ip_forward", "rw"),
        ("/sys/net/ipv4/ip_unprivileged_port_start", "w"),  # by runc, in a proc that is mounted nowhere
        ("/proc/sys/kernel/shmmax", "w"),
        ("/proc/sys/kernel/core_pattern", "r"),
        ("/proc/self/attr/exec", "w"),
        ("/proc/7/mem", "rw"),  # a debugger in a nested container
        ("/sys/fs/cgroup/docker/0a1b/memory.max", "w"),
        # A nested --privileged container gets a node for each device; it may have the node, and not open it.
        ("/var/lib/docker/overlay2/0a1b/merged/dev/vda", "w"),
        *((f"/dev/{name}", "rw") for name in ("null", "stdout", "shm/x", "ptmx", "fuse", "net/tun", "mqueue/q")),
        ("/usr/lib/systemd/systemd-sysrq", "rx"),
        ("/usr/sbin/modprobe", "rx"),
    ],
)
def test_a_file_that_is_needed(policy: Policy, path: str, access: str) -> None:
    assert policy.file(path, access)


def test_the_root_of_a_container_can_be_changed_and_unmounted(policy: Policy) -> None:
    assert policy.pivot_root("/var/lib/docker/overlay2/0a1b/merged/", "/var/lib/docker/overlay2/0a1b/merged/")
    assert policy.umount("/sys/fs/cgroup/")


@pytest.mark.parametrize("own", ["dind", "dind-complain"])
def test_processes_meet_their_own_and_the_runtime(own: str) -> None:
    found = Policy(compiled(DIND if own == "dind" else complain_text(DIND)))
    other = "dind-complain" if own == "dind" else "dind"
    for act in ("trace", "read", "tracedby", "readby"):
        assert found.ptrace(act, own)
        assert not found.ptrace(act, other)
    for act in ("send", "receive"):
        assert found.signal(act, own)
        assert not found.signal(act, "cri-containerd.apparmor.d")
    for peer in ("unconfined", "runc", "crun"):
        assert found.signal("receive", peer)
        assert not found.signal("send", peer)
        assert found.ptrace("readby", peer)
        assert not found.ptrace("trace", peer)
        assert not found.ptrace("read", peer)
