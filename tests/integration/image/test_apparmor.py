"""The loader's image: its parser compiles both profiles, and to nothing more than they say.

Here and not in the unit tests because the parser of release 3, which the machine may have, lets in more than is written.
"""

from __future__ import annotations

import subprocess
import tarfile
from pathlib import Path

import pytest
from tests.apparmor import BIND, MOVE, NOSUID, PROFILES, RDONLY, REC, REMOUNT, SILENT, Policy, compiled, complain_text
from tests.cluster import images

# The image is unpacked once, by the one worker that runs this file.
pytestmark = pytest.mark.xdist_group("apparmor-image")

DIND = (PROFILES / "dind").read_text()


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The image's root file system."""
    folder = tmp_path_factory.mktemp("loader")
    with tarfile.open(images.build("apparmor-loader").archive) as outer:
        for member in outer:
            if member.isfile() and member.name.endswith(".tar"):
                layer = outer.extractfile(member)
                with tarfile.open(fileobj=layer) as inner:
                    inner.extractall(folder, filter="fully_trusted")
    return folder


@pytest.fixture(scope="module", params=["dind", "dind-complain"])
def policy(request: pytest.FixtureRequest, root: Path) -> Policy:
    text = DIND if request.param == "dind" else complain_text(DIND)
    return Policy(compiled(text, parser=("chroot", str(root), "apparmor_parser")))


def test_it_holds_the_profile_and_what_makes_the_other(root: Path) -> None:
    assert (root / "etc" / "dind-apparmor" / "dind").read_text() == DIND
    done = subprocess.run(
        ["chroot", root, "sed", "-f", "/usr/local/lib/dind/dind-complain.sed", "/etc/dind-apparmor/dind"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == complain_text(DIND)


def test_its_loader_runs_on_a_node_without_apparmor(root: Path) -> None:
    loader = ["chroot", root, "/usr/local/lib/dind/loader"]
    assert subprocess.run([*loader, "ready"], check=False).returncode == 0
    done = subprocess.run(["timeout", "2", *loader, "run"], capture_output=True, text=True, check=False)
    assert "This node has no AppArmor" in done.stdout


@pytest.mark.parametrize(
    ("target", "fstype"),
    [
        *(
            ("/mnt/", fstype)
            for fstype in ("nfs", "cifs", "ramfs", "hugetlbfs", "sysfs", "devpts", "cgroup2", "9p", "")
        ),
        ("/sys/fs/bpf/", "bpf"),
    ],
)
@pytest.mark.parametrize("flags", [0, RDONLY, NOSUID | SILENT], ids=hex)
def test_a_file_system_that_is_not_named_is_denied(policy: Policy, target: str, fstype: str, flags: int) -> None:
    assert not policy.mount(target, "source", fstype, flags)


@pytest.mark.parametrize("flags", [REMOUNT | BIND | RDONLY, REMOUNT | BIND | RDONLY | REC, REMOUNT | SILENT], ids=hex)
def test_remounts_need_no_line_of_the_site(policy: Policy, flags: int) -> None:
    assert policy.mount("/proc/sys/", flags=flags)


def test_what_is_mounted_can_be_shown_twice_and_not_moved_anywhere(policy: Policy) -> None:
    assert policy.mount("/mnt/", "/var/", flags=BIND | REC)
    assert not policy.mount("/mnt/", "/var/", flags=MOVE)
