"""Images with other releases of Docker than the project's own daemon image, for the tests that any of them works."""

from __future__ import annotations

from pathlib import Path

from tests.cluster import images, programs
from tests.cluster.record import checkout
from tests.cluster.store import Image

# The release of the project's own image, and those of Debian's suites, which are older.
OWN = programs.versions(Path(checkout()))["DOCKER"].rpartition(".")[0]
OTHERS = ("20.10", "26.1", "28.5")
# That of Debian trixie, with what it takes to run it as an ordinary user.
ROOTLESS = "rootless"

_FOLDER = Path(__file__).with_name("releases")


def storage_driver(release: str) -> str:
    """What Docker `release` chooses on a volume that carries an overlay: from 29 on, containerd keeps the images."""
    return "overlayfs" if int(release.partition(".")[0]) >= 29 else "overlay2"


def image(release: str) -> Image:
    """The image with Docker `release` ("28.5"), built when it is asked for the first time (about two minutes)."""
    return images.build("daemon") if release == OWN else images.build(f"docker-{release}", _FOLDER)
