"""The endpoint as the network sees it: names, Service, and what the daemon is told of it."""

from typing import Any

from dind_operator.api import names
from dind_operator.api.environment import DindEnvironment
from dind_operator.api.published import DAEMON_PORT
from dind_operator.pod.defaults import BuildSettings
from dind_operator.pod.metadata import object_labels, owner_reference
from dind_operator.pod.part import PodPart

PORT = DAEMON_PORT
LISTEN = f"tcp://0.0.0.0:{PORT}"
"""To Go's listener this address means every one of the pod, of IPv6 too where there is any."""
SERVER_MOUNT = "/run/dind-endpoint"
"""Where the daemon's container sees the server Secret. Not below /run/dind, which other containers of the pod may share."""


def ca_secret_name(name: str) -> str:
    """Of the authority's Secret, mounted nowhere."""
    return f"{name}{names.CA_SUFFIX}"


def server_secret_name(name: str) -> str:
    """Of the daemon's Secret."""
    return f"{name}{names.SERVER_SUFFIX}"


def client_secret_name(name: str) -> str:
    """Of the clients' Secret."""
    return f"{name}{names.CLIENT_SUFFIX}"


def url(name: str, namespace: str) -> str:
    """DOCKER_HOST for clients in the cluster. Without the cluster's domain, which nobody here knows."""
    return f"tcp://{name}.{namespace}.svc:{PORT}"


def server_names(environment: DindEnvironment) -> tuple[str, ...]:
    """What clients may call the daemon: the Service's names, a forwarded port's, and the user's. No pod's address."""
    name, namespace = environment.name, environment.namespace
    return (
        name,
        f"{name}.{namespace}",
        f"{name}.{namespace}.svc",
        f"{name}.{namespace}.svc.cluster.local",
        "localhost",
        "127.0.0.1",
        *environment.spec.endpoint.extra_names,
    )


def part(environment: DindEnvironment, _settings: BuildSettings) -> PodPart:
    """The listener, which is never there without the demand for a client certificate, and the server's Secret."""
    if not environment.spec.endpoint.enabled:
        return PodPart()
    return PodPart(
        volumes=[volume(environment.name)],
        daemon_mounts=[mount()],
        daemon_json=daemon_settings(),
        listen=[LISTEN],
    )


def daemon_settings() -> dict[str, Any]:
    """What daemon.json says of the endpoint; the listener is never there without the demand for a certificate."""
    return {
        "tlsverify": True,
        "tlscacert": f"{SERVER_MOUNT}/ca.pem",
        "tlscert": f"{SERVER_MOUNT}/cert.pem",
        "tlskey": f"{SERVER_MOUNT}/key.pem",
    }


def volume(name: str) -> dict[str, Any]:
    """The server Secret, for root alone."""
    return {
        "name": names.VOLUME_ENDPOINT,
        "secret": {"secretName": server_secret_name(name), "defaultMode": 0o400},
    }


def mount() -> dict[str, Any]:
    """Its mount in the daemon's container and in no other."""
    return {"name": names.VOLUME_ENDPOINT, "mountPath": SERVER_MOUNT, "readOnly": True}


def service(environment: DindEnvironment) -> dict[str, Any] | None:
    """The Service: the daemon's port and the published ones that are named, under the environment's name. None without any."""
    ports = _service_ports(environment)
    if not ports:
        return None
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(environment, environment.name),
        "spec": {"type": "ClusterIP", "selector": selector(environment.name), "ports": ports},
    }


def _service_ports(environment: DindEnvironment) -> list[dict[str, Any]]:
    """A Service has no ranges of ports; those are reached on the pod's address."""
    published = environment.spec.published_ports
    named = [item for item in published.ports if item.end_port is None] if published is not None else []
    every = [("docker-tls", "TCP", PORT)] if environment.spec.endpoint.enabled else []
    every += [(f"{item.protocol.lower()}-{item.port}", item.protocol.value, item.port) for item in named]
    return [{"name": name, "protocol": kind, "port": port, "targetPort": port} for name, kind, port in every]


def metadata(environment: DindEnvironment, name: str) -> dict[str, Any]:
    """Of every object of the endpoint: owned, so that deletion is the garbage collector's."""
    return {
        "name": name,
        "namespace": environment.namespace,
        "labels": object_labels(environment.name),
        "ownerReferences": [owner_reference(environment)],
    }


def selector(name: str) -> dict[str, str]:
    """The labels by which Service and NetworkPolicy find the pod."""
    return {names.LABEL_MANAGED_BY: names.LABEL_MANAGED_BY_VALUE, names.LABEL_ENVIRONMENT: name}
