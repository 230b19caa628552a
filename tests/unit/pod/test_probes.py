"""Probes: quick until the daemon answers, patient with a busy one, and tuned only in their times."""

from typing import Any

import pytest
from tests.unit.objects import spec

from dind_operator.pod.probes import probes


def built(fields: dict[str, Any] | None = None) -> dict[str, Any]:
    return probes(spec({"probes": fields or {}}).probes)


def option(probe: dict[str, Any], name: str) -> float:
    command = probe["exec"]["command"]
    return float(command[command.index(name) + 1])


@pytest.mark.parametrize("period", [1, 5, 60])
@pytest.mark.parametrize("timeout", [1, 5, 60])
def test_startup_goes_on_asking_for_most_of_its_period_and_within_its_timeout(period: int, timeout: int) -> None:
    probe = built({"startup": {"periodSeconds": period, "timeoutSeconds": timeout}})["startupProbe"]
    assert 0 < option(probe, "--wait") < min(period, option(probe, "--timeout"))


@pytest.mark.parametrize("name", ["readiness", "liveness"])
def test_the_slow_probes_ask_once(name: str) -> None:
    assert "--wait" not in built()[f"{name}Probe"]["exec"]["command"]


def test_all_three_ask_the_daemon_by_the_static_helper() -> None:
    for probe in built().values():
        assert probe["exec"]["command"][:2] == ["/dind/dind-node", "ping"]


def test_startup_asks_every_second() -> None:
    assert built()["startupProbe"]["periodSeconds"] == 1


def test_a_busy_daemon_has_five_minutes_before_it_is_killed() -> None:
    liveness = built()["livenessProbe"]
    assert liveness["periodSeconds"] * liveness["failureThreshold"] >= 300
    # A probe starts a process in the daemon's own cpu limit, which a build may have used up: seconds, not one.
    assert liveness["timeoutSeconds"] >= 20


@pytest.mark.parametrize("name", ["startup", "readiness", "liveness"])
@pytest.mark.parametrize("seconds", [1, 2, 60])
def test_the_helper_gives_up_before_the_kubelet_does(name: str, seconds: int) -> None:
    probe = built({name: {"timeoutSeconds": seconds}})[f"{name}Probe"]
    own = option(probe, "--timeout")
    assert probe["timeoutSeconds"] == seconds
    assert 1 <= own <= max(1, seconds - 1)


@pytest.mark.parametrize("name", ["startup", "readiness", "liveness"])
def test_the_users_times_are_taken_and_the_rest_stays(name: str) -> None:
    default, tuned = built()[f"{name}Probe"], built({name: {"failureThreshold": 77}})[f"{name}Probe"]
    assert tuned == default | {"failureThreshold": 77}
