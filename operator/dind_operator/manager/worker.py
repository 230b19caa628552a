"""Between Kopf's watches and the reconciler: what to look at, when, and what to do when it fails."""

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
"""Longer than every call of one reconciliation timing out in a row (20 s each)."""
STUCK_QUEUE_SECONDS = 300.0
SPREAD_SECONDS = 30.0
"""A resync looks at everything, but not in the same instant."""
RELIST_PAUSE_SECONDS = 0.5
"""After a relist several watches report at once; one resync serves for all."""


class Controller:
    """One operator's work. Made before it leads; ``attach`` gives it what it works on."""

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
        self._seen: dict[Key, tuple[object, ...]] = {}
        self._environments_watch = Staleness("environments")
        self._pods_watch = Staleness("pods")
        self._namespaces_watch = Staleness("namespaces")
        self._starts = Starts()
        self._resynced = asyncio.Event()

    def attach(self, view: ClusterView, reconciler: Reconciler) -> None:
        """Give it what it works on."""
        self._view = view
        self._reconciler = reconciler

    # What the watches report, from the first object of Kopf's first lists on. Nothing is reconciled before our own is complete.

    def environment_event(self, kind: str | None, manifest: dict[str, Any]) -> None:
        """An environment came, changed or went. Changes of status alone, which are our own, are passed over."""
        key, metadata = key_of(manifest), manifest["metadata"]
        if kind == "DELETED":
            self.view.environments.forget(key, metadata["uid"])
            self._seen.pop(key, None)
            self._starts.forget(key)
            return
        self.view.environments.report(key, manifest)
        extended = (metadata.get("annotations") or {}).get(names.ANNOTATION_EXTEND)
        signature = (metadata["uid"], metadata.get("generation"), metadata.get("deletionTimestamp"), extended)
        if self._seen.get(key) != signature:
            self._seen[key] = signature
            self.queue.add(key)

    def pod_event(self, kind: str | None, manifest: dict[str, Any]) -> None:
        """A pod that carries our label came, changed or went. It has its environment's name."""
        key = key_of(manifest)
        if kind == "DELETED":
            self.view.pods.forget(key, manifest["metadata"]["uid"])
        else:
            self.view.pods.report(key, manifest)
        self.queue.add(key)

    def namespace_event(self, kind: str | None, manifest: dict[str, Any]) -> None:
        """A namespace came, changed or went: it may have been opened for environments."""
        key = key_of(manifest)
        if kind == "DELETED":
            self.view.namespaces.forget(key, manifest["metadata"]["uid"])
        else:
            self.view.namespaces.report(key, manifest)
        for environment in self.view.environments.within(key[1]):
            self.queue.add(environment)

    def listed(self, plural: str) -> None:
        """Kopf read a list: the first of that kind, or another after its watch was lost; what vanished meanwhile is in no event."""
        if plural in self._listed:
            self._relist.set()
        self._listed.add(plural)
        if self._listed.issuperset(WATCHED):
            self._first_lists.set()

    @property
    def view(self) -> ClusterView:
        """The newest objects known."""
        assert self._view is not None, "attach() comes first"
        return self._view

    # The work.

    async def run(self) -> None:
        """Work until cancelled. Our own first list is later than Kopf's, so that its watches report the end of whatever is in it."""
        await self._first_lists.wait()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._resync_for_ever(), name="resync")
            await self._resynced.wait()
            group.create_task(self.queue.run(self._workers, self._work), name="queue")

    async def _work(self, key: Key) -> None:
        assert self._reconciler is not None
        begin = time.monotonic()
        about = {"namespace": key[0], "environment": key[1]}
        before = self.view.environment(key)
        try:
            outcome = await self._reconciler.reconcile(key)
        except ClusterError as error:
            self._measure(key, before)
            delay = self.queue.fail(key)
            self._metrics.errors.labels(error.error_class.value).inc()
            self._metrics.reconciles.labels("error").inc()
            logger.warning(
                error.message, extra={**about, "error_class": error.error_class.value, "retry_in": round(delay, 1)}
            )
            return
        except Exception:
            # A defect in one environment's handling must not end the work for all the others.
            self.queue.fail(key)
            self._metrics.errors.labels("defect").inc()
            self._metrics.reconciles.labels("error").inc()
            logger.exception("reconciling failed unexpectedly", extra=about)
            return
        seconds = time.monotonic() - begin
        self.queue.succeed(key)
        self._metrics.reconciles.labels("ok").inc()
        self._metrics.seconds.observe(seconds)
        if outcome.requeue_after is not None:
            self.queue.add_after(key, outcome.requeue_after)
        self._tell(key, before, outcome.phase, seconds)
        self._measure(key, before)

    def _tell(self, key: Key, before: dict[str, Any] | None, phase: str | None, seconds: float) -> None:
        old = ((before or {}).get("status") or {}).get("phase")
        if phase is None or before is None or phase == old:
            return
        about = {"namespace": key[0], "environment": key[1], "phase": phase, "seconds": round(seconds, 3)}
        logger.info("%s -> %s", old or "new", phase, extra=about)

    def _measure(self, key: Key, before: dict[str, Any] | None) -> None:
        pod = self.view.pod(key)
        start = self._starts.follow(key, before, pod) if before is not None else None
        if start is not None and pod is not None:
            self._metrics.pod_became_ready(pod, start.created)

    # The resync.

    async def _resync_for_ever(self) -> None:
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
                logger.warning("resync: %s", error.message, extra={"error_class": error.error_class.value})
                delay = min(5.0, self._resync_seconds)
                continue
            delay = self._resync_seconds * random.uniform(0.9, 1.1)  # noqa: S311 - spreads load, guards nothing

    async def _resync(self) -> None:
        """List everything, correct what the cache holds, and look at everything again."""
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
        for key in self.view.environments.known() - changed:
            self.queue.add_after(key, random.uniform(0, spread))  # noqa: S311 - spreads load, guards nothing
        self._resynced.set()

    # What the probes ask.

    def stuck(self) -> str | None:
        """What does not move any more; None if all does."""
        if self.queue.longest_work() > STUCK_WORK_SECONDS:
            return f"a worker has been at one environment for {self.queue.longest_work():.0f} s"
        if self._resynced.is_set() and self.queue.oldest_wait() > STUCK_QUEUE_SECONDS:
            return f"an environment has waited {self.queue.oldest_wait():.0f} s for a worker"
        if self._view is None:
            return None
        watched = (
            (self._environments_watch, self._view.environments),
            (self._pods_watch, self._view.pods),
            (self._namespaces_watch, self._view.namespaces),
        )
        return next((problem for watch, layer in watched if (problem := watch.problem(layer))), None)

    def unready(self) -> str | None:
        """Why nothing is reconciled yet; None when it is."""
        return None if self._resynced.is_set() else "the first lists are not complete"


def _compare(layer: Layer, watch: Staleness, listing: Listing) -> set[Key]:
    """Correct one kind of object; the keys of which something else was believed."""
    listed = layer.existing(dict(listing.items))
    changed = layer.compare(listed, listing.version)
    watch.compare(layer, listed)
    return changed
