"""Cold start: an environment from `apply` to Ready, against a privileged pod that somebody wrote by hand.

The pod has the same image, resources, volumes and probes, and neither operator, init container nor endpoint. Both take turns, so that
what else the machine does is shared; the image is on the node already.
"""

from __future__ import annotations

import asyncio
import copy
import time
from dataclasses import dataclass, field

from tests.bench.api import ENVIRONMENTS, PODS, Api, Object
from tests.bench.burst import environment, make_namespace, pod_of
from tests.cluster.progress import say

from dind_operator.api import names
from dind_operator.pod.variables import SOCKET

HELPER = "/usr/local/lib/dind/dind-node"
"""The probes' program where the daemon's image has it; the environment uses the copy that its init container brought."""
WAIT_SECONDS = 120


@dataclass
class ColdStart:
    """Seconds, pair by pair. `pod_seen` and `told` are the operator's own parts of an environment's time."""

    environment: list[float] = field(default_factory=list)
    pod: list[float] = field(default_factory=list)
    pod_seen: list[float] = field(default_factory=list)
    told: list[float] = field(default_factory=list)

    @property
    def ratios(self) -> list[float]:
        """How much longer an environment takes than the pod that was made beside it."""
        return [one / other for one, other in zip(self.environment, self.pod, strict=True)]


def hand_written(namespace: str, name: str) -> Object:
    """dockerd in a privileged pod, as people write it, with what must be equal taken from the operator's pod.

    Without the endpoint: nobody has made a Secret for this pod, and with one to wait for it would never start.
    """
    same = environment(namespace, name, endpoint=False)
    theirs = pod_of(same | {"metadata": {"namespace": namespace, "name": name, "uid": "none"}})
    container = next(item for item in theirs["spec"]["containers"] if item["name"] == names.DAEMON_CONTAINER)
    mine = {key: copy.deepcopy(container[key]) for key in ("name", "image", "securityContext", "resources")}
    mine["volumeMounts"] = [mount for mount in container["volumeMounts"] if mount["name"] != names.VOLUME_TOOL]
    mine["command"] = ["dockerd", f"--host=unix://{SOCKET}"]
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        mine[probe] = copy.deepcopy(container[probe])
        mine[probe]["exec"]["command"][0] = HELPER
    spec = {
        key: theirs["spec"][key] for key in ("volumes", "automountServiceAccountToken", "terminationGracePeriodSeconds")
    }
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {**spec, "containers": [mine]}}


async def run_pairs(api: Api, pairs: int) -> ColdStart:
    """`pairs` pairs, each starting with the other one."""
    result = ColdStart()
    namespace = f"cold-{int(time.time())}"
    await make_namespace(api, namespace)
    for number in range(pairs + 1):
        kept = result if number else ColdStart()  # the first pair warms the node's caches
        for way in (_environment, _pod) if number % 2 else (_pod, _environment):
            await way(api, namespace, f"n{number}", kept)
        if number:
            say(f"    pair {number}: environment {result.environment[-1]:.2f} s, pod {result.pod[-1]:.2f} s")
    await api.call("DELETE", f"/api/v1/namespaces/{namespace}")
    return result


async def _pod(api: Api, namespace: str, name: str, result: ColdStart) -> None:
    path = PODS.format(namespace)
    version = await api.version(path)
    begin = time.monotonic()
    await api.call("POST", path, hand_written(namespace, f"{name}-pod"))
    await _ready(api, path, version, f"{name}-pod")
    result.pod.append(time.monotonic() - begin)
    await _delete(api, path, namespace, f"{name}-pod")


async def _environment(api: Api, namespace: str, name: str, result: ColdStart) -> None:
    path, pods = ENVIRONMENTS.format(namespace), PODS.format(namespace)
    version, pod_version = await api.version(path), await api.version(pods)
    begin = time.monotonic()
    moments: dict[str, float] = {}

    async def pod() -> None:
        await _ready(api, pods, pod_version, f"{name}-env", moments)

    async with asyncio.TaskGroup() as group:
        group.create_task(pod())
        await api.call("POST", path, environment(namespace, f"{name}-env"))
        await _ready(api, path, version, f"{name}-env")
        done = time.monotonic()
    result.environment.append(done - begin)
    result.pod_seen.append(moments["seen"] - begin)
    result.told.append(done - moments["ready"])
    await _delete(api, path, namespace, f"{name}-env")


async def _ready(api: Api, path: str, version: str, name: str, moments: dict[str, float] | None = None) -> None:
    """Until the object's condition Ready is True. `moments` gets when it was first seen and when it was Ready."""
    noted = moments if moments is not None else {}
    async with asyncio.timeout(WAIT_SECONDS):
        async for _, item in api.watch(path, version, fieldSelector=f"metadata.name={name}"):
            noted.setdefault("seen", time.monotonic())
            conditions = item.get("status", {}).get("conditions") or []
            if any(each["type"] == "Ready" and each["status"] == "True" for each in conditions):
                noted["ready"] = time.monotonic()
                return


async def _delete(api: Api, path: str, namespace: str, name: str) -> None:
    await api.call("DELETE", f"{path}/{name}")
    async with asyncio.timeout(WAIT_SECONDS):
        while await _exists(api, namespace, name):  # noqa: ASYNC110 - nothing is measured here
            await asyncio.sleep(0.2)


async def _exists(api: Api, namespace: str, name: str) -> bool:
    found = await api.call("GET", PODS.format(namespace), fieldSelector=f"metadata.name={name}")
    return bool(found["items"])
