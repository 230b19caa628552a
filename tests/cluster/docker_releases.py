"""Images with other releases of Docker than the project's own daemon image, for the tests that any of them works."""

from __future__ import annotations

from pathlib import Path

from tests.cluster import images
from tests.cluster.store import Image

# The release of the project's own image, and those that Debian has before and after it.
OWN = "26.1"
OTHERS = ("20.10", "28.5")
# That of Debian trixie, with what it takes to run it as an ordinary user.
ROOTLESS = "rootless"

_FOLDER = Path(__file__).with_name("releases")


def image(release: str) -> Image:
    """The image with Docker `release` ("28.5"), built when it is asked for the first time (about two minutes)."""
    return images.build("daemon") if release == OWN else images.build(f"docker-{release}", _FOLDER)
