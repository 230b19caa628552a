"""Applies changes to the owned objects other than the pod.

Server-side apply is not used: see docs/decisions/0026.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from dind_operator.api.conditions import Reason
from dind_operator.api.status import clip
from dind_operator.controller.api_errors import MAX_SERVER_MESSAGE, ClusterError, ErrorClass, StaleError
from dind_operator.state.assessment import Condition
from dind_operator.state.cluster import Cluster
from dind_operator.state.owned_objects import Change, Remove, Write

_STALE = (ErrorClass.ALREADY_EXISTS, ErrorClass.NOT_FOUND, ErrorClass.CONFLICT)
Verify = Callable[[], Awaitable[None]]
"""Reads the environment live; raises StaleError if it differs from the observed one."""


async def apply(cluster: Cluster, changes: Sequence[Change], verify: Verify) -> list[ClusterError]:
    """Apply all changes concurrently, so that a start waits for one request only. Returns the errors.

    Raises StaleError if an object differs from the observed one.
    """
    if not changes:
        return []
    await verify()
    results = await asyncio.gather(*(_apply(cluster, change) for change in changes), return_exceptions=True)
    errors: list[ClusterError] = []
    for result in results:
        if isinstance(result, ClusterError):
            errors.append(result)
        elif isinstance(result, BaseException):
            raise result
    for error in errors:
        if error.error_class in _STALE:
            raise StaleError from error
    return errors


def rejected(error: ClusterError) -> Condition:
    """The condition for a request that the API server rejected, or that it could not serve, for example because a webhook failed.

    Raises other errors. Whatever becomes of the objects beside the pod, the environment can be suspended and expires.
    """
    failed = error.error_class is ErrorClass.RETRY and (error.code >= 500 or error.reason is Reason.FORBIDDEN)
    if not failed and error.error_class not in (ErrorClass.REFUSED, ErrorClass.INVALID):
        raise error
    return Condition.false(
        Reason.ENDPOINT_OBJECT_REJECTED,
        f"The API server rejected a request for an object of the environment or of its namespace: "
        f"{clip(error.server_message, MAX_SERVER_MESSAGE)}. Ask for the permission, quota, policy or webhook that the message names "
        "to be changed.",
    )


async def _apply(cluster: Cluster, change: Change) -> None:
    match change:
        case Write(kind, manifest, None):
            await cluster.create_owned(kind, manifest)
        case Write(kind, manifest, _):
            await cluster.replace_owned(kind, manifest)
        case Remove(kind, seen):
            await cluster.delete_owned(kind, seen)
