"""Workloads as they may be written: the allow-list by name, and what is set by the operator."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from dind_operator.api.workloads import RestartPolicy, Workload, WorkloadSecurity, WorkloadsSpec

WORK = {"name": "work", "image": "ci:1"}


def made(*containers: dict[str, Any], **more: Any) -> WorkloadsSpec:
    return WorkloadsSpec.model_validate({"containers": list(containers or [WORK]), **more})


def test_the_fields_of_a_container_are_these_and_no_others() -> None:
    """A field that is added here is one more that every user may set: think of what it gives."""
    assert {field.alias for field in Workload.model_fields.values()} == {
        *("name", "image", "imagePullPolicy", "command", "args", "workingDir", "env", "envFrom", "resources"),
        *("volumeMounts", "securityContext"),
    }
    assert {field.alias for field in WorkloadSecurity.model_fields.values()} == {
        *("runAsUser", "runAsGroup", "runAsNonRoot", "readOnlyRootFilesystem")
    }
    assert {field.alias for field in WorkloadsSpec.model_fields.values()} == {
        *("containers", "restartPolicy", "run", "workspace", "dockerCli", "volumes", "terminationGracePeriodSeconds")
    }


def test_a_job_is_what_is_meant_when_nothing_is_said() -> None:
    assert made().restart_policy is RestartPolicy.NEVER


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"containers": [WORK, WORK]}, "workloads.containers has a name twice"),
        ({"containers": [WORK], "volumes": [{"name": "v", "emptyDir": {}}] * 2}, "workloads.volumes has a name twice"),
        ({"containers": [{**WORK, "name": "daemon"}]}, "the name daemon must not be that of an operator's container"),
        (
            {"containers": [{**WORK, "volumeMounts": [{"name": "v", "mountPath": "/v"}]}]},
            "declare the volume there, or correct the name",
        ),
    ],
)
def test_what_does_not_hold_together_is_refused_with_the_remedy(fields: dict[str, Any], told: str) -> None:
    assert made({**WORK, "volumeMounts": [{"name": "v", "mountPath": "/v"}]}, volumes=[{"name": "v", "emptyDir": {}}])
    with pytest.raises(ValidationError, match=told):
        WorkloadsSpec.model_validate(fields)
