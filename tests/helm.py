"""Runs a real Helm, for the tests of the chart.

Each instance has its own directory for Helm's configuration, cache and plugins, so that those of the user do not affect results. The
system tests use it without a cluster, and the e2e tests with a kubeconfig.
"""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).parents[1] / "charts" / "dind-operator"
RELEASE = "dind-operator"
NAMESPACE = "dind-system"
# What every installation must say; `.test` can never be a real host.
REQUIRED: dict[str, Any] = {"image": {"registry": "registry.test/dind"}}
# Helm renders for the version it is told; one that was built without release flags believes in 1.20.
KUBE_VERSION = "1.37.0"


class HelmError(AssertionError):
    """Helm ended with an error. The message is all it printed."""


@dataclass(frozen=True)
class Helm:
    """One Helm binary. `home` is a folder for its own files; `kubeconfig` is needed for what asks a cluster."""

    binary: Path
    major: int
    home: Path
    kubeconfig: Path | None = None
    _values: list[int] = field(default_factory=lambda: [0])
    # A rendering takes a tenth of a second and more, and depends on the arguments alone.
    _rendered: dict[str, subprocess.CompletedProcess[str]] = field(default_factory=dict)

    def run(self, *arguments: str | Path, check: bool = True, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        """Runs `helm ARGUMENTS`. Raises HelmError with its whole output when it fails, unless `check` is false."""
        variables = {f"HELM_{name}_HOME": str(self.home / name.lower()) for name in ("CONFIG", "CACHE", "DATA")}
        # Without a kubeconfig Helm must reach no cluster at all, not the one the user happens to work with.
        variables["KUBECONFIG"] = str(self.kubeconfig or os.devnull)
        done = subprocess.run(
            [str(self.binary), *map(str, arguments)],
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        if check and done.returncode:
            raise HelmError(f"helm {' '.join(map(str, arguments))}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def values_file(self, values: dict[str, Any]) -> Path:
        """Writes values to a file of their own, for `-f`."""
        self._values[0] += 1
        path = self.home / f"values-{self._values[0]}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(values))
        return path

    def template(self, values: dict[str, Any] | None = None, *, release: str = RELEASE) -> Manifests:
        """Renders the chart with REQUIRED and `values`."""
        done = self.try_template(merged(REQUIRED, values or {}), release=release)
        if done.returncode:
            raise HelmError(done.stdout + done.stderr)
        return Manifests([item for item in yaml.load_all(done.stdout, Loader=yaml.CSafeLoader) if item])

    def try_template(
        self, values: dict[str, Any], *, release: str = RELEASE, kube_version: str = KUBE_VERSION
    ) -> subprocess.CompletedProcess[str]:
        """Renders the chart with exactly `values`; the caller looks at the exit code."""
        key = json.dumps([values, release, kube_version], sort_keys=True)
        if key not in self._rendered:
            self._rendered[key] = self.run(
                "template", release, CHART, "--namespace", NAMESPACE, "--kube-version", kube_version,
                "--values", self.values_file(values), check=False,
            )  # fmt: skip
        return self._rendered[key]


class Manifests(list[dict[str, Any]]):
    """Rendered objects, found by kind and name."""

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [item for item in self if item["kind"] == kind]

    def one(self, kind: str, name: str | None = None) -> dict[str, Any]:
        """The only object of that kind (and name). Fails when there is none, or more."""
        found = [item for item in self.of(kind) if name is None or item["metadata"]["name"] == name]
        assert len(found) == 1, f"{kind} {name or ''}: found {[item['metadata']['name'] for item in found]}"
        return found[0]


def merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Both, key by key, as Helm merges values: `over` wins, maps are merged, lists are replaced."""
    result = dict(base)
    for key, value in over.items():
        mine = result.get(key)
        result[key] = merged(mine, value) if isinstance(mine, dict) and isinstance(value, dict) else value
    return result
