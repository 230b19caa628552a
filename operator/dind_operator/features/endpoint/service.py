"""Names and Service of the endpoint, and the settings of the daemon for it."""

from typing import Any

from dind_operator.api import names
from dind_operator.api.environment import DindEnvironment
from dind_operator.api.published import DAEMON_PORT
from dind_operator.pod.defaults import BuildSettings
from dind_operator.pod.metadata import object_labels, owner_reference
from dind_operator.pod.part import PodPart

PORT = DAEMON_PORT
LISTEN = f"tcp://0.0.0.0:{PORT}"
"""A Go listener with this address listens on all addresses of the pod, including IPv6."""
SERVER_MOUNT = "/run/dind-endpoint"
"""The mount path of the server Secret. It is not in /run/dind, which other containers of the pod may mount."""


def ca_secret_name(name: str) -> str:
    """The name of the Secret of the certificate authority."""
    return f"{name}{names.CA_SUFFIX}"


def server_secret_name(name: str) -> str:
    """The name of the Secret of the daemon."""
    return f"{name}{names.SERVER_SUFFIX}"


def client_secret_name(name: str) -> str:
    """The name of the Secret of clients."""
    return f"{name}{names.CLIENT_SUFFIX}"


def url(name: str, namespace: str) -> str:
    """DOCKER_HOST for clients in the cluster, without the cluster domain, which the operator does not know."""
    return f"tcp://{name}.{namespace}.svc:{PORT}"


def server_names(environment: DindEnvironment) -> tuple[str, ...]:
    """Names in the certificate: of the Service, of a forwarded port, and `extraNames`, but not the address of the pod."""
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
    """The listener, which always requires client certificates, and the Secret of the daemon."""
    if not environment.spec.endpoint.enabled:
        return PodPart()
    return PodPart(
        volumes=[volume(environment.name)],
        daemon_mounts=[mount()],
        daemon_json=daemon_settings(),
        listen=[LISTEN],
    )


def daemon_settings() -> dict[str, Any]:
    """Keys of daemon.json for the endpoint. The listener always requires client certificates."""
    return {
        "tlsverify": True,
        "tlscacert": f"{SERVER_MOUNT}/ca.pem",
        "tlscert": f"{SERVER_MOUNT}/cert.pem",
        "tlskey": f"{SERVER_MOUNT}/key.pem",
    }


def volume(name: str) -> dict[str, Any]:
    """The volume with the Secret of the daemon, readable only by root."""
    return {
        "name": names.VOLUME_ENDPOINT,
        "secret": {"secretName": server_secret_name(name), "defaultMode": 0o400},
    }


def mount() -> dict[str, Any]:
    """The mount of the volume, only in the container of the daemon."""
    return {"name": names.VOLUME_ENDPOINT, "mountPath": SERVER_MOUNT, "readOnly": True}


def service(environment: DindEnvironment) -> dict[str, Any] | None:
    """The Service with the port of the daemon and the published ports; None without ports."""
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
    """A Service has no port ranges; clients connect to those on the address of the pod."""
    published = environment.spec.published_ports
    named = [item for item in published.ports if item.end_port is None] if published is not None else []
    every = [("docker-tls", "TCP", PORT)] if environment.spec.endpoint.enabled else []
    every += [(f"{item.protocol.lower()}-{item.port}", item.protocol.value, item.port) for item in named]
    return [{"name": name, "protocol": kind, "port": port, "targetPort": port} for name, kind, port in every]


def metadata(environment: DindEnvironment, name: str) -> dict[str, Any]:
    """The metadata of all objects of the endpoint. The owner reference lets the garbage collector delete them."""
    return {
        "name": name,
        "namespace": environment.namespace,
        "labels": object_labels(environment.name),
        "ownerReferences": [owner_reference(environment)],
    }


def selector(name: str) -> dict[str, str]:
    """The labels with which the Service and the NetworkPolicy select the pod."""
    return {names.LABEL_MANAGED_BY: names.LABEL_MANAGED_BY_VALUE, names.LABEL_ENVIRONMENT: name}
