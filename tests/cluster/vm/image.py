"""What every guest boots from, made once and kept in the cache: kernel, ramdisk, and a disk of Debian's packages.

Nothing of any cluster is in it: addresses, certificates and programs are handed in at the start (`guest`), so a
change of those costs no new image.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.cluster import base_image
from tests.cluster.instance import cache_root
from tests.cluster.locks import exclusive
from tests.cluster.node import tail
from tests.cluster.own_images import key
from tests.cluster.progress import ClusterError, step

SUITE = "trixie"

# The guest's disk as it appears to be; what is not written takes no space. Room for images and nested ones.
DISK_SIZE = "16G"

PACKAGES = (
    *("systemd-sysv", "kmod", "xz-utils", "busybox-static", "mount", "procps", "ca-certificates", "e2fsprogs"),
    *("apparmor", "containernetworking-plugins"),
    *("iptables", "nftables", "iproute2", "conntrack", "ethtool", "socat"),
    # The way in; and what the kubelet asks for the ids it may give to user namespaces (getsubids).
    *("openssh-server", "uidmap"),
)

_SCRIPT = Path(__file__).with_name("make-root.sh")
_INIT = Path(__file__).with_name("init.sh")

# Older images that are kept: switching between two branches builds nothing.
_KEPT = 2


@dataclass(frozen=True)
class GuestImage:
    """A folder of the cache whose name changes with all that the image is made from."""

    folder: Path

    @property
    def disk(self) -> Path:
        return self.folder / "root.img"

    @property
    def kernel(self) -> Path:
        return self.folder / "vmlinuz"

    @property
    def ramdisk(self) -> Path:
        return self.folder / "initrd"


def planned() -> GuestImage:
    """The image that this code makes, whether it is there yet or not."""
    recipe = "\n".join([SUITE, DISK_SIZE, *PACKAGES])
    made_of = key(recipe.encode(), _SCRIPT.read_bytes(), _INIT.read_bytes())
    return GuestImage(cache_root() / "images" / f"vm-{made_of}")


def image() -> GuestImage:
    """The image, made first if the cache does not hold it."""
    wanted = planned()
    if not wanted.folder.exists():
        with exclusive(cache_root() / "locks" / "vm-image.lock", "the image of the virtual node"):
            if not wanted.folder.exists():
                with step("Making the image of the virtual node with debootstrap (once; cached)", usual=100):
                    _make(wanted)
                _forget_old(wanted.folder.parent)
    wanted.folder.touch()  # the order in which old ones are forgotten
    return wanted


def _make(wanted: GuestImage) -> None:
    parent = wanted.folder.parent
    parent.mkdir(parents=True, exist_ok=True)
    # Under the lock nobody else is at it: what lies there was cut off, and is most of a gigabyte.
    for stale in parent.glob(".vm-*"):
        shutil.rmtree(stale)
    work = Path(tempfile.mkdtemp(prefix=".vm-", dir=parent))
    try:
        work.chmod(0o755)
        log = work / "log"
        arguments = [str(work), SUITE, base_image.mirror(), DISK_SIZE, str(_INIT), *PACKAGES]
        with log.open("wb") as output:
            done = subprocess.run(
                [*base_image.ISOLATED, "bash", str(_SCRIPT), *arguments],
                check=False,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        if done.returncode != 0:
            raise ClusterError(
                f"The image of the virtual node could not be made from {base_image.mirror()}. Its last lines:\n"
                f"{tail(log, 30)}\n"
                f"The mirror must have {SUITE} (set DIND_DEBIAN_MIRROR to one that does); "
                "run the same command again to go on."
            )
        for scaffold in ("root", "ramdisk"):
            shutil.rmtree(work / scaffold)
        work.rename(wanted.folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _forget_old(parent: Path) -> None:
    """A running guest has a copy of the disk and has read the rest, so it needs none of these."""
    found = sorted(parent.glob("vm-*"), key=lambda folder: folder.stat().st_mtime)
    for folder in found[:-_KEPT]:
        shutil.rmtree(folder)
