"""Answers of the API server, as it really words them, classed once."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.texts import texts

from dind_operator.api.conditions import Reason
from dind_operator.controller.api_errors import ClusterError, ErrorClass, error_of, failed_action

QUOTA = 'pods "builder" is forbidden: exceeded quota: q, requested: limits.memory=2Gi, used: limits.memory=0, limited: limits.memory=1Gi'  # noqa: E501
LIMITS = 'pods "builder" is forbidden: failed quota: q: must specify limits.memory for: daemon'
MUST = (
    'pods "builder" is forbidden: failed quota: q: must specify limits for: daemon; must specify requests for: daemon'
)
SECURITY = 'pods "builder" is forbidden: violates PodSecurity "baseline:latest": privileged (container "daemon" must not set …)'
RBAC = 'pods is forbidden: User "system:serviceaccount:dind-system:dind-operator" cannot create resource "pods" in API group "" in the namespace "team-a"'  # noqa: E501
CLASS = 'pods "builder" is forbidden: pod rejected: RuntimeClass "dind" not found'
WEBHOOK = 'admission webhook "policy.example.com" denied the request: images must come from registry.example.com'
POLICY = "pods \"builder\" is forbidden: ValidatingAdmissionPolicy 'no-privileged' with binding 'all' denied request: privileged containers are forbidden"  # noqa: E501
ACCOUNT = (
    'pods "builder" is forbidden: error looking up service account team-a/default: serviceaccount "default" not found'
)
LOOKUP = 'pods "builder" is forbidden: error looking up service account team-a/builds: etcdserver: request timed out'
OWN = (
    "secrets \"one-ca\" is forbidden: ValidatingAdmissionPolicy 'dind-operator-account' with binding 'dind-operator-account' denied "
    "request: The service account of the operator cannot create secrets a/one-ca (serviceAccount.admissionPolicy of the chart): x"
)
ENDING = {
    "causes": [
        {
            "reason": "NamespaceTerminating",
            "message": "namespace team-a is being terminated",
            "field": "metadata.namespace",
        }
    ]
}


@pytest.mark.parametrize(
    ("code", "status", "kind", "reason"),
    [
        (0, {}, ErrorClass.RETRY, None),
        (401, {"message": "Unauthorized"}, ErrorClass.RETRY, None),
        (404, {"message": 'pods "builder" not found', "reason": "NotFound"}, ErrorClass.NOT_FOUND, None),
        (409, {"reason": "AlreadyExists"}, ErrorClass.ALREADY_EXISTS, None),
        (409, {"reason": "Conflict", "message": "Precondition failed: UID in precondition"}, ErrorClass.CONFLICT, None),
        (409, {}, ErrorClass.CONFLICT, None),
        (403, {"message": LOOKUP}, ErrorClass.RETRY, None),
        (403, {"message": LOOKUP.replace("etcdserver: request timed out", 'serviceaccount "builds" not found')}, ErrorClass.RETRY, Reason.SERVICE_ACCOUNT_MISSING),  # noqa: E501
        (403, {"message": QUOTA}, ErrorClass.REFUSED, Reason.QUOTA_EXCEEDED),
        (403, {"message": MUST}, ErrorClass.REFUSED, Reason.QUOTA_EXCEEDED),
        (403, {"message": LIMITS}, ErrorClass.REFUSED, Reason.QUOTA_EXCEEDED),
        (403, {"message": SECURITY}, ErrorClass.REFUSED, Reason.POD_SECURITY_FORBIDDEN),
        (403, {"message": CLASS}, ErrorClass.REFUSED, Reason.RUNTIME_CLASS_MISSING),
        (403, {"message": RBAC}, ErrorClass.REFUSED, Reason.FORBIDDEN),
        (403, {"message": WEBHOOK}, ErrorClass.REFUSED, Reason.ADMISSION_DENIED),
        (403, {"message": POLICY}, ErrorClass.REFUSED, Reason.ADMISSION_DENIED),
        (403, {"message": "x", "details": ENDING}, ErrorClass.NAMESPACE_TERMINATING, None),
        (403, {"message": 'unable to create new content in namespace team-a because it is being terminated'}, ErrorClass.NAMESPACE_TERMINATING, None),  # noqa: E501
        (400, {"message": WEBHOOK}, ErrorClass.REFUSED, Reason.ADMISSION_DENIED),
        (422, {"message": POLICY}, ErrorClass.REFUSED, Reason.ADMISSION_DENIED),
        (403, {"message": ACCOUNT}, ErrorClass.RETRY, None),
        (403, {"message": ACCOUNT.replace("default", "pusher")}, ErrorClass.RETRY, Reason.SERVICE_ACCOUNT_MISSING),
        (403, {"message": OWN}, ErrorClass.RETRY, Reason.FORBIDDEN),
        (400, {"message": "the server rejected our request"}, ErrorClass.INVALID, Reason.INVALID_POD),
        (422, {"message": 'Pod "builder" is invalid: spec.priorityClassName: …'}, ErrorClass.INVALID, Reason.INVALID_POD),
        (429, {"message": "too many requests"}, ErrorClass.RETRY, None),
        (500, {"message": "etcdserver: request timed out"}, ErrorClass.RETRY, None),
        (503, {}, ErrorClass.RETRY, None),
        (504, {}, ErrorClass.RETRY, None),
    ],
)  # fmt: skip
def test_every_answer_has_its_class(code: int, status: dict[str, Any], kind: ErrorClass, reason: Reason | None) -> None:
    error = error_of(code, status)
    assert (error.error_class, error.reason, error.code) == (kind, reason, code)


@pytest.mark.parametrize("message", [QUOTA, SECURITY, CLASS, RBAC, WEBHOOK])
def test_a_refusal_says_what_where_and_what_to_do(message: str) -> None:
    error = error_of(403, {"message": message})
    assert message in error.message
    assert error.server_message == message
    assert len(error.message) > len(message) + 20


@pytest.mark.parametrize("message", [QUOTA, MUST, LIMITS, SECURITY, RBAC, WEBHOOK])
def test_a_long_sentence_is_cut_and_the_remedy_is_not(message: str) -> None:
    short, long = error_of(403, {"message": message}), error_of(403, {"message": message + "x" * 5000})
    assert long.server_message == message + "x" * 5000
    assert len(long.message) <= 1024, "an Event holds no more"
    remedy = short.message.split(message)[1]
    assert len(remedy) > 20
    assert long.message.endswith("…" + remedy)


def test_a_quota_that_asks_for_limits_is_not_to_be_raised() -> None:
    found = error_of(403, {"message": LIMITS}).message
    assert "Set it in spec.daemon.resources" in found
    assert "Raise" not in found


def test_an_action_that_a_server_failed_to_do_is_told() -> None:
    said = 'Internal error occurred: failed calling webhook "pods.example.com": connection refused'
    error = failed_action(error_of(500, {"message": said}))
    assert (error.error_class, error.reason, error.code) == (ErrorClass.RETRY, Reason.API_CALL_FAILED, 500)
    assert said in error.message
    assert len(failed_action(error_of(500, {"message": "x" * 5000})).message) <= 1024


@pytest.mark.parametrize("code", [0, 401, 403, 429])
def test_an_action_that_nobody_answered_or_that_was_refused_is_as_it_was(code: int) -> None:
    error = error_of(code, {"message": WEBHOOK})
    assert failed_action(error) is error


@given(
    st.integers(0, 599),
    st.fixed_dictionaries(
        {}, optional={"message": texts(), "reason": texts(), "details": st.none() | st.just({"causes": None})}
    ),
)
def test_no_answer_is_without_a_class(code: int, status: dict[str, Any]) -> None:
    error = error_of(code, status)
    assert isinstance(error, ClusterError)
    assert error.message
