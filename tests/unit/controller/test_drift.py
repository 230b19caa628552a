"""Whether a pod is what is asked for, and whether its metadata is ours."""

import pytest
from tests.unit import objects
from tests.unit.objects import SETTINGS, pod

from dind_operator.api.spec import UpdatePolicy
from dind_operator.controller.drift import intent_changed, missing_metadata, up_to_date
from dind_operator.pod.defaults import BuildSettings

NEWER = BuildSettings(daemon_image="d:2", node_tool_image=SETTINGS.node_tool_image)
CHANGED = {"daemon": {"config": {"mtu": 1400}}}


@pytest.mark.parametrize("policy", list(UpdatePolicy))
def test_the_same_pod_is_up_to_date(policy: UpdatePolicy) -> None:
    found = up_to_date(pod(), pod(), policy)
    assert (found.condition.reason.value, found.replace, found.same_build) == ("UpToDate", False, True)


@pytest.mark.parametrize(("policy", "replace"), [(UpdatePolicy.RECREATE, True), (UpdatePolicy.ON_DELETE, False)])
def test_the_users_change_replaces_by_policy(policy: UpdatePolicy, replace: bool) -> None:
    found = up_to_date(pod(), pod(CHANGED), policy)
    assert intent_changed(pod(), pod(CHANGED))
    assert (found.condition.reason.value, found.replace, found.same_build) == ("SpecChanged", replace, False)


@pytest.mark.parametrize("policy", list(UpdatePolicy))
def test_the_operators_change_replaces_nothing(policy: UpdatePolicy) -> None:
    found = up_to_date(pod(), pod(None, NEWER), policy)
    assert (found.condition.reason.value, found.replace) == ("OperatorChanged", False)


def test_an_edited_hash_annotation_deceives_nobody() -> None:
    edited = pod()
    edited["metadata"]["annotations"]["dind.dev/intent-hash"] = pod(CHANGED)["metadata"]["annotations"][
        "dind.dev/intent-hash"
    ]
    assert intent_changed(edited, pod(CHANGED))


def test_nothing_is_missing_from_our_own_pod() -> None:
    assert missing_metadata(pod(), pod()) == {}


def test_labels_of_others_stay() -> None:
    labelled = pod()
    labelled["metadata"]["labels"]["team"] = "a"
    labelled["metadata"]["annotations"]["note"] = "b"
    assert missing_metadata(labelled, pod()) == {}


def test_what_was_removed_comes_back() -> None:
    bare = pod()
    del bare["metadata"]["labels"], bare["metadata"]["annotations"]
    found = missing_metadata(bare, pod())
    assert found["labels"] == pod()["metadata"]["labels"]
    assert found["annotations"]["cluster-autoscaler.kubernetes.io/safe-to-evict"] == "false"
    assert not any(key.startswith("container.apparmor") for key in found["annotations"]), (
        "cannot be changed after creation"
    )


def test_the_hash_annotation_is_put_back_to_what_the_pod_was_made_from() -> None:
    old = pod()
    shown = old["metadata"]["annotations"].pop("dind.dev/intent-hash")
    found = missing_metadata(old, objects.pod(CHANGED))
    assert found["annotations"]["dind.dev/intent-hash"] == shown


def test_keys_of_the_user_are_put_back_and_those_of_another_spec_wait_for_the_next_pod() -> None:
    mine, other = ({"podMetadata": {"labels": {"team": team}}} for team in ("a", "b"))
    made = pod(mine)
    made["metadata"]["labels"] |= {"team": "x", "app.kubernetes.io/managed-by": "x"}
    own = {"app.kubernetes.io/managed-by": "dind-operator"}
    assert missing_metadata(made, pod(mine))["labels"] == {"team": "a", **own}
    assert missing_metadata(made, pod(other))["labels"] == own
