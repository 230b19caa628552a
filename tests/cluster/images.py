"""The project's images: built from its own Dockerfile, again only when their inputs change, and imported.

buildah builds without a daemon. It works on a store of its own in the cache, in mount and process namespaces of
its own, so that a build which is cut off leaves neither mounts nor processes.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.cluster import base_image, dockerfile, own_images, programs, store
from tests.cluster.instance import Instance, cache_root
from tests.cluster.locks import exclusive
from tests.cluster.node import tail
from tests.cluster.progress import ClusterError, say, step
from tests.cluster.record import checkout
from tests.cluster.store import Image
from tests.cluster.vm import lifecycle as vm
from tests.cluster.vm.containerd import GuestContainerd

# Target of the Dockerfile: seconds a build takes on two cores with nothing cached, as measured.
TARGETS = {"node-tool": 60.0, "operator": 90.0, "daemon": 60.0, "apparmor-loader": 30.0}

# Older archives of a target that are kept: switching between two branches builds nothing.
_KEPT = 3

_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")

# Raised when the way of building changes, because it is part of every key.
_RECIPE = "1"


def image_name(target: str) -> str:
    return f"dind.local/{target}:dev"


def build(target: str, root: Path | None = None) -> Image:
    """The image of a target of the Dockerfile in `root` (this checkout), built if its inputs are new."""
    root = root or Path(checkout())
    try:
        named = dockerfile.bases((root / "Dockerfile").read_text(), target)
        bases = [base_image.base(base_image.suite_of(name)) for name in named]
        made_of = dockerfile.inputs_key(root, target, extra=" ".join([_RECIPE, *(base.name for base in bases)]))
    except FileNotFoundError as error:
        raise ClusterError(
            f"The image {image_name(target)} needs the file {error.filename}, which does not exist. Restore it in the checkout."
        ) from error
    except KeyError as error:
        raise ClusterError(f"The Dockerfile in {root} has no target {error}: name one of its stages.") from error
    archive = own_images.image_path(target, made_of)
    if not archive.exists():
        with exclusive(cache_root() / "locks" / "images.lock", "the images"):
            if not archive.exists():
                with step(f"Building the image {image_name(target)}", TARGETS.get(target)):
                    _build(root, target, bases, archive)
                _forget_old(target)
    archive.touch()  # the order in which old ones are forgotten
    return Image(image_name(target), archive)


def _buildah(log: Path, *arguments: str) -> None:
    storage = cache_root() / "buildah"
    command = [*base_image.ISOLATED, "buildah"]
    # Overlay: a tenth of the time and space of plain copies. Its store has to be on a real file system.
    command += [f"--root={storage / 'root'}", f"--runroot={storage / 'run'}", "--storage-driver=overlay", *arguments]
    # The caller's certificates and proxies are named after files and hosts that a build does not see.
    environment = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "LANG", "TMPDIR")}
    with log.open("ab") as output:
        done = subprocess.run(command, check=False, stdout=output, stderr=output, env=environment)
    if done.returncode != 0:
        raise ClusterError(
            f"`buildah {arguments[0]}` failed. The last lines of {log}:\n{tail(log, 30)}\n"
            "A Debian mirror and the Python package index must be reachable; run the same command again to go on."
        )


def _build(root: Path, target: str, bases: Sequence[Path], archive: Path) -> None:
    logs = cache_root() / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    log = logs / f"image-{target}.log"
    log.write_bytes(b"")
    for base in bases:
        _buildah(log, "pull", "--quiet", f"docker-archive:{base}")
    secret = [f"--secret=id=ca,src={_CERTIFICATES}"] if _CERTIFICATES.exists() else []
    needed = {stage.name for stage in dockerfile.closure((root / "Dockerfile").read_text(), target)}
    with tempfile.TemporaryDirectory(prefix=f".{target}-", dir=archive.parent) as folder:
        contexts = []
        if programs.STAGE in needed:
            context = Path(folder) / "context"
            programs.gather(root, context)
            contexts.append(f"--build-context={programs.STAGE}={context}")
        if programs.NODE_STAGE in needed:
            contexts.append(f"--build-context={programs.NODE_STAGE}={programs.node(root)}")
        _buildah(
            log,
            *("build", "--isolation=chroot", "--layers", "--pull-never", "--format=docker", f"--target={target}"),
            *(f"--tag={image_name(target)}", *contexts, *secret, f"--file={root / 'Dockerfile'}", str(root)),
        )
        # Packed beside its final name and moved there whole.
        packed = Path(folder) / "image.tar"
        _buildah(log, "push", "--quiet", image_name(target), f"docker-archive:{packed}:{image_name(target)}")
        packed.replace(archive)


def _forget_old(target: str) -> None:
    archives = sorted((cache_root() / "images").glob(f"{target}-*.tar"), key=lambda file: file.stat().st_mtime)
    for archive in archives[:-_KEPT]:
        archive.unlink()


def project_images(targets: Sequence[str] = ()) -> list[Image]:
    """The images of the `targets`, or all a test or a demonstration needs on the node, built where needed."""
    built = [build(target) for target in targets or TARGETS]
    return [*built, Image(own_images.BUSYBOX_IMAGE, own_images.busybox())]


def of_the_guest(built: Sequence[Image] = ()) -> list[Image]:
    """What the virtual node runs of these, or of all.

    The operator does not tolerate that node's taint, and its image, of many small files, takes longer than all others.
    """
    return [image for image in built or project_images() if image.name != image_name("operator")]


def build_and_import(instance: Instance, targets: Sequence[str] = (), *, wait_for_vm: bool = False) -> None:
    """Builds what changed and imports what the running nodes do not have.

    A virtual node that still boots is waited for only if asked: the first node can be used meanwhile.
    """
    images = project_images(targets)
    name = f"the cluster {instance.name}"
    with exclusive(instance.lock_file, name), step(f"Importing images into {name}", usual=20):
        if not store.import_images(instance, images):
            say("    nothing changed")
    if vm.running(instance) is None:
        return
    there = of_the_guest(images)
    if not store.changed(there, GuestContainerd(instance)):
        return
    if not wait_for_vm and not vm.ready(instance):
        say("    the virtual node is not Ready yet: `make images NODES=host,vm` waits for it and imports there too")
        return
    vm.wait(instance)
    with step(f"Importing images into {instance.vm_node_name}", usual=180):
        if not store.import_images(instance, there, GuestContainerd(instance)):
            say("    nothing changed")


def nested_base_tar() -> Path:
    """debian:trixie-slim as an archive for `docker load` in a nested daemon, which reaches no registry."""
    return base_image.base()


def nested_busybox_tar() -> Path:
    """dind.local/busybox:1, two megabytes with a shell, as an archive for `docker load`."""
    return own_images.busybox()


def nested_builder_tar() -> Path:
    """moby/buildkit:buildx-stable-1 for `docker load`. Without one in the cache, BuildKit is compiled first."""
    return own_images.builder()


def nested_reaper_tar() -> Path:
    """dind.local/reaper:1 for `docker load`."""
    return own_images.reaper()
