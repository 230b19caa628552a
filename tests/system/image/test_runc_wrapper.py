"""What is asked of runc where oom_score_adj may not be lowered."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from tests.sandbox import IMAGE, applets

_BUNDLE = {
    "ociVersion": "1.2.0",
    "process": {"env": ['TEXT="oomScoreAdj":-7'], "args": ['{"oomScoreAdj": 3}'], "oomScoreAdj": 0},
    "hostname": "x",
}


def run(tmp_path: Path, shell: str, own: int, config: str, *arguments: str) -> tuple[str, str]:
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
        env={"PATH": f"{wrapper}:{real}:/usr/bin:/bin"},
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
