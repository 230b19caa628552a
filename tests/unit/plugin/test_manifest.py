"""What `create` makes of flags and files."""

from __future__ import annotations

import pytest

from dind_operator.api.environment import DindEnvironment
from dind_operator.plugin.errors import CliError, Exit
from dind_operator.plugin.manifest import SpecFlags, check_name, from_flags, from_text, is_duration

WHOLE = SpecFlags("docker:dind", "4", "8Gi", "40Gi", "Capabilities", "7d", "2h", "Delete")


def test_without_wishes_the_spec_is_empty() -> None:
    assert from_flags("one", SpecFlags())["spec"] == {}
    assert not SpecFlags().any()


def test_every_wish_is_in_the_spec_and_the_api_reads_it() -> None:
    assert WHOLE.any()
    made = from_flags("one", WHOLE)
    made["metadata"]["namespace"] = "builds"
    spec = DindEnvironment.from_dict(made).spec
    assert spec.daemon.image == "docker:dind"
    assert spec.daemon.resources.limits == {"cpu": "4", "memory": "8Gi"}
    assert spec.storage.empty_dir is not None
    assert spec.storage.empty_dir.size_limit == "40Gi"
    assert spec.security.mode.value == "Capabilities"
    assert spec.lifetime is not None
    assert (spec.lifetime.ttl, spec.lifetime.idle_timeout, spec.lifetime.expire.value) == ("7d", "2h", "Delete")


@pytest.mark.parametrize("name", ["", "One", "1a", "a-", "a" * 57, "a/b", "--all", "../x"])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(CliError, match="must be the name") as caught:
        check_name(name)
    assert caught.value.code is Exit.USAGE
    check_name("a" * 56)


def test_a_file_has_one_environment_and_may_leave_its_name_out() -> None:
    text = "---\nkind: DindEnvironment\nmetadata: {name: one, labels: {a: b}}\nspec: {}\n---\n"
    assert from_text(text, None)["metadata"] == {"name": "one", "labels": {"a": "b"}}
    assert from_text("kind: DindEnvironment", "two")["metadata"] == {"name": "two"}


@pytest.mark.parametrize(
    ("text", "name", "words"),
    [
        ("kind: DindEnvironment\nmetadata: {name: one}", "two", "is one, and NAME is two"),
        ("kind: DindEnvironment", None, "metadata.name is required in the file"),
        ("kind: DindEnvironment\nmetadata: {name: One}", None, "must be the name"),
        ("kind: Pod\nmetadata: {name: one}", None, "exactly one DindEnvironment"),
        ("kind: DindEnvironment\n---\nkind: DindEnvironment", "one", "exactly one DindEnvironment"),
        ("", None, "exactly one DindEnvironment"),
        ("a: [", None, "not valid YAML at line 1"),
    ],
)
def test_another_file_is_refused(text: str, name: str | None, words: str) -> None:
    with pytest.raises(CliError, match=r"the file|must be the name") as caught:
        from_text(text, name)
    assert caught.value.code is Exit.USAGE
    assert words in caught.value.message


def test_durations_are_those_of_the_api() -> None:
    assert [is_duration(text) for text in ("30m", "8h", "7d", "0m", "1h30m", "8", "2030-01-01")] == [True] * 3 + [
        False
    ] * 4
