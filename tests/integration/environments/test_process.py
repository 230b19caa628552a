"""The operator as a program: `python -m dind_operator run`, its log, its end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import urllib3
from tests.cluster.controlplane import ControlPlane, free_ports
from tests.integration.harness.kubelet import Kubelet
from tests.integration.harness.paths import environments
from tests.integration.harness.running import kubeconfig
from tests.integration.harness.space import Space
from tests.kube.api import Api
from tests.kube.eventually import eventually

from dind_operator.api import json_codec

ROOT = Path(__file__).parents[3]


class Program:
    """One process, its port and what it wrote."""

    def __init__(self, folder: Path, config: dict[str, object], **variables: str) -> None:
        self.port = free_ports(1)[0]
        self._log = folder / "log"
        path = folder / "kubeconfig"
        path.write_text(json.dumps(config))
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "PYTHONPATH": str(ROOT / "operator"),
            "KUBECONFIG": str(path),
            "DIND_DAEMON_IMAGE": "images.test/daemon:1",
            "DIND_NODE_TOOL_IMAGE": "images.test/node-tool:1",
            "DIND_LEADER_ELECTION": "false",
            "DIND_LISTEN_PORT": str(self.port),
            **variables,
        }
        with self._log.open("wb") as log:
            command = [sys.executable, "-m", "dind_operator", "run"]
            self.process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=folder)

    @property
    def text(self) -> str:
        return self._log.read_text()

    def ready(self) -> bool:
        assert self.process.poll() is None, self.text
        try:
            return (
                urllib3.request("GET", f"http://127.0.0.1:{self.port}/readyz", retries=False, timeout=5).status == 200
            )
        except urllib3.exceptions.HTTPError:
            return False

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return self.process.wait(20)


@pytest.fixture
def programs(tmp_path: Path) -> Iterator[list[Program]]:
    started: list[Program] = []
    yield started
    for program in started:
        if program.process.poll() is None:
            program.end(signal.SIGKILL)


def test_its_log_and_its_end(
    programs: list[Program], plane: ControlPlane, token: str, space: Space, kubelet: Kubelet, tmp_path: Path
) -> None:
    """At level debug every line is a JSON object, those about an environment name it, no credential is in any, and
    SIGTERM ends it in order with exit code 0."""
    program = Program(tmp_path, kubeconfig(plane.url, plane.ca, token), DIND_LOG_LEVEL="debug")
    programs.append(program)
    eventually(program.ready, "readiness", story=lambda: program.text[-2000:])
    space.create(spec={"daemon": {"config": {"proxies": {"http-proxy": "http://user:hunter2@proxy.test"}}}})
    kubelet.run(space.wait_pod())
    space.wait_reason("Ready")
    # The status is written before the line is.
    eventually(lambda: '"phase": "Running"' in program.text, "the line about it", story=lambda: program.text[-2000:])
    assert program.end(signal.SIGTERM) == 0, program.text[-3000:]
    lines = [json.loads(line) for line in program.text.splitlines()]
    assert lines
    about = [line for line in lines if line.get("environment") == "one" and line.get("namespace") == space.name]
    assert any(line.get("phase") == "Running" for line in about), lines
    for line in lines:
        assert {"time", "level", "logger", "message"} <= line.keys()
    assert token not in program.text
    assert token.split(".")[2] not in program.text, "not even the token's signature alone"
    assert "hunter2" not in program.text, "a user's secret in the spec"
    assert "Traceback" not in program.text


def test_a_token_that_is_refused_ends_it(
    programs: list[Program], plane: ControlPlane, api: Api, tmp_path: Path
) -> None:
    """It does not wait for ever with credentials that will never do: it ends with a code that restarts it."""
    program = Program(tmp_path, kubeconfig(plane.url, plane.ca, "not-a-token"))
    programs.append(program)
    assert program.process.wait(30) != 0
    assert "not-a-token" not in program.text


DEPTHS = (40, 300, 1200, 9000)
"""Levels: more than are read, as many as the interpreter decodes, more than that, and nearly as many as the API server stores."""


def test_objects_that_are_nested_deeply_are_invalid_and_harm_nobody(
    programs: list[Program], plane: ControlPlane, token: str, space: Space, kubelet: Kubelet, tmp_path: Path
) -> None:
    """Once as events of the watch, and once in the first list of an operator that starts; later in the list of a resync."""
    json_codec.install()  # for this process, which reads them, too

    def started(name: str) -> Program:
        (tmp_path / name).mkdir()
        program = Program(tmp_path / name, kubeconfig(plane.url, plane.ca, token), DIND_RESYNC_SECONDS="1")
        programs.append(program)
        eventually(program.ready, "ready", story=lambda: program.text)
        return program

    def invalid() -> None:
        for depth in DEPTHS:
            told = space.wait_reason("InvalidSpec", name=f"deep-{depth}")
            assert told["message"].startswith("spec.daemon.config must not be nested more than 32 levels deep")

    first = started("first")
    for depth in DEPTHS:
        text = json.dumps(
            {
                "apiVersion": "dind.dev/v1alpha1",
                "kind": "DindEnvironment",
                "metadata": {"name": f"deep-{depth}"},
                "spec": {"daemon": {"config": {"x": "DEEP"}}, "lifetime": {"ttl": "30d"}},
            }
        )
        space.api.call("POST", environments(space.name), text.replace('"DEEP"', "[" * depth + "]" * depth))
    invalid()
    assert first.end(signal.SIGTERM) == 0
    second = started("second")
    space.create()
    kubelet.run(space.wait_pod())
    space.wait_reason("Ready")
    for depth in DEPTHS:
        space.change({"operatingMode": "Suspended"}, f"deep-{depth}")
        space.wait_reason("Suspended", name=f"deep-{depth}")
    time.sleep(3)  # resyncs, which nobody tells of here
    assert second.ready()
    assert [space.pod(f"deep-{depth}") for depth in DEPTHS] == [None] * len(DEPTHS)
    assert "Traceback" not in first.text + second.text
    assert '"level": "error"' not in first.text + second.text
