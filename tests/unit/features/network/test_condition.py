"""The condition NetworkReady: what the pod's check found of the nested networks, in words."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from tests.unit.objects import (
    PREFLIGHT,
    condition,
    container,
    environment,
    init_done,
    observed,
    running_pod,
    set_containers,
    terminated,
)

from dind_operator.api.conditions import Reason
from dind_operator.api.status import Phase
from dind_operator.controller.events import changes
from dind_operator.controller.pod_health import diagnose
from dind_operator.controller.status import build_status
from dind_operator.features.network import condition as network
from dind_operator.state.assessment import Assessment, Condition
from dind_operator.state.node_reports import DaemonReport
from dind_operator.state.observed import Observed

READY = Assessment(Phase.RUNNING, Condition.true(Reason.READY, "It answers."))
FOUND: dict[str, Any] = {
    "interface": "eth0",
    "interfaceMtu": 1400,
    "mtu": 1400,
    "bridge": "172.17.0.1/16",
    "pools": ["172.18.0.0/16", "172.19.0.0/16"],
    "ipv6": False,
    "forwarder": False,
}
COLLISION = {
    "check": "Network",
    "reason": "NetworkCollision",
    "message": "spec.network.bridgeAddress 10.244.0.1/16 overlaps the pod's address 10.244.3.4/24 (eth0).",
}


def seen(report: dict[str, Any] | None, docker: str | None = None) -> Observed:
    found = running_pod()
    found["status"]["initContainerStatuses"] = [init_done(PREFLIGHT | {"network": report})]
    daemon = DaemonReport(serverVersion=docker) if docker else None
    return replace(observed(environment(), found), daemon=daemon)


def message(report: dict[str, Any], docker: str | None = None) -> str:
    return str(condition(build_status(seen(report, docker), READY), "NetworkReady")["message"])


def test_what_was_chosen_is_told() -> None:
    found = condition(build_status(seen(FOUND), READY), "NetworkReady")
    assert (found["status"], found["reason"]) == ("True", "NetworkReady")
    assert found["message"] == (
        "No address conflicts: bridge 172.17.0.1/16; pools 172.18.0.0/16, 172.19.0.0/16. MTU 1400 (from eth0)."
    )
    assert message(FOUND | {"mtu": 1300}).endswith("MTU 1300.")
    assert message(FOUND | {"mtu": 0}).endswith("172.19.0.0/16.")
    assert "spec.daemon configures the addresses" in message(FOUND | {"bridge": "", "pools": []})
    assert "forwards DNS queries" in message(FOUND | {"forwarder": True})


def test_an_older_docker_takes_the_mtu_for_one_network_only() -> None:
    assert "Docker 20 applies the MTU only to the default bridge" in message(FOUND, "20.10.24+dfsg1")
    assert "com.docker.network.driver.mtu=1400" in message(FOUND, "23.0.1")
    for docker in (None, "24.0.0", "28.5.1", "dev"):
        assert "only to the default bridge" not in message(FOUND, docker)
    # Where nobody chose one there is nothing to give to other networks.
    assert "only to the default bridge" not in message(FOUND | {"mtu": 0}, "20.10.24")


def test_the_version_is_remembered_for_the_same_start() -> None:
    status = build_status(seen(FOUND, "20.10.24"), READY)
    later = replace(seen(FOUND), environment=environment() | {"status": status})
    assert "Docker 20 applies the MTU" in condition(build_status(later, READY), "NetworkReady")["message"]


def test_an_mtu_that_does_not_fit_is_told_once_and_stops_nothing() -> None:
    wide = seen(FOUND | {"mtu": 1500})
    found = condition(build_status(wide, READY), "NetworkReady")
    assert (found["status"], found["reason"]) == ("False", "MtuTooLarge")
    assert "is 1500, but the MTU of the pod's interface eth0 is 1400" in found["message"]
    (note,) = changes(wide, build_status(wide, READY)["conditions"])
    assert (note.reason, note.warning) == ("MtuTooLarge", True)
    again = replace(wide, environment=environment() | {"status": build_status(wide, READY)})
    assert changes(again, build_status(again, READY)["conditions"]) == ()
    assert changes(seen(FOUND), build_status(seen(FOUND), READY)["conditions"]) == ()
    # Without an interface that leads outside there is nothing to compare it with.
    assert (
        condition(build_status(seen(FOUND | {"mtu": 1500, "interfaceMtu": 0}), READY), "NetworkReady")["status"]
        == "True"
    )


def test_a_collision_is_the_checks_own_sentence_in_ready_too() -> None:
    failed = terminated(1, json.dumps(PREFLIGHT | {"ok": False, "network": None, "error": COLLISION}))
    found = set_containers(running_pod(), container("mount-cgroups", failed), None)
    assessment = diagnose(found, answered_before=False)
    assert (assessment.ready.reason, assessment.ready.message) == (Reason.NETWORK_COLLISION, COLLISION["message"])
    status = build_status(observed(environment(), found), assessment)
    told = condition(status, "NetworkReady")
    assert (told["status"], told["reason"], told["message"]) == ("False", "NetworkCollision", COLLISION["message"])
    # What was proved before it stays proved.
    assert condition(status, "CgroupsMounted")["status"] == condition(status, "StorageHealthy")["status"] == "True"


@pytest.mark.parametrize(
    "report",
    [
        None,
        {},
        FOUND | {"bridge": "see http://example.com"},
        FOUND | {"interface": "eth0\nReady"},
        FOUND | {"mtu": "1400"},
        FOUND | {"mtu": True},
        FOUND | {"pools": ["172.18.0.0/16"] * 17},
    ],
)
def test_what_cannot_be_read_is_not_told(report: dict[str, Any] | None) -> None:
    assert network.condition(seen(report)) is None
    assert network.condition(seen(FOUND)) is not None


def test_without_a_pod_there_is_none() -> None:
    assert network.condition(replace(seen(FOUND), pod=None)) is None
