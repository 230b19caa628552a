"""What kubectl and the API server say when they say no, as sentences and exit codes. Pure.

kubectl gives the server's reason in brackets ("Error from server (NotFound): …") and has words of its own for what never
reached a server. What is not known here is passed on as it was said.
"""

from __future__ import annotations

import re

from dind_operator.api import names
from dind_operator.plugin.errors import CliError, Exit, NotFoundError

_SERVER = re.compile(r"Error from server(?: \((?P<reason>\w+)\))?: (?P<said>.*)", re.DOTALL)
_CREATING = re.compile(r'^error when \w+ "[^"]*": ')
_INVALID = re.compile(r'^[Tt]he (?P<kind>\w+) "(?P<name>[^"]*)" is invalid: ?(?P<said>.*)', re.DOTALL)
_VALUE = re.compile(
    r'^(?P<path>[\w.\[\]"/<>-]+): (?:Invalid value|Forbidden|Required value|Unsupported value)(?P<rest>.*)', re.DOTALL
)
_SHOWN = re.compile(r'^: (?:"(?:[^"\\]|\\.)*"|[^:\s]+): ')
_POLICY = re.compile(r"ValidatingAdmissionPolicy '(?P<policy>[^']*)'.*?denied request: (?P<said>.*)", re.DOTALL)
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


def error_of(said: str, what: str = "") -> CliError:
    """The error for what kubectl printed to standard error. ``what`` names what was asked for, such as "the DindEnvironment a"."""
    said = _without_noise(said)
    invalid = _INVALID.match(said)
    if invalid:
        return CliError(_refused(invalid["name"], invalid["said"]), Exit.REFUSED)
    server = _SERVER.match(said)
    if server:
        return _answered(server["reason"] or "", _CREATING.sub("", server["said"]), what)
    if "context was not found" in said or ("context" in said and "does not exist" in said):
        return CliError(f"{_sentence(said)} `kubectl config get-contexts` lists them.", Exit.UNREACHABLE)
    if "the server doesn't have a resource type" in said or "no matches for kind" in said:
        return NotFoundError(
            "the cluster does not know DindEnvironments. Install the operator's chart, or check which cluster the context means."
        )
    if any(words in said for words in _NO_CONFIG):
        return CliError(
            f"no cluster to ask: {_sentence(said)} Give --kubeconfig or set KUBECONFIG to a file that is there.",
            Exit.UNREACHABLE,
        )
    if any(words in said for words in _UNREACHABLE):
        return CliError(
            f"the cluster cannot be reached: {_sentence(said)} Check the context (--context, --kubeconfig) and the network.",
            Exit.UNREACHABLE,
        )
    return CliError(_sentence(said) if said else "kubectl failed and said nothing.")


def _answered(reason: str, said: str, what: str) -> CliError:
    policy = _POLICY.search(said)
    if policy:
        return CliError(f"the installation's policy refuses it: {_sentence(policy['said'])}", Exit.REFUSED)
    if reason == "NotFound" and "could not find the requested resource" in said:
        return NotFoundError(
            "the cluster does not know DindEnvironments. Install the operator's chart, or check which cluster the context means."
        )
    if reason == "NotFound":
        named = f"there is no {what}" if what else _sentence(said).rstrip(".")
        return NotFoundError(f"{named}. `kubectl dind list -A` lists the environments.")
    if reason in ("Forbidden", "Unauthorized") and ("cannot " in said or reason == "Unauthorized"):
        return CliError(
            f"not permitted. The API server said: {_sentence(said)} Ask an administrator for the right.", Exit.FORBIDDEN
        )
    if reason == "AlreadyExists":
        return CliError(
            f"{what or 'it'} exists already. `kubectl dind list` shows it; choose another name, or delete it first."
        )
    if reason in ("Invalid", "Forbidden", "BadRequest"):
        return CliError(f"the API server refused it: {_sentence(said)}", Exit.REFUSED)
    if any(words in said for words in _UNREACHABLE):
        return CliError(f"the cluster cannot be reached: {_sentence(said)}", Exit.UNREACHABLE)
    return CliError(f"the API server said: {_sentence(said)}")


def _refused(name: str, said: str) -> str:
    policy = _POLICY.search(said)
    if policy:
        return f"the installation's policy refuses {name}: {_sentence(policy['said'])}"
    parts = [part.strip() for part in re.split(r"\n\s*\* ", "\n" + said.strip()) if part.strip()]
    # The server goes on to say that it did not look at the rules because of the first mistakes.
    wrong = [part for part in parts if "some validation rules were not checked" not in part] or parts
    sentences = [_field(part) for part in wrong]
    if len(sentences) == 1:
        return f"the API server refused {name}: {sentences[0]}"
    return "\n".join([f"the API server refused {name}:", *(f"  - {sentence}" for sentence in sentences)])


def _field(part: str) -> str:
    """One field's mistake: the server puts the whole value between the path and the words, which say it again."""
    found = _VALUE.match(part)
    if found is None:
        return _sentence(part)
    rest = found["rest"]
    shown = _SHOWN.match(rest)
    words = rest[shown.end() :] if shown else rest.lstrip(": ")
    value = shown[0].strip(": ") if shown else ""
    if value in ('"object"', '"array"', '"null"', "") or value.strip('"') in words:
        return _sentence(f"{found['path']}: {words or 'is refused'}")
    return _sentence(f"{found['path']} is {value}: {words}")


def _without_noise(said: str) -> str:
    """Warnings of the client come before the error, and the log lines of its discovery."""
    lines = said.strip().splitlines()
    kept = [line for line in lines if not re.match(r"^([EWI]\d{4} |Warning: )", line)]
    text = "\n".join(kept or lines)
    return re.sub(r"^error: ", "", text)


def _sentence(text: str) -> str:
    text = text.strip()
    return text if not text or text[-1] in ".!?" else f"{text}."


ENVIRONMENTS = names.CRD_NAME
"""The kind as kubectl takes it, unmistakable whatever else has the short name."""
