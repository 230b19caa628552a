"""Names and Service of the endpoint, and the fields of the pod and the settings of the daemon for it."""

from typing import Any

from dind_operator.api import names
from dind_operator.api.environment import DindEnvironment
from dind_operator.api.published import DAEMON_PORT
from dind_operator.pod.defaults import BuildSettings
from dind_operator.pod.metadata import namespace_labels, object_labels, owner_reference
from dind_operator.pod.part import PodPart

PORT = DAEMON_PORT
LISTEN = f"tcp://0.0.0.0:{PORT}"
"""A Go listener with this address listens on all addresses of the pod, including IPv6."""
SERVER_MOUNT = "/run/dind-endpoint"
"""The mount path of the server Secret. It is not in /run/dind, which other containers of the pod may mount."""
CA, CERTIFICATE, KEY = "ca.pem", "cert.pem", "key.pem"
"""The names of files that the docker CLI reads in DOCKER_CERT_PATH. ``key.pem`` is also the name of the CA's key in its Secret."""
SERVER_FILES = (CA, CERTIFICATE, KEY)


def ca_secret_name(name: str) -> str:
    """The name of the Secret of the certificate authority."""
    return f"{name}{names.CA_SUFFIX}"


def server_secret_name(name: str) -> str:
    """The name of the Secret of the daemon."""
    return f"{name}{names.SERVER_SUFFIX}"


def client_secret_name(name: str) -> str:
    """The name of the Secret of clients."""
    return f"{name}{names.CLIENT_SUFFIX}"


def host(name: str, namespace: str, subdomain: str | None) -> str:
    """The host name of the pod, without the cluster domain, which the operator does not know.

    ``subdomain``: of the pod; None for a pod of an operator that created a Service for each environment.
    """
    return ".".join(filter(None, (name, subdomain, namespace, "svc")))


def url(name: str, namespace: str, subdomain: str | None) -> str:
    """DOCKER_HOST for clients in the cluster."""
    return f"tcp://{host(name, namespace, subdomain)}:{PORT}"


def server_names(environment: DindEnvironment, subdomain: str | None) -> tuple[str, ...]:
    """Names in the certificate: of the pod, of a forwarded port, and `extraNames`, but not the address of the pod."""
    full = host(environment.name, environment.namespace, subdomain)
    hosts = (
        environment.name,
        full.removesuffix(f".{environment.namespace}.svc"),
        full.removesuffix(".svc"),
        full,
        f"{full}.cluster.local",
        "localhost",
        "127.0.0.1",
        *environment.spec.endpoint.extra_names,
    )
    return tuple(dict.fromkeys(hosts))


def part(environment: DindEnvironment, settings: BuildSettings) -> PodPart:
    """The host name, the listener, which always requires client certificates, and the Secret of the daemon."""
    named = {"hostname": environment.name, "subdomain": settings.subdomain}
    if not environment.spec.endpoint.enabled:
        return PodPart(pod_fields=named)
    return PodPart(
        pod_fields=named,
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
    """The volume with the files of the Secret of the daemon that the operator wrote, readable only by root."""
    return {
        "name": names.VOLUME_ENDPOINT,
        "secret": {
            "secretName": server_secret_name(name),
            "defaultMode": 0o400,
            "items": [{"key": file, "path": file} for file in SERVER_FILES],
        },
    }


def mount() -> dict[str, Any]:
    """The mount of the volume, only in the container of the daemon."""
    return {"name": names.VOLUME_ENDPOINT, "mountPath": SERVER_MOUNT, "readOnly": True}


def service(namespace: str, subdomain: str) -> dict[str, Any]:
    """The headless Service that gives the pods of all environments in the namespace their host names.

    Clients can connect to every port of a pod. A pod that is not ready has its host name, too: clients are then refused, and the
    API server need not be told whenever the daemon becomes ready.
    """
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": subdomain, "namespace": namespace, "labels": namespace_labels()},
        "spec": {
            "clusterIP": "None",
            "publishNotReadyAddresses": True,
            "selector": {names.LABEL_MANAGED_BY: names.LABEL_MANAGED_BY_VALUE},
            "ports": [{"name": "docker-tls", "protocol": "TCP", "port": PORT, "targetPort": PORT}],
        },
    }


def metadata(environment: DindEnvironment, name: str) -> dict[str, Any]:
    """The metadata of all objects of the endpoint. The owner reference lets the garbage collector delete them."""
    return {
        "name": name,
        "namespace": environment.namespace,
        "labels": object_labels(environment.name),
        "ownerReferences": [owner_reference(environment)],
    }


def selector(name: str) -> dict[str, str]:
    """The labels with which the NetworkPolicy selects the pod."""
    return {names.LABEL_MANAGED_BY: names.LABEL_MANAGED_BY_VALUE, names.LABEL_ENVIRONMENT: name}
