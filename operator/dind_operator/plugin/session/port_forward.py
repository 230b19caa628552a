"""Runs `kubectl port-forward` to the pod of an environment as a child process. The local port does not change."""

from __future__ import annotations

import re
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from dind_operator.features.endpoint.service import PORT
from dind_operator.plugin.errors import CliError, Exit
from dind_operator.plugin.kubectl import Kubectl

_FORWARDING = re.compile(r"^Forwarding from 127\.0\.0\.1:(\d+) ->")
_START_SECONDS = 15
_END_SECONDS = 5
_LOOK_SECONDS = 0.1


class PortForward:
    """The forwarded port. ``port`` is 0 until the first start. Later starts use the same port, so clients can reconnect.

    A start fails as soon as ``abandoned`` returns true.
    """

    def __init__(self, kubectl: Kubectl, name: str, abandoned: Callable[[], bool] = lambda: False) -> None:
        self._kubectl = kubectl
        self._name = name
        self._abandoned = abandoned
        self._process: subprocess.Popen[str] | None = None
        self._forwarding = threading.Event()
        self._ended = threading.Event()
        self.port = 0
        self.last_line = ""

    @property
    def pid(self) -> int:
        return self._process.pid if self._process is not None else 0

    def is_running(self) -> bool:
        """Whether kubectl is running and has reported the port."""
        return self._process is not None and self._process.poll() is None and self._forwarding.is_set()

    def start(self) -> None:
        """Forward the port to the current pod, and stop the previous process. Raises CliError if kubectl fails to start."""
        self.stop()
        self._forwarding, self._ended = threading.Event(), threading.Event()
        # IPv4 only: the IPv6 port with the same number may be in use.
        command = self._kubectl.command(
            "port-forward", "--address=127.0.0.1", f"pods/{self._name}", f"{self.port or ''}:{PORT}"
        )
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        # kubectl prints a line for each connection, and would block if nobody read them.
        threading.Thread(target=self._read, args=(self._process, self._forwarding, self._ended), daemon=True).start()
        end = time.monotonic() + _START_SECONDS
        while not self._forwarding.wait(_LOOK_SECONDS):
            if self._ended.is_set() or time.monotonic() > end or self._abandoned():
                self.stop()
                raise CliError(
                    f"kubectl port-forward to {self._name} failed: {self.last_line or 'no output'}", Exit.NOT_READY
                )

    def stop(self) -> None:
        """Terminate kubectl and wait until it has exited."""
        if self._process is None:
            return
        with suppress(ProcessLookupError):
            self._process.terminate()
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def _read(self, process: subprocess.Popen[str], forwarding: threading.Event, ended: threading.Event) -> None:
        assert process.stdout is not None
        with process.stdout as lines:
            for line in lines:
                found = _FORWARDING.match(line)
                if found:
                    self.port = int(found[1])
                    forwarding.set()
                else:
                    self.last_line = line.strip()
        ended.set()
