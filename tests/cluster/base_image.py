"""`debian:SUITE-slim` made from Debian's own packages, for machines that reach a mirror but no image registry."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.cluster import archive
from tests.cluster.instance import cache_root
from tests.cluster.locks import exclusive
from tests.cluster.node import tail
from tests.cluster.own_images import image_path, key
from tests.cluster.progress import ClusterError, step

# What the Dockerfile's FROM asks for.
SUITE = "trixie"
_NAME = re.compile(r"(?:docker\.io/library/)?debian:([a-z]+)-slim")

# Mounts and processes of its own: what a program mounts or starts goes when it does, however it ends.
ISOLATED = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")

_DEFAULT_MIRROR = "http://deb.debian.org/debian"

# As in the published slim images: documentation and translations are left out now and by later installs.
_DPKG_RULES = """path-exclude /usr/share/doc/*
path-include /usr/share/doc/*/copyright
path-exclude /usr/share/groff/*
path-exclude /usr/share/info/*
path-exclude /usr/share/locale/*
path-exclude /usr/share/man/*
"""
_APT_RULES = """APT::Install-Suggests "0";
Acquire::Languages "none";
Acquire::GzipIndexes "true";
DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb /var/cache/apt/*.bin || true"; };
"""
_EMPTIED = ("var/cache/apt", "var/lib/apt/lists", "var/log", "usr/share/info", "usr/share/locale", "usr/share/man")


def mirror() -> str:
    """The Debian mirror, DIND_DEBIAN_MIRROR where the usual one cannot be reached."""
    return os.environ.get("DIND_DEBIAN_MIRROR") or _DEFAULT_MIRROR


def suite_of(image: str) -> str:
    """The Debian suite of an image that can be made here. ClusterError for any other."""
    if not (found := _NAME.fullmatch(image)):
        raise ClusterError(f"The image {image} cannot be built here. FROM must be debian:SUITE-slim or another stage.")
    return found[1]


def base(suite: str = SUITE) -> Path:
    """The archive of the base image; `docker load` and `docker import` in a nested daemon take it too."""
    recipe = "\n".join(["1", suite, mirror(), _DPKG_RULES, _APT_RULES, *_EMPTIED])
    target = image_path(f"debian-{suite}-slim", key(recipe.encode()))
    if not target.exists():
        with exclusive(cache_root() / "locks" / "base.lock", "the base image"):
            if not target.exists():
                with step(f"Making debian:{suite}-slim with debootstrap (once; cached)", usual=75):
                    _make(suite, target)
    return target


def _make(suite: str, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".debootstrap-", dir=target.parent))
    try:
        root, log = work / "root", work / "log"
        with log.open("wb") as output:
            done = subprocess.run(
                [*ISOLATED, "debootstrap", "--variant=minbase", suite, str(root), mirror()],
                check=False,
                stdout=output,
                stderr=output,
            )
        if done.returncode != 0:
            raise ClusterError(
                f"debootstrap of {suite} from {mirror()} failed. Its last lines:\n{tail(log)}\n"
                "Set DIND_DEBIAN_MIRROR to a mirror that this machine reaches, and run the same command again."
            )
        _slim(root)
        layer = work / "layer.tar"
        subprocess.run(
            ["tar", "--numeric-owner", "--xattrs", "--sort=name", "-C", str(root), "-cf", str(layer), "."], check=True
        )
        archive.write_image(target, f"docker.io/library/debian:{suite}-slim", layer, command=["bash"])
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _slim(root: Path) -> None:
    (root / "etc/dpkg/dpkg.cfg.d/docker").write_text(_DPKG_RULES)
    (root / "etc/apt/apt.conf.d/docker").write_text(_APT_RULES)
    policy = root / "usr/sbin/policy-rc.d"
    policy.write_text("#!/bin/sh\n# No service is started in an image.\nexit 101\n")
    policy.chmod(0o755)
    for folder in _EMPTIED:
        for path in sorted((root / folder).rglob("*"), reverse=True):
            if path.is_dir() and not path.is_symlink():
                # apt and its kin want their folders to be there; translations' can go.
                if "apt" not in path.parts:
                    path.rmdir()
            else:
                path.unlink()
    for path in sorted((root / "usr/share/doc").rglob("*")):
        if path.is_file() and path.name != "copyright":
            path.unlink()
    for device in (root / "dev").iterdir():
        if not device.is_dir() or device.is_symlink():
            device.unlink()
