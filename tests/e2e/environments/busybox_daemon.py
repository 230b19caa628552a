"""An image as Alpine's: dockerd and what it starts, and busybox for everything else.

Made from the programs of the project's own daemon image, read out of a running environment. Docker's are static, as those of
the stock image are. No shell but busybox's, no util-linux, no coreutils, none of the project's files. What it does not show
is iptables with musl: that is Debian's, with the libraries it needs.
"""

from __future__ import annotations

import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from tests.cluster import archive, images
from tests.cluster.instance import cache_root
from tests.cluster.own_images import busybox, image_path, key
from tests.environment import Environment

NAME = "dind.local/busybox-daemon:1"
_STEM = "busybox-daemon"

# `tar -h` stores what a link leads to. iptables' many names are one program that looks at the name it was called by.
_PACK = """
set -e
programs=$(for name in dockerd containerd containerd-shim-runc-v2 runc docker docker-proxy docker-init \
  iptables iptables-save iptables-restore ip6tables ip6tables-save ip6tables-restore; do command -v $name; done)
modules=$(ls /usr/lib/*/xtables/*.so)
libraries=$(for file in $programs $modules; do ldd $file 2>/dev/null || true; done | grep -o '/[^ ]*' | sort -u)
exec tar --create --dereference --file=- $programs $modules $libraries 2>/dev/null
"""


def build(environment: Environment) -> Path:
    """The archive, made once for each daemon image. `environment` must run that image."""
    target = image_path(_STEM, key(images.build("daemon").archive.name.encode(), _PACK.encode()))
    if not target.exists():
        for old in (cache_root() / "images").glob(f"{_STEM}-*.tar"):
            old.unlink()
        folder = Path(tempfile.mkdtemp(prefix="dind-busybox-", dir=target.parent))
        try:
            _make(environment, folder, target)
        finally:
            shutil.rmtree(folder)
    return target


def _make(environment: Environment, folder: Path, target: Path) -> None:
    layer = folder / "layer.tar"
    line = ["kubectl", f"--kubeconfig={environment.cluster.kubeconfig}", "exec", f"--namespace={environment.namespace}"]
    with layer.open("wb") as packed:
        done = subprocess.run(
            [*line, environment.name, "--container=daemon", "--", "sh", "-c", _PACK],
            stdout=packed, stderr=subprocess.PIPE, text=True, timeout=120, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    with tarfile.open(layer, "a") as whole, tarfile.open(busybox()) as image:
        (inner,) = [member for member in image.getmembers() if member.name.endswith("layer.tar")]
        with tarfile.open(fileobj=image.extractfile(inner)) as names:
            for member in names:
                whole.addfile(member, names.extractfile(member) if member.isfile() else None)
    archive.write_image(target, NAME, layer)
