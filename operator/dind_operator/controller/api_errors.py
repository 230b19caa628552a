"""Classes of API server errors. Only this module reads status codes and parses messages of the API server."""

import re
from enum import StrEnum
from typing import Any

from dind_operator.api.conditions import Reason
from dind_operator.api.status import clip
from dind_operator.state import sidecar_support as sidecars

MAX_SERVER_MESSAGE = 800
"""Characters of the API server's message that a condition contains. With the remedy after it, the text fits into an Event (1024)."""

_RUNTIME_CLASS = re.compile(r'RuntimeClass "?([^"\s]+)"? not found')
_SERVICE_ACCOUNT = re.compile(r"error looking up service account [^/\s]+/([^:\s]+): (.*)")
_DENIED = re.compile(r"ValidatingAdmissionPolicy|admission webhook \S+ denied the request")
"""Policies and webhooks choose their own status code. The default of a policy is 422."""
_ACCOUNT_POLICY = "serviceAccount.admissionPolicy of the chart"
"""In the messages of the chart's policy for the service account of the operator."""


class ErrorClass(StrEnum):
    """What to do about a failed call."""

    RETRY = "retry"
    CONFLICT = "conflict"
    ALREADY_EXISTS = "already-exists"
    NOT_FOUND = "not-found"
    REFUSED = "refused"
    INVALID = "invalid"
    NAMESPACE_TERMINATING = "namespace-terminating"


class StaleError(Exception):
    """The observed state is stale. Observe again."""


class ClusterError(Exception):
    """A request that failed: the API server responded with an error, or did not respond.

    ``error_class`` defines how the error is handled. ``reason`` and ``message`` are for a condition; without a reason there is
    no condition. ``code`` is the HTTP status code, 0 without a response. ``server_message`` is the message of the API server.
    """

    def __init__(
        self,
        error_class: ErrorClass,
        message: str,
        reason: Reason | None = None,
        *,
        code: int = 0,
        server_message: str = "",
    ) -> None:
        super().__init__(message)
        self.error_class = error_class
        self.message = message
        self.reason = reason
        self.code = code
        self.server_message = server_message or self.message


def error_of(code: int, status: dict[str, Any]) -> ClusterError:
    """Classify an error response of the API server.

    ``code`` is the HTTP status code, 0 without a response. ``status`` is the ``metav1.Status`` in the body, {} without one.
    """
    message = str(
        status.get("message") or f"the API server responded with {f'HTTP status {code}' if code else 'nothing'}"
    )
    error = _classed(code, status, clip(message, MAX_SERVER_MESSAGE))
    error.code, error.server_message = code, message
    return error


def failed_action(error: ClusterError) -> ClusterError:
    """The error of an action on the pod. A server error (5xx) gets a reason and a message for a condition."""
    if error.error_class is not ErrorClass.RETRY or error.code < 500:
        return error
    text = (
        f"The API server failed to process a request for the pod: {clip(error.server_message, MAX_SERVER_MESSAGE)}. If the "
        "message names a webhook, repair or remove the webhook. The operator retries with increasing delays."
    )
    return ClusterError(
        ErrorClass.RETRY, text, Reason.API_CALL_FAILED, code=error.code, server_message=error.server_message
    )


def _classed(code: int, status: dict[str, Any], message: str) -> ClusterError:
    if code == 404:
        return ClusterError(ErrorClass.NOT_FOUND, message)
    if code == 409:
        return _conflict(status, message)
    if code == 403:
        return _forbidden(status, message)
    if _DENIED.search(message):
        return _denied(message)
    if code == 422 and sidecars.refused_by_server(message):
        return ClusterError(ErrorClass.INVALID, sidecars.unsupported("The API server"), Reason.SIDECARS_UNSUPPORTED)
    if code in (400, 405, 413, 415, 422):
        return ClusterError(
            ErrorClass.INVALID,
            f"The API server rejected the pod as invalid: {message}. Correct the field that the message names.",
            Reason.INVALID_POD,
        )
    return ClusterError(ErrorClass.RETRY, message)


def _conflict(status: dict[str, Any], message: str) -> ClusterError:
    if status.get("reason") == "AlreadyExists":
        return ClusterError(ErrorClass.ALREADY_EXISTS, message)
    return ClusterError(ErrorClass.CONFLICT, message)


def _forbidden(status: dict[str, Any], message: str) -> ClusterError:
    causes = (status.get("details") or {}).get("causes") or []
    if any(cause.get("reason") == "NamespaceTerminating" for cause in causes) or "being terminated" in message:
        return ClusterError(ErrorClass.NAMESPACE_TERMINATING, message)
    if _ACCOUNT_POLICY in message:
        # An API server applies a changed policy, or the label of a namespace, a moment later than the operator.
        return ClusterError(
            ErrorClass.RETRY,
            f"The policy for the service account of the operator denied a request: {message}. The operator retries. If the problem "
            "stays, upgrade the chart together with the operator, and check labels and owner of the object that the message names.",
            Reason.FORBIDDEN,
        )
    if "failed quota" in message and "must specify" in message:
        return _refused(
            Reason.QUOTA_EXCEEDED,
            f"A ResourceQuota of the namespace needs a value that the pod does not set: {message}. Set it in spec.daemon.resources.",
        )
    if "exceeded quota" in message:
        return _refused(
            Reason.QUOTA_EXCEEDED,
            f"The pod would exceed a ResourceQuota of the namespace: {message}. Lower spec.daemon.resources, delete other pods, or "
            "ask an administrator to raise the quota.",
        )
    if (match := _SERVICE_ACCOUNT.search(message)) and "not found" not in match[2]:
        text = f"The API server could not read the service account {match[1]}: {match[2]}. The operator retries."
        return ClusterError(ErrorClass.RETRY, text)
    if match:
        # The namespace is new and its default account is not created yet, or the environment was applied before its account.
        text = f"The service account {match[1]} does not exist. Create it, or correct spec.security.serviceAccountName."
        return ClusterError(ErrorClass.RETRY, text, None if match[1] == "default" else Reason.SERVICE_ACCOUNT_MISSING)
    if "violates PodSecurity" in message:
        return _refused(
            Reason.POD_SECURITY_FORBIDDEN,
            f"Pod Security Admission forbids the pod: {message}. Every security mode needs the level privileged. Use a namespace "
            "with the label pod-security.kubernetes.io/enforce=privileged. The operator does not change labels.",
        )
    if match := _RUNTIME_CLASS.search(message):
        return _refused(
            Reason.RUNTIME_CLASS_MISSING,
            f"The RuntimeClass {match[1]} does not exist: {message}. Ask an administrator to create it, or set "
            "spec.security.runtimeClassName to another one. The mode UserNamespace needs a handler with writable cgroups "
            "(userNamespaces.runtimeClass.create of the chart creates such a RuntimeClass).",
        )
    if "cannot " in message and "User " in message:
        return _refused(
            Reason.FORBIDDEN,
            f"The operator lacks a permission: {message}. Add the permission to the ClusterRole of the operator. The ClusterRole of "
            "the chart grants all permissions that the operator needs.",
        )
    return _denied(message)


def _denied(message: str) -> ClusterError:
    return _refused(
        Reason.ADMISSION_DENIED,
        f"An admission webhook or policy denied the pod: {message}. Change the spec, or ask an administrator to change the webhook "
        "or policy.",
    )


def _refused(reason: Reason, message: str) -> ClusterError:
    return ClusterError(ErrorClass.REFUSED, message, reason)
