"""Which images can be made from a Debian mirror, and the names they have."""

from __future__ import annotations

import pytest
from tests.cluster import base_image
from tests.cluster.progress import ClusterError


@pytest.mark.parametrize("image", ["debian:trixie-slim", "docker.io/library/debian:trixie-slim"])
def test_the_suite_of_a_slim_debian(image: str) -> None:
    assert base_image.suite_of(image) == base_image.SUITE


@pytest.mark.parametrize("image", ["debian:trixie", "alpine:3", "quay.io/debian:trixie-slim", "debian:-slim", "build"])
def test_any_other_image_is_refused_by_name(image: str) -> None:
    with pytest.raises(ClusterError, match=f"The image {image} cannot be built here"):
        base_image.suite_of(image)
