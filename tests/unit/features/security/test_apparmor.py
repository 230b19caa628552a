"""The field and the annotation say the same, for every type and every profile."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.texts import CHARACTERS

from dind_operator.api.security import LOCALHOST_PROFILE_PATTERN
from dind_operator.api.spec import AppArmorProfile, AppArmorType
from dind_operator.features.security import apparmor

PREFIX = "container.apparmor.security.beta.kubernetes.io/"


def read_annotation(value: str) -> dict[str, str]:
    """As the API server reads the annotation when it compares it with the field."""
    if value.startswith("localhost/"):
        return {"type": "Localhost", "localhostProfile": value.removeprefix("localhost/")}
    return {"type": {"unconfined": "Unconfined", "runtime/default": "RuntimeDefault"}[value]}


@pytest.mark.parametrize("kind", list(AppArmorType))
def test_field_and_annotation_agree_for_every_type(kind: AppArmorType) -> None:
    profile = AppArmorProfile(type=kind, localhost_profile="dind" if kind is AppArmorType.LOCALHOST else None)
    annotations = apparmor.annotations(profile, ["one", "two"])
    assert set(annotations) == {PREFIX + "one", PREFIX + "two"}
    for value in annotations.values():
        assert read_annotation(value) == apparmor.field(profile)


@given(
    st.from_regex(LOCALHOST_PROFILE_PATTERN, fullmatch=True, alphabet=CHARACTERS).filter(lambda name: len(name) <= 256)
)
def test_field_and_annotation_agree_for_every_profile(name: str) -> None:
    profile = AppArmorProfile(type=AppArmorType.LOCALHOST, localhost_profile=name)
    assert read_annotation(apparmor.annotations(profile, ["daemon"])[PREFIX + "daemon"]) == apparmor.field(profile)
