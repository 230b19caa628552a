"""Operators and nodes for the tests. The operators have the chart's own service account and rights, and are under its policy for the
account, so that every test here also proves that the chart grants enough.

Each test has a namespace and a node of its own; operators are started by the tests, behind a proxy each.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.cluster.controlplane import ControlPlane
from tests.cluster.pki import Authority
from tests.integration.harness import account
from tests.integration.harness.kubelet import Kubelet
from tests.integration.harness.proxy import Proxy
from tests.integration.harness.running import RunningOperator
from tests.integration.harness.space import Space
from tests.kube.api import Api

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def token(plane: ControlPlane, api: Api) -> str:
    """Of the operator's service account, after the policy for it is in force."""
    text = account.token_of(api)
    with account.holding(plane, text) as client:
        account.wait_in_force(client)
    return text


@pytest.fixture(scope="session")
def serving(plane: ControlPlane) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 of the cluster's authority, and its key: of proxies and kubelets."""
    return Authority(plane.layout.pki).issue("loopback", "/CN=loopback", ["IP:127.0.0.1"])


@contextmanager
def running_kubelet(api: Api, serving: tuple[Path, Path]) -> Iterator[Kubelet]:
    made = Kubelet(api, f"node-{next(_numbers)}", *serving)
    made.register()
    yield made
    made.close()


@pytest.fixture
def kubelet(api: Api, serving: tuple[Path, Path]) -> Iterator[Kubelet]:
    with running_kubelet(api, serving) as made:
        yield made


class Operators:
    """Starts operators and ends those a test left."""

    def __init__(self, plane: ControlPlane, api: Api, serving: tuple[Path, Path], token: str, folder: Path) -> None:
        self._plane = plane
        self._api = api
        self._serving = serving
        self._token = token
        self._folder = folder
        self._started: list[RunningOperator] = []

    def proxy(self, only: str | None = None) -> Proxy:
        """A proxy of its own, where faults are to be set before the operator starts."""
        proxy = Proxy(self._plane.url, self._plane.ca, *self._serving, only=only).start()
        # The environments of earlier tests may be there for a while yet, and an operator with other settings writes to them.
        spaces = self._api.items("/api/v1/namespaces")
        proxy.left = {space["metadata"]["name"] for space in spaces if "deletionTimestamp" in space["metadata"]}
        return proxy

    def __call__(self, proxy: Proxy | None = None, *, token: str | None = None, **settings: Any) -> RunningOperator:
        """An operator that has begun to start; settings are those of `Settings`, and a `clock`."""
        folder = self._folder / f"operator-{len(self._started)}"
        folder.mkdir()
        made = RunningOperator(proxy or self.proxy(), folder, self._plane.ca, token or self._token, **settings)
        self._started.append(made)
        return made

    def close(self) -> None:
        for operator in self._started:
            operator.proxy.heal()
            operator.kill()
            operator.proxy.stop()


@pytest.fixture
def start(plane: ControlPlane, api: Api, serving: tuple[Path, Path], token: str, tmp_path: Path) -> Iterator[Operators]:
    """Starts operators. `start(...)` returns at once; `.wait_ready()` waits."""
    operators = Operators(plane, api, serving, token, tmp_path)
    yield operators
    operators.close()
    left = [thread.name for thread in threading.enumerate() if thread.name in ("operator", "proxy")]
    assert left == [], "threads were left behind"


@pytest.fixture
def operator(start: Operators, space: Space) -> RunningOperator:
    """One operator that works, with the settings of `SETTINGS`."""
    return start().wait_ready()
