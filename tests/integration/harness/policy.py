"""The chart's admission policy, bound to one namespace; its rules are changed under it, as an upgrade does."""

from __future__ import annotations

import json
from typing import Any, Self

from tests.helm import Helm, Manifests
from tests.integration.harness.api import ApiError, Object, environments
from tests.integration.harness.space import Space
from tests.integration.harness.waiting import until

POLICIES = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"
BINDINGS = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings"
NAME = "dind-operator-policy"
KIND = {"apiVersion": "dind.dev/v1alpha1", "kind": "DindEnvironment"}


class Policy:
    """In force in one namespace as long as the context lasts. One at a time in a cluster."""

    def __init__(self, helm: Helm, space: Space) -> None:
        self.api = space.api
        self.space = space
        self._helm = helm

    def rendered(self, rules: Object, **values: Any) -> Manifests:
        """By Helm, with the policy turned on."""
        return self._helm.template({"policy": {"enabled": True, "rules": rules}, **values})

    def __enter__(self) -> Self:
        manifests = self.rendered({})
        binding = manifests.one("ValidatingAdmissionPolicyBinding")
        here = {"matchLabels": {"kubernetes.io/metadata.name": self.space.name}}
        binding["spec"]["matchResources"] = {"namespaceSelector": here}
        self.api.create(POLICIES, manifests.one("ValidatingAdmissionPolicy"))
        self.api.create(BINDINGS, binding)
        self.wait_refusal({"storage": {"hostPath": {"path": "/not/allowed"}}})
        return self

    def __exit__(self, *_: object) -> None:
        self.api.delete(f"{BINDINGS}/{NAME}")
        self.api.delete(f"{POLICIES}/{NAME}")

    def set(self, rules: Object, **values: Any) -> None:
        """Other rules. They are in force a moment later: wait for what they do."""
        spec = self.rendered(rules, **values).one("ValidatingAdmissionPolicy")["spec"]
        self.api.patch(f"{POLICIES}/{NAME}", {"spec": spec})

    def refusal(self, spec: Object, **annotations: str) -> str:
        """The policy's sentence on a new environment; empty if it is accepted. Nothing is made."""
        made = manifest(spec)
        made["metadata"]["annotations"] = {f"dind.dev/{key.replace('_', '-')}": at for key, at in annotations.items()}
        try:
            self.api.create(f"{environments(self.space.name)}?dryRun=All", made)
        except ApiError as error:
            return sentence(error)
        return ""

    def wait_refusal(self, spec: Object) -> str:
        """The API server takes up a policy within a second or so."""
        return until(lambda: self.refusal(spec), f"the refusal of {spec}")

    def wait_acceptance(self, spec: Object) -> None:
        """The same for what the rules do not refuse any more."""
        until(lambda: not self.refusal(spec), f"{spec} being accepted", instead=lambda: self.refusal(spec))


def manifest(spec: Object, name: str = "probe") -> Object:
    """An environment."""
    return {**KIND, "metadata": {"name": name}, "spec": spec}


def sentence(error: ApiError) -> str:
    """What the policy said; fails if it was somebody else who refused."""
    said: str = json.loads(error.text)["message"]
    assert error.code == 403, said
    assert NAME in said
    return said.partition("denied request: ")[2]
