"""Every field of the spec is restricted by a rule of the policy, or somebody has said why it needs none."""

from __future__ import annotations

import typing
from typing import Any

import pytest
from pydantic import BaseModel
from pydantic.alias_generators import to_camel
from tests.policy_cases import CASES

from dind_operator.api.spec import DindEnvironmentSpec
from dind_operator.features.policy.rules import PolicyRules

# Field -> rules.
COVERED: dict[str, tuple[str, ...]] = {
    "daemon.image": ("images",),
    "daemon.imagePullSecrets": ("secrets",),
    "daemon.resources": ("maxResources",),
    "daemon.config": ("daemonConfig", "maxGracePeriod"),
    "daemon.args": ("daemonArgs", "maxGracePeriod"),
    "security.mode": ("modes",),
    "security.runtimeClassName": ("runtimeClasses", "tolerations"),
    "security.cloudMetadata": ("cloudMetadata",),
    "security.sysctls": ("sysctls",),
    "network.hostAliases": ("nameResolution",),
    "network.dnsPolicy": ("nameResolution",),
    "network.dnsConfig": ("nameResolution",),
    "network.mtu": ("daemonConfig",),
    "network.bridgeAddress": ("daemonConfig",),
    "network.addressPools": ("daemonConfig",),
    "network.dns": ("daemonConfig",),
    "network.ipv6": ("daemonConfig",),
    "network.proxy": ("daemonConfig", "secrets"),
    "caBundle.secretRef": ("secrets",),
    "registry.mirrors": ("daemonConfig",),
    "registry.mirrorsFor": ("daemonConfig",),
    "registry.insecureRegistries": ("daemonConfig",),
    "registry.caBundles": ("secrets",),
    "registry.pullSecret": ("secrets",),
    "podMetadata.labels": ("podMetadata",),
    "podMetadata.annotations": ("podMetadata",),
    "scheduling.nodeSelector": ("nodeSelector",),
    "scheduling.tolerations": ("tolerations",),
    "scheduling.priorityClassName": ("priorityClasses",),
    "lifetime.ttl": ("maxTtl", "requireTtl"),
    "workloads.containers": ("images", "maxResources", "secrets"),
    "workloads.volumes": ("secrets",),
    "workloads.terminationGracePeriodSeconds": ("maxGracePeriod",),
    "disruptionPolicy": ("disruptionPolicies",),
}
# Field -> why it needs no rule.
HARMLESS: dict[str, str] = {
    "operatingMode": "ends the own pod",
    "updatePolicy": "is about the own pod",
    "daemon.imagePullPolicy": "of the image that a rule restricts",
    "daemon.reserve": "of the limit that a rule restricts",
    "daemon.env": "is read by the own daemon only",
    "daemon.preload": "what docker pull in the environment does as well",
    "daemon.logLevel": "is about the own log",
    "storage.emptyDir": "is restricted by the limit of ephemeral-storage in maxResources",
    "storage.ephemeral": "is restricted by a ResourceQuota",
    "storage.hostPath": "is restricted by hostPath.allowedPrefixes, which holds without a policy",
    "security.appArmorProfile": "the modes decide what the container may do; a profile only restricts it",
    "security.serviceAccountName": "is restricted by allowedServiceAccounts, which holds without a policy",
    "network.avoid": "leaves out ranges",
    "network.firewallBackend": "is about the own network namespace",
    "caBundle.configMapRef": "certificates that only the own daemon trusts",
    "endpoint.enabled": "without an endpoint nobody reaches the daemon over the network",
    "endpoint.extraNames": "are names in a certificate of the environment's own certificate authority",
    "endpoint.credentialsGeneration": "renews the own certificates",
    "endpoint.allowFrom": "opens the own pod, as a NetworkPolicy of the user could",
    "publishedPorts.allowFrom": "opens the own pod, as a NetworkPolicy of the user could",
    "publishedPorts.ports": "are ports of the own pod",
    "scheduling.affinity": "can only restrict the nodes further",
    "scheduling.topologySpreadConstraints": "can only restrict the nodes further",
    "scheduling.schedulerName": "a scheduler that the administrator runs",
    "probes.startup": "is about the own pod",
    "probes.readiness": "is about the own pod",
    "probes.liveness": "is about the own pod",
    "lifetime.idleTimeout": "ends the environment earlier",
    "lifetime.expire": "is about the own environment",
    "workloads.restartPolicy": "is about the own pod",
    "workloads.run": "is about the own pod",
    "workloads.workspace": "is restricted by the limit of ephemeral-storage in maxResources",
    "workloads.dockerCli": "copies a program of the own image",
}


def fields() -> set[str]:
    """All fields of the spec, two levels deep."""
    found = set()
    for name, field in DindEnvironmentSpec.model_fields.items():
        inner = _model(field.annotation)
        parts = [f".{item.alias or key}" for key, item in inner.model_fields.items()] if inner else [""]
        found |= {f"{field.alias or name}{part}" for part in parts}
    return found


def _model(kind: Any) -> type[BaseModel] | None:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return kind
    return next(filter(None, map(_model, typing.get_args(kind))), None)


def test_every_field_is_restricted_or_harmless() -> None:
    assert COVERED.keys() | HARMLESS.keys() == fields()
    assert not COVERED.keys() & HARMLESS.keys()


@pytest.mark.parametrize(("field", "rules"), COVERED.items())
def test_a_rule_that_restricts_a_field_refuses_something_in_it(field: str, rules: tuple[str, ...]) -> None:
    assert set(rules) <= {to_camel(name) for name in PolicyRules.model_fields}
    for rule in rules:
        broken = [case.bad for case in CASES if case.rule == rule]
        assert any(_has(spec, field.split(".")) or rule == "requireTtl" for spec in broken), f"{rule} of {field}"


def _has(spec: Any, path: list[str]) -> bool:
    for part in path:
        if not isinstance(spec, dict) or part not in spec:
            return False
        spec = spec[part]
    return True
