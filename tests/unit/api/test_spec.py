"""The spec's models: defaults, what is accepted, what is refused and with which words."""

from typing import Any

import pytest
from pydantic import ValidationError

from dind_operator.api.spec import (
    AppArmorType,
    DindEnvironmentSpec,
    LogLevel,
    OperatingMode,
    SecurityMode,
    StorageMedium,
    UpdatePolicy,
)


def parse(spec: dict[str, Any]) -> DindEnvironmentSpec:
    return DindEnvironmentSpec.model_validate(spec)


def test_an_empty_spec_is_whole() -> None:
    spec = parse({})
    assert spec.operating_mode is OperatingMode.RUNNING
    assert spec.update_policy is UpdatePolicy.RECREATE
    assert spec.daemon.image is None
    assert spec.daemon.log_level is LogLevel.INFO
    assert spec.daemon.args == []
    assert spec.daemon.config == {}
    assert spec.daemon.reserve.memory is None
    assert spec.storage.empty_dir.medium is StorageMedium.DISK
    assert spec.security.mode is SecurityMode.PRIVILEGED
    assert spec.security.app_armor_profile.type is AppArmorType.UNCONFINED
    assert spec.probes.liveness is None


def test_what_was_read_is_written_as_it_was() -> None:
    written = {
        "operatingMode": "Suspended",
        "daemon": {
            "image": "docker:28-dind",
            "imagePullSecrets": [{"name": "a"}],
            "resources": {"limits": {"cpu": "1", "example.com/gpu": "1"}, "requests": {"example.com/gpu": "1.0"}},
            "reserve": {},
            "config": {"debug": True, "log-opts": {"max-size": "10m"}},
            "args": ["--storage-driver=overlay2"],
            "env": [{"name": "DOCKER_MIN_API_VERSION", "value": "1.24"}],
            "preload": ["golang:1.24"],
            "logLevel": "Warn",
        },
        "storage": {"emptyDir": {"medium": "", "sizeLimit": "20Gi"}},
        "podMetadata": {"labels": {"team": "builds"}, "annotations": {"sidecar.istio.io/inject": "false"}},
        "security": {
            "mode": "Privileged",
            "appArmorProfile": {"type": "Localhost", "localhostProfile": "dind"},
            "cloudMetadata": "Closed",
            "serviceAccountName": "image-pusher",
            "sysctls": [{"name": "net.ipv4.ip_local_port_range", "value": "1024 65535"}],
        },
        "scheduling": {
            "tolerations": [{"operator": "Exists"}],
            "affinity": {
                "podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "a/b"}]}
            },
        },
        "registry": {
            "mirrors": ["https://mirror.example.com"],
            "mirrorsFor": [{"registry": "ghcr.io", "mirrors": ["https://mirror.example.com/ghcr"]}],
            "insecureRegistries": ["10.0.0.5:5000"],
            "caBundles": [{"registry": "r.example.com:5000", "configMapRef": {"name": "ca", "key": "ca.crt"}}],
            "pullSecret": {"name": "login"},
        },
        "probes": {"startup": {"periodSeconds": 2}},
        "network": {
            "mtu": 1400,
            "bridgeAddress": "172.30.0.1/24",
            "addressPools": [{"base": "172.31.0.0/16", "size": 24}],
            "avoid": ["10.0.0.0/8", "fd00::/8"],
            "dns": {
                "nameservers": ["10.96.0.10", "fd00::10"],
                "searches": ["example.com"],
                "options": [{"name": "ndots", "value": "2"}, {"name": "rotate"}],
            },
            "proxy": {"httpProxy": "http://p:3128", "httpsProxy": "http://p:3128", "noProxy": [".example.com"]},
            "firewallBackend": "Nft",
            "ipv6": "Enabled",
            "hostAliases": [{"ip": "10.1.2.3", "hostnames": ["registry.example.com"]}],
            "dnsPolicy": "None",
            "dnsConfig": {"nameservers": ["10.96.0.10"], "searches": ["a"], "options": [{"name": "rotate"}]},
        },
        "caBundle": {"secretRef": {"name": "ca", "key": "tls.crt"}},
        "updatePolicy": "OnDelete",
        "disruptionPolicy": "Protect",
        "endpoint": {
            "enabled": True,
            "extraNames": ["builder.example.com", "192.0.2.10", "fd00::10"],
            "credentialsGeneration": 3,
            "allowFrom": [
                {"podSelector": {"matchLabels": {"app": "ci"}}, "namespaceSelector": {}},
                {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}},
            ],
        },
    }
    assert parse(written).to_dict() == written


def test_an_integer_is_a_quantity_and_is_kept_as_text() -> None:
    spec = parse({"daemon": {"resources": {"limits": {"memory": 1073741824}}}})
    assert spec.daemon.resources.limits == {"memory": "1073741824"}


def test_models_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        parse({}).operating_mode = OperatingMode.SUSPENDED  # type: ignore[misc]


MEMORY = {"emptyDir": {"medium": "Memory", "sizeLimit": "1Gi"}}


@pytest.mark.parametrize(
    "spec",
    [
        {"storage": MEMORY},
        {"storage": MEMORY, "daemon": {"resources": {"limits": {"memory": "1025Mi"}}}},
        {"storage": MEMORY, "daemon": {"resources": {"limits": {"memory": "2Gi"}}, "reserve": {"memory": "1023Mi"}}},
        {"daemon": {"resources": {"limits": {"memory": "1Gi"}}, "reserve": {"memory": "1023Mi"}}},
        {"daemon": {"resources": {"limits": {"memory": "1Gi"}, "requests": {"memory": "1024Mi"}}}},
        {"daemon": {"resources": {"limits": {"hugepages-2Mi": "4Mi", "memory": "1Gi"}}}},
        {"daemon": {"config": {"exec-opts": ["isolation=process"]}}},
        {"daemon": {"args": ["-D", "--bip=172.30.0.1/16"]}},
    ],
)
def test_amounts_that_fit_are_accepted(spec: dict[str, Any]) -> None:
    parse(spec)
