"""A cluster as the tests of the chart look at it: objects by name, what a user may do, and waiting for a state."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.kubectl import Kubectl

Object = dict[str, Any]


class NotSeenError(AssertionError):
    """What was waited for did not come. The message says what was there instead."""


def eventually(look: Callable[[], Any], what: str, seconds: float = 60) -> Any:
    """Looks until it sees something true, and returns that. Raises NotSeenError."""
    deadline = time.monotonic() + seconds
    while not (seen := look()):
        if time.monotonic() > deadline:
            raise NotSeenError(f"not seen within {seconds:.0f} s: {what}")
        time.sleep(0.3)
    return seen


class Cluster(Kubectl):
    """kubectl, with its answers as objects. Namespaces are given by each call; None for cluster-wide objects."""

    def __init__(self, kubeconfig: Path, home: Path) -> None:
        super().__init__(kubeconfig, home)
        self.kubeconfig = kubeconfig

    def get(self, kind: str, name: str, namespace: str | None = None) -> Object | None:
        """The object, or None when it does not exist."""
        text = self("get", kind, name, *_in(namespace), "--ignore-not-found", "--output=json")
        found: Object | None = json.loads(text) if text.strip() else None
        return found

    def existing(self, kind: str, name: str, namespace: str | None = None) -> Object:
        """The object, which must exist."""
        found = self.get(kind, name, namespace)
        assert found is not None, f"{kind} {namespace or ''}/{name} does not exist"
        return found

    def items(self, kind: str, namespace: str | None = None, selector: str = "") -> list[Object]:
        """All objects of a kind (or several, with commas) that the label selector admits; None: of all namespaces."""
        where = _in(namespace) or ["--all-namespaces"]
        chosen = [f"--selector={selector}"] if selector else []
        found: list[Object] = self.json("get", kind, *where, *chosen)["items"]
        return found

    def apply(self, manifest: Object) -> Object:
        """Applies an object and returns it as stored."""
        return self.json("apply", "--filename=-", stdin=json.dumps(manifest))

    def delete(self, kind: str, name: str, namespace: str | None = None, *, seconds: float = 120) -> None:
        """Deletes an object if it is there, and waits until it is gone."""
        self("delete", kind, name, *_in(namespace), "--ignore-not-found", "--wait=false")
        self.wait_for(kind, name, namespace, lambda found: found is None, seconds=seconds, what="gone")

    def can(self, verb: str, resource: str, who: str, namespace: str = "", *, group: str = "", name: str = "") -> bool:
        """Whether user `who` may, as the API server decides. `resource` may name a subresource: pods/log."""
        plural, _, subresource = resource.partition("/")
        asked = {"verb": verb, "group": group, "resource": plural, "subresource": subresource}
        asked |= {"namespace": namespace, "name": name}
        # Not `kubectl auth can-i`: what its cached discovery does not know it asks for in the wrong group.
        review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview"}
        review_of = {**review, "spec": {"user": who, "resourceAttributes": asked}}
        answer = self.json("create", "--filename=-", stdin=json.dumps(review_of))
        return bool(answer["status"]["allowed"])

    def wait_for(
        self,
        kind: str,
        name: str,
        namespace: str | None,
        holds: Callable[[Object | None], Any],
        *,
        seconds: float = 120,
        what: str = "the expected state",
    ) -> Object | None:
        """Looks at an object (None when absent) until `holds` is true. Raises NotSeenError with what was there."""
        deadline = time.monotonic() + seconds
        while True:
            found = self.get(kind, name, namespace)
            if holds(found):
                return found
            if time.monotonic() > deadline:
                seen = json.dumps((found or {}).get("status"), indent=1)
                raise NotSeenError(
                    f"{kind} {namespace}/{name}: not {what} after {seconds:.0f} s; its status was {seen}"
                )
            # Polling, because it must also see an object that is deleted and made again under the same name.
            time.sleep(0.2)


def _in(namespace: str | None) -> list[str]:
    return [f"--namespace={namespace}"] if namespace else []


def condition(found: Object | None, kind: str) -> Object:
    """A condition of an object by its type, or {}."""
    conditions = ((found or {}).get("status") or {}).get("conditions") or []
    return next((item for item in conditions if item["type"] == kind), {})


def is_ready(found: Object | None) -> bool:
    """Whether the condition Ready is True and was computed for the object's present generation."""
    ready = condition(found, "Ready")
    generation = (found or {}).get("metadata", {}).get("generation")
    return ready.get("status") == "True" and ready.get("observedGeneration", generation) == generation
