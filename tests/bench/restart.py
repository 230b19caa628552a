"""How long an operator takes from its start to readiness over environments that exist, on an API server without a node."""

from __future__ import annotations

import copy
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.api import ENVIRONMENTS, PODS, Api, at_once
from tests.bench.burst import environment, make_namespace, pod_of
from tests.bench.operator_process import OperatorProcess
from tests.cluster.progress import say

# As many in a namespace as a team has: the namespaces are watched, too.
PER_NAMESPACE = 100


@dataclass(frozen=True)
class Restart:
    """`seconds` from the start of the process to readiness, and the cpu seconds that this took it."""

    environments: int
    seconds: float
    cpu: float
    rss_mib: float

    @property
    def per_thousand(self) -> float:
        """Seconds of cpu for each thousand environments."""
        return self.cpu / self.environments * 1000


async def grow(api: Api, start: int, end: int) -> None:
    """Makes environments and their pods, as an operator would have left them but for the status."""
    for number in range(start // PER_NAMESPACE, -(-end // PER_NAMESPACE)):
        await make_namespace(api, f"restart-{number}")
    template = pod_of(
        environment("x", "x", endpoint=False)
        | {"metadata": {"name": "x", "namespace": "x", "uid": "u", "generation": 1}}
    )

    async def one(number: int) -> None:
        namespace, name = f"restart-{(start + number) // PER_NAMESPACE}", f"e{start + number}"
        made = await api.call("POST", ENVIRONMENTS.format(namespace), environment(namespace, name, endpoint=False))
        body = copy.deepcopy(template)
        body["metadata"] |= {"name": name, "namespace": namespace}
        body["metadata"]["ownerReferences"][0] |= {"name": name, "uid": made["metadata"]["uid"]}
        await api.call("POST", PODS.format(namespace), body)

    await at_once(one, end - start)


def measure(kubeconfig: Path, environments: int) -> Restart:
    """One start of an operator."""
    begin = time.monotonic()
    with OperatorProcess(kubeconfig, ready_seconds=600) as operator:
        done = Restart(environments, time.monotonic() - begin, operator.cpu_seconds(), operator.rss_mib())
    say(f"    over {environments}: ready after {done.seconds:.1f} s, {done.cpu:.1f} s of cpu, {done.rss_mib:.0f} MiB")
    return done


async def run(api: Api, kubeconfig: Path, counts: Sequence[int]) -> list[Restart]:
    """For each number of environments in turn, ascending."""
    found, have = [], 0
    for count in counts:
        await grow(api, have, count)
        have = count
        found.append(measure(kubeconfig, count))
    return found
