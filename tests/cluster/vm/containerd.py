"""The guest's containerd: it pulls images from the node beside it, which reads them out of their archives."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.cluster import node
from tests.cluster.instance import Instance
from tests.cluster.record import checkout
from tests.cluster.vm import shell

# A few hundred megabytes take a minute or two under emulation, several times that beside tests.
_IMPORT_SECONDS = 900.0

_CTR = ["ctr", "--namespace", "k8s.io", "images"]


class GuestContainerd:
    """As `store.Containerd` wants it. The record is the guest's: a new disk comes with a new one."""

    def __init__(self, instance: Instance) -> None:
        self.record = instance.vm / "images.json"
        self._instance = instance

    def names(self) -> set[str]:
        return set(shell.output(self._instance, [*_CTR, "list", "--quiet"]).split())

    def load(self, archive: Path) -> str:
        with _served(self._instance, archive) as (port, names):
            for name in names:
                self._pull(f"{self._instance.vm_gateway}:{port}/{name}", name)
        if names:
            return "".join(f"{name}\n" for name in names)
        # Not an archive of `docker save`: the slow way takes any.
        with archive.open("rb") as source:
            return shell.feed(self._instance, [*_CTR, "import", "--local", "-"], source, timeout=_IMPORT_SECONDS)

    def _pull(self, source: str, name: str) -> None:
        shell.output(self._instance, [*_CTR, "pull", "--plain-http", source], timeout=_IMPORT_SECONDS)
        shell.output(self._instance, [*_CTR, "tag", "--force", source, name])
        shell.output(self._instance, [*_CTR, "remove", source])


@contextmanager
def _served(instance: Instance, archive: Path) -> Iterator[tuple[int, list[str]]]:
    """Serves an archive on the node: (port, the images in it), or no images if it is of another kind."""
    init = node.find_init(instance)
    assert init is not None, "the guest was reached through the node a moment ago"
    command = [sys.executable, "-m", "tests.cluster.vm.blobs", instance.vm_gateway, str(archive)]
    with subprocess.Popen(
        node.inside(init, ["env", f"--chdir={checkout()}", *command]),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=node.server_environment() | {"PYTHONPATH": checkout()},
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        port, names = process.stdout.readline().strip(), []
        while name := process.stdout.readline().strip():
            names.append(name)
        try:
            yield int(port or 0), names
        finally:
            process.stdin.close()
