"""A namespace of a test, and what the test reads, writes and waits for in it. Whatever is waited for is watched."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.integration.harness.paths import environments, pods
from tests.kube.api import Api
from tests.kube.client import ApiError, Object
from tests.live import condition

ENABLED = {"dind.dev/environments": "enabled"}
WAIT_SECONDS = 60.0
"""Many times what anything here takes. Only a test that fails waits so long."""

_numbers = itertools.count(1)


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
        self.wait(f"{self.path}/serviceaccounts", "default", bool, "there")

    def close(self) -> None:
        """Delete all of it; the rest is the namespace controller's."""
        try:
            self.api.delete(environments(self.name), propagationPolicy="Background")
            self.api.delete(pods(self.name), gracePeriodSeconds=0)
            self.api.delete(self.path)
        except ApiError as error:
            if error.code != 409:  # on its way out already
                raise

    def wait(self, collection: str, name: str, holds: Callable[[Object | None], Any], what: str) -> Object | None:
        """Watch any object (None while absent) until it is so."""
        return self.api.wait(collection, name, holds, what, WAIT_SECONDS)

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

    def touch(self, name: str = "one") -> None:
        """Have the operator look at an environment now: it does so at any change, and by itself only after some time.

        The environment, because the pod may be gone already if it looked by itself just before.
        """
        change = {"metadata": {"annotations": {"example.com/touched": str(time.monotonic_ns())}}}
        self.api.patch(f"{environments(self.name)}/{name}", change)

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
        return condition(self.environment(name), kind)

    def wait_environment(self, holds: Callable[[Object | None], Any], what: str, name: str = "one") -> Object | None:
        """Watch an environment (None while absent) until it is so."""
        return self.wait(environments(self.name), name, holds, what)

    def wait_gone(self, name: str = "one") -> None:
        """Wait until the environment is gone. Its pod may still be there."""
        self.wait_environment(lambda found: found is None, "gone", name)

    def wait_reason(self, reason: str, kind: str = "Ready", name: str = "one") -> Object:
        """Wait until a condition of an environment has that reason, said of its present generation."""

        def holds(found: Object | None) -> bool:
            told = condition(found, kind)
            current = found is not None and told.get("observedGeneration") == found["metadata"]["generation"]
            return current and told["reason"] == reason

        return condition(self.wait_environment(holds, f"{kind} with reason {reason}", name), kind)

    def wait_told(self, reason: str, name: str = "one") -> Object:
        """The same of Ready, and its Event too: it is the last write of that reconciliation."""
        found = self.wait_reason(reason, name=name)
        self.wait_event(reason, name)
        return found

    def wait_status(self, name: str = "one", **fields: Any) -> Object:
        """Wait until top-level fields of a status are so."""
        return self.wait_status_that(
            lambda status: all(status.get(key) == value for key, value in fields.items()), f"status {fields}", name
        )

    def wait_status_that(self, holds: Callable[[Object], Any], what: str, name: str = "one") -> Object:
        """Wait until the status ({} while there is none) is so; returns it."""
        found = self.wait_environment(lambda found: holds((found or {}).get("status") or {}), what, name)
        status: Object = (found or {}).get("status") or {}
        return status

    # Pods

    def pod(self, name: str = "one") -> Object | None:
        """The pod, or None."""
        return self.api.get(f"{pods(self.name)}/{name}")

    def wait_pod_that(self, holds: Callable[[Object], Any], what: str, name: str = "one") -> Object:
        """Wait until there is a pod that is so; returns it."""
        found = self.api.wait(
            pods(self.name),
            name,
            lambda pod: pod is not None and holds(pod),
            what,
            WAIT_SECONDS,
            story=lambda: json.dumps(self.status(name), indent=1),
        )
        assert found is not None
        return found

    def wait_pod(self, name: str = "one", *, other_than: Object | None = None) -> Object:
        """Wait for the pod; with `other_than`, for one that is not that one."""
        before = other_than["metadata"]["uid"] if other_than is not None else None
        what = "another pod" if before else "there"
        return self.wait_pod_that(lambda pod: pod["metadata"]["uid"] != before, what, name)

    def wait_going(self, name: str = "one") -> Object:
        """Wait until the pod is being deleted."""
        return self.wait_pod_that(lambda pod: pod["metadata"].get("deletionTimestamp"), "being deleted", name)

    def wait_no_pod(self, name: str = "one") -> None:
        """Wait until the pod is gone."""
        self.wait(pods(self.name), name, lambda pod: pod is None, "gone")

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
        return self.api.items(f"{self.path}/events", fieldSelector=_about(name))

    def wait_events(self, holds: Callable[[list[Object]], Any], what: str, name: str = "one") -> list[Object]:
        """Watch the Events about an environment until they are so; returns them."""
        events = f"{self.path}/events"
        return self.api.wait_items(
            events, holds, what, WAIT_SECONDS, lambda: self.status(name), fieldSelector=_about(name)
        )

    def wait_event(self, reason: str, name: str = "one", count: int = 1) -> list[Object]:
        """Wait until Events with that reason have occurred so often; returns them."""

        def chosen(events: list[Object]) -> list[Object]:
            return [event for event in events if event["reason"] == reason]

        return chosen(
            self.wait_events(lambda events: occurred(chosen(events)) >= count, f"{count} times {reason}", name)
        )


def occurred(events: list[Object]) -> int:
    """How often the Events have occurred: equal ones are one Event with a count."""
    return sum(event["count"] for event in events)


def _about(name: str) -> str:
    return f"involvedObject.name={name},involvedObject.kind=DindEnvironment"


@contextmanager
def open_space(api: Api) -> Iterator[Space]:
    """A namespace under a name that no other test has, open for environments."""
    made = Space(api, f"t{next(_numbers)}")
    made.open()
    yield made
    made.close()
