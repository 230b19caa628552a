"""Whether the API server and the models say the same of an object, and the few differences that are known."""

from __future__ import annotations

import re
from typing import Any

from tests.fuzz.jsontext import encode
from tests.kube.api import Api
from tests.kube.client import ApiError, Object

from dind_operator.api import nesting
from dind_operator.api.environment import DindEnvironment, InvalidEnvironment

# What the API server refuses and the models read as what was meant, in objects that were written under an older definition.
READ_AS_MEANT = (
    (r"Duplicate value", "an entry that is in a list twice is in it"),
    (r"storage must name exactly one kind of volume: set", "storage without a kind is the default"),
)
# The API server's own words and codes for a request that is too large as a whole. Nothing in a CustomResourceDefinition bounds that.
TOO_LARGE = re.compile(r"[Rr]equest entity too large|request is too large|larger than max")


def too_large(error: ApiError) -> bool:
    """Whether the API server refused the size of the request; etcd's refusal, from 1.5 MiB on, has the code 500."""
    return error.code in (413, 500) and TOO_LARGE.search(error.message) is not None


def model_refusal(obj: Object) -> str | None:
    """What the models say against an object as the operator reads it; None if nothing. Raises whatever else they raise."""
    try:
        DindEnvironment.from_dict(nesting.limited(obj))
    except InvalidEnvironment as error:
        return error.message
    return None


def slips_through(stored: Object, config: Object) -> bool:
    """Whether the models refuse a stored object only for what a schema cannot see: `spec.daemon.config` is a free map. Rules see
    neither the names of keys that are not declared (`config`: the schema), such as `Hosts` or one that is not ASCII, nor how deeply
    their values are nested; and of declared values that are lists of free maps they do not see the depth.
    """
    daemon = stored["spec"]["daemon"]
    kept = {key: value for key, value in daemon.get("config", {}).items() if key in config["properties"]}
    for key, value in kept.items():
        if config["properties"][key].get("items", {}).get("type") == "object":
            kept[key] = [{}] * len(value)
    seen = {**stored, "spec": {**stored["spec"], "daemon": {**daemon, "config": kept}}}
    return model_refusal(seen) is None


def disagreement(api: Api, path: str, body: Object, config: Object) -> str | None:
    """How they differ about an object, or None. `path`: of the collection; nothing is stored."""
    try:
        stored: Any = api.call("POST", f"{path}?dryRun=All&fieldValidation=Strict", encode(body))
    except ApiError as error:
        return refused_wrongly(error, body)
    try:
        refusal = model_refusal(stored)
    except Exception as error:  # whatever it is, the object has shown it
        return f"The API server accepts it, and the models end with {error!r:.300}"
    if refusal is None or slips_through(stored, config):
        return None
    return f"The API server accepts it, and the models refuse it: {refusal}"


def refused_wrongly(error: ApiError, body: Object) -> str | None:
    """What is wrong about a refusal of the API server, or None: it says why, and the models refuse the object, too."""
    if too_large(error):
        return None
    if error.code not in (400, 422) or "rule evaluation error" in error.message or len(error.message.split()) < 4:
        return f"The API server answers {error.code}: {error.message[:1000]}"
    try:
        accepted = model_refusal(body) is None
    except Exception as problem:  # as above
        return f"The API server refuses it, and the models end with {problem!r:.300}"
    if not accepted or any(re.search(words, error.message) for words, _ in READ_AS_MEANT):
        return None
    return f"The models accept it, and the API server refuses it: {error.message[:1000]}"
