"""Creates the parts of the operator and runs them until a signal, the loss of the Lease, or a failure."""

import asyncio
import contextlib
import logging
import signal
import threading
from collections.abc import Callable
from datetime import datetime
from typing import Any

import kopf
from kopf._core.engines.peering import Identity  # the type of an argument of kopf.operator; not exported

from dind_operator.controller.log_budget import LogBudget
from dind_operator.controller.reconciler import Reconciler
from dind_operator.manager.cache import ClusterView
from dind_operator.manager.client import ApiCluster, connect
from dind_operator.manager.clock_skew import utc_now
from dind_operator.manager.health import serve
from dind_operator.manager.kopf_session import watch_session
from dind_operator.manager.leader_election import LeadershipLostError, lead
from dind_operator.manager.metrics import Metrics
from dind_operator.manager.settings import Settings
from dind_operator.manager.watches import build_registry, kopf_settings
from dind_operator.manager.worker import Controller
from dind_operator.pod.defaults import DEFAULT_MINUTE_SECONDS

logger = logging.getLogger("dind_operator")

SHUTDOWN_SECONDS = 5.0
"""The timeout for stopping Kopf. It stops in milliseconds, but after a failure one of its tasks can hang."""
CANCELLATIONS = 5
"""The maximum number of attempts to cancel a task. In tests, two were sufficient."""
WORKERS_PER_LOG_READ = 4
"""At most a quarter of the workers reads logs at the same time: each can wait seconds for a node that does not answer."""


class Operator:
    """One operator process. ``run`` can be called once."""

    def __init__(self, settings: Settings, cluster: ApiCluster, clock: Callable[[], datetime] = utc_now) -> None:
        self._settings = settings
        self._clock = clock
        self._cluster = cluster
        self._metrics = Metrics()
        self._stop = asyncio.Event()
        self._leading = False
        self.controller = Controller(
            cluster, self._metrics, workers=settings.workers, resync_seconds=settings.resync_seconds
        )
        self.port: int | None = None
        if settings.minute_seconds != DEFAULT_MINUTE_SECONDS:
            logger.warning(
                "DIND_MINUTE_SECONDS is %d: environments expire in %d/60 of the time in spec.lifetime. This setting is for tests "
                "only. Remove the variable from all other installations",
                *(settings.minute_seconds, settings.minute_seconds),
            )

    def stop(self) -> None:
        """Make ``run`` shut down and return."""
        self._stop.set()

    def handle_signals(self) -> None:
        """Shut down on SIGTERM and SIGINT. Does nothing outside of the main thread, as in tests."""
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                asyncio.get_running_loop().add_signal_handler(number, self.stop)

    async def run(self) -> None:
        """Serve probes and metrics, and reconcile while leading. Raises the failure that ended it, if any."""
        queue = self.controller.queue
        self._metrics.watch_queue(lambda: queue.depth, queue.oldest_wait)
        async with serve(
            self._settings.listen_port, self._metrics, live=self._liveness_problem, ready=self._readiness_problem
        ) as self.port:
            if not self._settings.leader_election:
                await self._reconcile()
                return
            leading = asyncio.create_task(
                lead(self._cluster, self._settings.pod_namespace, self._settings.pod_name, self._reconcile)
            )
            stopping = asyncio.create_task(self._stop.wait())
            await asyncio.wait({leading, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if self._leading:
                await leading
            stopping.cancel()
            leading.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await leading

    async def _reconcile(self) -> None:
        self._leading = True
        self._metrics.leader.set(1)
        self._attach(ClusterView())
        registry = build_registry(self.controller, lambda: watch_session(self._cluster, self.controller.listed))
        before = asyncio.all_tasks()
        # Not kopf.operator(): if a watch fails permanently, it can wait forever for the other watches.
        watching = await kopf.spawn_tasks(
            registry=registry,
            settings=kopf_settings(),
            clusterwide=True,
            stop_flag=self._stop,
            # By default, Kopf looks up the name of the user, and the user of the image has none.
            identity=Identity(self._settings.pod_name or "dind-operator"),
        )
        # Kopf has replaced the signal handlers. With those of Kopf, a signal cannot be distinguished from a failure.
        self.handle_signals()
        working = asyncio.create_task(self.controller.run(), name="controller")
        stopping = asyncio.create_task(self._stop.wait(), name="stop")
        try:
            done, _ = await asyncio.wait({*watching, working, stopping}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            if not self._stop.is_set():
                raise RuntimeError("the watches ended unexpectedly")
        finally:
            self._stop.set()
            working.cancel()
            stopping.cancel()
            await asyncio.gather(working, stopping, return_exceptions=True)
            # Without ``ignored``, Kopf waits five seconds for all other tasks, such as an open scrape.
            others = asyncio.all_tasks() - set(watching)
            shutdown = asyncio.create_task(kopf.run_tasks(watching, ignored=others), name="kopf-shutdown")
            await asyncio.wait({shutdown}, timeout=SHUTDOWN_SECONDS)
            await _cancel_all_but(before)

    def _attach(self, view: ClusterView) -> None:
        reads = max(1, self._settings.workers // WORKERS_PER_LOG_READ)
        reconciler = Reconciler(
            self._cluster,
            view,
            self._settings.policy,
            self._clock,
            logs=LogBudget(reads, self._metrics.log_read) if self._settings.read_pod_logs else None,
            volume_seconds=self._settings.volume_check_seconds,
            endpoint_seconds=self._settings.endpoint_check_seconds,
            clock_skew=self._cluster.clock_skew,
            count_misfit=self._metrics.misfits.inc,
        )
        self.controller.attach(view, reconciler)
        self._metrics.watch_environments(
            lambda: [(view.environment(key) or {}).get("status") or {} for key in view.environments.known()]
        )

    def _liveness_problem(self) -> str | None:
        return self.controller.stuck() if self._leading else None

    def _readiness_problem(self) -> str | None:
        # A standby replica is ready: it must not block a rollout.
        return self.controller.unready() if self._leading else None


async def _cancel_all_but(others: set[asyncio.Task[Any]]) -> None:
    """Cancel the tasks that Kopf leaves behind after a failure. Such a task can ignore a cancellation, so retry."""
    for _ in range(CANCELLATIONS):
        tasks = asyncio.all_tasks() - others - {asyncio.current_task()}
        if not tasks:
            return
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=1.0)


async def run_operator(settings: Settings) -> int:
    """Run until SIGTERM or SIGINT (exit code 0), the loss of the Lease, or a failure (exit code 1)."""
    async with await connect() as cluster:
        operator = Operator(settings, cluster)
        operator.handle_signals()
        try:
            await operator.run()
        except LeadershipLostError as error:
            logger.error("%s; exiting. The replica restarts as a standby", error)
            return 1
        return 0
