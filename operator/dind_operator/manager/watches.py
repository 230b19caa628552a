"""Kopf's part: watches, and the thin handlers that pass on what they report.

``on.event`` writes nothing to objects: no finalizer, no annotation.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import kopf

from dind_operator.api import names
from dind_operator.manager.worker import Controller

POD_SELECTOR = f"{names.LABEL_MANAGED_BY}={names.LABEL_MANAGED_BY_VALUE}"
WATCH_SERVER_TIMEOUT = 600
"""Seconds after which a watch is renewed in any case: bounds the life of one that is dead without knowing it."""

ERROR_BACKOFFS = (1, 1, 2, 3, *[5] * 10)
"""Seconds between tries of one request: for a minute, as Kopf's own, and never so long that a watch comes back late."""

WORKER_IDLE_SECONDS = 0.5
"""Kopf's worker of an object lives that long after an event, and holds the event: in a burst, all of them at once."""


def kopf_settings() -> kopf.OperatorSettings:
    """Settings of the watches: nothing posted, nothing stored, pods filtered by the server."""
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.peering.standalone = True
    settings.watching.server_timeout = WATCH_SERVER_TIMEOUT
    settings.watching.connect_timeout = 10
    settings.watching.label_selectors["pods"] = POD_SELECTOR
    settings.networking.request_timeout = 60
    settings.networking.error_backoffs = ERROR_BACKOFFS
    settings.queueing.idle_timeout = WORKER_IDLE_SECONDS
    settings.persistence.diffbase_storage = _NoDiff()
    settings.persistence.progress_storage = _NoProgress()
    return settings


class _NoDiff(kopf.DiffBaseStorage):
    """Kopf compares each object with its last state, which it copies for that: a tenth of the cpu, for handlers we lack."""

    def build(self, **_: Any) -> kopf.BodyEssence:
        return kopf.BodyEssence({})

    def fetch(self, **_: Any) -> kopf.BodyEssence | None:
        return None

    def store(self, **_: Any) -> None:
        return None


class _NoProgress(kopf.ProgressStorage):
    """Nor is there any progress of handlers to keep."""

    def fetch(self, **_: Any) -> None:
        return None

    def store(self, **_: Any) -> None:
        return None

    def purge(self, **_: Any) -> None:
        return None

    def touch(self, **_: Any) -> None:
        return None

    def clear(self, *, essence: kopf.BodyEssence) -> kopf.BodyEssence:
        return essence


def build_registry(
    controller: Controller, login: Callable[[], Awaitable[kopf.AiohttpSession]]
) -> kopf.OperatorRegistry:
    """All handlers. Kopf's own indices are not used: each object's toggle wakes every waiting worker, so a start takes a time that
    grows with the square of the objects.
    """
    registry = kopf.OperatorRegistry()

    @kopf.on.login(registry=registry, errors=kopf.ErrorsMode.PERMANENT)
    async def log_in(**_: Any) -> kopf.AiohttpSession:
        return await login()

    _register_events(registry, controller)
    return registry


def _register_events(registry: kopf.OperatorRegistry, controller: Controller) -> None:
    # Sync functions would cost a trip through a thread each; these return at once. With a resource's group and version Kopf asks the
    # API server for the resources of these groups and not of all.

    @kopf.on.event(names.GROUP, names.VERSION, names.PLURAL, registry=registry)
    async def environment(type: str | None, body: kopf.Body, **_: Any) -> None:
        controller.environment_event(type, slim(body))

    @kopf.on.event("", "v1", "pods", registry=registry)
    async def pod(type: str | None, body: kopf.Body, **_: Any) -> None:
        controller.pod_event(type, slim(body))

    @kopf.on.event("", "v1", "namespaces", registry=registry)
    async def namespace(type: str | None, body: kopf.Body, **_: Any) -> None:
        controller.namespace_event(type, slim(body))


def slim(body: kopf.Body) -> dict[str, Any]:
    """The object as a dict without managedFields, which are half of it and of no use here."""
    manifest = dict(body)
    manifest["metadata"] = {key: value for key, value in dict(body["metadata"]).items() if key != "managedFields"}
    return manifest
