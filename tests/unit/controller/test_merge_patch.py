"""The difference between two statuses as a merge patch. The reconciler as a whole is tested against a real API server."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tests.unit.controller.world import merge

from dind_operator.controller.merge_patch import status_changes

VALUES: st.SearchStrategy[Any] = st.recursive(
    st.booleans() | st.integers(0, 3) | st.text("ab", max_size=2),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("xyz"), inner, max_size=3),
    max_leaves=6,
)
STATUSES = st.dictionaries(
    st.sampled_from(["phase", "docker", "node", "conditions", "lastFailure"]), VALUES, max_size=5
)


@given(STATUSES, STATUSES)
def test_the_patch_leads_from_the_old_to_the_new(old: dict[str, Any], new: dict[str, Any]) -> None:
    assert merge(old, status_changes(old, new)) == new


@given(STATUSES)
def test_nothing_is_written_that_is_not_different(status: dict[str, Any]) -> None:
    assert status_changes(status, status) == {}


def test_only_what_changed_is_sent() -> None:
    old = {"phase": "Running", "docker": {"serverVersion": "26", "storageDriver": "vfs"}, "restarts": 1}
    new = {"phase": "Running", "docker": {"serverVersion": "26", "storageDriver": "overlay2"}}
    assert status_changes(old, new) == {"docker": {"storageDriver": "overlay2"}, "restarts": None}


def test_lists_are_sent_whole() -> None:
    assert status_changes({"conditions": [1, 2]}, {"conditions": [1, 3]}) == {"conditions": [1, 3]}
