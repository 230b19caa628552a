"""The HTTP proxy in the pod: variables of the daemon and of workloads, from `spec.network.proxy` or the installation.

dockerd reads its proxy from its variables, and so do the programs that it starts. The wrapper adds the ranges of nested networks,
which only the pod knows, and gives the variables to nested containers and builds (node/internal/proxy).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Any, Final

from dind_operator.api.environment import DindEnvironment
from dind_operator.api.spec import DindEnvironmentSpec, Proxy
from dind_operator.dockerd.config_keys import by_field
from dind_operator.dockerd.flags import is_set
from dind_operator.pod.defaults import BuildSettings
from dind_operator.pod.node_config import ProxyConfig
from dind_operator.pod.reserved_secrets import check_secrets

Variable = str | dict[str, Any]

_SETTINGS: Final = by_field()["network.proxy"]
_DIRECT: Final = ("localhost", "127.0.0.0/8", "::1", ".svc", ".cluster.local")
"""The pod itself, and the names of Services. Programs that do not know ranges know localhost."""


def chosen(spec: DindEnvironmentSpec, settings: BuildSettings) -> Proxy | None:
    """The proxy of the environment. Variables, a key or a flag of the user, even an empty one, disable the default."""
    daemon, default = spec.daemon, settings.default_proxy
    if spec.network.proxy is not None:
        return spec.network.proxy
    own = daemon.sets_proxy or any(is_set(setting, daemon.config, daemon.args) for setting in _SETTINGS)
    if own or default is None:
        return None
    return Proxy(http_proxy=default.http, https_proxy=default.https, no_proxy=list(default.direct))


def variables(environment: DindEnvironment, settings: BuildSettings) -> dict[str, Variable]:
    """The variables of a proxy, in upper and lower case, because some programs read only one of them.

    Raises UnbuildableError for the Secrets of the environment's own certificate authority and daemon.
    """
    proxy = chosen(environment.spec, settings)
    if proxy is None:
        return {}
    urls: dict[str, Variable | None] = {"http_proxy": proxy.http_proxy, "https_proxy": proxy.https_proxy}
    if proxy.secret_ref is not None:
        name = proxy.secret_ref.name
        check_secrets(environment, "spec.network.proxy", [name])
        urls = {"http_proxy": _from_secret(name, "httpProxy"), "https_proxy": _from_secret(name, "httpsProxy")}
    direct = dict.fromkeys((*_DIRECT, environment.name, *_ranges(environment.spec, settings), *proxy.no_proxy))
    found: dict[str, Variable] = {key: value for key, value in urls.items() if value is not None}
    found["no_proxy"] = ",".join(direct)
    return {spelled: value for key, value in found.items() for spelled in (key.upper(), key)}


def node_config(spec: DindEnvironmentSpec, settings: BuildSettings) -> dict[str, ProxyConfig]:
    """Says to dind-node that nested containers have the variables, too."""
    proxy = chosen(spec, settings)
    if proxy is None:
        return {}
    return {"proxy": ProxyConfig(secret=None if proxy.secret_ref is None else proxy.secret_ref.name)}


def _ranges(spec: DindEnvironmentSpec, settings: BuildSettings) -> Iterator[str]:
    """The ranges of the cluster, and those of nested networks as far as the spec sets them."""
    yield from settings.cluster_cidrs
    if spec.network.bridge_address is not None:
        yield str(ipaddress.ip_interface(spec.network.bridge_address).network)
    yield from (pool.base for pool in spec.network.address_pools or ())


def _from_secret(name: str, key: str) -> dict[str, Any]:
    """Optional, because the kubelet reports a missing key only as an Event. The init container checks them."""
    return {"secretKeyRef": {"name": name, "key": key, "optional": True}}
