"""Which storage can be asked for: one kind, and no path that leads elsewhere when it is read as text."""

from typing import Any

import pytest
from pydantic import ValidationError

from dind_operator.api.storage import StorageSpec, is_plain_path

HOST_PATH = {"path": "/srv/a"}


def claim(**fields: Any) -> dict[str, Any]:
    requests = {"resources": {"requests": {"storage": "1Gi"}}}
    return {"ephemeral": {"volumeClaimTemplate": {"spec": {**requests, **fields}}}}


@pytest.mark.parametrize("given", [{}, {"emptyDir": None}, {"hostPath": None, "ephemeral": None}])
def test_none_is_an_empty_dir(given: dict[str, Any]) -> None:
    read = StorageSpec.model_validate(given)
    assert read.empty_dir is not None
    assert read == StorageSpec.model_validate({"emptyDir": {"medium": ""}})


@pytest.mark.parametrize(
    "given",
    [{"emptyDir": {}, **claim()}, {"emptyDir": {}, "hostPath": HOST_PATH}, {**claim(), "hostPath": HOST_PATH}],
)
def test_two_kinds_are_refused_and_each_alone_is_not(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="keep one of emptyDir, ephemeral and hostPath"):
        StorageSpec.model_validate(given)
    for kind, value in given.items():
        assert StorageSpec.model_validate({kind: value})


@pytest.mark.parametrize(
    "path", ["/srv/a", "/a/b/c", "/srv/..a", "/srv/a..", "/srv/.a", "/srv/a@b+c:d-e_f.g", "/srv/..."]
)
def test_a_plain_path(path: str) -> None:
    assert is_plain_path(path)
    assert StorageSpec.model_validate({"hostPath": {"path": path}}).host_path


@pytest.mark.parametrize(
    "path",
    [
        *("srv/a", "/srv/../etc", "/srv/..", "/..", "/srv/./a", "/srv//a", "/srv/a/", "//srv"),
        *("/srv/a b", "/srv/$(id)", "/srv/a\n", "/srv/a'"),
    ],
)
def test_a_path_that_leads_elsewhere_or_is_no_path_is_refused(path: str) -> None:
    assert not is_plain_path(path)
    with pytest.raises(ValidationError, match="cannot be used: write the absolute path"):
        StorageSpec.model_validate({"hostPath": {"path": path}})


def test_a_claim_of_nothing_is_refused() -> None:
    with pytest.raises(ValidationError, match="must be more than zero"):
        StorageSpec.model_validate(claim(resources={"requests": {"storage": "0"}}))
    assert StorageSpec.model_validate(claim(resources={"requests": {"storage": "1"}}))


@pytest.mark.parametrize("mode", ["ReadWriteMany", "ReadOnlyMany"])
def test_no_volume_is_for_two_daemons(mode: str) -> None:
    with pytest.raises(ValidationError, match="accessModes"):
        StorageSpec.model_validate(claim(accessModes=[mode]))
    assert StorageSpec.model_validate(claim(accessModes=["ReadWriteOncePod"]))
