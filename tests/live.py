"""The objects of a cluster for tests: objects by kind and name, the permissions of a user, and waiting for a state with a watch."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.kube.api import FIELD_MANAGER, Api, NotSeenError
from tests.kube.client import APPLY_PATCH, ApiError, Object
from tests.kube.eventually import eventually
from tests.kube.kinds import Kinds
from tests.kubectl import Kubectl

__all__ = ["ApiError", "Cluster", "NotSeenError", "Object", "condition", "eventually", "is_ready"]


class Cluster(Kubectl):
    """The API server's objects. Namespaces are given by each call; None for cluster-wide objects.

    Called as a function it is kubectl, for tests of what kubectl itself shows.
    """

    def __init__(self, kubeconfig: Path, home: Path) -> None:
        super().__init__(kubeconfig, home)
        self.kubeconfig = kubeconfig
        self.api = Api(kubeconfig)
        self._kinds = Kinds(self.api)

    def path(self, kind: str, name: str, namespace: str | None = None) -> str:
        return f"{self._kinds(kind).collection(namespace)}/{name}"

    def get(self, kind: str, name: str, namespace: str | None = None) -> Object | None:
        """The object, or None when it or its kind does not exist."""
        try:
            return self.api.get(self.path(kind, name, namespace))
        except KeyError:
            return None

    def existing(self, kind: str, name: str, namespace: str | None = None) -> Object:
        """The object, which must exist."""
        found = self.get(kind, name, namespace)
        assert found is not None, f"{kind} {namespace or ''}/{name} does not exist"
        return found

    def items(self, kinds: str, namespace: str | None = None, selector: str = "", fields: str = "") -> list[Object]:
        """All objects of a kind (or several, with commas) that the selectors admit; None: of all namespaces."""
        query = {key: value for key, value in (("labelSelector", selector), ("fieldSelector", fields)) if value}
        found = []
        for kind in kinds.split(","):
            listed = self.api.call("GET", self._collection(kind, namespace, query))
            whole = {"apiVersion": listed["apiVersion"], "kind": listed["kind"].removesuffix("List")}
            found += [whole | item for item in listed["items"]]
        return found

    def _collection(self, kind: str, namespace: str | None, query: dict[str, str]) -> str:
        path = self._kinds(kind).collection(namespace)
        return f"{path}?{'&'.join(f'{key}={value}' for key, value in query.items())}" if query else path

    def apply(self, manifest: Object) -> Object:
        """Applies an object on the server and returns it as stored."""
        metadata = manifest["metadata"]
        return self.api.apply(self.path(manifest["kind"], metadata["name"], metadata.get("namespace")), manifest)

    def try_create(self, manifest: Object) -> str:
        """What the API server says to an object, whose fields must all be known to it; empty if it takes it. Nothing is made."""
        metadata = manifest["metadata"]
        collection = self._kinds(manifest["kind"]).collection(metadata.get("namespace") or "default")
        try:
            self.api.create(f"{collection}?dryRun=All&fieldValidation=Strict", manifest)
        except ApiError as error:
            return error.message
        return ""

    def try_apply(self, manifest: Object) -> str:
        """The same for an object that is applied over whatever is there."""
        metadata = manifest["metadata"]
        path = self.path(manifest["kind"], metadata["name"], metadata.get("namespace") or "default")
        query = f"fieldManager={FIELD_MANAGER}&force=true&dryRun=All&fieldValidation=Strict"
        try:
            self.api.call("PATCH", f"{path}?{query}", manifest, APPLY_PATCH)
        except ApiError as error:
            return error.message
        return ""

    def patch(self, kind: str, name: str, namespace: str | None, change: Object) -> Object:
        """Merges into an object."""
        return self.api.patch(self.path(kind, name, namespace), change)

    def start_deleting(self, kind: str, name: str, namespace: str | None = None, **options: Any) -> None:
        """Deletes an object if it is there, without waiting; options are DeleteOptions."""
        try:
            self.api.delete(self.path(kind, name, namespace), **options)
        except KeyError:
            return

    def delete(self, kind: str, name: str, namespace: str | None = None, *, seconds: float = 120) -> None:
        """Deletes an object if it is there, and waits until it is gone."""
        self.start_deleting(kind, name, namespace)
        self.wait_for(kind, name, namespace, lambda found: found is None, seconds=seconds, what="gone")

    def empty(self, namespace: str, *, seconds: float = 60) -> None:
        """Deletes the environments and pods of a namespace, and waits until no pod is left, or for so long.

        A namespace that is deleted with pods in it is there for half their grace period, however soon they end: its controller
        does not look again before.
        """
        for kind in ("dindenvironments.dind.dev", "pods"):
            with suppress(KeyError):
                self.api.delete(self._kinds(kind).collection(namespace))
        with suppress(NotSeenError):
            self.api.wait_items(self._kinds("pods").collection(namespace), lambda pods: not pods, "no pods", seconds)

    def can(self, verb: str, resource: str, who: str, namespace: str = "", *, group: str = "", name: str = "") -> bool:
        """Whether user `who` may, as the API server decides. `resource` may name a subresource: pods/log."""
        plural, _, subresource = resource.partition("/")
        asked = {"verb": verb, "group": group, "resource": plural, "subresource": subresource}
        asked |= {"namespace": namespace, "name": name}
        review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview"}
        review_of = {**review, "spec": {"user": who, "resourceAttributes": asked}}
        answer = self.api.create("/apis/authorization.k8s.io/v1/subjectaccessreviews", review_of)
        return bool(answer["status"]["allowed"])

    def log(self, namespace: str, pod: str, container: str = "", **query: str) -> str:
        """What a container wrote; empty before it was started, or once it is gone. `query`: tailLines and the like."""
        asked = query | ({"container": container} if container else {})
        path = f"/api/v1/namespaces/{namespace}/pods/{pod}/log"
        try:
            return self.api.text(f"{path}?{'&'.join(f'{key}={value}' for key, value in asked.items())}")
        except ApiError:
            return ""

    def wait_for(
        self,
        kind: str,
        name: str,
        namespace: str | None,
        holds: Callable[[Object | None], Any],
        *,
        seconds: float = 120,
        what: str = "the expected state",
        story: Callable[[], str] | None = None,
    ) -> Object | None:
        """Watches an object (None while absent) until `holds` is true. Raises NotSeenError with what was there."""
        try:
            collection = self._kinds(kind).collection(namespace)
        except KeyError:
            assert holds(None), f"there is no kind {kind}, and so no {name}"
            return None
        return self.api.wait(collection, name, holds, what, seconds, story)

    def wait_condition(
        self, kind: str, name: str, namespace: str | None, type_: str = "Ready", *, seconds: float = 90
    ) -> Object:
        """Watches an object until that condition is True."""
        found = self.wait_for(
            kind,
            name,
            namespace,
            lambda found: condition(found, type_).get("status") == "True",
            seconds=seconds,
            what=type_,
        )
        assert found is not None
        return found


def condition(found: Object | None, kind: str) -> Object:
    """A condition of an object by its type, or {}."""
    conditions = ((found or {}).get("status") or {}).get("conditions") or []
    return next((item for item in conditions if item["type"] == kind), {})


def is_ready(found: Object | None) -> bool:
    """Whether the condition Ready is True and was computed for the object's present generation."""
    ready = condition(found, "Ready")
    generation = (found or {}).get("metadata", {}).get("generation")
    return ready.get("status") == "True" and ready.get("observedGeneration", generation) == generation
