"""Many environments at once."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from tests.integration.environments.conftest import Operators
from tests.integration.harness.calls import on
from tests.integration.harness.kubelet import Kubelet
from tests.integration.harness.paths import environments, pods
from tests.integration.harness.running import OFTEN
from tests.integration.harness.space import WAIT_SECONDS, Space
from tests.kube.client import Object
from tests.kube.eventually import eventually

BURST = 64
"""Twice as many as an operator has workers."""


def test_a_burst_of_environments(start: Operators, space: Space, kubelet: Kubelet) -> None:
    """Each gets one endpoint, one pod and one status that fits it, with one write for each object; then all go again and
    nothing is left."""
    operator = start().wait_ready()
    names = [f"env-{number}" for number in range(BURST)]
    with ThreadPoolExecutor(8) as users:
        list(users.map(space.create, names))

    def all_told(found: list[Object]) -> bool:
        return sum(1 for item in found if item["status"].get("podUID")) == BURST

    space.api.wait_items(environments(space.name), all_told, "a pod and a status for each", WAIT_SECONDS)
    uids = {item["metadata"]["name"]: item["metadata"]["uid"] for item in space.api.items(pods(space.name))}
    for item in space.api.items(environments(space.name)):
        assert item["status"]["podUID"] == uids[item["metadata"]["name"]]
    mine = [call for call in operator.proxy.writes() if call.namespace == space.name]
    assert sum(1 for call in mine if on("create", "pods")(call)) == BURST
    assert Counter(call.resource for call in mine) == {
        "secrets": 3 * BURST,
        **dict.fromkeys(("pods", "dindenvironments/status"), BURST),
        **dict.fromkeys(("services", "networkpolicies"), 1),
    }, "nothing else, and nothing twice"
    assert operator.proxy.count(on("get", "secrets")) == 0
    assert operator.http("/livez")[0] == 200

    space.api.call("DELETE", environments(space.name))
    space.api.wait_items(pods(space.name), lambda found: found == [], "all gone", WAIT_SECONDS)
    for kind in ("services", "networkpolicies"):
        eventually(lambda kind=kind: operator.proxy.count(on("delete", kind)) == 1, "gone with the last pod")
    shared = on("delete", "services"), on("delete", "networkpolicies")
    writes = [call for call in operator.proxy.writes() if call.namespace == space.name][len(mine) :]
    late = [call for call in writes if not any(of(call) for of in shared)]
    # News of a pod may come before that of its environment: a status of what is gone is refused, and nothing comes of it.
    assert [str(call) for call in late if not (call.code == 404 and on("patch", "dindenvironments/status")(call))] == []


def test_a_restart_among_many(start: Operators, space: Space, kubelet: Kubelet) -> None:
    """An operator that starts where much exists writes nothing for what is as it should be."""
    first = start().wait_ready()
    names = [f"env-{number}" for number in range(20)]
    for name in names:
        space.create(name)
    for name in names:
        kubelet.run(space.wait_pod(name))
    for name in names:
        space.wait_reason("Ready", name=name)
    eventually(lambda: len(first.proxy.writes(resource="events")) >= len(names), "the last Event")
    first.stop()
    second = start(resync_seconds=OFTEN).wait_ready()
    second.wait_resyncs(2)
    assert [str(call) for call in second.proxy.writes() if call.namespace == space.name] == []
