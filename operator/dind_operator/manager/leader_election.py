"""One replica acts. A Lease is taken before Kopf starts; who loses it ends, and is started anew as a follower.

Kopf's own peering is not used: two operators of equal priority would both stop.
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
"""The three times of client-go's own leader election, as kube-controller-manager uses them."""
CALL_SECONDS = 2
"""Two calls after the renewal's deadline still end before the Lease does: never do two replicas act."""
_UNREACHABLE = (TimeoutError, aiohttp.ClientError, OSError)


class LeadershipLostError(Exception):
    """The Lease went to another replica, or could not be renewed in time."""


class _Lease(LeaseLock):
    """The client's own lock waits minutes for an answer and lets a broken connection end the election."""

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
        """As the client's own, which in version 37 passes a bool for `pretty` and is refused by its own validation."""
        lease = V1Lease(metadata=V1ObjectMeta(name=name), spec=self.update_lease(election_record))
        try:
            async with asyncio.timeout(CALL_SECONDS):
                await self.api_instance.create_namespaced_lease(namespace, lease)
        except (ApiException, *_UNREACHABLE) as error:
            # Another replica was quicker, or a right is missing: the next try, in two seconds, tells.
            logger.warning("the Lease %s/%s could not be made: %s", namespace, name, _why(error))
            return False
        return True

    async def update(self, name: str, namespace: str, updated_record: LeaderElectionRecord) -> bool:
        """See ``LeaseLock``."""
        try:
            async with asyncio.timeout(CALL_SECONDS):
                return bool(await super().update(name, namespace, updated_record))
        except _UNREACHABLE as error:
            logger.warning("the Lease %s/%s could not be renewed: %s", namespace, name, _why(error))
            return False


def _why(error: BaseException) -> str:
    return str(getattr(error, "reason", None) or type(error).__name__)


async def lead(cluster: ApiCluster, namespace: str, identity: str, work: Callable[[], Awaitable[None]]) -> None:
    """Wait for the Lease, then do ``work`` while it is held.

    Returns when the work ends by itself; raises LeadershipLostError when the Lease is lost first.
    """
    me = identity or f"{socket.gethostname()}-{os.getpid()}"
    outcome: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def started() -> None:
        logger.info("leading as %s", me)
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

    lock = _Lease(LEASE_NAME, namespace, me, cluster.api)
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
    await _give_back(cluster, namespace, me)


async def _give_back(cluster: ApiCluster, namespace: str, me: str) -> None:
    """Let the next leader begin at once instead of after the Lease's time. Best effort: that time is the remedy."""
    path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/{LEASE_NAME}"
    try:
        lease = await cluster.call("GET", path)
        if lease.get("spec", {}).get("holderIdentity") != me:
            return
        version = lease["metadata"]["resourceVersion"]
        body = {"metadata": {"resourceVersion": version}, "spec": {"holderIdentity": None}}
        await cluster.call("PATCH", path, body=body, content_type="application/merge-patch+json")
    except ClusterError as error:
        logger.warning("the Lease %s/%s could not be given back: %s", namespace, LEASE_NAME, error.message)
