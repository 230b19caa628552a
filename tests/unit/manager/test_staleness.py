"""A dead watch is told from a quiet one by what the resyncs list."""

from __future__ import annotations

from typing import Any

import pytest

from dind_operator.manager.cache import Layer
from dind_operator.manager.staleness import Staleness

KEY = ("ns", "a")


def thing(version: int) -> dict[str, Any]:
    return {"metadata": {"namespace": "ns", "name": "a", "uid": "u", "resourceVersion": str(version)}}


class Watch:
    """A watch that reports what it is told to, and the resyncs beside it."""

    def __init__(self) -> None:
        self.layer = Layer()
        self.staleness = Staleness("pods")

    def resync(self, *listed: dict[str, Any]) -> str | None:
        found = dict.fromkeys([KEY], listed[-1]) if listed else {}
        self.layer.compare(found, 100)
        self.staleness.compare(self.layer, found)
        return self.staleness.problem(self.layer)


@pytest.fixture
def watch() -> Watch:
    return Watch()


def test_a_watch_that_shows_all_is_well(watch: Watch) -> None:
    for version in range(5):
        watch.layer.report(KEY, thing(version))
        assert watch.resync(thing(version)) is None


def test_a_watch_with_nothing_to_tell_is_well(watch: Watch) -> None:
    watch.layer.report(KEY, thing(1))
    assert [watch.resync(thing(1)) for _ in range(3)] == [None, None, None]
    assert [watch.resync() for _ in range(3)] == [None, None, None]


def test_a_watch_has_until_the_next_resync_to_show_a_change(watch: Watch) -> None:
    watch.layer.report(KEY, thing(1))
    assert watch.resync(thing(2)) is None
    watch.layer.report(KEY, thing(2))
    assert watch.resync(thing(3)) is None


def test_a_watch_that_shows_neither_change_nor_newcomer_is_named(watch: Watch) -> None:
    assert watch.resync(thing(2)) is None
    assert (
        watch.resync(thing(2)) == "the watch of pods has not reported the state of ns/a that a previous resync listed"
    )


def test_it_is_well_again_as_soon_as_it_shows_what_it_owed(watch: Watch) -> None:
    watch.resync(thing(2))
    assert watch.resync(thing(2)) is not None
    watch.layer.report(KEY, thing(2))
    assert watch.staleness.problem(watch.layer) is None


def test_what_is_gone_is_owed_no_more(watch: Watch) -> None:
    watch.resync(thing(2))
    assert watch.resync() is None
