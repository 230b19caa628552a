"""One DindEnvironment, used as its users do: created, waited for and used only through the API server."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.kube.client import Executed
from tests.kube.eventually import eventually
from tests.live import Cluster, Object, condition, is_ready
from tests.story import story_of

__all__ = ["KIND", "READY_SECONDS", "Environment", "eventually", "gone", "ready"]

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

    def refusal(self, spec: Object) -> str:
        """What the API server says to a spec that must not be accepted."""
        said = self.cluster.try_create(self.manifest(spec))
        assert said, f"accepted: {spec}"
        return said

    def accepted(self, spec: Object) -> None:
        """Fails if the API server refuses the spec. Nothing is made of it."""
        assert self.cluster.try_create(self.manifest(spec)) == ""

    def patch(self, spec: Object) -> None:
        """Merges into spec."""
        self.cluster.patch(KIND, self.name, self.namespace, {"spec": spec})

    def annotate(self, annotations: dict[str, str | None]) -> None:
        """Merges into the annotations."""
        self.cluster.patch(KIND, self.name, self.namespace, {"metadata": {"annotations": annotations}})

    def delete(self, cascade: str = "Background", *, wait: bool = False) -> None:
        """Deletes the environment if it is there. `cascade` is a propagation policy; `wait` until this one is gone."""
        before = self.get()
        self.cluster.start_deleting(KIND, self.name, self.namespace, propagationPolicy=cascade)
        if wait and before is not None:
            uid = before["metadata"]["uid"]
            self.wait(lambda found: not found or found["metadata"]["uid"] != uid, "this one gone", 180)

    def delete_pod(self, **options: Any) -> None:
        """Deletes the pod without waiting; options are DeleteOptions."""
        self.cluster.start_deleting("pod", self.name, self.namespace, **options)

    # What a user sees

    def get(self) -> Object | None:
        return self.cluster.get(KIND, self.name, self.namespace)

    def status(self) -> Object:
        return (self.get() or {}).get("status") or {}

    def condition(self, kind: str) -> Object:
        return condition(self.get(), kind)

    def is_true(self, kind: str, seconds: float = 60) -> Object:
        """Waits for a condition to be True. Most are reported after Ready. Returns it."""
        return condition(self.wait(lambda found: condition(found, kind).get("status") == "True", kind, seconds), kind)

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

    def events(self, reason: str = "", kind: str = "DindEnvironment") -> list[Object]:
        """The Events about the environment, or about its pod, for a reason."""
        chosen = f"involvedObject.kind={kind},involvedObject.name={self.name}" + (f",reason={reason}" if reason else "")
        return self.cluster.items("events", self.namespace, fields=chosen)

    def wait_event(self, reason: str, seconds: float = 60) -> Object:
        """Waits for an Event about the environment; the status that goes with it is written first."""
        return eventually(lambda: self.events(reason), f"the Event {reason}", seconds, self.story)[0]

    def log(self, container: str = "", **query: str) -> str:
        """What a container has written; empty before it was started."""
        return self.cluster.log(self.namespace, self.name, container, **query)

    # Waiting, always for something to be seen

    def wait(self, holds: Callable[[Object], Any], what: str, seconds: float = READY_SECONDS) -> Object:
        """Watches the environment until `holds`; returns it. One that is absent is {}."""
        return self._wait(KIND, holds, what, seconds)

    def wait_pod(self, holds: Callable[[Object], Any], what: str, seconds: float = READY_SECONDS) -> Object:
        """The same with its pod."""
        return self._wait("pod", holds, what, seconds)

    def _wait(self, kind: str, holds: Callable[[Object], Any], what: str, seconds: float) -> Object:
        found = self.cluster.wait_for(
            kind,
            self.name,
            self.namespace,
            lambda seen: holds(seen or {}),
            seconds=seconds,
            what=what,
            story=self.story,
        )
        return found or {}

    def ready(self, seconds: float = READY_SECONDS) -> Environment:
        ready([self], seconds)
        return self

    def known(self, seconds: float = 60) -> Environment:
        """Waits for what comes after Ready, read from the daemon's log: Docker's versions, and where nested containers are."""

        def holds(found: Object) -> bool:
            return "docker" in (found.get("status") or {}) and bool(condition(found, "IsolationVerified"))

        self.wait(holds, "Docker's versions and IsolationVerified", seconds)
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
        for kind in (KIND, "pod"):
            self.cluster.wait_for(
                kind, self.name, self.namespace, lambda found: found is None, seconds=seconds, what="gone"
            )

    # Inside

    def attempt(
        self, *command: str, stdin: Path | bytes | None = None, timeout: float = 120, container: str = "daemon"
    ) -> Executed:
        """Runs a command in a container, the daemon's by default; the caller looks at the exit code."""
        return self.cluster.api.execute(self.namespace, self.name, container, command, stdin, timeout)

    def run(
        self, *command: str, stdin: Path | bytes | None = None, timeout: float = 120, container: str = "daemon"
    ) -> str:
        done = self.attempt(*command, stdin=stdin, timeout=timeout, container=container)
        assert done.returncode == 0, f"{' '.join(command)}: exit {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout.strip()

    def docker(self, *arguments: str, stdin: Path | bytes | None = None, timeout: float = 120) -> str:
        return self.run("docker", *arguments, stdin=stdin, timeout=timeout)

    def daemon_process(self) -> str:
        """The daemon's process id and start time: equal twice means that it lived on."""
        return self.run("sh", "-c", "pid=$(cat /var/run/docker.pid) && echo $pid $(cut -d' ' -f22 /proc/$pid/stat)")

    def story(self) -> str:
        """What the cluster saw of it: conditions, Events, and the last lines of its logs."""
        return story_of(self.cluster, self.namespace, self.name)


def ready(environments: Sequence[Environment], seconds: float = READY_SECONDS) -> None:
    """Waits until all of them are Ready for their present specs."""
    for environment in environments:
        environment.wait(is_ready, "Ready", seconds)


def gone(*environments: Environment, seconds: float = 90) -> None:
    """Deletes them all, and waits until neither they nor their pods exist."""
    for environment in environments:
        environment.delete()
    for environment in environments:
        environment.gone(seconds)
