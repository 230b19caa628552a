"""What is asked of runc: less where this container may not do it, and a limit on memory."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.sandbox import IMAGE, applets

_BUNDLE = {
    "ociVersion": "1.2.0",
    "process": {"env": ['TEXT="oomScoreAdj":-7'], "args": ['{"oomScoreAdj": 3}'], "oomScoreAdj": 0},
    "hostname": "x",
}


def run(tmp_path: Path, shell: str, own: int, config: str, *arguments: str, **variables: str) -> tuple[str, str]:
    """Calls it as the containerd shim does, from a process with that score. Returns the file afterwards and runc's arguments."""
    wrapper, real, bundle = tmp_path / "private/runc-wrapper", tmp_path / "bin", tmp_path / "bundle"
    for folder in (wrapper, real, bundle):
        folder.mkdir(parents=True, exist_ok=True)
    if not (wrapper / "runc").is_symlink():
        (wrapper / "runc").symlink_to(IMAGE / "runc-wrapper")
    (real / "runc").write_text('#!/bin/sh\necho "$@"\n')
    (real / "runc").chmod(0o755)
    if shell == "busybox":
        applets(real, ["sed"])
    (bundle / "config.json").write_text(config)
    line = (
        f'echo {own} >/proc/self/oom_score_adj; exec {shell} {"sh " if shell == "busybox" else ""}{wrapper}/runc "$@"'
    )
    done = subprocess.run(
        ["sh", "-c", line, "sh", *arguments],
        env={"PATH": f"{wrapper}:{real}:/usr/bin:/bin", **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    return (bundle / "config.json").read_text(), done.stdout.strip()


def create(tmp_path: Path) -> list[str]:
    return ["--root", "/r", "--log", "/l", "create", "--bundle", str(tmp_path / "bundle"), "--pid-file", "/p", "id"]


@pytest.mark.parametrize("space", [(",", ":"), (", ", ": ")], ids=["tight", "spaced"])
def test_a_lower_score_than_ones_own_becomes_ones_own_and_nothing_else_changes(
    tmp_path: Path, shell: str, space: tuple[str, str]
) -> None:
    arguments = create(tmp_path)
    after, called = run(tmp_path, shell, 870, json.dumps(_BUNDLE, separators=space), *arguments)
    assert json.loads(after) == {**_BUNDLE, "process": {**_BUNDLE["process"], "oomScoreAdj": 870}}  # type: ignore[dict-item]
    assert called == " ".join(arguments)


@pytest.mark.parametrize(("asked", "given"), [(-500, 870), (870, 870), (1000, 1000)])
def test_only_what_is_lower_is_raised(tmp_path: Path, shell: str, asked: int, given: int) -> None:
    config = json.dumps({"process": {"oomScoreAdj": asked}})
    after, _ = run(tmp_path, shell, 870, config, "run", f"--bundle={tmp_path / 'bundle'}", "id")
    assert json.loads(after) == {"process": {"oomScoreAdj": given}}


@pytest.mark.parametrize("arguments", [["--version"], ["delete", "--force", "id"], ["exec", "--process", "/f", "id"]])
def test_other_commands_are_passed_on(tmp_path: Path, shell: str, arguments: list[str]) -> None:
    config = json.dumps(_BUNDLE)
    assert run(tmp_path, shell, 870, config, *arguments) == (config, " ".join(arguments))


def test_a_bundle_without_a_score_stays_as_it_is(tmp_path: Path, shell: str) -> None:
    config = json.dumps({"process": {"args": ["true"]}})
    assert run(tmp_path, shell, 870, config, "create", "-b", str(tmp_path / "bundle"), "id")[0] == config


LIMIT = 402653184
DEVICES = [{"allow": False, "access": "rwm"}]
RESOURCES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "as of docker run": ({"devices": DEVICES, "memory": {}, "cpu": {"shares": 0}}, {"memory": {"limit": LIMIT}}),
    "with a limit": ({"memory": {"limit": 67108864, "swap": 134217728}, "devices": DEVICES}, {}),
    "with another setting": (
        {"memory": {"swappiness": 0, "disableOOMKiller": False}},
        {"memory": {"limit": LIMIT, "swappiness": 0, "disableOOMKiller": False}},
    ),
    "as of a build": ({"devices": DEVICES, "pids": {"limit": 0}}, {"memory": {"limit": LIMIT}}),
    "none at all": ({}, {"memory": {"limit": LIMIT}}),
}


@pytest.mark.parametrize("space", [(",", ":"), (", ", ": ")], ids=["tight", "spaced"])
@pytest.mark.parametrize("which", list(RESOURCES))
def test_without_a_limit_of_its_own_a_container_gets_what_all_may_have(
    tmp_path: Path, shell: str, space: tuple[str, str], which: str
) -> None:
    """So that programs which read the limit of their cgroup see what there is."""
    asked, changed = RESOURCES[which]
    process = {"env": ['"memory":{}', '"resources":{}'], "args": ['{"memory": {"limit": 1}}'], "oomScoreAdj": 0}
    config = {"process": process, "linux": {"resources": asked, "cgroupsPath": "/docker/id"}}
    (file := tmp_path / "limit").write_text(f"{LIMIT}\n")
    text = json.dumps(config, separators=space)
    after, _ = run(tmp_path, shell, 0, text, *create(tmp_path), DIND_NESTED_MEMORY=str(file))
    assert json.loads(after) == {**config, "linux": {"resources": {**asked, **changed}, "cgroupsPath": "/docker/id"}}


def test_a_score_that_can_be_lowered_is_lowered(tmp_path: Path, shell: str) -> None:
    """The wrapper is there for another reason than the score."""
    config = json.dumps(_BUNDLE)
    assert run(tmp_path, shell, 870, config, *create(tmp_path))[0] != config
    (tmp_path / "private/runc-wrapper/oom-score-can-be-lowered").touch()
    assert run(tmp_path, shell, 870, config, *create(tmp_path))[0] == config


def test_where_all_containers_together_have_no_limit_none_gets_one(tmp_path: Path, shell: str) -> None:
    config = json.dumps({"linux": {"resources": {"memory": {}}}})
    (file := tmp_path / "limit").write_text("max\n")
    assert run(tmp_path, shell, 0, config, *create(tmp_path), DIND_NESTED_MEMORY=str(file))[0] == config
    assert run(tmp_path, shell, 0, config, *create(tmp_path))[0] == config


MOUNTS = [
    {"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid", "noexec", "nodev"]},
    {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "noexec", "nodev"]},
    {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["rw", "nosuid"]},
]


@pytest.mark.parametrize("inside", [True, False], ids=["in a user namespace", "outside of any"])
def test_sysfs_is_asked_for_read_only_in_a_user_namespace_alone(tmp_path: Path, shell: str, inside: bool) -> None:
    """What `docker run --privileged` makes of it: the option `ro` is taken away."""
    (bundle := tmp_path / "bundle").mkdir()
    (bundle / "config.json").write_text(json.dumps({"mounts": MOUNTS}, separators=(",", ":")))
    (folder := tmp_path / "runc-wrapper").mkdir()
    (folder / "runc").symlink_to(IMAGE / "runc-wrapper")
    (real := tmp_path / "bin").mkdir()
    (real / "runc").write_text("#!/bin/sh\nexit 0\n")
    (real / "runc").chmod(0o755)
    if shell == "busybox":
        applets(real, ["sed"])
    enter = ["unshare", "--user", "--map-root-user"] if inside else []
    subprocess.run(
        [
            *enter,
            *([shell, "sh"] if shell == "busybox" else [shell]),
            folder / "runc",
            "create",
            "--bundle",
            bundle,
            "id",
        ],
        env={"PATH": f"{folder}:{real}:/usr/bin:/bin"},
        check=True,
    )
    after = json.loads((bundle / "config.json").read_text())["mounts"]
    expected = [dict(item) for item in MOUNTS]
    if inside:
        expected[1]["options"] = ["ro", "nosuid", "noexec", "nodev"]
    assert after == expected
