"""Docker's own image store in every mode. All other tests of this node run with containerd's, the default from Docker 29 on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests import versions
from tests.cluster.own_images import BUSYBOX_IMAGE
from tests.environment import Environment, gone
from tests.vm.modes import MODES, nested, spec
from tests.vm.patience import PATIENCE, START_SECONDS

pytestmark = [pytest.mark.timeout(1800), pytest.mark.thorough, pytest.mark.usefixtures("runtime_classes")]


@pytest.mark.parametrize("mode", MODES)
def test_dockers_own_image_store(vm_environments: Callable[[str], Environment], mode: str, tmp_path: Path) -> None:
    asked = spec(mode)
    asked["daemon"]["config"] = {"storage-driver": "overlay2"}
    environment = vm_environments(f"own-store-{mode.lower()}").apply(asked).ready(START_SECONDS)
    assert environment.docker("info", "--format", "{{.Driver}}", timeout=300) == "overlay2"
    versions.run_and_build_work(environment, tmp_path, PATIENCE)
    assert nested(environment, BUSYBOX_IMAGE, "sh", "-c", "rm /bin/ls; echo changed") == "changed"
    gone(environment, seconds=300)
