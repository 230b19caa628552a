"""Every release of Docker that the tests name has an image, and none of them has a file of the project."""

from __future__ import annotations

from pathlib import Path

from tests.cluster import base_image, docker_releases, dockerfile

ALL = (*docker_releases.OTHERS, docker_releases.ROOTLESS)
FOLDER = Path(docker_releases.__file__).with_name("releases")
TEXT = (FOLDER / "Dockerfile").read_text()


def test_each_release_is_a_target_and_each_target_a_release() -> None:
    assert set(dockerfile.stages(TEXT)) == {f"docker-{release}" for release in ALL}


def test_they_start_from_what_can_be_made_here_and_copy_nothing() -> None:
    for release in ALL:
        target = f"docker-{release}"
        (base,) = dockerfile.bases(TEXT, target)
        assert base_image.suite_of(base)
        (stage,) = dockerfile.closure(TEXT, target)
        assert stage.sources == []
