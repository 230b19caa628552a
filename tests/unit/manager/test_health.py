"""The probes and the metrics, over real HTTP."""

import aiohttp
import pytest

from dind_operator.manager.health import serve
from dind_operator.manager.metrics import Metrics


@pytest.mark.parametrize("path", ["livez", "readyz"])
async def test_a_probe_says_what_is_wrong(path: str) -> None:
    problems: dict[str, str | None] = {"livez": None, "readyz": None}
    live, ready = (lambda: problems["livez"]), (lambda: problems["readyz"])
    async with serve(0, Metrics(), live=live, ready=ready) as port, aiohttp.ClientSession() as session:

        async def ask() -> tuple[int, str]:
            async with session.get(f"http://127.0.0.1:{port}/{path}") as answer:
                return answer.status, await answer.text()

        assert await ask() == (200, "ok\n")
        problems[path] = "the queue is stuck"
        assert await ask() == (503, "the queue is stuck\n")
        problems[path] = None
        assert await ask() == (200, "ok\n")


async def test_metrics_are_served_as_prometheus_reads_them() -> None:
    metrics = Metrics()
    metrics.leader.set(1)
    async with (
        serve(0, metrics, live=lambda: None, ready=lambda: None) as port,
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{port}/metrics") as answer,
    ):
        assert answer.status == 200
        assert answer.headers["Content-Type"].startswith("text/plain")
        assert "dind_operator_leader 1.0" in await answer.text()


async def test_the_port_is_free_afterwards() -> None:
    async with serve(0, Metrics(), live=lambda: None, ready=lambda: None) as port:
        pass
    async with serve(port, Metrics(), live=lambda: None, ready=lambda: None) as again:
        assert again == port
