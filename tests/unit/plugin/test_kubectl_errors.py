"""What kubectl says when it fails becomes a sentence with a remedy, and an exit code."""

from __future__ import annotations

import pytest

from dind_operator.plugin.errors import Exit
from dind_operator.plugin.kubectl_errors import error_of

GONE = 'Error from server (NotFound): dindenvironments.dind.dev "one" not found'
FORBIDDEN = (
    'Error from server (Forbidden): secrets "one-client" is forbidden: User "a" cannot get resource "secrets" in API group "" '
    'in the namespace "b"'
)
POLICY = (
    "The dindenvironments \"one\" is invalid: : ValidatingAdmissionPolicy 'dind' with binding 'dind' denied request: "
    "spec.daemon.image is not among the images that are allowed"
)
ONE = 'The DindEnvironment "one" is invalid: spec.lifetime.ttl: Invalid value: "soon": spec.lifetime.ttl in body: must be a duration'
TWO = """The DindEnvironment "one" is invalid:
* spec.daemon.resources.limits.memory: Invalid value: "plenty": not a quantity
* spec.storage: Invalid value: "object": exactly one kind
* <nil>: Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing errors
"""
STRICT = 'Error from server (BadRequest): error when creating "STDIN": strict decoding error: unknown field "a"'


@pytest.mark.parametrize(
    ("said", "code", "words"),
    [
        (GONE, Exit.NOT_FOUND, "there is no DindEnvironment one. `kubectl dind list -A`"),
        (FORBIDDEN, Exit.FORBIDDEN, 'not permitted: secrets "one-client" is forbidden'),
        ("error: You must be logged in to the server (Unauthorized)", Exit.FAILED, "You must be logged in"),
        ("Error from server (Unauthorized): Unauthorized", Exit.FORBIDDEN, "not permitted"),
        ('Error from server (AlreadyExists): dindenvironments.dind.dev "one" already exists', Exit.FAILED, "already exists"),
        (POLICY, Exit.REJECTED, "the installation's policy denied one: spec.daemon.image is not among the images"),
        ("The connection to the server 127.0.0.1:1 was refused - did you?", Exit.UNREACHABLE, "cannot be reached"),
        ("Unable to connect to the server: dial tcp: lookup a: no such host", Exit.UNREACHABLE, "cannot be reached"),
        ("error: stat /none: no such file or directory", Exit.UNREACHABLE, "Set --kubeconfig"),
        ('error: context "a" does not exist', Exit.UNREACHABLE, "get-contexts"),
        ('error: the server doesn\'t have a resource type "dindenvironments"', Exit.NOT_FOUND, "Install the chart of the operator"),
        ("Error from server (NotFound): the server could not find the requested resource", Exit.NOT_FOUND, "chart"),
        (STRICT, Exit.REJECTED, 'unknown field "a".'),
        ("", Exit.FAILED, "without an error message"),
        ("something new", Exit.FAILED, "something new."),
    ],
)  # fmt: skip
def test_each_refusal_has_its_code_and_says_what_to_do(said: str, code: Exit, words: str) -> None:
    error = error_of(said, "DindEnvironment one")
    assert error.code is code
    assert words in error.message
    assert "Error from server" not in error.message


def test_a_wrong_field_is_told_with_its_value_once() -> None:
    error = error_of(ONE)
    assert error.code is Exit.REJECTED
    assert error.message == (
        'the API server rejected one: spec.lifetime.ttl is "soon": spec.lifetime.ttl in body: must be a duration.'
    )


def test_several_wrong_fields_are_a_line_each_and_the_servers_own_remark_is_left_out() -> None:
    lines = error_of(TWO).message.splitlines()
    assert lines == [
        "the API server rejected one:",
        '  - spec.daemon.resources.limits.memory is "plenty": not a quantity.',
        "  - spec.storage: exactly one kind.",
    ]


def test_warnings_before_the_error_are_not_the_error() -> None:
    error = error_of(f"Warning: something\nE1127 01:00:00 memcache.go:1] couldn't get list\n{GONE}", "X")
    assert error.message.startswith("there is no X.")
    assert "memcache" not in error.message
