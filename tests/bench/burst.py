"""A burst of environments against raw pods and against a script that writes the same, on an API server without a node.

The three take turns: what else the machine does, and the API server's own ageing, is shared by all of them.
"""

from __future__ import annotations

import asyncio
import copy
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.bench.api import ENVIRONMENTS, PODS, Api, Object, at_once
from tests.bench.operator_process import OperatorProcess
from tests.cluster.progress import say

from dind_operator.api.environment import DindEnvironment
from dind_operator.controller.pod_manifest import daemon_pod
from dind_operator.features.endpoint.desired import Found, desired_state
from dind_operator.features.endpoint.x509 import new_key
from dind_operator.manager.api_paths import owned_path
from dind_operator.pod.defaults import BuildSettings
from dind_operator.state.cluster import ObjectKind

_MERGE = "application/merge-patch+json"
_SETTINGS = BuildSettings(daemon_image="dind.local/daemon:dev", node_tool_image="dind.local/node-tool:dev")
WAIT_SECONDS = 300


@dataclass
class Round:
    """Seconds for the same number of environments in the three ways, and the operator's cpu seconds in its own."""

    count: int
    raw: float = 0.0
    script: float = 0.0
    operator: float = 0.0
    operator_cpu: float = 0.0


@dataclass
class Burst:
    """All rounds of one size. Without the endpoint an environment is a pod, as in the ways beside it."""

    count: int
    endpoint: bool = False
    rounds: list[Round] = field(default_factory=list)

    @property
    def name(self) -> str:
        return f"{self.count} with endpoint" if self.endpoint else str(self.count)

    def rates(self, way: str) -> list[float]:
        """Environments (or pods) a second."""
        return [self.count / getattr(each, way) for each in self.rounds]

    def ratios(self, way: str) -> list[float]:
        """The operator's rate over that of `way`, round by round."""
        return [getattr(each, way) / each.operator for each in self.rounds]


def environment(namespace: str, name: str, *, endpoint: bool = True) -> Object:
    """An environment as a user writes it, with the limits anybody sets."""
    limits = {"resources": {"limits": {"memory": "2Gi"}, "requests": {"cpu": "10m", "memory": "64Mi"}}}
    return {
        "apiVersion": "dind.dev/v1alpha1",
        "kind": "DindEnvironment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"daemon": limits, **({} if endpoint else {"endpoint": {"enabled": False}})},
    }


def pod_of(manifest: Object) -> Object:
    """The very pod that the operator makes of an environment."""
    return daemon_pod(DindEnvironment.from_dict(manifest), _SETTINGS)


async def make_namespace(api: Api, name: str) -> None:
    """A namespace that is open for environments."""
    metadata = {"name": name, "labels": {"dind.dev/environments": "enabled"}}
    await api.call("POST", "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})


async def raw_pods(api: Api, namespace: str, count: int, *, endpoint: bool) -> float:
    """Nothing but pods: the most the API server takes from one client."""
    template = pod_of(
        environment(namespace, "raw", endpoint=endpoint) | {"metadata": _stored_metadata(namespace, "raw")}
    )
    del template["metadata"]["ownerReferences"]

    async def one(number: int) -> None:
        body = {**template, "metadata": {**template["metadata"], "name": f"p{number}"}}
        await api.call("POST", PODS.format(namespace), body)

    return await _timed(at_once(one, count))


async def script(api: Api, namespace: str, count: int, status: Object, *, endpoint: bool) -> float:
    """Environments, pods and status as the operator leaves them, written by a script that looks at nothing; endpoints, too."""
    template = pod_of(environment(namespace, "s", endpoint=endpoint) | {"metadata": _stored_metadata(namespace, "s")})

    async def one(number: int) -> None:
        name = f"e{number}"
        made = await api.call("POST", ENVIRONMENTS.format(namespace), environment(namespace, name, endpoint=endpoint))
        if endpoint:
            await make_endpoint(api, namespace, made)
        body = copy.deepcopy(template)
        body["metadata"]["name"] = name
        body["metadata"]["ownerReferences"][0] |= {"name": name, "uid": made["metadata"]["uid"]}
        pod = await api.call("POST", PODS.format(namespace), body)
        said = {**status, "podName": name, "podUID": pod["metadata"]["uid"]}
        path = f"{ENVIRONMENTS.format(namespace)}/{name}/status"
        await api.call("PATCH", path, {"status": said}, _MERGE)

    return await _timed(at_once(one, count))


async def make_endpoint(api: Api, namespace: str, made: Object) -> None:
    """The three objects of an environment's endpoint, at the same time."""
    goal = desired_state(DindEnvironment.from_dict(made), Found(), datetime.now(UTC), new_key, _SETTINGS.subdomain)
    await asyncio.gather(
        *(api.call("POST", owned_path(write.kind, namespace), write.manifest) for write in goal.writes)
    )


async def environments(api: Api, namespace: str, count: int, *, endpoint: bool = True) -> float:
    """Environments, until the operator has made the pod of each and has said so in its status."""
    path = ENVIRONMENTS.format(namespace)
    version = await api.version(path)

    async def one(number: int) -> None:
        await api.call("POST", path, environment(namespace, f"e{number}", endpoint=endpoint))

    async def seen() -> None:
        told: set[str] = set()
        async for _, item in api.watch(path, version):
            if item.get("status", {}).get("podName"):
                told.add(item["metadata"]["name"])
                if len(told) == count:
                    return

    async def both() -> None:
        async with asyncio.timeout(WAIT_SECONDS), asyncio.TaskGroup() as group:
            group.create_task(seen())
            group.create_task(at_once(one, count))

    return await _timed(both())


async def written_status(api: Api, kubeconfig: Path, *, endpoint: bool) -> Object:
    """The status that the operator gives a new environment, for the script to write."""
    namespace = f"sample-{str(endpoint).lower()}"
    await make_namespace(api, namespace)
    with OperatorProcess(kubeconfig):
        await environments(api, namespace, 1, endpoint=endpoint)
    found = await api.call("GET", f"{ENVIRONMENTS.format(namespace)}/e0")
    await clear(api, namespace)
    status: Object = found["status"]
    return status


async def clear(api: Api, namespace: str) -> None:
    """Remove everything a round made; nobody else would, without controllers."""
    owned = [owned_path(kind, namespace) for kind in ObjectKind]
    for path in (ENVIRONMENTS.format(namespace), PODS.format(namespace), *owned):
        await api.call("DELETE", path, gracePeriodSeconds=0)
        while await _any(api, path):  # noqa: ASYNC110 - only asking tells that a collection is empty
            await asyncio.sleep(0.1)


async def run_rounds(api: Api, kubeconfig: Path, count: int, rounds: int, *, endpoint: bool = False) -> Burst:
    """`rounds` rounds of the three ways, each starting with another of them."""
    status = await written_status(api, kubeconfig, endpoint=endpoint)
    burst = Burst(count, endpoint)
    for number in range(rounds):
        done = Round(count)

        async def raw(namespace: str, done: Round = done) -> None:
            done.raw = await raw_pods(api, namespace, count, endpoint=endpoint)

        async def plain(namespace: str, done: Round = done) -> None:
            done.script = await script(api, namespace, count, status, endpoint=endpoint)

        async def operated(namespace: str, done: Round = done) -> None:
            with OperatorProcess(kubeconfig) as operator:
                cpu = operator.cpu_seconds()
                done.operator = await environments(api, namespace, count, endpoint=endpoint)
                done.operator_cpu = operator.cpu_seconds() - cpu

        ways: list[Callable[[str], Awaitable[None]]] = [raw, plain, operated]
        for place in range(len(ways)):
            namespace = f"burst-{count}-{number}-{place}{'-e' if endpoint else ''}"
            await make_namespace(api, namespace)
            await ways[(number + place) % len(ways)](namespace)
            await clear(api, namespace)
        burst.rounds.append(done)
        say(
            f"    {burst.name}: pods {count / done.raw:.0f}/s, script {count / done.script:.0f}/s, environments "
            f"{count / done.operator:.0f}/s ({done.raw / done.operator:.2f}, {done.script / done.operator:.2f})"
        )
    return burst


async def _any(api: Api, path: str) -> bool:
    return bool((await api.call("GET", path, limit=1))["items"])


def _stored_metadata(namespace: str, name: str) -> dict[str, Any]:
    return {"name": name, "namespace": namespace, "uid": "00000000-0000-0000-0000-000000000000", "generation": 1}


async def _timed(work: Awaitable[None]) -> float:
    begin = time.monotonic()
    await work
    return time.monotonic() - begin
