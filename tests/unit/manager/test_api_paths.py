"""Paths of the API, and what makes a call conditional."""

from dind_operator.manager.api_paths import delete_options, environment_path, identity, owned_path, pod_path
from dind_operator.state.cluster import ObjectKind

KEY = ("team-a", "builder")


def test_paths_are_the_apis() -> None:
    assert environment_path(KEY) == "/apis/dind.dev/v1alpha1/namespaces/team-a/dindenvironments/builder"
    assert pod_path(KEY) == "/api/v1/namespaces/team-a/pods/builder"
    assert owned_path(ObjectKind.SECRET, "team-a", "builder-ca") == "/api/v1/namespaces/team-a/secrets/builder-ca"
    assert owned_path(ObjectKind.SERVICE, "team-a") == "/api/v1/namespaces/team-a/services"
    assert (
        owned_path(ObjectKind.NETWORK_POLICY, "team-a", "builder")
        == "/apis/networking.k8s.io/v1/namespaces/team-a/networkpolicies/builder"
    )
    assert (
        owned_path(ObjectKind.POD_DISRUPTION_BUDGET, "team-a", "builder")
        == "/apis/policy/v1/namespaces/team-a/poddisruptionbudgets/builder"
    )


def test_a_deletion_is_of_one_object_and_not_of_a_name() -> None:
    assert delete_options("u")["preconditions"] == {"uid": "u"}


def test_a_patch_is_of_what_was_seen() -> None:
    assert identity({"metadata": {"uid": "u", "resourceVersion": "1", "name": "n"}}) == {
        "uid": "u",
        "resourceVersion": "1",
    }
