"""The HTTP session of Kopf's watches, with the server, CA and token of the API client. It detects the lists that Kopf makes.

Kopf lists a resource again if its watch was interrupted for too long. Kopf reports no events for objects that were deleted
meanwhile, so the operator must know about the list.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import aiohttp
import kopf

from dind_operator.api import names
from dind_operator.manager.client import ApiCluster

WATCHED = (names.PLURAL, "pods", "namespaces")
"""The resources that Kopf lists and watches, by their plural names."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class WatchSession(kopf.AiohttpSession):
    """Sessions with equal credentials are equal, so that Kopf exits instead of retrying rejected credentials forever."""

    aiohttp_session: aiohttp.ClientSession = dataclasses.field(compare=False, repr=False)
    authorization: str | None = dataclasses.field(repr=False)


async def watch_session(cluster: ApiCluster, listed: Callable[[str], None]) -> WatchSession:
    """A new session. It calls ``listed`` with the plural name of the resource after each list."""
    configuration = cluster.api.configuration
    authorization = await configuration.get_api_key_with_prefix("BearerToken")
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, ssl=cluster.api.rest_client.ssl_context),
        headers={"Authorization": authorization} if authorization else {},
        trust_env=True,
        trace_configs=[_listener(listed)],
    )
    return WatchSession(server=configuration.host, aiohttp_session=session, authorization=authorization)


def _listener(listed: Callable[[str], None]) -> aiohttp.TraceConfig:
    async def ended(_: aiohttp.ClientSession, __: Any, request: aiohttp.TraceRequestEndParams) -> None:
        plural = request.url.name
        is_list = request.method == "GET" and plural in WATCHED and "watch" not in request.url.query
        if is_list and request.response.status == 200:
            listed(plural)

    config = aiohttp.TraceConfig()
    config.on_request_end.append(ended)
    return config
