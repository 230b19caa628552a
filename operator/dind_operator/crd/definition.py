"""The CustomResourceDefinition, generated from the models by `make crds`. A test fails if it is not up to date."""

from __future__ import annotations

from typing import Any, Final

import yaml

from dind_operator.api import names
from dind_operator.api.cel_rules import cel_text, value_rule
from dind_operator.api.spec import DindEnvironmentSpec
from dind_operator.api.status import INITIAL_CONDITIONS, DindEnvironmentStatus
from dind_operator.crd.structural_schema import Schema, defaults, structural

_HEADER: Final = "# Generated from operator/dind_operator/api by `make crds`. Do not edit.\n"
_READY: Final = '.status.conditions[?(@.type=="Ready")]'

# (name, JSON path, type, priority, description); priority 1 is shown with `-o wide` only.
COLUMNS: Final = (
    ("Phase", ".status.phase", "string", 0, "Summary of the state"),
    ("Ready", f"{_READY}.status", "string", 0, "Whether the Docker daemon responds"),
    ("Docker", ".status.docker.serverVersion", "string", 0, "Version of Docker"),
    ("Endpoint", ".status.endpoint", "string", 0, "Address of the daemon"),
    ("Node", ".status.nodeName", "string", 0, "Node of the pod"),
    ("Age", ".metadata.creationTimestamp", "date", 0, "Time since the creation of the environment"),
    ("Reason", f"{_READY}.reason", "string", 1, "Reason of the condition Ready"),
    ("Image", ".status.daemonImage", "string", 1, "Image of the daemon"),
    ("Driver", ".status.docker.storageDriver", "string", 1, "Storage driver of Docker"),
)


def root_schema(*, examples: bool = False) -> Schema:
    """The schema of a DindEnvironment."""
    spec = structural(DindEnvironmentSpec, examples=examples)
    status = structural(DindEnvironmentStatus, examples=examples)
    status["properties"]["conditions"]["default"] = INITIAL_CONDITIONS
    return {
        "type": "object",
        "description": "DindEnvironment is a Docker daemon in its own pod.",
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
        f"must have at most {names.NAME_MAX_LENGTH} lower-case letters, digits and '-', starting with a letter and ending "
        "with a letter or digit"
    )
    return value_rule(
        f"size(self.metadata.name) <= {names.NAME_MAX_LENGTH} && self.metadata.name.matches('{names.NAME_PATTERN}')",
        f"'metadata.name ' + self.metadata.name + ' is invalid: {cel_text(remedy)}'",
        f"metadata.name is invalid: {remedy}",
    )


def crd() -> dict[str, Any]:
    """The CustomResourceDefinition as a dict."""
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
    """Without anchors, which some tools reject."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def crd_yaml() -> str:
    """The CustomResourceDefinition as the text of crds/dind.dev_dindenvironments.yaml."""
    return _HEADER + yaml.dump(crd(), Dumper=_Dumper, sort_keys=False, width=120, allow_unicode=True)
