"""The small images the cluster and its tests need, made without a builder: pause, CoreDNS, busybox."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.cluster import archive, tools
from tests.cluster.archive import Entry
from tests.cluster.instance import cache_root
from tests.cluster.progress import ClusterError
from tests.cluster.render import PAUSE_IMAGE

BUSYBOX_IMAGE = "dind.local/busybox:1"
_PAUSE_SOURCE = Path(__file__).with_name("pause.c")

# Raised when the way an image is put together changes, because it is part of every key.
_RECIPE = "3"


def dns_image() -> str:
    return f"dind.local/coredns:{tools.TOOLS['coredns'].version}"


def key(*inputs: bytes) -> str:
    """A short name for what a thing is made of."""
    digest = hashlib.sha256(_RECIPE.encode())
    for value in inputs:
        digest.update(hashlib.sha256(value).digest())
    return digest.hexdigest()[:16]


def image_path(name: str, made_of: str) -> Path:
    return cache_root() / "images" / f"{name}-{made_of}.tar"


def pause() -> Path:
    """The archive of the pause image."""
    target = image_path("pause", key(_PAUSE_SOURCE.read_bytes()))
    if not target.exists():
        folder = Path(tempfile.mkdtemp(prefix="dind-pause-"))
        try:
            program = folder / "pause"
            done = subprocess.run(
                ["gcc", "-static", "-Os", "-Wall", "-Werror", "-s", "-o", str(program), str(_PAUSE_SOURCE)],
                check=False,
                capture_output=True,
                text=True,
            )
            if done.returncode != 0:
                raise ClusterError(f"{_PAUSE_SOURCE.name} does not compile: {done.stderr.strip()}")
            archive.image_of_files(target, PAUSE_IMAGE, [Entry("/pause", program)], ["/pause"])
        finally:
            shutil.rmtree(folder)
    return target


def dns() -> Path:
    """The archive of the CoreDNS image."""
    target = image_path("coredns", key(tools.TOOLS["coredns"].key().encode()))
    if not target.exists():
        entries = [Entry("/etc"), Entry("/coredns", tools.tool("coredns"))]
        archive.image_of_files(target, dns_image(), entries, ["/coredns"])
    return target


def busybox() -> Path:
    """The archive of a tiny image with a shell: Debian's static busybox under all its names."""
    program = Path("/bin/busybox")
    if not program.exists():
        raise ClusterError("/bin/busybox is missing: install the package busybox-static, or run `make setup`.")
    target = image_path("busybox", key(program.read_bytes()))
    if not target.exists():
        names = subprocess.run([str(program), "--list"], check=True, capture_output=True, text=True).stdout.split()
        entries = [
            Entry("/bin"),
            Entry("/etc"),
            Entry("/root"),
            Entry("/tmp", mode=0o1777),
            Entry("/mnt"),
            Entry("/var"),
        ]
        entries.append(Entry("/bin/busybox", program))
        entries += [Entry(f"/bin/{name}", link="busybox") for name in sorted(names) if name != "busybox"]
        archive.image_of_files(target, BUSYBOX_IMAGE, entries)
    return target
