"""Runs `kubectl dind` as its users do: kubectl finds the program on PATH. The program runs the sources of this checkout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
_PROGRAM = """#!/bin/sh
PYTHONPATH={source} exec {python} -c 'import sys; from {module} import main; sys.exit(main())' "$@"
"""
_PROGRAMS = {"kubectl-dind": "dind_operator.plugin.main", "kubectl_complete-dind": "dind_operator.plugin.completion"}


class Plugin:
    """Calls kubectl with a kubeconfig and a namespace. ``folder`` is the test's own: programs and sessions are below it."""

    def __init__(self, folder: Path, kubeconfig: Path, namespace: str, programs: tuple[Path, ...] = ()) -> None:
        self.namespace = namespace
        self.runtime = folder / "runtime"
        self.runtime.mkdir(parents=True)
        path = folder / "bin"
        path.mkdir()
        for name, module in _PROGRAMS.items():
            (path / name).write_text(_PROGRAM.format(source=ROOT / "operator", python=sys.executable, module=module))
            (path / name).chmod(0o755)
        self.environment = {
            "PATH": os.pathsep.join([str(path), *map(str, programs), os.environ["PATH"]]),
            "KUBECONFIG": str(kubeconfig),
            "KUBECACHEDIR": str(folder / "cache"),
            "XDG_RUNTIME_DIR": str(self.runtime),
            "HOME": str(folder),
            "SHELL": "/bin/sh",
        }

    def run(
        self, *arguments: str, stdin: str = "", timeout: float = 120, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """One command in the namespace; the caller looks at the exit code."""
        command, *rest = arguments
        return subprocess.run(
            ["kubectl", "dind", command, f"--namespace={self.namespace}", *rest],
            env=self.environment | environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def __call__(self, *arguments: str, stdin: str = "", timeout: float = 120) -> str:
        """What it printed; it must succeed."""
        done = self.run(*arguments, stdin=stdin, timeout=timeout)
        assert done.returncode == 0, (
            f"kubectl dind {' '.join(arguments)}: {done.returncode}\n{done.stdout}{done.stderr}"
        )
        return done.stdout

    def json(self, *arguments: str) -> Any:
        return json.loads(self(*arguments, "-o", "json"))

    def refused(self, code: int, *arguments: str, stdin: str = "") -> str:
        """What it says when it ends with that code: a sentence, and nothing on standard output."""
        done = self.run(*arguments, stdin=stdin)
        assert (done.returncode, done.stdout) == (code, ""), done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.stderr

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """The command, while it runs."""
        command, *rest = arguments
        return subprocess.Popen(
            ["kubectl", "dind", command, f"--namespace={self.namespace}", *rest],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def shell(self, script: str, timeout: float = 120, shell: str = "sh") -> subprocess.CompletedProcess[str]:
        """A script in a shell of its own, with `$ns` for the namespace's flag."""
        return subprocess.run(
            [shell, "-c", script],
            env=self.environment | {"ns": f"--namespace={self.namespace}"},
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def left(self) -> list[Path]:
        """Files of sessions that are still there."""
        # os.walk takes a directory that goes while it is read for an empty one; Path.rglob does not.
        walked = os.walk(self.runtime)
        return sorted(Path(root) / name for root, folders, files in walked for name in [*folders, *files])
