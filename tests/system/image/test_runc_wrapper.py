"""dind-node under the name runc, as the containerd shim calls it: what it changes, and that runc is called with it."""

from __future__ import annotations

import json
import os
import resource
import subprocess
from pathlib import Path
from typing import Any

import pytest

_BUNDLE: dict[str, Any] = {
    "ociVersion": "1.2.0",
    "process": {"env": ['TEXT="oomScoreAdj":-7'], "args": ['{"oomScoreAdj": 3}'], "oomScoreAdj": 0},
    "linux": {"resources": {"memory": {}, "devices": [{"allow": False, "access": "rwm"}]}, "seccomp": {"n": 2**64 - 1}},
    "mounts": [{"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "noexec"]}],
}


class Wrapper:
    """The link in a folder of its own, first in PATH, and behind it a runc that prints its arguments and its PATH."""

    def __init__(self, helper: Path, folder: Path) -> None:
        self.folder, self.real, self.bundle = folder / "runc-wrapper", folder / "bin", folder / "bundle"
        for each in (self.folder, self.real, self.bundle):
            each.mkdir()
        (self.folder / "runc").symlink_to(helper)
        (self.real / "runc").write_text('#!/bin/sh\necho "$@"\necho "$PATH"\n')
        (self.real / "runc").chmod(0o755)
        self.settings()

    def settings(self, **found: Any) -> None:
        (self.folder / "settings.json").write_text(json.dumps(found))

    def call(self, *arguments: str, config: str | None = None, score: int = 0, enter: str = "") -> list[str]:
        if config is not None:
            (self.bundle / "config.json").write_text(config)
        line = f'echo {score} >/proc/self/oom_score_adj; exec {enter} runc "$@"'
        done = subprocess.run(
            ["sh", "-c", line, "sh", *arguments],
            env={"PATH": f"{self.folder}:{self.real}:/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stderr == ""
        return done.stdout.splitlines()

    def create(self, config: Any, **more: Any) -> Any:
        called = ["--root", "/r", "--log", "/l", "create", "--bundle", str(self.bundle), "--pid-file", "/p", "id"]
        assert self.call(*called, config=json.dumps(config), **more)[0] == " ".join(called)
        return json.loads((self.bundle / "config.json").read_text())


@pytest.fixture
def wrapper(helper: Path, tmp_path: Path) -> Wrapper:
    return Wrapper(helper, tmp_path)


def test_a_score_that_may_not_be_lowered_is_kept(wrapper: Wrapper) -> None:
    wrapper.settings(keepOOMScore=True)
    expected = {**_BUNDLE, "process": {**_BUNDLE["process"], "oomScoreAdj": 870}}
    assert wrapper.create(_BUNDLE, score=870) == expected


def test_a_container_gets_the_limit_of_all_and_the_proxy(wrapper: Wrapper, tmp_path: Path) -> None:
    (file := tmp_path / "limit").write_text("402653184\n")
    wrapper.settings(memoryLimitFile=str(file), proxy=["HTTP_PROXY=http://a&<b>"])
    after = wrapper.create(_BUNDLE)
    assert after["linux"] == {
        **_BUNDLE["linux"],
        "resources": {**_BUNDLE["linux"]["resources"], "memory": {"limit": 402653184}},
    }
    assert after["process"]["env"] == ["HTTP_PROXY=http://a&<b>", *_BUNDLE["process"]["env"]]


@pytest.mark.parametrize("inside", [True, False], ids=["in a user namespace", "outside of any"])
def test_sysfs_is_asked_for_read_only_in_a_user_namespace_alone(wrapper: Wrapper, inside: bool) -> None:
    """What `docker run --privileged` makes of it: the option `ro` is taken away."""
    after = wrapper.create(_BUNDLE, enter="unshare --user --map-root-user" if inside else "")
    assert after["mounts"][0]["options"] == (["ro"] if inside else []) + ["nosuid", "noexec"]


def test_a_ulimit_above_what_may_be_had_is_lowered(wrapper: Wrapper) -> None:
    """Without CAP_SYS_RESOURCE on the node, here in a user namespace, runc would fail at it and no container start."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    asked = [
        {"type": "RLIMIT_NOFILE", "hard": most + 1, "soft": most + 1},
        {"type": "RLIMIT_CORE", "hard": 0, "soft": 0},
    ]
    config = {"process": {"rlimits": asked}}
    after = wrapper.create(config, enter="unshare --user --map-root-user")
    assert after["process"]["rlimits"] == [{"type": "RLIMIT_NOFILE", "hard": most, "soft": most}, asked[1]]


@pytest.mark.parametrize("arguments", [["--version"], ["delete", "--force", "id"], ["exec", "--process", "/f", "id"]])
def test_other_commands_are_passed_on_without_the_folder_in_path(wrapper: Wrapper, arguments: list[str]) -> None:
    assert wrapper.call(*arguments) == [" ".join(arguments), f"{wrapper.real}:/usr/bin:/bin"]


def test_a_process_that_enters_a_container_has_the_proxy(wrapper: Wrapper, tmp_path: Path) -> None:
    wrapper.settings(proxy=["HTTP_PROXY=http://p"], keepOOMScore=True)
    (file := tmp_path / "process.json").write_text('{"env": ["A=B"]}')
    wrapper.call("exec", "--process", str(file), "id")
    assert json.loads(file.read_text()) == {"env": ["HTTP_PROXY=http://p", "A=B"]}


@pytest.mark.parametrize("settings", ["", "{", '{"other": 1}', None])
def test_nothing_that_is_wrong_here_keeps_a_container_from_starting(wrapper: Wrapper, settings: str | None) -> None:
    file = wrapper.folder / "settings.json"
    file.unlink() if settings is None else file.write_text(settings)
    assert wrapper.create(_BUNDLE, score=870) == _BUNDLE


@pytest.mark.parametrize("config", ["", "{", "null"])
def test_what_is_no_configuration_is_left_to_runc(wrapper: Wrapper, config: str) -> None:
    wrapper.settings(proxy=["A=B"])
    wrapper.call("create", "--bundle", str(wrapper.bundle), "id", config=config)
    assert (wrapper.bundle / "config.json").read_text() == config


def installed(helper: Path, folder: Path, *arguments: str, enter: str = "", **variables: str) -> tuple[str, Any]:
    """What `runc-settings` prints and writes; the hard limit of files is what a container is given at most."""
    done = subprocess.run(
        [*enter.split(), helper, "runc-settings", *arguments, folder],
        env={"PATH": os.environ["PATH"], **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    file = folder / "settings.json"
    if file.exists():
        assert file.stat().st_mode & 0o077 == 0, "it may contain a password"
        assert (folder / "runc").resolve() == helper.resolve()
    return done.stdout.strip(), json.loads(file.read_text()) if file.exists() else None


def test_it_is_installed_for_a_limit_and_for_a_proxy(helper: Path, tmp_path: Path) -> None:
    folder = tmp_path / "w"
    given = {"HTTPS_PROXY": 'http://us|er:p&a\\ss"w@p:3128/', "NO_PROXY": ".svc"}
    printed, settings = installed(helper, folder, "--proxy", "--memory", "/sys/fs/cgroup/x", **given)
    assert printed == str(folder)
    variables = [f"{spelled}={value}" for name, value in given.items() for spelled in (name, name.lower())]
    assert settings == {"memoryLimitFile": "/sys/fs/cgroup/x", "proxy": variables}


def test_it_is_installed_in_a_user_namespace(helper: Path, tmp_path: Path) -> None:
    """A pod of class Guaranteed has a score below what dockerd asks for; sysfs must be asked for read-only all the same."""
    printed, settings = installed(helper, tmp_path / "w", enter="unshare --user --map-root-user")
    assert (printed, settings) == (str(tmp_path / "w"), {"keepOOMScore": True})
