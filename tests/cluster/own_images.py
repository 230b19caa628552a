"""The small images the cluster and its tests need, made without a builder: pause, CoreDNS, busybox, what Docker's clients start."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.cluster import archive, programs, tools
from tests.cluster.archive import Entry
from tests.cluster.instance import cache_root
from tests.cluster.progress import ClusterError
from tests.cluster.render import PAUSE_IMAGE

BUSYBOX_IMAGE = "dind.local/busybox:1"
# The name that buildx asks for.
BUILDER_IMAGE = "moby/buildkit:buildx-stable-1"
REAPER_IMAGE = "dind.local/reaper:1"
_PAUSE_SOURCE = Path(__file__).with_name("pause.c")
_REAPER = Path(__file__).with_name("reaper.sh")

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
    program = _busybox()
    target = image_path("busybox", key(program.read_bytes()))
    if not target.exists():
        archive.image_of_files(target, BUSYBOX_IMAGE, _busybox_files(program))
    return target


def _busybox() -> Path:
    program = Path("/bin/busybox")
    if not program.exists():
        raise ClusterError("/bin/busybox is missing: install the package busybox-static, or run `make setup`.")
    return program


def _busybox_files(program: Path) -> list[Entry]:
    names = subprocess.run([str(program), "--list"], check=True, capture_output=True, text=True).stdout.split()
    folders = [
        Entry("/bin"),
        Entry("/etc"),
        Entry("/root"),
        Entry("/tmp", mode=0o1777),
        Entry("/mnt"),
        Entry("/var"),
    ]
    links = [Entry(f"/bin/{name}", link="busybox") for name in sorted(names) if name != "busybox"]
    return [*folders, Entry("/bin/busybox", program), *links]


def builder() -> Path:
    """The archive of what a builder of buildx with the driver docker-container runs: BuildKit, with the runc of the image daemon."""
    runc = programs.folder("runc") / "bin/runc"
    target = image_path("buildkit", key(tools.TOOLS["buildkitd"].key().encode(), runc.parents[1].name.encode()))
    if not target.exists():
        buildkitd = tools.tool("buildkitd")
        found = {"buildkitd": buildkitd, "buildctl": buildkitd.with_name("buildctl"), "runc": runc}
        folders = [
            Entry("/etc"),
            Entry("/run"),
            Entry("/tmp", mode=0o1777),
            Entry("/usr"),
            Entry("/usr/bin"),
            Entry("/var"),
        ]
        files = [Entry(f"/usr/bin/{name}", program) for name, program in found.items()]
        archive.image_of_files(target, BUILDER_IMAGE, [*folders, *files], ["buildkitd"])
    return target


def reaper() -> Path:
    """The archive of what Testcontainers starts beside its containers: see reaper.sh."""
    shell = _busybox()
    cli = programs.folder("cli") / "bin/docker"
    target = image_path("reaper", key(shell.read_bytes(), cli.parents[1].name.encode(), _REAPER.read_bytes()))
    if not target.exists():
        files = [*_busybox_files(shell), Entry("/bin/docker", cli), Entry("/bin/reaper", _REAPER)]
        archive.image_of_files(target, REAPER_IMAGE, files, ["reaper"])
    return target
