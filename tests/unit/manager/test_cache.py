"""The cache: the newest state of whatever exists, wherever it was learnt."""

from __future__ import annotations

from typing import Any

import pytest

from dind_operator.manager.cache import ClusterView, Layer, key_of, version_of

KEY = ("ns", "a")


def thing(version: int, uid: str = "u1", name: str = "a") -> dict[str, Any]:
    return {"metadata": {"namespace": "ns", "name": name, "uid": uid, "resourceVersion": str(version)}}


def space(version: int, uid: str = "s1", **metadata: Any) -> dict[str, Any]:
    return {"metadata": {"name": "ns", "uid": uid, "resourceVersion": str(version), **metadata}}


@pytest.fixture
def layer() -> Layer:
    return Layer()


def test_what_the_watch_reports_is_known(layer: Layer) -> None:
    assert layer.newest(KEY) is None
    layer.report(KEY, thing(1))
    assert layer.newest(KEY) == thing(1)
    assert layer.known() == layer.within("ns") == {KEY}
    assert layer.within("other") == set()


def test_what_we_stored_is_kept_against_a_watch_that_lags(layer: Layer) -> None:
    layer.report(KEY, thing(1))
    layer.learn(KEY, thing(5))
    assert layer.newest(KEY) == thing(5)
    layer.report(KEY, thing(3))
    assert layer.newest(KEY) == thing(5)
    layer.report(KEY, thing(7))
    assert layer.newest(KEY) == thing(7)


def test_what_we_made_is_known_before_the_watch_reports_it(layer: Layer) -> None:
    layer.learn(KEY, thing(2))
    assert layer.newest(KEY) == thing(2)
    assert layer.known() == {KEY}


def test_an_older_answer_does_not_displace_a_newer_one(layer: Layer) -> None:
    layer.learn(KEY, thing(5))
    layer.learn(KEY, thing(4))
    assert layer.newest(KEY) == thing(5)


def test_states_without_a_number_replace_each_other(layer: Layer) -> None:
    for uid in ("u1", "u2"):
        layer.report(KEY, {"metadata": {**thing(1, uid)["metadata"], "resourceVersion": "x"}})
        assert (layer.newest(KEY) or {})["metadata"]["uid"] == uid


def test_a_late_report_does_not_bring_back_what_is_gone(layer: Layer) -> None:
    layer.report(KEY, thing(1))
    layer.miss(KEY, "u1")
    assert layer.newest(KEY) is None
    assert layer.within("ns") == set()
    layer.report(KEY, thing(2))
    layer.begin_listing()
    layer.report(KEY, thing(2))
    assert layer.newest(KEY) is None
    layer.report(KEY, thing(3, "u2"))
    assert layer.newest(KEY) == thing(3, "u2")


def test_what_is_gone_is_not_remembered_for_ever(layer: Layer) -> None:
    """A watch that was lost never reports the end of it."""
    layer.miss(KEY, "u1")
    layer.miss(KEY, "u2")
    layer.forget(KEY, "u2")
    layer.begin_listing()
    layer.begin_listing()
    assert (layer._gone, layer._gone_before) == (set(), set())


def test_a_late_not_found_hides_nobody_who_took_the_name(layer: Layer) -> None:
    layer.report(KEY, thing(1))
    layer.report(KEY, thing(4, "u2"))
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


def test_what_is_read_live_exists_again(layer: Layer) -> None:
    layer.miss(KEY, "u1")
    layer.learn(KEY, thing(2))
    layer.report(KEY, thing(3))
    assert layer.newest(KEY) == thing(3)


def test_comparing_with_a_list_finds_what_changed_what_came_and_what_vanished(layer: Layer) -> None:
    same, changed, gone, new = (("ns", name) for name in "abcd")
    for key, manifest in ((same, thing(1)), (changed, thing(2, "u2", "b")), (gone, thing(3, "u3", "c"))):
        layer.report(key, manifest)
    listed = {same: thing(1), changed: thing(8, "u2", "b"), new: thing(9, "u4", "d")}
    assert layer.compare(listed, 10) == {changed, gone, new}
    assert layer.known() == {same, changed, new}
    assert layer.compare(listed, 10) == set()


def test_what_is_listed_as_it_is_known_is_not_packed_again(layer: Layer) -> None:
    layer.report(KEY, thing(1))
    known = layer._objects[KEY]
    assert layer.listed(thing(1)) == (KEY, known)
    key, item = layer.listed(thing(2))
    assert (key, version_of(item)) == (KEY, 2)
    assert layer.compare({key: item}, 2) == {KEY}
    assert layer.newest(KEY) == thing(2)


def test_a_list_older_than_what_is_known_takes_nothing_back(layer: Layer) -> None:
    layer.report(KEY, thing(5))
    assert layer.compare({KEY: thing(4)}, 4) == set()
    layer.learn(("ns", "b"), thing(12, "u2", "b"))
    assert layer.compare({KEY: thing(5)}, 10) == set(), "made after the list was"
    assert ("ns", "b") in layer.known()


def test_a_watch_that_reports_no_newer_version_is_behind(layer: Layer) -> None:
    assert layer.behind(KEY, 1)
    layer.report(KEY, thing(3))
    assert layer.behind(KEY, 4)
    assert not layer.behind(KEY, 3)
    layer.learn(KEY, thing(9))
    layer.compare({KEY: thing(9)}, 9)
    assert layer.behind(KEY, 9), "what we learnt ourselves says nothing of the watch"


@pytest.mark.parametrize(("text", "number"), [("17", 17), ("", -1), ("abc", -1), ("-3", -1)])
def test_versions_are_numbers(text: str, number: int) -> None:
    assert version_of({"metadata": {"resourceVersion": text}}) == number
    assert version_of({"metadata": {}}) == -1


def test_the_view_keeps_the_kinds_apart() -> None:
    view = ClusterView()
    view.environments.report(KEY, thing(1))
    view.namespaces.report(("", "ns"), space(3))
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


def test_a_namespace_that_was_made_again_is_the_one_that_counts() -> None:
    view = ClusterView()
    view.namespaces.report(("", "ns"), space(3, deletionTimestamp="2025-06-01T12:00:00Z"))
    view.namespaces.report(("", "ns"), space(7, "s2"))
    view.namespaces.forget(("", "ns"), "s1")
    assert view.namespace("ns") == space(7, "s2")
    assert view.namespaces.compare({}, 9) == {("", "ns")}
    assert view.namespace("ns") is None
