"""What the entrypoint gives to dockerd, which is a script here that tells what it got. Real daemons: tests/integration/image."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.sandbox import Sandbox, told

MakeSandbox = Callable[..., Sandbox]

DOCKERD = """#!/bin/sh
case $1 in
--version) echo "Docker version 28.5.2, build abc" ;;
--validate) {validate} ;;
*) echo "arguments $*"; cat /run/dind-private/daemon.json; echo "variables $(env | tr '\\n' ' ')" ;;
esac
"""


class Image:
    """A daemon's image, as PATH shows it."""

    def __init__(self, folder: Path, box: Sandbox, tool: Path) -> None:
        self.bin, self.log, self.box, self.tool = folder / "bin", folder / "termination-log", box, tool
        self.bin.mkdir()
        self.log.touch()
        self.dockerd(DOCKERD.format(validate="exit 0"))

    def dockerd(self, script: str) -> None:
        (self.bin / "dockerd").write_text(script)
        (self.bin / "dockerd").chmod(0o755)

    def environment(self, variables: dict[str, str]) -> dict[str, str]:
        return {"PATH": f"{self.bin}:/usr/bin:/bin", "DIND_TERMINATION_LOG": str(self.log), **variables}

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return self.box.run(self.tool / "entrypoint", *arguments, env=self.environment(variables))

    def given(self, *arguments: str, **variables: str) -> tuple[list[str], str, str]:
        """The arguments, daemon.json and the variables that dockerd got."""
        done = self.run(*arguments, **variables)
        lines = done.stdout.splitlines()
        (first,) = (index for index, line in enumerate(lines) if line.startswith("arguments "))
        return lines[first].split()[1:], lines[first + 1], lines[first + 2]

    def error(self) -> dict[str, Any]:
        report = json.loads(self.log.read_text())
        assert list(report) == ["version", "docker", "exitCode", "error"]
        assert (report["version"], report["exitCode"]) == (1, 1)
        error: dict[str, Any] = report["error"]
        return {"docker": report["docker"], **error}


@pytest.fixture
def image(tmp_path: Path, make_sandbox: MakeSandbox, tool: Path) -> Image:
    return Image(tmp_path, make_sandbox(), tool)


def test_without_a_configuration_it_listens_on_the_socket_alone(image: Image) -> None:
    arguments, config, variables = image.given("--debug")
    assert arguments == ["--config-file=/run/dind-private/daemon.json", "--debug"]
    found = json.loads(config)
    assert found["hosts"] == ["unix:///var/run/docker.sock"]
    assert (found["cgroup-parent"], found["data-root"]) == ("/docker", "/var/lib/docker")
    assert {"bip", "default-address-pools"} <= set(found), "networks are chosen"
    assert " container=docker " in variables


def test_what_the_user_has_set_stays_and_the_rest_is_added(image: Image) -> None:
    given = {"mtu": 1234, "labels": ["a<b&c"], "features": {"x": True}}
    _, config, variables = image.given(**told(daemonConfig=given))
    found = json.loads(config)
    assert (found["mtu"], found["labels"], found["features"]) == (1234, ["a<b&c"], {"x": True})
    assert "bip" in found
    assert "hosts" not in found, "a configuration is whole"
    assert "DIND_NODE_CONFIG" not in variables, "it may have secrets"


def test_what_the_operator_has_decided_is_not_chosen(image: Image) -> None:
    _, config, _ = image.given(
        **told(network={"bridgeAddress": "10.9.0.1/24", "addressPools": ["10.10.0.0/16"]}, daemonConfig={})
    )
    assert not {"bip", "default-address-pools"} & set(json.loads(config))


def test_an_argument_decides_as_a_member_does(image: Image) -> None:
    _, config, _ = image.given("--bip=10.9.0.1/24")
    found = json.loads(config)
    assert "bip" not in found
    assert "default-address-pools" in found


def test_dockerds_own_sentence_about_its_configuration_is_reported(image: Image) -> None:
    image.dockerd(DOCKERD.format(validate="echo 'unknown key: x'; exit 1"))
    assert image.run().returncode == 1
    error = image.error()
    assert (error["docker"], error["check"], error["reason"]) == ("28.5.2", "Daemon", "ConfigInvalid")
    assert "dockerd 28.5.2 refuses its configuration: unknown key: x. Correct daemon.config" in error["message"]


def test_an_image_without_dockerd_is_refused(image: Image) -> None:
    (image.bin / "dockerd").unlink()
    assert image.run().returncode == 1
    error = image.error()
    assert (error["docker"], error["reason"]) == (None, "DaemonNotFound")
    assert f"The image has no dockerd in PATH ({image.bin}:/usr/bin:/bin)." in error["message"]


def test_a_dockerd_that_does_not_run_here_is_refused(image: Image) -> None:
    image.dockerd("no program")
    assert image.run().returncode == 1
    error = image.error()
    assert error["reason"] == "DaemonNotRunnable"
    assert "exec format error" in error["message"]


@pytest.mark.parametrize("signal_sent", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_pid_1_is_not_lost_before_dockerd_runs(image: Image, tmp_path: Path, signal_sent: int) -> None:
    """The kernel gives PID 1 no signal that it has no handler for; the pod would wait for its whole grace period."""
    image.dockerd(f"#!/bin/sh\necho asked >{tmp_path}/asked; exec sleep 60\n")
    with image.box.start(image.tool / "entrypoint", env=image.environment({})) as process:
        deadline = time.monotonic() + 30
        while not (tmp_path / "asked").exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        (child,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        subprocess.run(["kill", f"-{signal_sent}", child], check=True)
        assert process.wait(30) == 143
