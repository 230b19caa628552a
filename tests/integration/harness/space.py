"""A namespace of a test, and what the test reads and writes in it."""

from __future__ import annotations

from typing import Any

from tests.integration.harness.api import Api, ApiError, Object, environments, pods
from tests.integration.harness.waiting import until

ENABLED = {"dind.dev/environments": "enabled"}


class Space:
    """One namespace. Names are of environments, and so of their pods."""

    def __init__(self, api: Api, name: str) -> None:
        self.api = api
        self.name = name
        self.path = f"/api/v1/namespaces/{name}"

    def open(self, labels: dict[str, str] | None = None) -> None:
        """Make it, open for environments unless other labels are given, and wait until pods can be made in it."""
        metadata = {"name": self.name, "labels": ENABLED if labels is None else labels}
        self.api.create("/api/v1/namespaces", {"metadata": metadata})
        until(lambda: self.api.get(f"{self.path}/serviceaccounts/default"), "the namespace's service account")

    def close(self) -> None:
        """Delete all of it; the rest is the namespace controller's."""
        try:
            self.api.delete(environments(self.name), propagationPolicy="Background")
            self.api.delete(pods(self.name), gracePeriodSeconds=0)
            self.api.delete(self.path)
        except ApiError as error:
            if error.code != 409:  # on its way out already
                raise

    # Environments

    def create(self, name: str = "one", spec: Object | None = None) -> Object:
        """Make an environment."""
        body = {"apiVersion": "dind.dev/v1alpha1", "kind": "DindEnvironment", "metadata": {"name": name}}
        return self.api.create(environments(self.name), {**body, "spec": spec or {}})

    def change(self, spec: Object, name: str = "one") -> Object:
        """Merge into an environment's spec."""
        return self.api.patch(f"{environments(self.name)}/{name}", {"spec": spec})

    def extend(self, until: str | None, name: str = "one") -> Object:
        """Annotate an environment with the time until which it is kept."""
        change = {"metadata": {"annotations": {"dind.dev/extend-until": until}}}
        return self.api.patch(f"{environments(self.name)}/{name}", change)

    def remove(self, name: str = "one", policy: str = "Background") -> None:
        """Delete an environment."""
        self.api.delete(f"{environments(self.name)}/{name}", propagationPolicy=policy)

    def environment(self, name: str = "one") -> Object | None:
        """The environment, or None."""
        return self.api.get(f"{environments(self.name)}/{name}")

    def status(self, name: str = "one") -> Object:
        """The environment's status."""
        status: Object = (self.environment(name) or {}).get("status", {})
        return status

    def condition(self, kind: str = "Ready", name: str = "one") -> Object:
        """A condition of an environment; {} if absent."""
        found = [item for item in self.status(name).get("conditions", []) if item["type"] == kind]
        return found[0] if found else {}

    def wait_reason(self, reason: str, kind: str = "Ready", name: str = "one") -> Object:
        """Wait until a condition of an environment has that reason, said of its present generation."""

        def look() -> Object | None:
            environment = self.environment(name) or {}
            for item in environment.get("status", {}).get("conditions", []):
                current = item.get("observedGeneration") == environment["metadata"]["generation"]
                if item["type"] == kind and item["reason"] == reason and current:
                    return dict(item)
            return None

        return until(look, f"{kind} with reason {reason}", instead=lambda: self.status(name))

    def wait_told(self, reason: str, name: str = "one") -> Object:
        """The same of Ready, and its Event too: it is the last write of that reconciliation."""
        found = self.wait_reason(reason, name=name)
        until(lambda: [event for event in self.events(name) if event["reason"] == reason], f"the Event {reason}")
        return found

    def wait_status(self, name: str = "one", **fields: Any) -> Object:
        """Wait until top-level fields of a status are so."""

        def look() -> Object | None:
            status = self.status(name)
            return status if all(status.get(key) == value for key, value in fields.items()) else None

        return until(look, f"status {fields}", instead=lambda: self.status(name))

    # Pods

    def pod(self, name: str = "one") -> Object | None:
        """The pod, or None."""
        return self.api.get(f"{pods(self.name)}/{name}")

    def wait_pod(self, name: str = "one", *, other_than: Object | None = None) -> Object:
        """Wait for the pod; with `other_than`, for one that is not that one."""
        before = other_than["metadata"]["uid"] if other_than is not None else None

        def look() -> Object | None:
            pod = self.pod(name)
            return pod if pod is not None and pod["metadata"]["uid"] != before else None

        return until(look, f"the pod {name}" + (", another one" if before else ""), instead=lambda: self.status(name))

    def wait_going(self, name: str = "one") -> Object:
        """Wait until the pod is being deleted."""

        def look() -> Object | None:
            pod = self.pod(name)
            return pod if pod is not None and pod["metadata"].get("deletionTimestamp") else None

        return until(look, f"the pod {name} being deleted", instead=lambda: self.status(name))

    def delete_pod(self, name: str = "one") -> None:
        """As `kubectl delete pod`."""
        self.api.delete(f"{pods(self.name)}/{name}")

    def edit_pod(self, metadata: Object, name: str = "one") -> Object:
        """Merge into the pod's metadata."""
        return self.api.patch(f"{pods(self.name)}/{name}", {"metadata": metadata})

    # The namespace

    def label(self, labels: dict[str, str | None]) -> None:
        """Merge labels of the namespace."""
        self.api.patch(self.path, {"metadata": {"labels": labels}})

    def events(self, name: str = "one") -> list[Object]:
        """The Events about an environment."""
        found = self.api.items(f"{self.path}/events")
        return [
            item for item in found if item["involvedObject"]["name"] == name and item["involvedObject"]["kind"] != "Pod"
        ]
