"""The programs of the images, built from Go modules on this machine by the images' own scripts, and kept in the cache.

The Dockerfile compiles them in a stage, which takes ten minutes whenever something before it changes. Given as a build
context they replace that stage. A project's folder is named after its version and all it is made from.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.cluster import tools
from tests.cluster.instance import cache_root
from tests.cluster.locks import exclusive
from tests.cluster.progress import ClusterError, say, step
from tests.cluster.record import checkout

# The stage of the Dockerfile, and where in it the programs are.
STAGE = "programs"
# The stage that dind-node is in.
NODE_STAGE = "node"

# Project: its line in the file of versions, and how long a build takes on two cores with nothing cached, in seconds.
PROJECTS: dict[str, tuple[str, float]] = {
    "runc": ("RUNC", 20.0),
    "containerd": ("CONTAINERD", 80.0),
    "moby": ("MOBY", 175.0),
    "cli": ("DOCKER_CLI", 60.0),
    "buildx": ("BUILDX", 120.0),
    "compose": ("COMPOSE", 120.0),
}


def versions(root: Path) -> dict[str, str]:
    """The versions in image/daemon/versions of the checkout in `root`."""
    text = (root / "image/daemon/versions").read_text()
    return dict(re.findall(r"^([A-Z_]+)=(\S+)$", text, re.MULTILINE))


def _key(root: Path, project: str) -> str:
    told = versions(root)
    # dockerd's own version is a line of its own.
    inputs = [told["GO"], told[PROJECTS[project][0]], *([told["DOCKER"]] if project == "moby" else [])]
    script = (root / "image/daemon/build").read_bytes()
    return hashlib.sha256("\0".join(inputs).encode() + script).hexdigest()[:12]


def folder(project: str, root: Path | None = None) -> Path:
    """The folder with bin/ and cli-plugins/ of a project, which is built first if it is not in the cache."""
    root = root or Path(checkout())
    version = versions(root)[PROJECTS[project][0]]
    final = cache_root() / "programs" / f"{project}-{version}-{_key(root, project)}"
    if not final.exists():
        # One build at a time, of all that is made of Go: two of them on two cores only take turns at the memory.
        with exclusive(cache_root() / "locks" / "tools.lock", "the tools"):
            if not final.exists():
                _build(root, project, version, final)
    return final


def gather(root: Path, target: Path) -> None:
    """Puts all programs into `target`/programs, as the stage has them."""
    for project in PROJECTS:
        shutil.copytree(folder(project, root), target / STAGE, dirs_exist_ok=True)


def node(root: Path | None = None) -> Path:
    """The folder with dind-node, the program of the pod, which is built first if one of its sources is new."""
    root = root or Path(checkout())
    sources = [file for file in sorted((root / "node").rglob("*")) if _part_of_node(file)]
    digest = hashlib.sha256(versions(root)["GO"].encode())
    for file in sources:
        digest.update(f"\0{file.relative_to(root)}\0".encode() + file.read_bytes())
    final = cache_root() / "programs" / f"dind-node-{digest.hexdigest()[:12]}"
    if not final.exists():
        with exclusive(cache_root() / "locks" / "tools.lock", "the tools"):
            if not final.exists():
                with step("Building dind-node (once; cached by its sources)", 10.0):
                    _make(final, lambda work: [str(root / "node/build"), str(work / "dind-node")])
    return final


def _part_of_node(file: Path) -> bool:
    return file.name in ("build", "go.mod", "go.sum") or (file.suffix == ".go" and not file.name.endswith("_test.go"))


def _build(root: Path, project: str, version: str, final: Path) -> None:
    with step(f"Building {project} {version} for the image daemon (once; cached by version)", PROJECTS[project][1]):
        _make(final, lambda work: [str(root / "image/daemon/build"), str(work), project])
    say(f"    {final}")


def _make(final: Path, command: Callable[[Path], list[str]]) -> None:
    """Runs a script that fills a folder, which then becomes `final` as a whole."""
    tools.check_go(final.name)
    final.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{final.name}-", dir=final.parent))
    try:
        work.chmod(0o755)
        script = command(work)
        done = subprocess.run(
            script, check=False, env=os.environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        if done.returncode != 0:
            last = "\n".join("    " + line for line in done.stdout.splitlines()[-20:])
            raise ClusterError(
                f"Building {final.name} failed. The last lines of {script[0]}:\n{last}\n"
                "The Go module proxy (GOPROXY) must be reachable; run the same command again to go on."
            )
        work.rename(final)
    finally:
        shutil.rmtree(work, ignore_errors=True)
