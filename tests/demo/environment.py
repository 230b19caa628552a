"""The environment of the demonstration: applies it, prints its state until it is Ready, and uses it with `kubectl exec`."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from tests.cluster import images
from tests.demo.place import ROOT, Place
from tests.demo.story import DemoError, command, readable, tell
from tests.kube.api import Api

NAMESPACE = "dind-demo"
ENVIRONMENTS = f"/apis/dind.dev/v1alpha1/namespaces/{NAMESPACE}/dindenvironments"
BASE = "debian:trixie-slim"
BUILT = "greeter"
DOCKERFILE = f"""\
FROM {BASE}
RUN apt-get update && apt-get install -y --no-install-recommends hello && rm -rf /var/lib/apt/lists/*
CMD ["hello", "--greeting=This image was built and run inside Kubernetes."]
"""

# Over a slow line the pull of the images takes minutes; on the embedded cluster Ready comes after 4 s.
_READY_SECONDS = 300
# Troubles of a moment (a pull that is tried again, a node that just started) pass within this time.
_TROUBLE_SECONDS = float(os.environ.get("DIND_DEMO_TROUBLE_SECONDS", "20"))


@dataclass(frozen=True)
class DemoEnvironment:
    """The environment that the file `example` describes, in the namespace of the demonstration."""

    place: Place
    example: Path

    @property
    def name(self) -> str:
        return str(yaml.safe_load(self.example.read_text())["metadata"]["name"])

    def open_namespace(self) -> None:
        """What an administrator does once: a namespace, and the label that admits environments to it."""
        if not self.place.kubectl("get", "namespace", NAMESPACE, "--ignore-not-found"):
            self.place.kubectl("create", "namespace", NAMESPACE)
        self._told("label", "namespace", NAMESPACE, "dind.dev/environments=enabled", "--overwrite")

    def apply(self) -> None:
        advice = "The message of the API server names the field. Correct it in the file."
        self._told("apply", "--namespace", NAMESPACE, "--filename", str(self.example), advice=advice)

    def wait(self) -> None:
        """Until Ready is True, saying each new thing that the environment says. Raises DemoError when it cannot be."""
        begin = time.monotonic()
        said, trouble_since = "", 0.0

        def is_ready(found: dict[str, Any] | None) -> bool:
            nonlocal said, trouble_since
            seconds = time.monotonic() - begin
            status = (found or {}).get("status") or {}
            ready = next((item for item in status.get("conditions") or [] if item["type"] == "Ready"), {})
            current = found is not None and ready.get("observedGeneration") == found["metadata"]["generation"]
            words = f"{status.get('phase', 'Pending')}: {ready.get('message') or 'waiting for the operator'}"
            if words != said:
                tell(f"      {seconds:5.1f} s  {words}")
                said, trouble_since = words, time.monotonic()
            if current and ready.get("status") == "True":
                return True
            failed = status.get("phase") == "Failed" and time.monotonic() - trouble_since > _TROUBLE_SECONDS
            if failed or seconds > _READY_SECONDS:
                self._not_ready(ready, seconds)
            return False

        api = Api(self.place.kubeconfig)
        # A little longer, so that it is said above why.
        api.wait(ENVIRONMENTS, self.name, is_ready, "Ready", _READY_SECONDS + 10)
        api.close()

    def _not_ready(self, ready: dict[str, Any], seconds: float) -> None:
        raise DemoError(
            f"The environment {self.name} is not Ready after {seconds:.0f} s ({ready.get('reason') or 'no reason given'}).",
            str(ready.get("message") or "The operator has not reported a reason. Read its log with "
                "`kubectl --namespace dind-system logs deployment/dind-operator`."),
        )  # fmt: skip

    def provide_base(self) -> None:
        """The image to build from: loaded where no registry is reached, else pulled by the nested daemon."""
        if self._docker_says("image", "inspect", BASE):
            tell(f"      {BASE} is already present")
        elif self.place.instance is not None:
            self.docker("load", stdin=images.nested_base_tar())
        else:
            self.docker("pull", "--quiet", BASE, timeout=600)

    def build(self) -> None:
        """A real build: a package from the Debian mirror. Shows its steps, not what apt-get prints."""
        for line in DOCKERFILE.splitlines():
            tell(f"      | {line}")
        with tempfile.NamedTemporaryFile("w", prefix="dind-demo-") as file:
            file.write(DOCKERFILE)
            file.flush()
            self.docker(
                *("build", "--progress=plain", "--tag", BUILT, "-"),
                stdin=Path(file.name),
                show=_build_line,
                timeout=600,
                advice="Builds connect to the Debian mirror through the network and DNS of the pod. Check that the name resolves: "
                f"`kubectl --namespace {NAMESPACE} exec {self.name} -- getent hosts deb.debian.org`.",
            )

    def docker(self, *arguments: str, advice: str = "", **how: Any) -> str:
        """`docker ARGUMENTS` in the daemon's container, as a user does it; returns what it printed."""
        words = self._exec("docker", *arguments, stdin="stdin" in how)
        tell(f"      $ {readable(words)}")
        return command(*words, advice=advice or "The report below shows the state of the daemon.", **how)

    def report(self) -> str:
        """What `report` prints; empty when there is no environment to report on."""
        words = [sys.executable, "-m", "dind_operator", "report", self.name, "--namespace", NAMESPACE, "--lines", "5"]
        variables = self.place.variables | {"PYTHONPATH": str(ROOT / "operator")}
        done = subprocess.run(words, env=variables, capture_output=True, text=True, timeout=60, check=False)
        return done.stdout.rstrip()

    def show(self) -> str:
        """The object as `kubectl get` shows it."""
        return self.place.kubectl("get", "dind", self.name, "--namespace", NAMESPACE, "--output=wide")

    def _exec(self, *words: str, stdin: bool = False) -> tuple[str, ...]:
        given = ["--stdin"] if stdin else []
        return (
            *("kubectl", f"--kubeconfig={self.place.kubeconfig}", "--namespace", NAMESPACE, "exec", *given),
            *(self.name, "--", *words),
        )

    def _docker_says(self, *arguments: str) -> bool:
        done = subprocess.run(self._exec("docker", *arguments), capture_output=True, timeout=60, check=False)
        return done.returncode == 0

    def _told(self, *arguments: str, **how: Any) -> None:
        """kubectl as one would type it, with what it answers."""
        shown = tuple(word.removeprefix(f"{ROOT}/") for word in arguments)
        tell(f"      $ {readable(('kubectl', *shown))}")
        for line in self.place.kubectl(*arguments, **how).splitlines():
            tell(f"      {line}")


def _build_line(line: str) -> str | None:
    """The lines of a plain build that tell of a step: `#6 [2/2] RUN …`, `#6 DONE 5.0s`, `#6 CACHED`."""
    number, _, rest = line.partition(" ")
    told = rest.startswith(("[1/", "[2/", "CACHED", "ERROR")) or (rest.startswith("DONE") and rest != "DONE 0.0s")
    return line[:110] if number.startswith("#") and told else None
