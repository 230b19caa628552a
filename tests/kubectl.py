"""Runs kubectl for tests, with its own kubeconfig and cache."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any


class Kubectl:
    """kubectl against one API server, with its own empty cache, so that no test learns from another run's discovery."""

    def __init__(self, kubeconfig: Path, home: Path) -> None:
        self._environment = {**os.environ, "KUBECONFIG": str(kubeconfig), "KUBECACHEDIR": str(home)}

    def __call__(self, *arguments: str, stdin: str | None = None, timeout: float = 60) -> str:
        """What kubectl printed. Raises AssertionError with its words when it failed."""
        done = self.run(*arguments, stdin=stdin, timeout=timeout)
        assert done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stderr}"
        return done.stdout

    def run(self, *arguments: str, stdin: str | None = None, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """The finished command; the caller looks at its exit code. `timeout` is in seconds."""
        return subprocess.run(
            ["kubectl", *arguments],
            input=stdin,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def json(self, *arguments: str, stdin: str | None = None) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self(*arguments, "-o", "json", stdin=stdin))
        return found
