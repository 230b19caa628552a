"""The nested networks: keys of daemon.json from `spec.network`, and what dind-node has to know of it.

dind-node chooses in the pod what the spec omits, because only the pod knows its addresses and routes.
"""

import ipaddress
from typing import Any

from dind_operator.api.environment import DindEnvironment
from dind_operator.api.spec import DindEnvironmentSpec, DNSPolicy, FirewallBackend, IPv6
from dind_operator.dockerd.flags import decided
from dind_operator.features.network import proxy
from dind_operator.pod.defaults import BuildSettings
from dind_operator.pod.node_config import NetworkConfig
from dind_operator.pod.part import PodPart

NODE_VARIABLE = "DIND_NODE_ADDRESS"
MAX_POOLS = 16
"""The number of pools in `spec.daemon.config` that dind-node checks; dockerd checks the others."""


def part(environment: DindEnvironment, settings: BuildSettings) -> PodPart:
    """Keys of daemon.json, variables with which the init container chooses networks, and those of the proxy.

    Raises UnbuildableError for the Secrets of the environment's own certificate authority and daemon.
    """
    spec = environment.spec
    # The pod has no permission to read the Node object.
    node: dict[str, str | dict[str, Any]] = {NODE_VARIABLE: {"fieldRef": {"fieldPath": "status.hostIP"}}}
    proxies = proxy.variables(environment, settings)
    return PodPart(
        pod_fields=pod_fields(spec),
        variables={**node, **proxies},
        node_config={"network": network_config(spec, settings), **proxy.node_config(spec, settings)},
        workload_variables=proxies,
        daemon_json=daemon_settings(spec),
    )


def pod_fields(spec: DindEnvironmentSpec) -> dict[str, Any]:
    """How the pod resolves names. Nothing for defaults, so that such pods remain unchanged."""
    network = spec.network
    found: dict[str, Any] = {}
    if network.host_aliases:
        found["hostAliases"] = [alias.to_dict() for alias in network.host_aliases]
    if network.dns_policy is not DNSPolicy.CLUSTER_FIRST:
        found["dnsPolicy"] = network.dns_policy.value
    if network.dns_config is not None and (config := network.dns_config.to_dict()):
        found["dnsConfig"] = config
    return found


def daemon_settings(spec: DindEnvironmentSpec) -> dict[str, Any]:
    """Keys of daemon.json for the fields of `spec.network`."""
    network = spec.network
    found: dict[str, Any] = {}
    if network.mtu is not None:
        found["mtu"] = network.mtu
    if network.bridge_address is not None:
        found["bip"] = network.bridge_address
    if network.address_pools is not None:
        found["default-address-pools"] = [{"base": pool.base, "size": pool.size} for pool in network.address_pools]
    dns = network.dns
    if dns is not None and dns.nameservers:
        found["dns"] = dns.nameservers
    if dns is not None and dns.searches:
        found["dns-search"] = dns.searches
    if dns is not None and dns.options:
        found["dns-opts"] = [f"{one.name}:{one.value}" if one.value else one.name for one in dns.options]
    return found


def network_config(spec: DindEnvironmentSpec, settings: BuildSettings) -> NetworkConfig:
    """What dind-node has to know of the spec and of the installation."""
    network, config = spec.network, spec.daemon.config
    own = list(decided(config, spec.daemon.args))
    if network.dns is not None and network.dns.nameservers and "dns" not in own:
        own.append("dns")
    return NetworkConfig(
        mtu=network.mtu,
        bridge_address=network.bridge_address,
        address_pools=[pool.base for pool in network.address_pools] if network.address_pools else None,
        config_bridge_address=None if network.bridge_address is not None else _range(_value(config, "bip")),
        config_address_pools=None if network.address_pools is not None else _pools(config) or None,
        decided=own,
        ipv6=None if network.ipv6 is IPv6.AUTO else network.ipv6.value,
        avoid=list(network.avoid) or None,
        cluster_cidrs=list(settings.cluster_cidrs) or None,
        firewall_backend=None if network.firewall_backend is FirewallBackend.AUTO else network.firewall_backend.value,
    )


def _pools(config: dict[str, Any]) -> list[str]:
    """The ranges of the pools in `spec.daemon.config`."""
    pools = _value(config, "default-address-pools")
    bases = [_range(pool.get("base")) for pool in pools if isinstance(pool, dict)] if isinstance(pools, list) else []
    return [base for base in bases[:MAX_POOLS] if base]


def _value(config: dict[str, Any], key: str) -> object:
    """The value of a key; dockerd ignores the case of keys."""
    return next((value for name, value in config.items() if name.lower() == key), None)


def _range(value: object) -> str | None:
    """The range as text; None for a value that dockerd rejects itself."""
    try:
        return str(ipaddress.ip_interface(value)) if isinstance(value, str) and "/" in value else None
    except ValueError:
        return None
