"""Leader election with a Lease. A replica starts Kopf once it holds the Lease. If it loses the Lease, it exits.

Kopf's peering is not used, because with it two operators with equal priorities both pause.
"""

import asyncio
import logging
import os
import socket
from collections.abc import Awaitable, Callable

import aiohttp
from kubernetes.aio.client import ApiException, V1Lease, V1ObjectMeta
from kubernetes.aio.leaderelection.electionconfig import Config
from kubernetes.aio.leaderelection.leaderelection import LeaderElection
from kubernetes.aio.leaderelection.leaderelectionrecord import LeaderElectionRecord
from kubernetes.aio.leaderelection.resourcelock.leaselock import LeaseLock

from dind_operator.controller.api_errors import ClusterError
from dind_operator.manager.client import ApiCluster

logger = logging.getLogger("dind_operator")

LEASE_NAME = "dind-operator"
LEASE_SECONDS = 15
RENEW_DEADLINE_SECONDS = 10
RETRY_SECONDS = 2
"""The defaults of client-go, which kube-controller-manager uses."""
CALL_SECONDS = 2
"""Short enough that two calls after the renew deadline end before the Lease expires, so two replicas are never active."""
_UNREACHABLE = (TimeoutError, aiohttp.ClientError, OSError)


class LeadershipLostError(Exception):
    """Another replica holds the Lease, or the Lease was not renewed in time."""


class _Lease(LeaseLock):
    """Adds timeouts. LeaseLock itself waits for minutes, and a broken connection ends its election."""

    async def get(
        self, name: str, namespace: str
    ) -> tuple[bool, LeaderElectionRecord] | tuple[bool, Exception] | tuple[bool, None]:
        """See ``LeaseLock``."""
        try:
            async with asyncio.timeout(CALL_SECONDS):
                return await super().get(name, namespace)
        except _UNREACHABLE as error:
            return False, ApiException(status=0, reason=type(error).__name__)

    async def create(self, name: str, namespace: str, election_record: LeaderElectionRecord) -> bool:
        """Replaces the method of LeaseLock, which in version 37 of the library fails because it passes a bool for `pretty`."""
        lease = V1Lease(metadata=V1ObjectMeta(name=name), spec=self.update_lease(election_record))
        try:
            async with asyncio.timeout(CALL_SECONDS):
                await self.api_instance.create_namespaced_lease(namespace, lease)
        except (ApiException, *_UNREACHABLE) as error:
            # Another replica was faster, or a permission is missing. The next attempt is in two seconds.
            logger.warning("cannot create the Lease %s/%s: %s", namespace, name, _reason(error))
            return False
        return True

    async def update(self, name: str, namespace: str, updated_record: LeaderElectionRecord) -> bool:
        """See ``LeaseLock``."""
        try:
            async with asyncio.timeout(CALL_SECONDS):
                return bool(await super().update(name, namespace, updated_record))
        except _UNREACHABLE as error:
            logger.warning("cannot renew the Lease %s/%s: %s", namespace, name, _reason(error))
            return False


def _reason(error: BaseException) -> str:
    return str(getattr(error, "reason", None) or type(error).__name__)


async def lead(cluster: ApiCluster, namespace: str, identity: str, work: Callable[[], Awaitable[None]]) -> None:
    """Acquire the Lease, then run ``work`` while holding it.

    Returns when ``work`` returns. Raises LeadershipLostError if the Lease is lost first.
    """
    holder = identity or f"{socket.gethostname()}-{os.getpid()}"
    outcome: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def started() -> None:
        logger.info("acquired the Lease %s/%s as %s", namespace, LEASE_NAME, holder)
        try:
            await work()
        except Exception as error:
            if not outcome.done():
                outcome.set_exception(error)
        else:
            if not outcome.done():
                outcome.set_result(None)

    async def stopped() -> None:
        if not outcome.done():
            outcome.set_exception(LeadershipLostError(f"lost the Lease {namespace}/{LEASE_NAME}"))

    lock = _Lease(LEASE_NAME, namespace, holder, cluster.api)
    settings = Config(lock, LEASE_SECONDS, RENEW_DEADLINE_SECONDS, RETRY_SECONDS, started, stopped)
    logger.info("waiting for the Lease %s/%s", namespace, LEASE_NAME)
    election = asyncio.create_task(LeaderElection(settings).run(), name="election")
    try:
        await asyncio.wait({election, outcome}, return_when=asyncio.FIRST_COMPLETED)
        if not outcome.done():
            election.result()
        await outcome
    finally:
        election.cancel()
        await asyncio.gather(election, return_exceptions=True)
    await _release(cluster, namespace, holder)


async def _release(cluster: ApiCluster, namespace: str, holder: str) -> None:
    """Release the Lease, so that another replica can acquire it before it expires. Failures are only logged."""
    path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/{LEASE_NAME}"
    try:
        lease = await cluster.call("GET", path)
        if lease.get("spec", {}).get("holderIdentity") != holder:
            return
        version = lease["metadata"]["resourceVersion"]
        body = {"metadata": {"resourceVersion": version}, "spec": {"holderIdentity": None}}
        await cluster.call("PATCH", path, body=body, content_type="application/merge-patch+json")
    except ClusterError as error:
        logger.warning("cannot release the Lease %s/%s: %s", namespace, LEASE_NAME, error.message)
