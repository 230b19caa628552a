"""The CustomResourceDefinition, generated from the models: `make crds` writes it, a test fails when it is stale."""

from __future__ import annotations

from typing import Any, Final

import yaml

from dind_operator.api import names
from dind_operator.api.rules import cel_text, value_rule
from dind_operator.api.spec import DindEnvironmentSpec
from dind_operator.api.status import INITIAL_CONDITIONS, DindEnvironmentStatus
from dind_operator.crd.structural_schema import Schema, defaults, structural

_HEADER: Final = "# Generated from operator/dind_operator/api by `make crds`. Do not edit.\n"
_READY: Final = '.status.conditions[?(@.type=="Ready")]'

# (name, JSON path, type, priority, description); priority 1 shows with `-o wide` only.
COLUMNS: Final = (
    ("Phase", ".status.phase", "string", 0, "The state in one word"),
    ("Ready", f"{_READY}.status", "string", 0, "Whether the nested daemon answers"),
    ("Docker", ".status.docker.serverVersion", "string", 0, "Docker's version"),
    ("Endpoint", ".status.endpoint", "string", 0, "Where the daemon listens"),
    ("Node", ".status.nodeName", "string", 0, "The node the pod runs on"),
    ("Age", ".metadata.creationTimestamp", "date", 0, "Time since the environment was made"),
    ("Reason", f"{_READY}.reason", "string", 1, "Why it is ready or not"),
    ("Image", ".status.daemonImage", "string", 1, "The daemon's image"),
    ("Driver", ".status.docker.storageDriver", "string", 1, "Docker's storage driver"),
)


def root_schema(*, examples: bool = False) -> Schema:
    """The schema of the whole object."""
    spec = structural(DindEnvironmentSpec, examples=examples)
    status = structural(DindEnvironmentStatus, examples=examples)
    status["properties"]["conditions"]["default"] = INITIAL_CONDITIONS
    return {
        "type": "object",
        "description": "A Docker daemon of one's own, in a pod of its own.",
        "properties": {
            "apiVersion": {
                "type": "string",
                "maxLength": 128,
                "description": f"Version of the API that this object uses. Must be {names.API_VERSION}.",
            },
            "kind": {"type": "string", "maxLength": 64, "description": f"Kind of this object. Must be {names.KIND}."},
            "metadata": {"type": "object"},
            "spec": {
                **spec,
                "description": "Desired state of the DindEnvironment. `{}` creates a Docker daemon with the defaults.",
                "default": defaults(spec),
            },
            "status": {
                **status,
                "description": "Most recently observed state of the DindEnvironment.",
                "default": defaults(status),
            },
        },
        "x-kubernetes-validations": [_name_rule()],
    }


def _name_rule() -> dict[str, str]:
    remedy = (
        f"use at most {names.NAME_MAX_LENGTH} lower-case letters, digits and '-', starting with a letter and ending "
        "with a letter or digit"
    )
    return value_rule(
        f"size(self.metadata.name) <= {names.NAME_MAX_LENGTH} && self.metadata.name.matches('{names.NAME_PATTERN}')",
        f"'metadata.name ' + self.metadata.name + ' cannot be used: {cel_text(remedy)}'",
        f"metadata.name cannot be used: {remedy}",
    )


def crd() -> dict[str, Any]:
    """The definition as a plain dict."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": names.CRD_NAME},
        "spec": {
            "group": names.GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": names.KIND,
                "listKind": names.LIST_KIND,
                "plural": names.PLURAL,
                "singular": names.SINGULAR,
                "shortNames": [names.SHORT_NAME],
                "categories": [names.CATEGORY],
            },
            "versions": [
                {
                    "name": names.VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": [_column(*column) for column in COLUMNS],
                    "schema": {"openAPIV3Schema": root_schema()},
                }
            ],
        },
    }


def _column(name: str, path: str, kind: str, priority: int, description: str) -> dict[str, Any]:
    column = {"name": name, "type": kind, "jsonPath": path, "description": description}
    return {**column, "priority": priority} if priority else column


class _Dumper(yaml.SafeDumper):
    """No anchors: they are hard to read, and some tools refuse them."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def crd_yaml() -> str:
    """The definition as the text of crds/dind.dev_dindenvironments.yaml."""
    return _HEADER + yaml.dump(crd(), Dumper=_Dumper, sort_keys=False, width=120, allow_unicode=True)
