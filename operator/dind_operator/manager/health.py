"""The HTTP server for /livez, /readyz and /metrics."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from dind_operator.manager.metrics import Metrics

Check = Callable[[], str | None]
"""Returns the reason for which a probe fails; None if it succeeds."""


@asynccontextmanager
async def serve(port: int, metrics: Metrics, *, live: Check, ready: Check) -> AsyncIterator[int]:
    """Serve until the block is left. Yields the port, which is a free port for port 0."""

    async def respond(check: Check) -> web.Response:
        problem = check()
        return web.Response(text=(problem or "ok") + "\n", status=503 if problem else 200)

    async def livez(_: web.Request) -> web.Response:
        return await respond(live)

    async def readyz(_: web.Request) -> web.Response:
        return await respond(ready)

    async def scrape(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(metrics.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.router.add_get("/livez", livez)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", scrape)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, port=port)
        await site.start()
        # For port 0, IPv4 and IPv6 get different ports. An IPv4 address has two elements.
        yield next((address[1] for address in runner.addresses if len(address) == 2), port)
    finally:
        await runner.cleanup()
