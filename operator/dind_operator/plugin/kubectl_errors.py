"""Translates error messages of kubectl and the API server into messages with a remedy and exit codes. Pure.

kubectl prints the reason of the API server in parentheses ("Error from server (NotFound): …"), and has messages of its own
for requests that reach no server. Messages that this module does not recognize are kept.
"""

from __future__ import annotations

import re

from dind_operator.api import names
from dind_operator.plugin.errors import CliError, Exit, NotFoundError, NotInstalledError

_SERVER = re.compile(r"Error from server(?: \((?P<reason>\w+)\))?: (?P<message>.*)", re.DOTALL)
_CREATING = re.compile(r'^error when \w+ "[^"]*": ')
_INVALID = re.compile(r'^[Tt]he (?P<kind>\w+) "(?P<name>[^"]*)" is invalid: ?(?P<message>.*)', re.DOTALL)
_VALUE = re.compile(
    r'^(?P<path>[\w.\[\]"/<>-]+): (?:Invalid value|Forbidden|Required value|Unsupported value)(?P<rest>.*)', re.DOTALL
)
_QUOTED_VALUE = re.compile(r'^: (?:"(?:[^"\\]|\\.)*"|[^:\s]+): ')
_POLICY = re.compile(r"ValidatingAdmissionPolicy '(?P<policy>[^']*)'.*?denied request: (?P<message>.*)", re.DOTALL)
_UNREACHABLE = (
    "connection refused",
    "was refused",
    "no such host",
    "i/o timeout",
    "Unable to connect to the server",
    "no route to host",
    "TLS handshake timeout",
    "x509:",
)
_NO_CONFIG = ("stat ", "no configuration has been provided", "error loading config file", "invalid configuration")


def error_of(stderr: str, what: str = "") -> CliError:
    """The error for the standard error of kubectl. ``what`` names the object, such as "DindEnvironment builder"."""
    text = _without_warnings(stderr)
    invalid = _INVALID.match(text)
    if invalid:
        return CliError(_rejection(invalid["name"], invalid["message"]), Exit.REJECTED)
    server = _SERVER.match(text)
    if server:
        return _server_error(server["reason"] or "", _CREATING.sub("", server["message"]), what)
    if "context was not found" in text or ("context" in text and "does not exist" in text):
        return CliError(f"{_sentence(text)} `kubectl config get-contexts` lists the contexts.", Exit.UNREACHABLE)
    if "the server doesn't have a resource type" in text or "no matches for kind" in text:
        return NotInstalledError()
    if any(fragment in text for fragment in _NO_CONFIG):
        return CliError(
            f"no cluster is configured: {_sentence(text)} Set --kubeconfig or KUBECONFIG to an existing file.",
            Exit.UNREACHABLE,
        )
    if any(fragment in text for fragment in _UNREACHABLE):
        return CliError(
            f"the cluster cannot be reached: {_sentence(text)} Check the context (--context, --kubeconfig) and the network.",
            Exit.UNREACHABLE,
        )
    return CliError(_sentence(text) if text else "kubectl failed without an error message.")


def _server_error(reason: str, message: str, what: str) -> CliError:
    policy = _POLICY.search(message)
    if policy:
        return CliError(f"the installation's policy denied the request: {_sentence(policy['message'])}", Exit.REJECTED)
    if reason == "NotFound" and "could not find the requested resource" in message:
        return NotInstalledError()
    if reason == "NotFound":
        missing = f"there is no {what}" if what else _sentence(message).rstrip(".")
        return NotFoundError(f"{missing}. `kubectl dind list -A` lists the environments.")
    if reason in ("Forbidden", "Unauthorized") and ("cannot " in message or reason == "Unauthorized"):
        return CliError(f"not permitted: {_sentence(message)} Ask an administrator for the permission.", Exit.FORBIDDEN)
    if reason == "AlreadyExists":
        return CliError(f"{what or 'the object'} already exists. Choose another name, or delete it first.")
    if reason in ("Invalid", "Forbidden", "BadRequest"):
        return CliError(f"the API server rejected the request: {_sentence(message)}", Exit.REJECTED)
    if any(fragment in message for fragment in _UNREACHABLE):
        return CliError(f"the cluster cannot be reached: {_sentence(message)}", Exit.UNREACHABLE)
    return CliError(f"the API server returned an error: {_sentence(message)}")


def _rejection(name: str, message: str) -> str:
    policy = _POLICY.search(message)
    if policy:
        return f"the installation's policy denied {name}: {_sentence(policy['message'])}"
    parts = [part.strip() for part in re.split(r"\n\s*\* ", "\n" + message.strip()) if part.strip()]
    # After the first errors, the API server adds that it did not check the validation rules.
    errors = [part for part in parts if "some validation rules were not checked" not in part] or parts
    sentences = [_field_error(part) for part in errors]
    if len(sentences) == 1:
        return f"the API server rejected {name}: {sentences[0]}"
    return "\n".join([f"the API server rejected {name}:", *(f"  - {sentence}" for sentence in sentences)])


def _field_error(part: str) -> str:
    """The error of one field. The value is left out if it is an object, or if the message repeats it."""
    found = _VALUE.match(part)
    if found is None:
        return _sentence(part)
    rest = found["rest"]
    quoted = _QUOTED_VALUE.match(rest)
    message = rest[quoted.end() :] if quoted else rest.lstrip(": ")
    value = quoted[0].strip(": ") if quoted else ""
    if value in ('"object"', '"array"', '"null"', "") or value.strip('"') in message:
        return _sentence(f"{found['path']}: {message or 'is invalid'}")
    return _sentence(f"{found['path']} is {value}: {message}")


def _without_warnings(stderr: str) -> str:
    """The error without the warnings and log lines that kubectl prints before it."""
    lines = stderr.strip().splitlines()
    kept = [line for line in lines if not re.match(r"^([EWI]\d{4} |Warning: )", line)]
    text = "\n".join(kept or lines)
    return re.sub(r"^error: ", "", text)


def _sentence(text: str) -> str:
    text = text.strip()
    return text if not text or text[-1] in ".!?" else f"{text}."


ENVIRONMENTS = names.CRD_NAME
"""The full resource name for kubectl, which is unambiguous if another resource has the same short name."""
