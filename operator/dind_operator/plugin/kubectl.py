"""Calls kubectl with the user's choice of cluster. Returns objects as dicts and raises failures as CliError.

The plugin calls kubectl instead of the API, because kubectl is always installed where its plugins run, and because only
kubectl supports every kind of authentication, proxy and context that its user has configured (docs/decisions/0020).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from dind_operator.api import names
from dind_operator.plugin.errors import CliError, Exit
from dind_operator.plugin.kubectl_errors import ENVIRONMENTS, error_of

Object = dict[str, Any]
_POD_NAMESPACE = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"
TIMEOUT_SECONDS = 60
"""For one short call. kubectl has no timeout of its own for a server that accepts a connection and does not respond."""


@dataclass(frozen=True)
class Target:
    """The cluster and the namespace, as flags of kubectl. None means the default of kubectl."""

    kubeconfig: str | None = None
    context: str | None = None
    namespace: str | None = None

    def flags(self) -> list[str]:
        given = (("kubeconfig", self.kubeconfig), ("context", self.context), ("namespace", self.namespace))
        return [f"--{name}={value}" for name, value in given if value]


@dataclass
class Kubectl:
    """kubectl for one target."""

    target: Target = field(default_factory=Target)

    def command(self, *arguments: str) -> list[str]:
        """The path of kubectl, the arguments and the flags of the target. Raises CliError if kubectl is not installed.

        The flags are inserted before a `--`, because the arguments after it are those of another program.
        """
        own, passed_on = list(arguments), []
        if "--" in own:
            separator = own.index("--")
            own, passed_on = own[:separator], own[separator:]
        return [find_program("kubectl"), *own, *self.target.flags(), *passed_on]

    def __call__(self, *arguments: str, stdin: str | None = None, what: str = "") -> str:
        """The output of kubectl. Raises CliError with its error message; ``what`` names the object in that message."""
        try:
            done = subprocess.run(
                self.command(*arguments),
                input=stdin if stdin is not None else "",
                capture_output=True,
                text=True,
                errors="replace",
                timeout=TIMEOUT_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise CliError(
                f"the cluster cannot be reached: no response within {TIMEOUT_SECONDS} s. Check the context and the network.",
                Exit.UNREACHABLE,
            ) from None
        if done.returncode:
            raise error_of(done.stderr, what)
        return done.stdout

    def json(self, *arguments: str, stdin: str | None = None, what: str = "") -> Object:
        """The output of kubectl as an object."""
        found: Object = json.loads(self(*arguments, "--output=json", stdin=stdin, what=what))
        return found

    def environment(self, name: str) -> Object:
        """Read an environment. Raises NotFoundError, or another CliError."""
        return self.json("get", ENVIRONMENTS, name, what=self.describe(name))

    def environment_and_pod(self, name: str) -> tuple[Object | None, Object | None]:
        """Read an environment and its pod in one call. None means that the object does not exist."""
        text = self("get", f"{ENVIRONMENTS}/{name}", f"pods/{name}", "--ignore-not-found", "--output=json")
        found = json.loads(text) if text.strip() else {}
        items = found.get("items", [found] if found else [])
        by_kind = {item["kind"]: item for item in items}
        return by_kind.get(names.KIND), by_kind.get("Pod")

    def patch(self, name: str, change: Object) -> Object:
        """Apply a merge patch to an environment. Returns the stored object."""
        return self.json(
            "patch", ENVIRONMENTS, name, "--type=merge", f"--patch={json.dumps(change)}", what=self.describe(name)
        )

    def cluster_user_namespace(self) -> tuple[str, str, str]:
        """The cluster, user and namespace that kubectl uses. In a pod without a kubeconfig, the first two are empty."""
        try:
            config = self.json("config", "view", "--minify")
        except CliError:
            # Without a kubeconfig, kubectl uses the service account of the pod. The next call reports an invalid kubeconfig.
            path = Path(_POD_NAMESPACE)
            return "", "", self.target.namespace or (path.read_text().strip() if path.is_file() else "default")
        context = config["contexts"][0]["context"]
        server = (config.get("clusters") or [{"cluster": {}}])[0]["cluster"].get("server", "")
        return server, context.get("user", ""), self.target.namespace or context.get("namespace") or "default"

    def describe(self, name: str) -> str:
        """The environment in messages, such as "DindEnvironment builder in the namespace builds"."""
        namespace = f" in the namespace {self.target.namespace}" if self.target.namespace else ""
        return f"DindEnvironment {name}{namespace}"

    def execute(self, *arguments: str) -> NoReturn:
        """Replace this process with kubectl, so that kubectl gets its terminal and signals, and sets its exit code."""
        execute(self.command(*arguments))


def find_program(name: str) -> str:
    """The path of a program. Raises CliError (127) if the program is not on PATH."""
    found = shutil.which(name)
    if found is None:
        raise CliError(f"the program {name} is not on PATH. Install it.", Exit.MISSING_PROGRAM)
    return found


def execute(command: list[str], environment: dict[str, str] | None = None) -> NoReturn:
    """Replace this process with another program."""
    os.execve(command[0], command, dict(os.environ) if environment is None else environment)  # noqa: S606 - without a shell
