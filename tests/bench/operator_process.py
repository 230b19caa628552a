"""The operator as a process of its own, as in a cluster, and what it costs."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.cluster.controlplane import free_ports
from tests.cluster.process import wait_until
from tests.cluster.progress import ClusterError

ROOT = Path(__file__).parents[2]
READY_SECONDS = 60
_TICKS = os.sysconf("SC_CLK_TCK")


class OperatorProcess:
    """`python -m dind_operator run` against a kubeconfig, leading and ready inside the `with` block."""

    def __init__(self, kubeconfig: Path, *, ready_seconds: float = READY_SECONDS, **settings: str) -> None:
        self._ready_seconds = ready_seconds
        self._kubeconfig = kubeconfig
        self._settings = settings
        self._port = free_ports(1)[0]
        self._log = tempfile.NamedTemporaryFile(prefix="dind-operator-", suffix=".log")  # noqa: SIM115 - closed in __exit__
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        # As the chart starts it: with leader election and JSON logs.
        settings = {
            "DIND_DAEMON_IMAGE": "dind.local/daemon:dev",
            "DIND_NODE_TOOL_IMAGE": "dind.local/node-tool:dev",
            "DIND_LISTEN_PORT": str(self._port),
            "DIND_POD_NAMESPACE": "default",
            **self._settings,
        }
        own = {
            "PATH": os.environ["PATH"],
            "HOME": os.environ.get("HOME", "/root"),
            "PYTHONPATH": str(ROOT / "operator"),
        }
        self._process = subprocess.Popen(
            # Should the benchmark be killed, its operator must not go on working.
            ["setpriv", "--pdeathsig", "KILL", "--", sys.executable, "-m", "dind_operator", "run"],
            env={**own, "KUBECONFIG": str(self._kubeconfig), **settings},
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )
        if not wait_until(lambda: self._ready() or self._process_ended(), self._ready_seconds) or self._process_ended():
            log = Path(self._log.name).read_text()[-3000:]
            self.__exit__(None, None, None)
            raise ClusterError(f"The operator did not become ready. The end of its log:\n{log}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self._log.close()

    def _process_ended(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def _ready(self) -> bool:
        with suppress(OSError, urllib.error.URLError):
            # No proxy: it listens on this machine.
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            with opener.open(f"http://127.0.0.1:{self._port}/readyz", timeout=2) as answer:
                # A follower is ready too; the gauge tells whether it leads and has listed everything.
                leading = opener.open(f"http://127.0.0.1:{self._port}/metrics", timeout=2).read()
                return answer.status == 200 and b"dind_operator_leader 1.0" in leading
        return False

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def cpu_seconds(self) -> float:
        """User and system time so far, all threads."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def rss_mib(self) -> float:
        """Resident memory now."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        raise ClusterError(f"/proc/{self.pid}/status contains no VmRSS")

    def log(self) -> str:
        """All it wrote."""
        return Path(self._log.name).read_text()

    def cpu_share(self, seconds: float) -> float:
        """Percent of one core it uses over the next `seconds`."""
        begin, clock = self.cpu_seconds(), time.monotonic()
        time.sleep(seconds)
        return 100 * (self.cpu_seconds() - begin) / (time.monotonic() - clock)
