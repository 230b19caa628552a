"""Calls that fail for a while, and what is never written when nothing has changed."""

import pytest
from tests.integration.environments.conftest import Operators
from tests.integration.harness.calls import Answer, Do, on
from tests.integration.harness.kubelet import Kubelet
from tests.integration.harness.running import OFTEN, RunningOperator
from tests.integration.harness.space import Space
from tests.kube.eventually import eventually

STATUS = "dindenvironments/status"


@pytest.mark.parametrize(
    "act",
    [
        Answer(500),
        Answer(503, "ServiceUnavailable"),
        Answer(429, "TooManyRequests", headers={"Retry-After": "1"}),
        Answer(409, "Conflict"),
        Do.DROP_BEFORE,
        Do.DROP_AFTER,
    ],
    ids=["500", "503", "429", "conflict", "dropped", "answer-lost"],
)
@pytest.mark.parametrize(
    ("verb", "resource"), [("create", "pods"), ("patch", STATUS), ("delete", "pods"), ("get", "dindenvironments")]
)
def test_a_call_that_fails_once_is_repeated(
    operator: RunningOperator, space: Space, kubelet: Kubelet, verb: str, resource: str, act: Answer | Do
) -> None:
    """Whatever happens to one call, the environment gets to Ready and through a replacement, with one pod each time."""
    fault = operator.proxy.fault(on(verb, resource), act)
    space.create()
    pod = kubelet.run(space.wait_pod())
    space.wait_reason("Ready")
    space.change({"daemon": {"logLevel": "Debug"}})
    kubelet.finish(space.wait_going())
    kubelet.run(space.wait_pod(other_than=pod))
    space.wait_reason("Ready")
    assert len(fault.hits) == 1, "the fault was never met"
    stored = [call for call in operator.proxy.calls if on("create", "pods")(call) and call.code == 201]
    assert len(stored) == 2
    status = space.status()
    assert "lastFailure" not in status
    assert "recreations" not in status


def test_a_repair_that_conflicts_is_repeated(operator: RunningOperator, space: Space, kubelet: Kubelet) -> None:
    """A 409 on the labels' repair means: look again, then repair."""
    space.create()
    kubelet.run(space.wait_pod())
    space.wait_reason("Ready")
    fault = operator.proxy.fault(on("patch", "pods"), Answer(409, "Conflict"))
    space.edit_pod({"labels": {"dind.dev/environment": None}})
    space.wait_pod_that(lambda found: "dind.dev/environment" in found["metadata"]["labels"], "repaired")
    assert len(fault.hits) == 1


def test_an_action_that_fails_for_long_is_told_once(start: Operators, space: Space, kubelet: Kubelet) -> None:
    """A webhook on pods that is down: the server's sentence is the condition's, tries go on, and nothing more is written."""
    operator = start(resync_seconds=OFTEN).wait_ready()
    said = 'failed calling webhook "pods.example.com": connection refused'
    fault = operator.proxy.fault(on("create", "pods"), Answer(500, message=said), times=None)
    space.create()
    told = space.wait_reason("ApiCallFailed")
    assert said in told["message"]
    tries = len(fault.hits)
    eventually(lambda: len(fault.hits) >= tries + 3, "three more tries")
    assert operator.proxy.count(on("patch", STATUS)) == 1
    assert [event["reason"] for event in space.events()] == ["ApiCallFailed"]
    operator.proxy.heal()
    kubelet.run(space.wait_pod())
    space.wait_reason("Ready")


def test_an_api_server_that_is_away(start: Operators, space: Space, kubelet: Kubelet) -> None:
    """While it is away the operator is alive and says nothing; when it is back, what happened meanwhile is seen."""
    operator = start(resync_seconds=OFTEN).wait_ready()
    space.create()
    pod = kubelet.run(space.wait_pod())
    space.wait_reason("Ready")
    operator.proxy.down(True)
    kubelet.fail(space.wait_pod(), "Evicted")
    space.create("two")
    eventually(
        lambda: "resync failed" in "".join(operator.lines), "a resync that fails", story=lambda: operator.lines[-5:]
    )
    assert operator.http("/livez")[0] == 200
    operator.proxy.down(False)
    kubelet.run(space.wait_pod("two"))
    kubelet.run(space.wait_pod(other_than=pod))
    space.wait_reason("Ready", name="two")
    space.wait_reason("Ready")
    assert operator.alive


def test_an_api_server_that_is_slow_to_answer(start: Operators, space: Space) -> None:
    """A create that hangs is given up after the call's own time and done again; others are served meanwhile."""
    operator = start(timeout=1.0).wait_ready()
    fault = operator.proxy.fault(
        lambda call: on("create", "pods")(call) and call.body["metadata"]["name"] == "one", Do.HANG
    )
    space.create()
    eventually(lambda: fault.hits, "the call hanging")
    space.create("two")
    space.wait_pod("two")
    space.wait_pod()


def test_at_rest_nothing_is_written(start: Operators, space: Space, kubelet: Kubelet) -> None:
    """Through several resyncs: no write for environments that are ready, suspended, crash-looping, refused, closed."""
    operator = start(resync_seconds=OFTEN).wait_ready()
    space.create("ready", {"daemon": {"resources": {"limits": {"memory": "1Gi", "cpu": "1000m"}}}})
    kubelet.run(space.wait_pod("ready"))
    space.create("suspended", {"operatingMode": "Suspended"})
    space.create("looping")
    pod = kubelet.start(kubelet.check(kubelet.bind(space.wait_pod("looping"))))
    kubelet.crash(pod, 1, '{"version":1,"tail":"no space left on device"}', restarts=4)
    space.create("starting")
    kubelet.bind(space.wait_pod("starting"))
    space.create("failing-check")
    kubelet.check(kubelet.bind(space.wait_pod("failing-check")), {"version": 1, "ok": False}, code=1)
    space.wait_reason("Ready", name="ready")
    space.wait_reason("Suspended", name="suspended")
    space.wait_reason("DiskFull", name="looping")
    space.wait_reason("Initializing", name="starting")
    space.wait_reason("PreflightFailed", name="failing-check")
    operator.wait_resyncs(1)
    before = len(operator.proxy.writes())
    operator.wait_resyncs(3)
    assert [str(call) for call in operator.proxy.writes()[before:]] == []


def test_status_written_by_another_hand_is_put_right(start: Operators, space: Space, kubelet: Kubelet) -> None:
    """Somebody edits status: the next resync has the truth again, and what does not fit is not carried on."""
    operator = start(resync_seconds=OFTEN).wait_ready()
    space.create()
    kubelet.run(space.wait_pod())
    space.wait_reason("Ready")
    wrong = {"phase": "Failed", "conditions": [], "docker": {"serverVersion": "0"}}
    space.api.patch(f"/apis/dind.dev/v1alpha1/namespaces/{space.name}/dindenvironments/one/status", {"status": wrong})
    space.wait_status(phase="Running")
    space.wait_reason("Ready")
    assert operator.alive
