"""Docker's own image store in every mode. All other tests of this node run with containerd's, the default from Docker 29 on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cluster.own_images import BUSYBOX_IMAGE
from tests.e2e.environments.conftest import load_images
from tests.environment import Environment, gone
from tests.vm.modes import DOCKERFILE, MODES, nested, spec
from tests.vm.patience import START_SECONDS

pytestmark = [pytest.mark.timeout(1800), pytest.mark.thorough, pytest.mark.usefixtures("runtime_classes")]


@pytest.mark.parametrize("mode", MODES)
def test_dockers_own_image_store(
    vm_environments: Callable[[str], Environment], mode: str, tmp_path: Path
) -> None:
    asked = spec(mode)
    asked["daemon"]["config"] = {"storage-driver": "overlay2"}
    environment = vm_environments(f"own-store-{mode.lower()}").apply(asked).ready(START_SECONDS)
    load_images(environment)
    assert environment.status()["docker"]["storageDriver"] == "overlay2"
    assert nested(environment, BUSYBOX_IMAGE, "sh", "-c", "rm /bin/ls; echo inside") == "inside"
    (dockerfile := tmp_path / "Dockerfile").write_text(DOCKERFILE)
    environment.docker("build", "--progress=plain", "--tag=greeter", "-", stdin=dockerfile, timeout=600)
    assert nested(environment, "greeter") == "built inside"
    gone(environment, seconds=300)
