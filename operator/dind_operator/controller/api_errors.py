"""Errors of the API server, classed once, so that nobody else looks at status codes or parses sentences."""

import re
from enum import StrEnum
from typing import Any

from dind_operator.api.conditions import Reason
from dind_operator.api.status import clip
from dind_operator.state import sidecar_support as sidecars

MAX_SAID = 800
"""Characters of a server's sentence that go on into a condition: with our own words, which follow it, an Event still holds
them all (1024)."""

_RUNTIME_CLASS = re.compile(r'RuntimeClass "?([^"\s]+)"? not found')
_DENIED = re.compile(r"ValidatingAdmissionPolicy|admission webhook \S+ denied the request")
"""Policies and webhooks choose the code of their refusal themselves; a policy's default is 422."""


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
    """What was observed is no longer so: observe again."""


class ClusterError(Exception):
    """A call that the API server answered with an error, or did not answer.

    ``error_class`` says what to do; ``reason`` and the message are for a condition (None where no condition is owed).
    ``code`` and ``said`` are the server's own: the HTTP code (0: no answer came) and its sentence.
    """

    def __init__(
        self, error_class: ErrorClass, message: str, reason: Reason | None = None, *, code: int = 0, said: str = ""
    ) -> None:
        super().__init__(message)
        self.error_class = error_class
        self.message = message
        self.reason = reason
        self.code = code
        self.said = said or self.message


def error_of(code: int, status: dict[str, Any]) -> ClusterError:
    """Class an answer of the API server.

    ``code`` is the HTTP code (0: no answer came), ``status`` the ``metav1.Status`` of the body, {} if it was not one.
    """
    message = str(status.get("message") or f"the API server answered {code or 'nothing'}")
    error = _classed(code, status, clip(message, MAX_SAID))
    error.code, error.said = code, message
    return error


def failed_action(error: ClusterError) -> ClusterError:
    """The error of an action on the pod, with words for a condition if a server answered that it cannot do it now."""
    if error.error_class is not ErrorClass.RETRY or error.code < 500:
        return error
    told = (
        f"The API server failed to do what the pod needs: {clip(error.said, MAX_SAID)}. If it names a webhook, bring that "
        "back; it is tried again with growing pauses."
    )
    return ClusterError(ErrorClass.RETRY, told, Reason.API_CALL_FAILED, code=error.code, said=error.said)


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
            ErrorClass.INVALID, f"The API server refused the pod as invalid: {message}", Reason.INVALID_POD
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
    if "failed quota" in message and "must specify" in message:
        return _refused(
            Reason.QUOTA_EXCEEDED,
            f"The namespace's quota counts what the pod does not state: {message}. Set in spec.daemon.resources what it names.",
        )
    if "exceeded quota" in message:
        return _refused(
            Reason.QUOTA_EXCEEDED,
            f"The namespace's quota does not allow the pod: {message}. Raise the quota, or lower spec.daemon.resources.",
        )
    if "error looking up service account" in message:
        # The namespace is new: its service account comes a moment after it.
        return ClusterError(ErrorClass.RETRY, message)
    if "violates PodSecurity" in message:
        return _refused(
            Reason.POD_SECURITY_FORBIDDEN,
            f"Pod Security Admission refused the pod: {message}. Every security mode needs more than baseline allows: use a "
            "namespace that is labelled pod-security.kubernetes.io/enforce=privileged; the operator never relabels one.",
        )
    if match := _RUNTIME_CLASS.search(message):
        return _refused(
            Reason.RUNTIME_CLASS_MISSING,
            f"The cluster has no RuntimeClass {match[1]}: {message}. Mode UserNamespace needs one whose handler has writable "
            "cgroups: have an administrator make it (the chart can, with userNamespaces.runtimeClass.create), or name another "
            "in spec.security.runtimeClassName.",
        )
    if "cannot " in message and "User " in message:
        return _refused(
            Reason.FORBIDDEN,
            f"The operator lacks a permission: {message}. Add the rule to its ClusterRole (see the chart's RBAC).",
        )
    return _denied(message)


def _denied(message: str) -> ClusterError:
    return _refused(
        Reason.ADMISSION_DENIED,
        f"An admission rule refused the pod: {message}. Change the environment to what the rule allows, or the rule.",
    )


def _refused(reason: Reason, message: str) -> ClusterError:
    return ClusterError(ErrorClass.REFUSED, message, reason)
