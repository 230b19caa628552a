"""Whose objects are, and by what they are found."""

from tests.unit.objects import UID, model

from dind_operator.pod.metadata import object_labels, owner_reference


def test_the_owner_is_the_environment_and_controls() -> None:
    found = owner_reference(model())
    assert (found["kind"], found["name"], found["uid"], found["controller"]) == (
        "DindEnvironment",
        "builder",
        UID,
        True,
    )


def test_the_labels_name_the_environment_and_the_operator() -> None:
    assert object_labels("a")["dind.dev/environment"] == "a"
    assert object_labels("a")["app.kubernetes.io/managed-by"] == "dind-operator"
