"""The grace period of the pod: longer than dockerd's shutdown, and never longer than the policy takes it for."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.objects import SETTINGS, model, spec

from dind_operator.controller.pod_manifest import daemon_pod
from dind_operator.pod.grace_period import (
    CONTAINERD_SHUTDOWN_SECONDS,
    MAX_SHUTDOWN_SECONDS,
    grace_period_seconds,
    most_grace_period_seconds,
)


@pytest.mark.parametrize(
    ("daemon", "shutdown"),
    [
        ({}, 15),
        ({"config": {"shutdown-timeout": 0}}, 0),
        ({"config": {"shutdown-timeout": 600}}, 600),
        ({"config": {"shutdown-timeout": 10**9}}, MAX_SHUTDOWN_SECONDS),
        ({"config": {"shutdown-timeout": -1}}, MAX_SHUTDOWN_SECONDS),
        ({"args": ["--shutdown-timeout=600"]}, 600),
        ({"args": ["--shutdown-timeout", "600"]}, 600),
        ({"args": ["--debug", "--shutdown-timeout=-1"]}, MAX_SHUTDOWN_SECONDS),
        # pflag takes the last one; -s is the storage driver, whatever follows.
        ({"args": ["--shutdown-timeout=5", "--shutdown-timeout", "600"]}, 600),
        ({"args": ["--shutdown-timeout=600", "--debug", "--shutdown-timeout=5"]}, 5),
        ({"args": ["-shutdown-timeout=600"]}, 15),
        ({"args": ["--shutdown-timeout\n", "600"]}, 15),
        # What dockerd may refuse today must not be cut short if another one takes it.
        ({"config": {"shutdown-timeout": "600"}}, MAX_SHUTDOWN_SECONDS),
        ({"config": {"shutdown-timeout": True}}, MAX_SHUTDOWN_SECONDS),
        ({"args": ["--shutdown-timeout"]}, MAX_SHUTDOWN_SECONDS),
        ({"args": ["--shutdown-timeout=10m"]}, MAX_SHUTDOWN_SECONDS),
        ({"args": ["--shutdown-timeout=9" + "9" * 30]}, MAX_SHUTDOWN_SECONDS),
    ],
)
def test_the_grace_period_is_longer_than_dockerds_own_shutdown(daemon: dict[str, Any], shutdown: int) -> None:
    seconds = grace_period_seconds(spec({"daemon": daemon}))
    assert seconds == daemon_pod(model({"daemon": daemon}), SETTINGS)["spec"]["terminationGracePeriodSeconds"]
    assert shutdown + CONTAINERD_SHUTDOWN_SECONDS < seconds <= shutdown + CONTAINERD_SHUTDOWN_SECONDS + 60


@pytest.mark.parametrize(
    "text", ["600", "+600", "0x258", "0X2_58", "0o1130", "01130", "0_1130", "0b1001011000", "6_00"]
)
def test_the_flag_is_read_in_every_form_of_a_number_that_go_knows(text: str) -> None:
    """strconv.ParseInt with base 0, as pflag calls it."""
    expected = grace_period_seconds(spec({"daemon": {"config": {"shutdown-timeout": 600}}}))
    assert grace_period_seconds(spec({"daemon": {"args": [f"--shutdown-timeout={text}"]}})) == expected


FLAG = "--shutdown-timeout"
NUMBERS = st.integers(-5, 5000).map(str) | st.sampled_from(["0x258", "0b1", "010", "1_0", "+7", " 7", "7\n", "", "x"])
ARGUMENTS = NUMBERS.map(lambda text: f"{FLAG}={text}") | st.sampled_from([FLAG, f"{FLAG}\n", "--debug", "3000"])
VALUES = st.integers(-5, 5000) | st.floats(-5, 5000) | st.booleans() | st.none() | NUMBERS


@given(st.lists(ARGUMENTS, max_size=4), st.none() | VALUES.map(lambda value: {"shutdown-timeout": value}))
def test_no_form_of_the_setting_gives_more_than_the_policy_takes_it_for(
    args: list[str], config: dict[str, Any] | None
) -> None:
    made = spec({"daemon": {"args": args, "config": config or {}}})
    assert grace_period_seconds(made, 7) <= most_grace_period_seconds(made, 7)


@pytest.mark.parametrize("daemon", [{}, {"config": {"shutdown-timeout": 600}}, {"args": ["--shutdown-timeout=600"]}])
def test_what_is_written_plainly_is_taken_for_what_it_is(daemon: dict[str, Any]) -> None:
    made = spec({"daemon": daemon})
    assert grace_period_seconds(made, 7) == most_grace_period_seconds(made, 7)
