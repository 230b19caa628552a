"""The operator, installed as users do: the chart, with a real Helm, on a real API server."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.cluster.tools import tool
from tests.helm import CHART, NAMESPACE, RELEASE, REQUIRED, Helm, HelmError, merged
from tests.live import Cluster, Object

CRD = "dindenvironments.dind.dev"
# What marks the pods of the operator, and not the pod of `helm test`.
OPERATOR_PODS = f"app.kubernetes.io/instance={RELEASE},app.kubernetes.io/component=operator"
# The operator is ready seconds after its start; a machine that is busy with everything else takes its time.
WAIT = ("--wait", "--timeout", "120s")


@dataclass(frozen=True)
class Installation:
    """A release of the chart. `values` stand under those of each call; `flags` are added to what applies objects."""

    helm: Helm
    cluster: Cluster
    values: dict[str, Any] = field(default_factory=lambda: REQUIRED)
    flags: tuple[str, ...] = ()
    chart: Path = CHART

    def install(self, values: dict[str, Any] | None = None, *more: str, release: str = RELEASE) -> str:
        return self._apply("install", values, *more, release=release).stdout

    def upgrade(self, values: dict[str, Any] | None = None, *more: str) -> None:
        self._apply("upgrade", values, *more)

    def put(self, values: dict[str, Any] | None = None) -> str:
        """Installs, or changes what is installed, which takes a fraction of the time. What Helm prints."""
        return self._apply("upgrade", values, "--install").stdout

    def revision(self) -> int:
        """The number of what is installed, to roll back to."""
        shown = self.helm.run("history", RELEASE, "--namespace", NAMESPACE, "--max=1", "--output=json").stdout
        return int(json.loads(shown)[0]["revision"])

    def refused_install(self, values: dict[str, Any] | None = None, *, release: str = RELEASE) -> str:
        """What Helm says to an install that must fail."""
        done = self._apply("install", values, release=release, check=False)
        assert done.returncode, f"installed: {done.stdout}"
        return done.stderr

    def _apply(
        self, verb: str, values: dict[str, Any] | None, *more: str, release: str = RELEASE, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        file = self.helm.values_file(merged(self.values, values or {}))
        flags = ("--namespace", NAMESPACE, "--values", str(file), *self.flags, *more)
        try:
            return self.helm.run(verb, release, self.chart, *flags, check=check, timeout=180)
        except HelmError as error:
            raise HelmError(f"{error}\n{self.story()}") from None

    def rollback(self, revision: int) -> None:
        self.helm.run("rollback", RELEASE, str(revision), "--namespace", NAMESPACE, *self.flags, timeout=180)

    def test(self) -> subprocess.CompletedProcess[str]:
        """`helm test`; the caller looks at the exit code."""
        return self.helm.run("test", RELEASE, "--namespace", NAMESPACE, check=False, timeout=300)

    def uninstall(self, release: str = RELEASE) -> None:
        """Removes the release, if it is there. What it keeps stays."""
        self.helm.run("uninstall", release, "--namespace", NAMESPACE, "--ignore-not-found", "--wait", timeout=180)

    def clear(self) -> None:
        """Removes the release and what it keeps: the CRD, and with it every environment."""
        for release in (RELEASE, "other"):
            self.uninstall(release)
        self.cluster.delete("crd", CRD)

    def deployment(self) -> Object:
        return self.cluster.existing("deployment", RELEASE, NAMESPACE)

    def setting(self, name: str) -> str:
        """A setting of the operator, as its Deployment says it."""
        (container,) = self.deployment()["spec"]["template"]["spec"]["containers"]
        (value,) = [item["value"] for item in container["env"] if item["name"] == name]
        return str(value)

    def story(self) -> str:
        """What a person would look at when the operator does not come up: its pods, and the last it said."""
        chosen = (f"--namespace={NAMESPACE}", f"--selector={OPERATOR_PODS}")
        parts = [
            self.cluster.run("describe", "pods", *chosen),
            self.cluster.run("logs", *chosen, "--tail=30"),
            self.cluster.run("logs", *chosen, "--tail=30", "--previous"),
        ]
        return "\n".join(f"{part.stdout}{part.stderr}"[-4000:] for part in parts)

    def operator_pods(self) -> list[Object]:
        return self.cluster.items("pods", NAMESPACE, OPERATOR_PODS)


def make_namespace(cluster: Cluster, name: str = NAMESPACE) -> None:
    """The operator's namespace, under the strictest Pod Security Standard: the operator must be fit for it."""
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})


def made(major: int, cluster: Cluster, home: Path) -> Installation:
    """By the Helm of that major version, which keeps its own folder below ``home``."""
    return Installation(Helm(tool(f"helm{major}"), major, home / f"helm{major}", cluster.kubeconfig), cluster)
