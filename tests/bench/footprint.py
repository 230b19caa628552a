"""What the operator costs while it has nothing to do: memory by number of environments, writes and cpu at rest; and how
quick it is with one environment alone."""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.api import ENVIRONMENTS, PODS, Api
from tests.bench.burst import clear, environment, environments, make_namespace
from tests.bench.operator_process import OperatorProcess

_REQUEST = re.compile(r"^apiserver_request_total\{(.*)\} ([0-9.e+]+)$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="([^"]*)"')
_WRITES = frozenset({"POST", "PUT", "PATCH", "APPLY", "DELETE", "DELETECOLLECTION"})
SETTLE_SECONDS = 5
# An API server by itself renews Leases and writes its own Endpoints every ten seconds.
ALONE_SECONDS = 21


@dataclass
class Footprint:
    """MiB by number of environments; writes by resource and percent of a core over `rest_seconds`.

    `foreign`: resources that were written while no operator was there, by the API server itself.
    """

    rss: dict[int, float] = field(default_factory=dict)
    rest_seconds: float = 0.0
    writes: Counter[str] = field(default_factory=Counter)
    foreign: frozenset[str] = frozenset()
    cpu_percent: float = 0.0


async def measure(api: Api, kubeconfig: Path, step: int, rest_seconds: float) -> Footprint:
    """With nothing, with `step` environments and with twice as many; then at rest with all of them."""
    before = await _writes(api)
    await asyncio.sleep(ALONE_SECONDS)
    found = Footprint(rest_seconds=rest_seconds, foreign=frozenset(await _writes(api) - before))
    with OperatorProcess(kubeconfig) as operator:
        await asyncio.sleep(SETTLE_SECONDS)
        found.rss[0] = operator.rss_mib()
        for part in (1, 2):
            await make_namespace(api, f"rest-{part}")
            await environments(api, f"rest-{part}", step)
            await asyncio.sleep(SETTLE_SECONDS)
            found.rss[part * step] = operator.rss_mib()
        before = await _writes(api)
        found.cpu_percent = await asyncio.to_thread(operator.cpu_share, rest_seconds)
        found.writes = await _writes(api) - before
        for part in (1, 2):
            await clear(api, f"rest-{part}")
    return found


async def _writes(api: Api) -> Counter[str]:
    """Writes that the API server has answered so far, by resource, of whoever made them."""
    counted: Counter[str] = Counter()
    for labels, value in _REQUEST.findall(await api.text("/metrics")):
        named = dict(_LABEL.findall(labels))
        if named.get("verb") in _WRITES:
            counted[named.get("resource", "")] += int(float(value))
    return counted


async def alone(api: Api, kubeconfig: Path, count: int) -> list[float]:
    """Seconds from the request that makes an environment to the sight of its pod, one environment at a time."""
    namespace = f"alone-{int(time.time())}"
    await make_namespace(api, namespace)
    pods, made = PODS.format(namespace), ENVIRONMENTS.format(namespace)
    seen: asyncio.Queue[float] = asyncio.Queue()

    async def watch(version: str) -> None:
        async for kind, _ in api.watch(pods, version):
            if kind == "ADDED":
                seen.put_nowait(time.monotonic())

    times = []
    with OperatorProcess(kubeconfig):
        watching = asyncio.create_task(watch(await api.version(pods)))
        for number in range(count + 3):
            # The last one's status is written and its events are heard: nothing of it is in the way.
            await asyncio.sleep(0.2)
            begin = time.monotonic()
            await api.call("POST", made, environment(namespace, f"e{number}"))
            async with asyncio.timeout(30):
                times.append(await seen.get() - begin)
        watching.cancel()
    await clear(api, namespace)
    # The first ones open connections.
    return times[3:]
