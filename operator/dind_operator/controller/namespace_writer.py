"""Reconciles what all environments of a namespace share: the NetworkPolicy that closes their pods, and the Service of their names.

They belong to no environment, because they must outlive the pod of a deleted one. They are created before the first pod, and deleted
when the namespace contains neither environments nor their pods.
"""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from dind_operator.api import names
from dind_operator.api.conditions import Reason
from dind_operator.controller.api_errors import ClusterError, ErrorClass
from dind_operator.controller.cache_reader import View
from dind_operator.controller.owned_objects import Verify, apply, rejected
from dind_operator.controller.polling import PollSchedule
from dind_operator.features.endpoint.desired import same_policy
from dind_operator.features.endpoint.network_policy import baseline
from dind_operator.features.endpoint.service import service
from dind_operator.pod.defaults import BuildSettings
from dind_operator.state import pod_status as pods
from dind_operator.state.assessment import Condition
from dind_operator.state.cluster import Cluster, Key, ObjectKind
from dind_operator.state.owned_objects import Change, altered, labelled, write

FRESH = timedelta(seconds=5)
"""A check is valid for so long when a pod is created. A burst of environments costs one check."""
_NEVER = datetime.min.replace(tzinfo=UTC)
_ABSENT = (ErrorClass.NOT_FOUND, ErrorClass.CONFLICT)

Manifest = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Check:
    """``uid`` of the namespace; ``key``: the environment that is requeued for the next check, None for the next one that is
    reconciled; ``retry``: of a failed request."""

    uid: str | None
    at: datetime
    key: Key | None
    problem: Condition | None
    retry: bool


class NamespaceObjects:
    """The shared objects of all namespaces. ``seconds`` is the minimum time between two checks of one namespace."""

    def __init__(self, cluster: Cluster, view: View, settings: BuildSettings, seconds: float) -> None:
        self._cluster = cluster
        self._view = view
        self._settings = settings
        self._schedule = PollSchedule(seconds)
        self._checks: dict[str, _Check] = {}
        # Requests of one namespace never overlap. Who comes while they are made shares their result, or their error.
        self._running: dict[str, asyncio.Task[_Check | None]] = {}

    def wait(self, key: Key, now: datetime) -> float | None:
        """Seconds until the next check for which this environment is requeued; None without one."""
        check = self._checks.get(key[0])
        return self._schedule.wait(_scheduled(key[0]), now) if check is not None and check.key == key else None

    def forget(self, key: Key) -> None:
        """This environment is not requeued."""
        check = self._checks.get(key[0])
        if check is not None and check.key == key:
            self._checks[key[0]] = replace(check, key=None)

    async def ensure(
        self, key: Key, now: datetime, verify: Verify, *, creates: bool, first: bool
    ) -> tuple[Condition | None, bool]:
        """Why the objects are not as they should be, None if they are, and whether a failed request is to be tried again soon.

        ``creates``: a pod is about to be created. ``first``: the first check is not delayed; else it is, so that not all namespaces
        are checked when the operator starts. Raises StaleError, and ClusterError for errors that are retried.
        """
        namespace = key[0]
        while (running := self._running.get(namespace)) is not None:
            if (shared := await asyncio.shield(running)) is not None:
                return shared.problem, shared.retry
        check = self._checks.get(namespace)
        if check is not None and check.uid != self._uid(namespace):
            check = None
        if self._due(namespace, check, now, creates=creates, first=first):
            check = await self._alone(namespace, self._check(key, now, verify))
        elif check is None:
            # This environment comes back for the first check.
            self._checks[namespace] = _Check(self._uid(namespace), _NEVER, key, None, retry=False)
        elif check.key is None:
            self._checks[namespace] = replace(check, key=key)
        return (check.problem, check.retry) if check is not None else (None, False)

    async def release(self, namespace: str) -> None:
        """Delete the objects if neither an environment nor a pod is left in the namespace. Raises ClusterError."""
        if not self._view.occupied(namespace) and namespace not in self._running:
            await self._alone(namespace, self._delete(namespace))

    async def _alone(self, namespace: str, work: Coroutine[Any, Any, _Check | None]) -> _Check | None:
        async def once() -> _Check | None:
            try:
                return await work
            finally:
                # Before the task is done: who waits for a task that is done does not wait, and would look again for ever.
                del self._running[namespace]

        task = self._running[namespace] = asyncio.create_task(once())
        return await task

    def _due(self, namespace: str, check: _Check | None, now: datetime, *, creates: bool, first: bool) -> bool:
        if check is None and (creates or first):
            return True
        if check is not None and (creates or check.problem is not None) and now - check.at >= FRESH:
            return True
        return self._schedule.due(_scheduled(namespace), now)

    def _uid(self, namespace: str) -> str | None:
        """The UID of the namespace; None if it does not exist or is being deleted, with all its objects."""
        metadata = (self._view.namespace(namespace) or {}).get("metadata", {})
        return None if metadata.get("deletionTimestamp") else metadata.get("uid")

    def _desired(self, namespace: str) -> tuple[tuple[ObjectKind, Manifest], ...]:
        return (
            (ObjectKind.NETWORK_POLICY, baseline(namespace, self._settings.metadata_addresses)),
            (ObjectKind.SERVICE, service(namespace, self._settings.subdomain)),
        )

    async def _read(self, namespace: str) -> list[Manifest | None]:
        wanted = ((kind, (namespace, manifest["metadata"]["name"])) for kind, manifest in self._desired(namespace))
        return await asyncio.gather(*(self._cluster.owned(kind, key) for kind, key in wanted))

    async def _check(self, key: Key, now: datetime, verify: Verify) -> _Check | None:
        problem, retry = None, False
        try:
            found = await self._read(key[0])
            changes: list[Change] = []
            for (kind, desired), seen in zip(self._desired(key[0]), found, strict=True):
                if seen is not None and (why := _foreign(kind, seen, desired)):
                    problem = problem or _conflict(kind, seen, why)
                elif seen is None or not _SAME[kind](seen, desired):
                    changes.append(write(kind, seen, desired))
            errors = await apply(self._cluster, changes, verify)
        except ClusterError as error:
            errors = [error]
        for failed in errors:
            problem = rejected(failed)
            retry = retry or failed.error_class is ErrorClass.RETRY
        check = _Check(self._uid(key[0]), now, key, problem, retry)
        self._checks[key[0]] = check
        self._schedule.done(_scheduled(key[0]), now)
        return check

    async def _delete(self, namespace: str) -> None:
        self._checks.pop(namespace, None)
        self._schedule.forget(_scheduled(namespace))
        if self._uid(namespace) is None:
            return
        for (kind, desired), seen in zip(self._desired(namespace), await self._read(namespace), strict=True):
            if seen is None or _foreign(kind, seen, desired):
                continue
            try:
                await self._cluster.delete_owned(kind, seen)
            except ClusterError as error:
                if error.error_class not in _ABSENT:
                    raise


def _scheduled(namespace: str) -> Key:
    return "", namespace


def _foreign(kind: ObjectKind, seen: Manifest, desired: Manifest) -> str | None:
    if (seen["metadata"].get("labels") or {}).get(names.LABEL_MANAGED_BY) != names.LABEL_MANAGED_BY_VALUE:
        return "was not created by the operator"
    if names.LABEL_ENVIRONMENT in seen["metadata"]["labels"] or pods.controller(seen) is not None:
        return "belongs to something else"
    if kind is ObjectKind.SERVICE and (seen.get("spec") or {}).get("clusterIP") != "None":
        return "has a cluster IP"
    other = altered(kind, seen, desired)
    return other.why if other is not None else None


def _conflict(kind: ObjectKind, seen: Manifest, why: str) -> Condition:
    metadata = seen["metadata"]
    instead = (
        ", or ask an administrator to set another name in subdomain of the chart" if kind is ObjectKind.SERVICE else ""
    )
    return Condition.false(
        Reason.ENDPOINT_CONFLICT,
        f"The environments of the namespace {metadata['namespace']} need the {kind.api_kind} {metadata['name']}, but the "
        f"existing one {why}. The operator does not change it. Delete it{instead}.",
    )


def _same_service(seen: Manifest, desired: Manifest) -> bool:
    spec = seen.get("spec") or {}
    expected = desired["spec"]
    ports = [{key: port.get(key) for key in expected["ports"][0]} for port in spec.get("ports") or []]
    plain = all(spec.get(key) == expected[key] for key in ("clusterIP", "publishNotReadyAddresses"))
    # External addresses would admit traffic from outside the cluster.
    return labelled(seen, desired) and plain and ports == expected["ports"] and not spec.get("externalIPs")


_SAME = {ObjectKind.NETWORK_POLICY: same_policy, ObjectKind.SERVICE: _same_service}
