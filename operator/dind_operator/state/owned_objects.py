"""Changes of the owned objects of an environment other than its pod. Pure and idempotent.

An object that another owner controls, or to which somebody added keys or another selector, is never used or changed: it is a name
conflict.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from dind_operator.api.conditions import Reason
from dind_operator.api.environment import DindEnvironment
from dind_operator.api.status import clip
from dind_operator.state import pod_status as pods
from dind_operator.state.assessment import Condition
from dind_operator.state.cluster import ObjectKind

Manifest = dict[str, Any]
_FROM_SERVER = ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy")
"""Fields of a Service's spec that the API server sets and that cannot be removed."""
_SELECTORS = ("selector", "podSelector")
_MAX_KEY, _MAX_KEYS = 63, 3
"""Foreign keys in a message, and their length."""


@dataclass(frozen=True, slots=True)
class Write:
    """Create an object, or replace the one that was ``seen``. Manifests may contain private keys, so ``repr`` omits them."""

    kind: ObjectKind
    manifest: Manifest = field(repr=False)
    seen: Manifest | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Remove:
    """Delete the object that was seen."""

    kind: ObjectKind
    seen: Manifest = field(repr=False)


Change = Write | Remove


def own(environment: DindEnvironment, manifest: Manifest | None) -> bool:
    """Whether the object exists and the environment controls it."""
    return (pods.controller(manifest) or {}).get("uid") == environment.uid if manifest is not None else False


@dataclass(frozen=True, slots=True)
class Foreign:
    """An object that has the name of an object of the operator and is not, or no longer, that of the operator: ``why``."""

    kind: ObjectKind
    manifest: Manifest = field(repr=False)
    why: str


def foreign(
    environment: DindEnvironment, kind: ObjectKind, seen: Manifest | None, expected: Manifest
) -> Foreign | None:
    """Why the object is not one that the operator may use or change; None if it may, or if there is no object.

    ``expected``: an object with the selector, and the keys of a Secret, that the operator would write.
    """
    if seen is None:
        return None
    if not own(environment, seen):
        owner = pods.controller(seen)
        named = f"controlled by {owner.get('kind')} {owner.get('name')}" if owner else "controlled by no owner"
        return Foreign(kind, seen, named)
    return altered(kind, seen, expected)


def altered(kind: ObjectKind, seen: Manifest, expected: Manifest) -> Foreign | None:
    """Why an object that the operator created is no longer its own: somebody added keys, or made it select other pods."""
    added = sorted((seen.get("data") or {}).keys() - (expected.get("data") or {}).keys())
    if kind is ObjectKind.SECRET and added:
        shown = ", ".join(clip(key, _MAX_KEY) for key in added[:_MAX_KEYS]) + (", ..." if added[_MAX_KEYS:] else "")
        return Foreign(kind, seen, f"contains keys that the operator did not write: {shown}")
    for name in _SELECTORS:
        if name in expected.get("spec", {}) and (seen.get("spec") or {}).get(name) != expected["spec"][name]:
            return Foreign(kind, seen, "selects other pods")
    return None


def write(kind: ObjectKind, seen: Manifest | None, desired: Manifest) -> Write:
    """Create the desired object or replace ``seen``. Fields that the API server set, and labels of others, are kept."""
    if seen is None:
        return Write(kind, desired)
    labels = {**(seen["metadata"].get("labels") or {}), **desired["metadata"]["labels"]}
    metadata = {key: value for key, value in seen["metadata"].items() if key != "managedFields"}
    replaced = {**desired, "metadata": {**metadata, "labels": labels}}
    if kind is ObjectKind.SERVICE:
        given = {key: seen["spec"][key] for key in _FROM_SERVER if key in seen.get("spec", {})}
        replaced["spec"] = {**desired["spec"], **given}
    if kind is ObjectKind.SECRET:
        replaced["type"] = seen.get("type", desired["type"])  # it cannot be changed
    return Write(kind, replaced, seen)


def labelled(seen: Manifest, desired: Manifest) -> bool:
    """Whether the object has the desired labels."""
    labels = seen["metadata"].get("labels") or {}
    return bool(desired["metadata"]["labels"].items() <= labels.items())


def name_conflict(
    environment: DindEnvironment, others: Iterable[Foreign], reason: Reason, remedy: str
) -> tuple[Condition | None, bool]:
    """The condition for foreign objects, and whether they are being deleted.

    ``remedy``: what users can do instead of deleting them.
    """
    found = list(others)
    if not found:
        return None, False
    if all(
        pods.owner_name(item.manifest) == environment.name and not own(environment, item.manifest) for item in found
    ):
        message = f"Objects of a previous instance of the environment {environment.name} are still being deleted."
        return Condition.false(Reason.WAITING_FOR_PREVIOUS_POD, message), True
    named = ", ".join(f"{item.kind.api_kind} {item.manifest['metadata']['name']} ({item.why})" for item in found)
    return Condition.false(
        reason,
        f"Objects in the namespace {environment.namespace} have names that the environment {environment.name} needs, and the "
        f"environment does not control them: {named}. The operator does not change them. Delete them, {remedy}.",
    ), False
