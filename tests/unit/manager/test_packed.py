"""Objects at rest: nothing is lost, little is kept."""

from __future__ import annotations

import json

from tests.unit.objects import environment

from dind_operator.manager.cache import Layer, uid_of, version_of
from dind_operator.manager.packed import Packed

KEY = ("ns", "a")


def test_an_object_comes_out_as_it_went_in() -> None:
    manifest = environment() | {"status": {"message": 'ümläute, "quotes" and \n lines', "list": [1, None, True, 0.5]}}
    assert Packed.of(manifest).manifest == manifest


def test_what_is_changed_outside_does_not_change_what_is_kept() -> None:
    packed = Packed.of(environment())
    packed.manifest["metadata"]["name"] = "other"
    assert packed.manifest == environment()


def test_identity_is_known_without_unpacking() -> None:
    manifest = environment(uid="u7", resourceVersion="42")
    packed = Packed({"uid": "u7", "resourceVersion": "42"}, b"not even compressed", on_node=False)
    assert (uid_of(packed), version_of(packed)) == (uid_of(manifest), version_of(manifest)) == ("u7", 42)


def test_a_layer_over_packed_objects_gives_plain_ones() -> None:
    manifest = environment(resourceVersion="3")
    layer = Layer()
    layer.report(KEY, manifest)
    assert layer.newest(KEY) == manifest
    assert layer.known() == {KEY}
    layer.learn(KEY, environment(resourceVersion="2"))
    assert layer.newest(KEY) == manifest, "the index is newer"
    layer.learn(KEY, environment(resourceVersion="4"))
    assert layer.newest(KEY) == environment(resourceVersion="4")


def test_packing_takes_a_fraction_of_the_text() -> None:
    manifest = environment() | {"status": {"conditions": [{"type": f"t{n}", "status": "True"} for n in range(50)]}}
    assert len(Packed.of(manifest)._data) < len(json.dumps(manifest)) / 3


def test_what_may_have_a_folder_of_a_node_is_known_without_unpacking() -> None:
    assert not Packed.of(environment()).on_node
    for spec in ({"storage": {"hostPath": {"path": "/srv/a"}}}, {"volumes": [{"hostPath": {"path": "/srv"}}]}):
        assert Packed.of(environment() | {"spec": spec}).on_node
