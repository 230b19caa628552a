"""kubectl as this program calls it: with the user's choice of cluster, answers as dicts, refusals as CliError.

kubectl and not a client of our own: it is there by definition of a plugin, and it alone has every way to log in, every
proxy, and the meaning of contexts that its user is used to (docs/decisions/0020).
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
"""For one call that is to answer at once. kubectl itself would wait for ever for a server that takes the connection and is silent."""


@dataclass(frozen=True)
class Target:
    """Which cluster and namespace is meant: the flags that kubectl takes, None where it is to decide."""

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

    def line(self, *arguments: str) -> list[str]:
        """The command line: the program's path, the arguments and the target's flags. Raises CliError without the program.

        The flags stand before a `--`, behind which all belongs to another program.
        """
        own, theirs = list(arguments), []
        if "--" in own:
            cut = own.index("--")
            own, theirs = own[:cut], own[cut:]
        return [program("kubectl"), *own, *self.target.flags(), *theirs]

    def __call__(self, *arguments: str, stdin: str | None = None, what: str = "") -> str:
        """What kubectl printed. Raises CliError with its words; ``what`` names what was asked for."""
        try:
            done = subprocess.run(
                self.line(*arguments),
                input=stdin if stdin is not None else "",
                capture_output=True,
                text=True,
                errors="replace",
                timeout=TIMEOUT_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise CliError(
                f"the cluster cannot be reached: no answer within {TIMEOUT_SECONDS} s. Check the context and the network.",
                Exit.UNREACHABLE,
            ) from None
        if done.returncode:
            raise error_of(done.stderr, what)
        return done.stdout

    def json(self, *arguments: str, stdin: str | None = None, what: str = "") -> Object:
        """The same, read as an object."""
        found: Object = json.loads(self(*arguments, "--output=json", stdin=stdin, what=what))
        return found

    def environment(self, name: str) -> Object:
        """Read it. Raises NotFoundError, or CliError."""
        return self.json("get", ENVIRONMENTS, name, what=self.named(name))

    def environment_and_pod(self, name: str) -> tuple[Object | None, Object | None]:
        """Both in one call; None for what is not there."""
        text = self("get", f"{ENVIRONMENTS}/{name}", f"pods/{name}", "--ignore-not-found", "--output=json")
        found = json.loads(text) if text.strip() else {}
        items = found.get("items", [found] if found else [])
        by_kind = {item["kind"]: item for item in items}
        return by_kind.get(names.KIND), by_kind.get("Pod")

    def patch(self, name: str, change: Object) -> Object:
        """Merge into an environment; the stored object."""
        return self.json(
            "patch", ENVIRONMENTS, name, "--type=merge", f"--patch={json.dumps(change)}", what=self.named(name)
        )

    def where(self) -> tuple[str, str, str]:
        """Cluster, user and namespace that are meant. In a pod, without any kubeconfig, the first two are empty."""
        try:
            seen = self.json("config", "view", "--minify")
        except CliError:
            # kubectl goes by its service account then. What is wrong with a kubeconfig the first real call tells.
            own = Path(_POD_NAMESPACE)
            return "", "", self.target.namespace or (own.read_text().strip() if own.is_file() else "default")
        context = seen["contexts"][0]["context"]
        server = (seen.get("clusters") or [{"cluster": {}}])[0]["cluster"].get("server", "")
        return server, context.get("user", ""), self.target.namespace or context.get("namespace") or "default"

    def named(self, name: str) -> str:
        """An environment as messages call it."""
        where = f" in the namespace {self.target.namespace}" if self.target.namespace else ""
        return f"DindEnvironment {name}{where}"

    def become(self, *arguments: str) -> NoReturn:
        """This process goes on as kubectl: its terminal, signals and exit code are the caller's."""
        become(self.line(*arguments))


def program(name: str) -> str:
    """The path of a program. Raises CliError (127) where PATH has none."""
    found = shutil.which(name)
    if found is None:
        raise CliError(f"there is no program {name} on PATH: install it.", Exit.MISSING_PROGRAM)
    return found


def become(line: list[str], environment: dict[str, str] | None = None) -> NoReturn:
    """This process goes on as another program."""
    os.execve(line[0], line, dict(os.environ) if environment is None else environment)  # noqa: S606 - no shell is wanted
