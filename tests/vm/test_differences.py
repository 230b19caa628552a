"""What docs/differences.md says of the modes, on cgroup version 2: the memory that programs see, interpreters, user IDs."""

from __future__ import annotations

import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cluster.own_images import BUSYBOX_IMAGE
from tests.e2e.environments.conftest import load_images
from tests.e2e.environments.test_memory import MIB
from tests.environment import Environment
from tests.node_view import NodeView
from tests.vm.modes import MODES, nested, spec
from tests.vm.patience import START_SECONDS

pytestmark = [pytest.mark.timeout(1800), pytest.mark.thorough, pytest.mark.usefixtures("runtime_classes")]

Environments = Callable[[str], Environment]
# Above what a pod's user namespace has, and as directory services give them out.
USER = 718322462
# Limit 512Mi, reserve 256Mi (tests/vm/modes.py).
NESTED_LIMIT = 256 * MIB


@pytest.mark.parametrize("mode", MODES)
def test_a_nested_container_sees_what_all_of_them_may_have(vm_environments: Environments, mode: str) -> None:
    environment = vm_environments(f"seen-{mode.lower()}").apply(spec(mode)).ready(START_SECONDS)
    load_images(environment)
    show = [BUSYBOX_IMAGE, "cat", "/sys/fs/cgroup/memory.max"]
    assert nested(environment, *show) == str(NESTED_LIMIT)
    assert nested(environment, "--memory=64m", *show) == str(64 * MIB)


REGISTER = """
mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc
printf '#!/bin/sh\\necho interpreted\\n' >/shared/interpreter; chmod 755 /shared/interpreter
echo ':dindtest:M::DINDTEST::/shared/interpreter:' >/proc/sys/fs/binfmt_misc/register
"""
RUN = "printf 'DINDTEST\\n' >/shared/program; chmod 755 /shared/program; /shared/program"


def test_interpreters_of_a_user_namespace_are_the_pods(vm_environments: Environments, vm_node: NodeView) -> None:
    """Registered in one nested container, used by another, and unknown to the node."""
    environment = vm_environments("binfmt").apply(spec("UserNamespace")).ready(START_SECONDS)
    load_images(environment)
    volume = ["--volume=shared:/shared", BUSYBOX_IMAGE, "sh", "-euc"]
    nested(environment, "--privileged", *volume, REGISTER)
    assert nested(environment, *volume, RUN) == "interpreted"
    listed = "mkdir -p /tmp/b; mount -t binfmt_misc b /tmp/b; ls /tmp/b; umount /tmp/b"
    assert "dindtest" not in vm_node.run(listed)


def archive_of(user: int, path: Path) -> Path:
    """A root file system of one file that belongs to that user."""
    with tarfile.open(path, mode="w") as tar:
        member = tarfile.TarInfo("file")
        member.uid = user
        tar.addfile(member)
    return path


@pytest.mark.parametrize(("mode", "works"), [("Capabilities", True), ("UserNamespace", False)])
def test_user_ids_beyond_those_of_a_pod(vm_environments: Environments, tmp_path: Path, mode: str, works: bool) -> None:
    """What dockerd says then is quoted in the page."""
    environment = vm_environments(f"ids-{mode.lower()}").apply(spec(mode)).ready(START_SECONDS)
    highest = archive_of(65535, tmp_path / "highest.tar")
    environment.docker("import", "-", "highest:1", stdin=highest, timeout=300)
    beyond = archive_of(USER, tmp_path / "beyond.tar")
    done = environment.attempt("docker", "import", "-", "beyond:1", stdin=beyond, timeout=300)
    assert (done.returncode == 0) == works, done.stderr
    if not works:
        assert f"for UID {USER}" in done.stderr
        assert "try increasing the number of subordinate IDs in /etc/subuid and /etc/subgid" in done.stderr
