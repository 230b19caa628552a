"""What the features add to the pod, put together."""

from dataclasses import fields

from dind_operator.pod.part import PodPart, merged


def test_every_field_is_joined_in_the_order_of_the_parts() -> None:
    one = PodPart(
        annotations={"a": "1"},
        pod_fields={"b": "1"},
        container_fields={"c": "1"},
        volumes=[{"d": "1"}],
        mounts=[{"e": "1"}],
        init_mounts=[{"f": "1"}],
        daemon_mounts=[{"g": "1"}],
        variables={"h": "1"},
        node_config={"i": "1"},
        daemon_json={"j": "1"},
        listen=["k"],
        ready_file="l",
        grace_seconds=1,
    )
    other = PodPart(annotations={"a": "2", "m": "2"}, volumes=[{"d": "2"}], listen=["n"], grace_seconds=2)
    whole = merged([one, PodPart(), other])
    assert whole.annotations == {"a": "2", "m": "2"}
    assert whole.volumes == [{"d": "1"}, {"d": "2"}]
    assert whole.listen == ["k", "n"]
    assert whole.grace_seconds == 3
    left = {item.name for item in fields(PodPart)} - {"annotations", "volumes", "listen", "grace_seconds"}
    assert {name: getattr(whole, name) for name in left} == {name: getattr(one, name) for name in left}


def test_nothing_gives_nothing() -> None:
    assert merged([]) == merged([PodPart(), PodPart()])
