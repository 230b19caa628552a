"""One DindEnvironment as its user meets it: applied, waited for and used through kubectl alone."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.live import Cluster, NotSeenError, Object, condition

KIND = "dindenvironments.dind.dev"

# A cold start takes 4 s here; a busy machine with ten at once has been seen to need 40.
READY_SECONDS = 150


@dataclass(frozen=True)
class Environment:
    """An environment by its name, whether or not it exists at the moment."""

    cluster: Cluster
    namespace: str
    name: str

    # What a user does

    def manifest(self, spec: Object | None = None) -> Object:
        return {
            "apiVersion": "dind.dev/v1alpha1",
            "kind": "DindEnvironment",
            "metadata": {"name": self.name, "namespace": self.namespace},
            "spec": spec or {},
        }

    def apply(self, spec: Object | None = None) -> Environment:
        self.cluster.apply(self.manifest(spec))
        return self

    def _dry_run(self, spec: Object) -> subprocess.CompletedProcess[str]:
        return self.cluster.run("create", "--dry-run=server", "--filename=-", stdin=json.dumps(self.manifest(spec)))

    def refusal(self, spec: Object) -> str:
        """What kubectl and the API server say to a spec that must not be accepted."""
        done = self._dry_run(spec)
        assert done.returncode, f"accepted: {spec}"
        return done.stderr

    def accepted(self, spec: Object) -> None:
        """Fails if the API server refuses the spec. Nothing is made of it."""
        done = self._dry_run(spec)
        assert done.returncode == 0, done.stderr

    def patch(self, spec: Object) -> None:
        """Merges into spec."""
        self.cluster(
            "patch",
            KIND,
            self.name,
            f"--namespace={self.namespace}",
            "--type=merge",
            f"--patch={json.dumps({'spec': spec})}",
        )

    def delete(self, cascade: str = "background", *, wait: bool = False) -> None:
        flags = ["--ignore-not-found", f"--cascade={cascade}", f"--wait={str(wait).lower()}"]
        self.cluster("delete", KIND, self.name, f"--namespace={self.namespace}", *flags, timeout=180)

    def delete_pod(self, *flags: str) -> None:
        self.cluster("delete", "pod", self.name, f"--namespace={self.namespace}", "--wait=false", *flags)

    # What a user sees

    def get(self) -> Object | None:
        return self.cluster.get(KIND, self.name, self.namespace)

    def status(self) -> Object:
        return (self.get() or {}).get("status") or {}

    def condition(self, kind: str) -> Object:
        return condition(self.get(), kind)

    def pod(self) -> Object | None:
        return self.cluster.get("pod", self.name, self.namespace)

    def pod_uid(self) -> str:
        pod = self.pod()
        return pod["metadata"]["uid"] if pod else ""

    def daemon_status(self) -> Object:
        """The status of the daemon's container, {} where there is none."""
        status = (self.pod() or {}).get("status") or {}
        # Beside workloads the daemon is a sidecar, which is an init container to Kubernetes.
        statuses = [*(status.get("containerStatuses") or []), *(status.get("initContainerStatuses") or [])]
        return next((item for item in statuses if item["name"] == "daemon"), {})

    def restarts(self) -> int:
        return int(self.daemon_status()["restartCount"])

    # Waiting, always for something to be seen

    def wait(self, holds: Callable[[Object], Any], what: str, seconds: float = READY_SECONDS) -> Object:
        """Looks at the environment until `holds`; returns it. An absent one is {}."""
        return eventually(lambda: _truth(holds, self.get() or {}), what, seconds, self.story)

    def wait_pod(self, holds: Callable[[Object], Any], what: str, seconds: float = READY_SECONDS) -> Object:
        """The same with its pod."""
        return eventually(lambda: _truth(holds, self.pod() or {}), what, seconds, self.story)

    def ready(self, seconds: float = READY_SECONDS) -> Environment:
        ready([self], seconds)
        return self

    def wait_reason(self, reason: str, seconds: float = READY_SECONDS) -> Object:
        """Waits for Ready to be False for this reason, computed from the present spec. Returns that condition."""

        def holds(found: Object) -> bool:
            seen = condition(found, "Ready")
            current = seen.get("observedGeneration") == found.get("metadata", {}).get("generation")
            return seen.get("status") == "False" and seen.get("reason") == reason and current

        return condition(self.wait(holds, f"Ready=False for {reason}", seconds), "Ready")

    def gone(self, seconds: float = 90) -> None:
        """Waits until neither the environment nor its pod exists."""
        eventually(lambda: self.get() is None and self.pod() is None, "gone, with its pod", seconds, self.story)

    # Inside

    def attempt(
        self, *command: str, stdin: Path | None = None, timeout: float = 120
    ) -> subprocess.CompletedProcess[str]:
        """Runs a command in the daemon's container; the caller looks at the exit code."""
        given = ["--stdin"] if stdin else []
        line = ["kubectl", f"--kubeconfig={self.cluster.kubeconfig}", "exec", *given, f"--namespace={self.namespace}"]
        line += [self.name, "--container=daemon", "--", *command]
        with (stdin or Path("/dev/null")).open("rb") as source:
            return subprocess.run(
                line, stdin=source, capture_output=True, text=True, errors="replace", timeout=timeout, check=False
            )

    def run(self, *command: str, stdin: Path | None = None, timeout: float = 120) -> str:
        done = self.attempt(*command, stdin=stdin, timeout=timeout)
        assert done.returncode == 0, f"{' '.join(command)}: exit {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout.strip()

    def docker(self, *arguments: str, stdin: Path | None = None, timeout: float = 120) -> str:
        return self.run("docker", *arguments, stdin=stdin, timeout=timeout)

    def daemon_process(self) -> str:
        """The daemon's process id and start time: equal twice means that it lived on."""
        return self.run("sh", "-c", "pid=$(cat /var/run/docker.pid) && echo $pid $(cut -d' ' -f22 /proc/$pid/stat)")

    def story(self) -> str:
        """What a person would look at when something did not come."""
        where = f"--namespace={self.namespace}"
        parts = [
            self.cluster.run("get", KIND, self.name, where, "--output=yaml"),
            self.cluster.run("describe", "pod", self.name, where),
            self.cluster.run("logs", self.name, where, "--all-containers", "--prefix", "--tail=25"),
        ]
        return "\n".join(f"{part.stdout}{part.stderr}"[-6000:] for part in parts)


def _truth(holds: Callable[[Object], Any], found: Object) -> Object | None:
    # An absent object may be what is waited for, and {} is false.
    return (found or {"metadata": {}}) if holds(found) else None


def eventually(
    look: Callable[[], Any], what: str, seconds: float = 60, story: Callable[[], str] | None = None, pause: float = 0.3
) -> Any:
    """Looks until it sees something true and returns that. Raises NotSeenError with the story."""
    deadline = time.monotonic() + seconds
    while not (seen := look()):
        if time.monotonic() > deadline:
            raise NotSeenError(f"not seen within {seconds:.0f} s: {what}\n{story() if story else ''}")
        time.sleep(pause)
    return seen


def ready(environments: Sequence[Environment], seconds: float = READY_SECONDS) -> None:
    """Waits until all of them, of one namespace, are Ready for their present specs."""
    first = environments[0]
    names = [f"{KIND}/{environment.name}" for environment in environments]
    done = first.cluster.run(
        "wait", f"--namespace={first.namespace}", "--for=condition=Ready", f"--timeout={seconds:.0f}s", *names,
        timeout=seconds + 30,
    )  # fmt: skip
    if done.returncode:
        late = [environment for environment in environments if environment.condition("Ready").get("status") != "True"]
        stories = "\n".join(environment.story() for environment in late[:2])
        raise NotSeenError(f"not Ready: {', '.join(item.name for item in late)}\n{done.stderr}{stories}")


def gone(*environments: Environment, seconds: float = 90) -> None:
    """Deletes them all, and waits until neither they nor their pods exist."""
    for environment in environments:
        environment.delete()
    for environment in environments:
        environment.gone(seconds)
