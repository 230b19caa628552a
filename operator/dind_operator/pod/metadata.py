"""Labels and owner references of the objects of an environment."""

from typing import Any

from dind_operator.api import names
from dind_operator.api.environment import DindEnvironment


def object_labels(name: str) -> dict[str, str]:
    """The labels of every object of the environment ``name``."""
    return {
        names.LABEL_NAME: names.LABEL_NAME_VALUE,
        names.LABEL_MANAGED_BY: names.LABEL_MANAGED_BY_VALUE,
        names.LABEL_INSTANCE: name,
        names.LABEL_ENVIRONMENT: name,
    }


def namespace_labels() -> dict[str, str]:
    """The labels of the objects that all environments of a namespace share."""
    return {names.LABEL_NAME: names.LABEL_NAME_VALUE, names.LABEL_MANAGED_BY: names.LABEL_MANAGED_BY_VALUE}


def owner_reference(environment: DindEnvironment) -> dict[str, Any]:
    """A controller reference: the garbage collector deletes the object, and no finalizer is needed."""
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.KIND,
        "name": environment.name,
        "uid": environment.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }
