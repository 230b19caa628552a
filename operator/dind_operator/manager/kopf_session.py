"""The session of Kopf's watches: the same server, trust and token as every other call, and an ear for its lists.

A watch that was lost for too long is begun anew with a list. What vanished meanwhile is in no event, and if nothing is
left there is no event at all; only the list itself tells that it was made.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import aiohttp
import kopf

from dind_operator.api import names
from dind_operator.manager.client import ApiCluster

WATCHED = (names.PLURAL, "pods", "namespaces")
"""What Kopf lists and watches, by plural."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class WatchSession(kopf.AiohttpSession):
    """Equal to another with the same credentials, so that Kopf ends instead of trying refused ones for ever."""

    aiohttp_session: aiohttp.ClientSession = dataclasses.field(compare=False, repr=False)
    authorization: str | None = dataclasses.field(repr=False)


async def watch_session(cluster: ApiCluster, listed: Callable[[str], None]) -> WatchSession:
    """A new session; ``listed`` is called with the plural of what was listed, for each list that is made through it."""
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
