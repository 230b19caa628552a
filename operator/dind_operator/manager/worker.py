"""Passes the events of the watches to the reconciler: which environments to reconcile, when, and what to do on failure."""

import asyncio
import logging
import random
import time
from typing import Any

from dind_operator.api import names
from dind_operator.controller.api_errors import ClusterError
from dind_operator.controller.reconciler import Reconciler
from dind_operator.manager.cache import ClusterView, Layer, key_of
from dind_operator.manager.client import ApiCluster, Listing
from dind_operator.manager.kopf_session import WATCHED
from dind_operator.manager.metrics import Metrics
from dind_operator.manager.staleness import Staleness
from dind_operator.manager.startup_latency import Starts
from dind_operator.manager.workqueue import WorkQueue
from dind_operator.state.cluster import Key

logger = logging.getLogger("dind_operator")

STUCK_WORK_SECONDS = 180.0
"""Longer than one reconciliation in which every call times out after 20 s."""
STUCK_QUEUE_SECONDS = 300.0
SPREAD_SECONDS = 30.0
"""A resync spreads its reconciliations over this time."""
RELIST_PAUSE_SECONDS = 0.5
"""Several watches often relist at the same time. After this pause, one resync handles all of them."""


class Controller:
    """The work queue, the workers and the resync of one operator. ``attach`` must be called before ``run``."""

    def __init__(self, cluster: ApiCluster, metrics: Metrics, *, workers: int, resync_seconds: float) -> None:
        self.queue = WorkQueue()
        self._cluster = cluster
        self._metrics = metrics
        self._workers = workers
        self._resync_seconds = resync_seconds
        self._view: ClusterView | None = None
        self._reconciler: Reconciler | None = None
        self._listed: set[str] = set()
        self._first_lists = asyncio.Event()
        self._relist = asyncio.Event()
        self._signatures: dict[Key, tuple[object, ...]] = {}
        self._environments_watch = Staleness("environments")
        self._pods_watch = Staleness("pods")
        self._namespaces_watch = Staleness("namespaces")
        self._starts = Starts()
        self._resynced = asyncio.Event()

    def attach(self, view: ClusterView, reconciler: Reconciler) -> None:
        """Set the cache and the reconciler."""
        self._view = view
        self._reconciler = reconciler

    # Events of the watches, starting with the initial lists of Kopf. Nothing is reconciled before the first resync has finished.

    def environment_event(self, kind: str | None, manifest: dict[str, Any]) -> None:
        """An environment was added, modified or deleted. Changes of only its status, which the operator makes, are ignored."""
        key, metadata = key_of(manifest), manifest["metadata"]
        if kind == "DELETED":
            self.view.environments.forget(key, metadata["uid"])
            self._signatures.pop(key, None)
            self._starts.forget(key)
            # To forget it everywhere, and for a pod that it may have left behind.
            self.queue.add(key)
            return
        self.view.environments.report(key, manifest)
        extended = (metadata.get("annotations") or {}).get(names.ANNOTATION_EXTEND)
        signature = (metadata["uid"], metadata.get("generation"), metadata.get("deletionTimestamp"), extended)
        if self._signatures.get(key) != signature:
            self._signatures[key] = signature
            self.queue.add(key)

    def pod_event(self, kind: str | None, manifest: dict[str, Any]) -> None:
        """A pod with the label of the operator was added, modified or deleted. It has the name of its environment."""
        key = key_of(manifest)
        if kind == "DELETED":
            self.view.pods.forget(key, manifest["metadata"]["uid"])
        elif not self.view.pods.report(key, manifest) and kind == "ADDED":
            # The operator created it, and has reconciled the environment with it.
            return
        self.queue.add(key)

    def namespace_event(self, kind: str | None, manifest: dict[str, Any]) -> None:
        """A namespace was added, modified or deleted. Environments may have been enabled in it."""
        key = key_of(manifest)
        if kind == "DELETED":
            self.view.namespaces.forget(key, manifest["metadata"]["uid"])
        else:
            self.view.namespaces.report(key, manifest)
        for environment in self.view.environments.within(key[1]):
            self.queue.add(environment)

    def listed(self, plural: str) -> None:
        """Kopf has listed a resource. After the first time, this means that events, such as deletions, may be lost: resync."""
        if plural in self._listed:
            self._relist.set()
        self._listed.add(plural)
        if self._listed.issuperset(WATCHED):
            self._first_lists.set()

    @property
    def view(self) -> ClusterView:
        """The newest known objects."""
        assert self._view is not None, "attach() must be called first"
        return self._view

    # Reconciliation

    async def run(self) -> None:
        """Run until cancelled. The first resync starts after the initial lists of Kopf, so the watches report all later deletions."""
        await self._first_lists.wait()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._resync_loop(), name="resync")
            await self._resynced.wait()
            group.create_task(self.queue.run(self._workers, self._reconcile), name="queue")

    async def _reconcile(self, key: Key) -> None:
        assert self._reconciler is not None
        start = time.monotonic()
        extra = {"namespace": key[0], "environment": key[1]}
        before = self.view.environment(key)
        try:
            outcome = await self._reconciler.reconcile(key)
        except ClusterError as error:
            self._measure(key, before)
            delay = self.queue.fail(key)
            self._metrics.errors.labels(error.error_class.value).inc()
            self._metrics.reconciles.labels("error").inc()
            logger.warning(
                error.message, extra={**extra, "error_class": error.error_class.value, "retry_in": round(delay, 1)}
            )
            return
        except Exception:
            # A bug that affects one environment must not stop the operator for all others.
            self.queue.fail(key)
            self._metrics.errors.labels("defect").inc()
            self._metrics.reconciles.labels("error").inc()
            logger.exception("unexpected error during reconciliation", extra=extra)
            return
        seconds = time.monotonic() - start
        self.queue.succeed(key)
        self._metrics.reconciles.labels("ok").inc()
        self._metrics.seconds.observe(seconds)
        if outcome.requeue_after is not None:
            self.queue.add_after(key, outcome.requeue_after)
        self._log_phase(key, before, outcome.phase, seconds)
        self._measure(key, before)

    def _log_phase(self, key: Key, before: dict[str, Any] | None, phase: str | None, seconds: float) -> None:
        old = ((before or {}).get("status") or {}).get("phase")
        if phase is None or before is None or phase == old:
            return
        extra = {"namespace": key[0], "environment": key[1], "phase": phase, "seconds": round(seconds, 3)}
        logger.info("%s -> %s", old or "new", phase, extra=extra)

    def _measure(self, key: Key, before: dict[str, Any] | None) -> None:
        pod = self.view.pod(key)
        start = self._starts.follow(key, before, pod) if before is not None else None
        if start is not None and pod is not None:
            self._metrics.pod_became_ready(pod, start.created)

    # Resync

    async def _resync_loop(self) -> None:
        delay = 0.0
        while True:
            try:
                async with asyncio.timeout(delay):
                    await self._relist.wait()
                await asyncio.sleep(RELIST_PAUSE_SECONDS)
            except TimeoutError:
                pass
            self._relist.clear()
            try:
                await self._resync()
            except ClusterError as error:
                logger.warning("resync failed: %s", error.message, extra={"error_class": error.error_class.value})
                delay = min(5.0, self._resync_seconds)
                continue
            delay = self._resync_seconds * random.uniform(0.9, 1.1)  # noqa: S311 - not for security

    async def _resync(self) -> None:
        """List all objects, correct the cache, and queue all environments."""
        for layer in (self.view.environments, self.view.pods, self.view.namespaces):
            layer.begin_listing()
        namespaces = await self._cluster.list_namespaces(self.view.namespaces.listed)
        environments = await self._cluster.list_environments(self.view.environments.listed)
        listed_pods = await self._cluster.list_pods(self.view.pods.listed)
        changed = _compare(self.view.environments, self._environments_watch, environments)
        changed |= _compare(self.view.pods, self._pods_watch, listed_pods)
        for _, name in _compare(self.view.namespaces, self._namespaces_watch, namespaces):
            changed |= self.view.environments.within(name)
        for key in changed:
            self.queue.add(key)
        spread = min(SPREAD_SECONDS, self._resync_seconds / 2)
        # A pod without an environment may have been left behind.
        for key in (self.view.environments.known() | self.view.pods.known()) - changed:
            self.queue.add_after(key, random.uniform(0, spread))  # noqa: S311 - not for security
        self._resynced.set()

    # Probes

    def stuck(self) -> str | None:
        """Why the liveness probe fails; None if it succeeds."""
        if self.queue.longest_work() > STUCK_WORK_SECONDS:
            return f"a worker has been reconciling one environment for {self.queue.longest_work():.0f} s"
        if self._resynced.is_set() and (wait := self.queue.oldest_wait(held=False)) > STUCK_QUEUE_SECONDS:
            return f"an environment has been waiting for a worker for {wait:.0f} s"
        if self._view is None:
            return None
        watched = (
            (self._environments_watch, self._view.environments),
            (self._pods_watch, self._view.pods),
            (self._namespaces_watch, self._view.namespaces),
        )
        return next((problem for watch, layer in watched if (problem := watch.problem(layer))), None)

    def unready(self) -> str | None:
        """Why the readiness probe fails; None if it succeeds."""
        return None if self._resynced.is_set() else "the initial lists are not complete"


def _compare(layer: Layer, watch: Staleness, listing: Listing) -> set[Key]:
    """Correct the cache of one resource. Returns the keys of the objects whose cached state was outdated."""
    listed = layer.existing(dict(listing.items))
    changed = layer.compare(listed, listing.version)
    watch.compare(layer, listed)
    return changed
