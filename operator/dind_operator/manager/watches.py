"""The configuration of Kopf's watches, and handlers that pass events to the controller.

Handlers of the kind ``on.event`` do not modify objects: Kopf adds no finalizers and no annotations.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import kopf

from dind_operator.api import names
from dind_operator.manager.worker import Controller

POD_SELECTOR = f"{names.LABEL_MANAGED_BY}={names.LABEL_MANAGED_BY_VALUE}"
WATCH_SERVER_TIMEOUT = 600
"""Seconds after which each watch is renewed, so that a watch that silently stopped is replaced."""

ERROR_BACKOFFS = (1, 1, 2, 3, *[5] * 10)
"""Seconds between the retries of a request. They add up to a minute, as in Kopf; the maximum is short, so watches recover soon."""

WORKER_IDLE_SECONDS = 0.5
"""The time for which Kopf keeps its worker of an object, and the last event, in memory."""


def kopf_settings() -> kopf.OperatorSettings:
    """The settings of Kopf: no Events, no stored state, and a label selector for pods."""
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
    """Disables the comparison of objects with their last state. It takes a tenth of the CPU time, and no handler needs it."""

    def build(self, **_: Any) -> kopf.BodyEssence:
        return kopf.BodyEssence({})

    def fetch(self, **_: Any) -> kopf.BodyEssence | None:
        return None

    def store(self, **_: Any) -> None:
        return None


class _NoProgress(kopf.ProgressStorage):
    """Disables the storage of handler progress, which no handler needs."""

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
    """All handlers. Kopf's indices are not used, because with them the startup time is quadratic in the number of objects."""
    registry = kopf.OperatorRegistry()

    @kopf.on.login(registry=registry, errors=kopf.ErrorsMode.PERMANENT)
    async def log_in(**_: Any) -> kopf.AiohttpSession:
        return await login()

    _register_events(registry, controller)
    return registry


def _register_events(registry: kopf.OperatorRegistry, controller: Controller) -> None:
    # The functions are async because Kopf runs sync functions in threads. The explicit groups and versions limit API discovery to
    # these groups.

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
    """The object as a dict without managedFields, which are half of it and not used."""
    manifest = dict(body)
    manifest["metadata"] = {key: value for key, value in dict(body["metadata"]).items() if key != "managedFields"}
    return manifest
