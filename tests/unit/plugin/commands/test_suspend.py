"""`suspend`, `resume` and `extend`, with kubectl's answers given."""

from __future__ import annotations

import json

import pytest
from tests.unit.plugin import states
from tests.unit.plugin.conftest import FakeKubectl
from tests.unit.plugin.states import environment

from dind_operator.plugin.main import main

LIFETIME = {"lifetime": {"ttl": "1h"}}
EXPIRED = {"lifetime": {"expired": {"reason": "TTLExpired", "time": "2026-01-01T00:00:00Z"}}}


def patches(kubectl: FakeKubectl) -> list[object]:
    return [
        json.loads(line.partition("--patch=")[2].partition(" --output")[0])
        for line in kubectl.calls()
        if line.startswith("patch")
    ]


def test_suspend_and_resume_write_the_operating_mode(kubectl: FakeKubectl, capsys: pytest.CaptureFixture[str]) -> None:
    kubectl.answers("patch", states.usable())
    assert main(["suspend", "one", "--no-wait"]) == 0
    assert main(["resume", "one", "--no-wait"]) == 0
    assert patches(kubectl) == [{"spec": {"operatingMode": "Suspended"}}, {"spec": {"operatingMode": "Running"}}]
    assert capsys.readouterr().out.splitlines() == [
        "one is being suspended. Resume it with: kubectl dind resume one",
        "one is being resumed.",
    ]


def test_suspend_waits_until_the_pod_is_gone(kubectl: FakeKubectl, capsys: pytest.CaptureFixture[str]) -> None:
    resting = environment(states.SUSPENDED, spec={"operatingMode": "Suspended"})
    kubectl.answers("patch", resting)
    kubectl.answers("get", resting)
    assert main(["suspend", "one"]) == 0
    assert "one is suspended." in capsys.readouterr().out


def test_what_has_expired_does_not_resume_and_says_what_does(
    kubectl: FakeKubectl, capsys: pytest.CaptureFixture[str]
) -> None:
    kubectl.answers("patch", environment(states.SUSPENDED, status=EXPIRED))
    assert main(["resume", "one"]) == 7
    assert "kubectl dind extend one 8h" in capsys.readouterr().err


def test_extend_writes_a_time(kubectl: FakeKubectl, capsys: pytest.CaptureFixture[str]) -> None:
    kubectl.answers("get", environment(spec=LIFETIME))
    kubectl.answers("patch", environment(spec=LIFETIME))
    assert main(["extend", "one", "2040-01-31T18:00:00Z"]) == 0
    assert capsys.readouterr().out == "one is extended until 2040-01-31T18:00:00Z.\n"
    assert main(["extend", "one", "--remove"]) == 0
    assert patches(kubectl) == [
        {"metadata": {"annotations": {"dind.dev/extend-until": "2040-01-31T18:00:00Z"}}},
        {"metadata": {"annotations": {"dind.dev/extend-until": None}}},
    ]


@pytest.mark.parametrize(
    ("found", "words", "code"),
    [
        (environment(), "never expires", 0),
        (environment(spec=LIFETIME, annotations={"dind.dev/extend-until": "2050-01-01T00:00:00Z"}), "already", 0),
        (environment(spec=LIFETIME, deletionTimestamp="2026-01-01T00:00:00Z"), "being deleted", 7),
    ],
)
def test_extend_changes_nothing_where_nothing_is_to_be_gained(
    found: dict[str, object], words: str, code: int, kubectl: FakeKubectl, capsys: pytest.CaptureFixture[str]
) -> None:
    kubectl.answers("get", found)
    assert main(["extend", "one", "2040-01-31T18:00:00Z"]) == code
    assert words in "".join(capsys.readouterr())
    assert patches(kubectl) == []


@pytest.mark.parametrize("rest", [[], ["8h", "--remove"]])
def test_extend_wants_a_time_or_its_opposite(rest: list[str], kubectl: FakeKubectl) -> None:
    assert main(["extend", "one", *rest]) == 2
    assert kubectl.calls() == []
