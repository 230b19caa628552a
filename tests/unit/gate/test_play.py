"""Which parts `make test` has, with which nodes, and what a part that fails takes with it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.gate import __main__ as gate

CHEAP = ["setup", "lint", "unit", "node", "tools", "system", "integration", "cluster"]


class Recorder(gate.Gate):
    """Runs nothing. `failing` is the part that fails."""

    def __init__(self, failing: str = "") -> None:
        super().__init__(Path())
        self.ran: dict[str, str | None] = {}
        self._failing = failing

    def run(self, name: str, *targets: str, **variables: str) -> bool:
        self.ran[name] = variables.get("NODES")
        return name != self._failing


@pytest.fixture(autouse=True)
def _machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KEEP_CLUSTER", "CLUSTER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NODES", "host,vm")
    monkeypatch.setattr(gate, "harness_is_due", lambda: False)


def play(failing: str = "") -> dict[str, str | None]:
    recorder = Recorder(failing)
    gate.play(recorder)
    return recorder.ran


def test_both_nodes_are_tested_and_what_the_second_needs_is_set_up_first() -> None:
    ran = play()
    assert list(ran) == [*CHEAP, "e2e", "e2e-serial", "e2e-vm-short", "cluster-down"]
    assert ran["setup"] == ran["e2e-vm-short"] == "host,vm"
    assert {ran[name] for name in ("cluster", "e2e", "e2e-serial")} == {"host"}


def test_a_part_that_fails_hides_no_other() -> None:
    assert list(play("e2e-serial")) == list(play())
    assert list(play("cluster")) == [*CHEAP, "cluster-down"]


def test_the_virtual_node_is_left_out_when_the_caller_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NODES", "host")
    ran = play()
    assert "e2e-vm-short" not in ran
    assert ran["setup"] == "host"


def test_on_a_cluster_of_ones_own_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLUSTER", "current")
    ran = play()
    assert ran["setup"] == "host"
    assert list(ran)[-1] == "e2e-serial"
