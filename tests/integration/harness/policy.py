"""The chart's admission policy, bound to one namespace: many of them are in force beside each other."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Self

from tests.helm import Helm
from tests.integration.harness.paths import environments
from tests.integration.harness.space import Space
from tests.kube.client import ApiError, Object
from tests.kube.eventually import eventually

POLICIES = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"
BINDINGS = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings"
NAME = "dind-operator-policy"
KIND = {"apiVersion": "dind.dev/v1alpha1", "kind": "DindEnvironment"}
# The policy has a rule about these that is in force whatever its other rules are.
_ALWAYS_REFUSED: Object = {"storage": {"hostPath": {"path": "/not/allowed"}}}


class Policy:
    """In force in one namespace as long as the context lasts. `values` are the chart's, beside the rules."""

    def __init__(self, helm: Helm, space: Space, rules: Object | None = None, **values: Any) -> None:
        self.api = space.api
        self.space = space
        self.name = f"{NAME}-{space.name}"
        self.rules = rules or {}
        self._values = values
        self._helm = helm

    def put(self) -> None:
        """Makes the policy. The API server takes it up a moment later: `wait_in_force`."""
        manifests = self._helm.template({"policy": {"enabled": True, "rules": self.rules}, **self._values})
        policy = manifests.one("ValidatingAdmissionPolicy", NAME)
        binding = manifests.one("ValidatingAdmissionPolicyBinding", NAME)
        here = {"matchLabels": {"kubernetes.io/metadata.name": self.space.name}}
        binding["spec"] |= {"policyName": self.name, "matchResources": {"namespaceSelector": here}}
        for collection, made in ((POLICIES, policy), (BINDINGS, binding)):
            assert made["metadata"]["name"] == NAME
            made["metadata"]["name"] = self.name
            self.api.create(collection, made)

    def take_away(self) -> None:
        """As uninstalling does."""
        self.api.delete(f"{BINDINGS}/{self.name}")
        self.api.delete(f"{POLICIES}/{self.name}")

    def __enter__(self) -> Self:
        self.put()
        self.wait_in_force()
        return self

    def __exit__(self, *_: object) -> None:
        self.take_away()

    def set(self, rules: Object, **values: Any) -> None:
        """Other rules, as an upgrade does. They are in force a moment later: wait for what they do."""
        manifests = self._helm.template({"policy": {"enabled": True, "rules": rules}, **values})
        self.rules = rules
        self.api.patch(f"{POLICIES}/{self.name}", {"spec": manifests.one("ValidatingAdmissionPolicy", NAME)["spec"]})

    def refusal(self, spec: Object, **annotations: str) -> str:
        """The policy's sentence on a new environment; empty if it is accepted. Nothing is made."""
        made = manifest(spec)
        made["metadata"]["annotations"] = {f"dind.dev/{key.replace('_', '-')}": at for key, at in annotations.items()}
        try:
            self.api.create(f"{environments(self.space.name)}?dryRun=All", made)
        except ApiError as error:
            return sentence(error)
        return ""

    def wait_in_force(self) -> None:
        """The API server takes up a policy, with all its rules, within a second or so, and no event tells of that."""
        self.wait_refusal(_ALWAYS_REFUSED)

    def wait_refusal(self, spec: Object) -> str:
        """The same for rules that were changed: until they refuse this."""
        return eventually(lambda: self.refusal(spec), f"the refusal of {spec}")

    def wait_acceptance(self, spec: Object) -> None:
        """The same for what the rules do not refuse any more."""
        eventually(lambda: not self.refusal(spec), f"{spec} being accepted", story=lambda: self.refusal(spec))


def put_all(policies: Iterable[Policy]) -> None:
    """Puts policies and waits until all are in force. They get there together, and not a second after another each."""
    made = list(policies)
    for policy in made:
        policy.put()
    for policy in made:
        policy.wait_in_force()


def manifest(spec: Object, name: str = "probe") -> Object:
    """An environment."""
    return {**KIND, "metadata": {"name": name}, "spec": spec}


def sentence(error: ApiError) -> str:
    """What the policy said; fails if it was somebody else who refused."""
    said: str = json.loads(error.text)["message"]
    assert error.code == 403, said
    assert NAME in said
    return said.partition("denied request: ")[2]
