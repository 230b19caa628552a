"""AppArmor twice in a pod, the field and the annotation, on an API server that compares them."""

import copy

import pytest
from tests.integration.harness.paths import pods
from tests.integration.harness.running import RunningOperator
from tests.integration.harness.space import Space
from tests.kube.client import ApiError, Object

from dind_operator.api.names import ANNOTATION_APPARMOR_PREFIX

# Each type as the field has it, and as the annotation says it.
PROFILES: dict[str, tuple[Object, str]] = {
    "free": ({"type": "Unconfined"}, "unconfined"),
    "default": ({"type": "RuntimeDefault"}, "runtime/default"),
    "local": ({"type": "Localhost", "localhostProfile": "dind"}, "localhost/dind"),
}


@pytest.mark.parametrize("name", PROFILES)
def test_field_and_annotation_are_stored_and_agree(operator: RunningOperator, space: Space, name: str) -> None:
    field, annotation = PROFILES[name]
    space.create(name, {"security": {"appArmorProfile": field}})
    pod = space.wait_pod(name)
    for container in [*pod["spec"]["initContainers"], *pod["spec"]["containers"]]:
        assert container["securityContext"]["appArmorProfile"] == field
        assert pod["metadata"]["annotations"][f"{ANNOTATION_APPARMOR_PREFIX}{container['name']}"] == annotation
    # The server would not take a pod in which they differ, so they cannot come to differ unseen.
    again = {"apiVersion": "v1", "kind": "Pod", "spec": copy.deepcopy(pod["spec"])}
    again["metadata"] = {"name": f"{name}-copy", "annotations": dict(pod["metadata"]["annotations"])}
    space.api.create(pods(space.name), again)
    again["metadata"]["name"] = f"{name}-torn"
    again["metadata"]["annotations"][f"{ANNOTATION_APPARMOR_PREFIX}daemon"] = "localhost/another"
    with pytest.raises(ApiError) as refused:
        space.api.create(pods(space.name), again)
    assert refused.value.code == 422
    assert "appArmorProfile" in refused.value.text
