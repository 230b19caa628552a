"""The endpoint as the network sees it: names, Service, NetworkPolicy."""

from typing import Any

from dind_operator.api import names
from dind_operator.api.environment import DindEnvironment
from dind_operator.build.owned import object_labels, owner_reference

PORT = 2376
"""Docker's registered port for TLS."""
LISTEN = f"tcp://0.0.0.0:{PORT}"
"""To Go's listener this address means every one of the pod, of IPv6 too where there is any."""
SERVER_MOUNT = "/run/dind-endpoint"
"""Where the daemon's container sees the server Secret. Not below /run/dind, which other containers of the pod may share."""
METADATA_ADDRESSES = ("169.254.169.254/32", "fd00:ec2::254/128")
"""Where clouds give a node's credentials to whoever asks from it: all of them by the first, EC2 by the second, too."""


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


def service(environment: DindEnvironment) -> dict[str, Any]:
    """The Service: the pod's port 2376 under the environment's name."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(environment, environment.name),
        "spec": {
            "type": "ClusterIP",
            "selector": _selector(environment.name),
            "ports": [{"name": "docker-tls", "protocol": "TCP", "port": PORT, "targetPort": PORT}],
        },
    }


def network_policy(environment: DindEnvironment) -> dict[str, Any]:
    """Who reaches the pod (nobody but ``allowFrom``, on 2376) and what it reaches (all but the clouds' metadata)."""
    peers = [
        peer.model_dump(mode="json", by_alias=True, exclude_none=True) for peer in environment.spec.endpoint.allow_from
    ]
    from_peers = [{"from": peers, "ports": [{"protocol": "TCP", "port": PORT}]}] if peers else []
    four, six = METADATA_ADDRESSES
    everywhere: list[dict[str, Any]] = [
        {"ipBlock": {"cidr": "0.0.0.0/0", "except": [four]}},
        {"ipBlock": {"cidr": "::/0", "except": [six]}},
        # Some network plugins take a range of addresses for what is outside the cluster only.
        {"namespaceSelector": {}},
    ]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata(environment, environment.name),
        "spec": {
            "podSelector": {"matchLabels": _selector(environment.name)},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": from_peers,
            "egress": [{"to": everywhere}],
        },
    }


def metadata(environment: DindEnvironment, name: str) -> dict[str, Any]:
    """Of every object of the endpoint: owned, so that deletion is the garbage collector's."""
    return {
        "name": name,
        "namespace": environment.namespace,
        "labels": object_labels(environment.name),
        "ownerReferences": [owner_reference(environment)],
    }


def _selector(name: str) -> dict[str, str]:
    return {names.LABEL_MANAGED_BY: names.LABEL_MANAGED_BY_VALUE, names.LABEL_ENVIRONMENT: name}
