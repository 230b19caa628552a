"""Images in a node's containerd: imported once, told apart by what they were made from."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tests.cluster import tools
from tests.cluster.instance import Instance
from tests.cluster.progress import ClusterError, say


@dataclass(frozen=True)
class Image:
    """An image's full name and the archive that holds it, whose file name changes with its content."""

    name: str
    archive: Path


class Containerd(Protocol):
    """A node's containerd. `record` remembers which archive an image there came from."""

    record: Path

    def names(self) -> set[str]:
        """The names of the images it has."""

    def load(self, archive: Path) -> str:
        """Imports an archive under the names it carries, and returns what was said about it."""


class HostContainerd:
    """The first node's, which shares the machine's files."""

    def __init__(self, instance: Instance) -> None:
        self.record = instance.state / "images.json"
        self._instance = instance

    def names(self) -> set[str]:
        return set(self._ctr("images", "list", "--quiet").split())

    def load(self, archive: Path) -> str:
        return self._ctr("images", "import", str(archive))

    def _ctr(self, *arguments: str) -> str:
        instance = self._instance
        program = str(tools.tool("containerd").with_name("ctr"))
        command = [program, "--address", str(instance.containerd_socket), "--namespace", "k8s.io", *arguments]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode != 0:
            raise ClusterError(
                f"`ctr {' '.join(arguments)}` failed on the node {instance.node_name}: {done.stderr.strip()}. "
                f"Is the cluster up? Its containerd writes to {instance.logs / 'containerd.log'}."
            )
        return done.stdout


def _imported(containerd: Containerd) -> dict[str, str]:
    try:
        found: dict[str, str] = json.loads(containerd.record.read_text())
    except FileNotFoundError:
        return {}
    return found


def changed(images: list[Image], containerd: Containerd) -> list[Image]:
    """Those that came to a node from another archive, or never did, by its record. The node itself is not asked."""
    known = _imported(containerd)
    return [image for image in images if known.get(image.name) != image.archive.name]


def import_images(instance: Instance, images: list[Image], on: Containerd | None = None) -> list[str]:
    """Imports what a node (the first, if none is given) does not have yet in this very version.

    Returns the names of what was imported.
    """
    containerd = on or HostContainerd(instance)
    known = _imported(containerd)
    present = containerd.names()
    done = []
    for image in images:
        if image.name in present and known.get(image.name) == image.archive.name:
            continue
        containerd.load(image.archive)
        known[image.name] = image.archive.name
        containerd.record.write_text(json.dumps(known, indent=1))
        say(f"    imported {image.name}")
        done.append(image.name)
    return done


def import_archives(instance: Instance, archives: list[Path], on: Containerd | None = None) -> None:
    """Imports archives as they are, under the names they carry."""
    containerd = on or HostContainerd(instance)
    for archive in archives:
        for line in containerd.load(archive).splitlines():
            say(f"    {line}")
