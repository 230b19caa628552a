"""The operator itself, in this process, in a thread of its own, behind a proxy of its own."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import urllib3
from kubernetes.aio import client, config
from tests.cluster.controlplane import free_ports
from tests.integration.harness.proxy import Proxy
from tests.kube.eventually import eventually

from dind_operator.manager.client import ApiCluster
from dind_operator.manager.log_format import JsonFormatter
from dind_operator.manager.manager import Operator
from dind_operator.manager.settings import Settings

SETTINGS: dict[str, Any] = {
    "daemon_image": "images.test/daemon:1",
    "node_tool_image": "images.test/node-tool:1",
    "leader_election": False,
    # The resync is out of the way unless a test is about it.
    "resync_seconds": 3600,
}
OFTEN = 0.3
"""Seconds between resyncs where a test waits for them; the settings themselves allow a second at least."""


def kubeconfig(url: str, ca: Path, token: str) -> dict[str, Any]:
    """For a client that has a token and no certificate."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": url, "certificate-authority": str(ca)}}],
        "users": [{"name": "u", "user": {"token": token}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }


class Clock:
    """The operator's clock. `passed` is what has passed beyond real time: for the API server, too, unless the operator's
    clock is `fast`, and so alone in that."""

    def __init__(self, *, fast: bool = False) -> None:
        self.passed = timedelta(0)
        self._fast = fast

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.passed

    def own_view_of_the_server(self) -> datetime:
        """The clock that the Date of an answer is compared with."""
        return self() if self._fast else datetime.now(UTC)


class _Lines(logging.Handler):
    """Keeps what the operator says, as the JSON it would write."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__()
        self._lines = lines
        self.setFormatter(JsonFormatter())

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append(self.format(record))


class RunningOperator:
    """Started on construction. `stop` ends it in order, `kill` as a SIGKILL would."""

    def __init__(
        self,
        proxy: Proxy,
        folder: Path,
        ca: Path,
        token: str,
        *,
        timeout: float = 20.0,
        clock: Clock | None = None,
        **settings: Any,
    ) -> None:
        self._clock = clock or Clock()
        self.proxy = proxy
        self.error: BaseException | None = None
        # Not 0: that would be two ports, one of IPv4 and one of IPv6.
        resync = settings.pop("resync_seconds", SETTINGS["resync_seconds"])
        chosen = Settings(**{**SETTINGS, "listen_port": free_ports(1)[0], **settings})
        self._settings = chosen.model_copy(update={"resync_seconds": resync})
        self._timeout = timeout
        self._kubeconfig = folder / "operator.kubeconfig"
        self._kubeconfig.write_text(json.dumps(kubeconfig(proxy.url, ca, token)))
        self._http = urllib3.PoolManager(retries=False, timeout=5, headers={"Connection": "close"})
        self._made = threading.Event()
        self.lines: list[str] = []
        self._handler = _Lines(self.lines)
        logging.getLogger("dind_operator").addHandler(self._handler)
        self._thread = threading.Thread(target=self._main, daemon=True, name="operator")
        self._thread.start()
        self._made.wait(10)

    def _main(self) -> None:
        try:
            asyncio.run(self._work())
        except asyncio.CancelledError:
            pass
        except BaseException as error:  # kept for the test, which asks for it
            self.error = error
        finally:
            self._made.set()

    async def _work(self) -> None:
        configuration = client.Configuration()
        await config.load_kube_config(config_file=str(self._kubeconfig), client_configuration=configuration)
        server = self._clock.own_view_of_the_server
        async with ApiCluster(client.ApiClient(configuration), timeout=self._timeout, clock=server) as cluster:
            self.operator = Operator(self._settings, cluster, self._clock)
            self._loop = asyncio.get_running_loop()
            task = self._task = asyncio.create_task(self.operator.run())
            self._made.set()
            await task

    # Looking at it

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def http(self, path: str) -> tuple[int, str]:
        """Ask its own port: code and text."""
        answer = self._http.request("GET", f"http://127.0.0.1:{self.operator.port}{path}")
        return answer.status, answer.data.decode()

    def wait_ready(self) -> RunningOperator:
        eventually(lambda: self.operator.port or not self.alive, "the operator's port")
        eventually(lambda: not self.alive or self._answers("/readyz"), "the operator's readiness")
        if self.error is not None:
            raise self.error
        assert self.alive, "the operator ended by itself"
        return self

    def _answers(self, path: str) -> bool:
        try:
            return self.http(path)[0] == 200
        except urllib3.exceptions.HTTPError:  # it has just ended, or not begun to listen
            return False

    def resyncs(self) -> int:
        """How many resyncs began: only they list page by page."""
        return self.proxy.count(lambda call: call.verb == "list" and "limit" in call.query and call.resource == "pods")

    def wait_resyncs(self, more: int) -> None:
        """Wait for that many more resyncs, and for the one after them to begin, so that their work is done."""
        goal = self.resyncs() + more + 1
        eventually(lambda: self.resyncs() >= goal, f"{more} resyncs")

    # Ending it

    def stop(self) -> None:
        if self.alive:
            self._loop.call_soon_threadsafe(self.operator.stop)
        self._join()

    def kill(self) -> None:
        """Nothing it does reaches the API server after this."""
        self.proxy.sever()
        self.bury()

    def bury(self) -> None:
        """Clear away an operator that is cut off."""
        if self.alive:
            self._loop.call_soon_threadsafe(self._task.cancel)
        self._join()

    def _join(self) -> None:
        logging.getLogger("dind_operator").removeHandler(self._handler)
        self._thread.join(20)
        assert not self._thread.is_alive(), "the operator does not end"
