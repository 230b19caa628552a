"""The view: an index is a hint, and what was read live or stored is laid over it."""

from __future__ import annotations

from typing import Any

import pytest

from dind_operator.manager.cache import ClusterView, Layer, key_of, version_of

KEY = ("ns", "a")


class Index(dict[Any, list[dict[str, Any]]]):
    """Collections under keys, as Kopf's indices are."""


def thing(version: int, uid: str = "u1", name: str = "a") -> dict[str, Any]:
    return {"metadata": {"namespace": "ns", "name": name, "uid": uid, "resourceVersion": str(version)}}


def space(version: int, uid: str = "s1", **metadata: Any) -> dict[str, Any]:
    return {"metadata": {"name": "ns", "uid": uid, "resourceVersion": str(version), **metadata}}


@pytest.fixture
def index() -> Index:
    return Index()


@pytest.fixture
def layer(index: Index) -> Layer:
    return Layer(index)


def test_without_anything_learnt_the_index_is_the_view(index: Index, layer: Layer) -> None:
    assert layer.newest(KEY) is None
    index[KEY] = [thing(1)]
    assert layer.newest(KEY) == thing(1)
    assert layer.known() == {KEY}


def test_what_we_stored_hides_an_index_that_lags(index: Index, layer: Layer) -> None:
    index[KEY] = [thing(1)]
    layer.learn(KEY, thing(5))
    assert layer.newest(KEY) == thing(5)
    index[KEY] = [thing(3)]
    assert layer.newest(KEY) == thing(5)
    index[KEY] = [thing(7)]
    assert layer.newest(KEY) == thing(7)


def test_an_event_drops_what_the_index_has_caught_up_with(index: Index, layer: Layer) -> None:
    layer.learn(KEY, thing(5))
    index[KEY] = [thing(4)]
    layer.settle(KEY)
    assert layer.newest(KEY) == thing(5), "the index is behind"
    index[KEY] = [thing(6)]
    layer.settle(KEY)
    index[KEY] = [thing(3)]
    assert layer.newest(KEY) == thing(3), "nothing is laid over it any more"


def test_what_we_made_is_there_before_the_index_has_it(layer: Layer) -> None:
    layer.learn(KEY, thing(2))
    assert layer.newest(KEY) == thing(2)
    assert layer.known() == {KEY}


def test_an_older_answer_does_not_displace_a_newer_one(layer: Layer) -> None:
    layer.learn(KEY, thing(5))
    layer.learn(KEY, thing(4))
    assert layer.newest(KEY) == thing(5)


def test_a_ghost_of_the_index_stays_hidden_until_another_object_appears(index: Index, layer: Layer) -> None:
    index[KEY] = [thing(1)]
    layer.miss(KEY, "u1")
    assert layer.newest(KEY) is None
    index[KEY] = [thing(2)]
    assert layer.newest(KEY) is None, "a late event of the same object raises no dead"
    index[KEY] = [thing(3, "u2")]
    assert layer.newest(KEY) == thing(3, "u2")
    assert layer.known() == {KEY}


def test_a_successor_is_seen_while_its_predecessor_is_still_in_the_index(index: Index, layer: Layer) -> None:
    index[KEY] = [thing(1)]
    layer.miss(KEY, "u1")
    layer.learn(KEY, thing(4, "u2"))
    assert layer.newest(KEY) == thing(4, "u2")


def test_a_late_not_found_hides_nobody_who_took_the_name(index: Index, layer: Layer) -> None:
    index[KEY] = [thing(1), thing(4, "u2")]
    layer.miss(KEY, "u1")
    assert layer.newest(KEY) == thing(4, "u2")
    layer.learn(KEY, thing(6, "u2"))
    layer.miss(KEY, "u1")
    assert layer.newest(KEY) == thing(6, "u2")
    layer.miss(KEY, "u2")
    assert layer.newest(KEY) is None


def test_a_deletion_forgets_that_object_only(layer: Layer) -> None:
    layer.learn(KEY, thing(5, "u2"))
    layer.forget(KEY, "u1")
    assert layer.newest(KEY) == thing(5, "u2")
    layer.forget(KEY, "u2")
    assert layer.newest(KEY) is None


def test_comparing_with_a_list_finds_what_changed_what_came_and_what_vanished(index: Index, layer: Layer) -> None:
    same, changed, ghost, new = (("ns", name) for name in "abcd")
    index |= {same: [thing(1)], changed: [thing(2, "u2", "b")], ghost: [thing(3, "u3", "c")]}
    listed = {same: thing(1), changed: thing(8, "u2", "b"), new: thing(9, "u4", "d")}
    assert layer.compare(listed, 10) == {changed, ghost, new}
    assert layer.known() == {same, changed, new}
    assert layer.compare(listed, 10) == set()


def test_a_list_older_than_what_is_known_takes_nothing_back(index: Index, layer: Layer) -> None:
    index[KEY] = [thing(5)]
    assert layer.compare({KEY: thing(4)}, 4) == set()
    layer.learn(("ns", "b"), thing(12, "u2", "b"))
    assert layer.compare({KEY: thing(5)}, 10) == set(), "made after the list was"
    assert ("ns", "b") in layer.known()


def test_a_watch_that_shows_no_newer_version_is_behind(index: Index, layer: Layer) -> None:
    assert layer.behind(KEY, 1)
    index[KEY] = [thing(3)]
    assert layer.behind(KEY, 4)
    assert not layer.behind(KEY, 3)
    layer.learn(KEY, thing(9))
    assert layer.behind(KEY, 9), "what we learnt ourselves says nothing of the watch"


@pytest.mark.parametrize(("text", "number"), [("17", 17), ("", -1), ("abc", -1), ("-3", -1)])
def test_versions_are_numbers(text: str, number: int) -> None:
    assert version_of({"metadata": {"resourceVersion": text}}) == number
    assert version_of({"metadata": {}}) == -1


def test_the_view_keeps_the_kinds_apart() -> None:
    view = ClusterView(Index({KEY: [thing(1)]}), Index(), Index({("", "ns"): [space(3)]}))
    view.learn_pod(KEY, thing(2, "pod"))
    assert view.environment(KEY) == thing(1)
    assert view.pod(KEY) == thing(2, "pod")
    view.miss_environment(KEY, "u1")
    assert view.environment(KEY) is None
    assert view.pod(KEY) == thing(2, "pod")
    assert view.namespace("ns") == space(3)
    assert view.namespace("other") is None
    assert key_of(thing(1)) == KEY
    assert key_of(space(3)) == ("", "ns")


def test_a_namespace_that_took_the_name_of_a_ghost_is_the_one_that_counts() -> None:
    """The index keeps the ghost, which may be ending or open, before its successor."""
    index = Index({("", "ns"): [space(3, deletionTimestamp="2025-06-01T12:00:00Z"), space(7, "s2")]})
    view = ClusterView(Index(), Index(), index)
    assert view.namespace("ns") == space(7, "s2")
    index["", "ns"].pop()
    assert view.namespace("ns") is None
    view.namespaces.forget(("", "ns"), "s1")
    assert view.namespaces.compare({}, 9) == {("", "ns")}
