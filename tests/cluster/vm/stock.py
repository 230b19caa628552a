"""The disk of the guest's containerd with images on it, made by a containerd of this machine before the guest boots.

The guest's own would take minutes: it writes and hashes every byte under emulation.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.cluster import base_image, tools
from tests.cluster.instance import cache_root
from tests.cluster.locks import exclusive
from tests.cluster.node import server_environment, tail
from tests.cluster.own_images import key
from tests.cluster.progress import ClusterError, step
from tests.cluster.store import Image

# As it appears to be; what is not written takes no space. Room for images and nested ones.
_DISK_SIZE = "16G"

_SCRIPT = Path(__file__).with_name("make-stock.sh")

# Older disks that are kept: each is more than a gigabyte.
_KEPT = 1


def planned(images: Sequence[Image]) -> Path:
    """The disk with these images, whether it is there yet or not."""
    made_of = key(_SCRIPT.read_bytes(), *(image.archive.name.encode() for image in images))
    return cache_root() / "images" / f"stock-{made_of}.img"


def disk(images: Sequence[Image]) -> Path:
    """The disk with these images, made first if the cache does not hold it."""
    target = planned(images)
    if not target.exists():
        with exclusive(cache_root() / "locks" / "vm-stock.lock", "the images of the virtual node"):
            if not target.exists():
                with step("Putting images on a disk for the virtual node", usual=20):
                    _make(target, [image.archive for image in images])
                _forget_old(target.parent)
    target.touch()  # the order in which old ones are forgotten
    return target


def _make(target: Path, archives: Sequence[Path]) -> None:
    # Under the lock nobody else is at it: what lies there was cut off.
    for stale in target.parent.glob(".stock-*"):
        shutil.rmtree(stale)
    work = Path(tempfile.mkdtemp(prefix=".stock-", dir=target.parent))
    try:
        log = work / "log"
        with log.open("wb") as output:
            done = subprocess.run(
                [
                    *base_image.ISOLATED,
                    "bash",
                    str(_SCRIPT),
                    str(work),
                    _DISK_SIZE,
                    str(tools.tool("containerd").parent),
                    *map(str, archives),
                ],
                check=False,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=server_environment(),
            )
        if done.returncode != 0:
            raise ClusterError(
                f"The images could not be put on a disk for the virtual node. The last lines:\n{tail(log, 30)}\n"
                f"The file system of {target.parent} must take overlays, and have room for a gigabyte and more."
            )
        (work / "stock.img").rename(target)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _forget_old(parent: Path) -> None:
    """A guest has a copy of its own."""
    found = sorted(parent.glob("stock-*.img"), key=lambda file: file.stat().st_mtime)
    for file in found[:-_KEPT]:
        file.unlink()
