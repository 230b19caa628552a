"""The docker CLI for tests that use it on this machine: the one that is there, else out of Debian's package.

The package is unpacked and not installed: on Debian 12 the CLI comes in one package with the daemon, which nobody wants here.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tests.cluster.instance import cache_root
from tests.cluster.progress import ClusterError, step

# The CLI has a package of its own since Debian 13; before, it is in the daemon's.
_PACKAGES = ("docker-cli", "docker.io")


def folder() -> Path:
    """The folder that has a program `docker`, for PATH. Raises ClusterError."""
    own = shutil.which("docker")
    if own is not None:
        return Path(own).parent
    unpacked = cache_root() / "docker-client"
    if not (unpacked / "usr/bin/docker").exists():
        with step("Unpacking the docker CLI from Debian's package", usual=20):
            _unpack(unpacked)
    return unpacked / "usr/bin"


def _unpack(target: Path) -> None:
    work = target.with_name(f"{target.name}.new")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    said = ""
    for package in _PACKAGES:
        done = subprocess.run(
            ["apt-get", "-q", "download", package], cwd=work, capture_output=True, text=True, timeout=300, check=False
        )
        said = done.stderr.strip()
        if done.returncode == 0:
            archive = next(work.glob("*.deb"))
            subprocess.run(["dpkg", "--extract", str(archive), str(work)], check=True, timeout=120)
            archive.unlink()
            shutil.rmtree(target, ignore_errors=True)
            work.rename(target)
            return
    raise ClusterError(f"Debian has no package with the docker CLI here (tried {', '.join(_PACKAGES)}): {said}")
