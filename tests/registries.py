"""Registries for environments, as pods with Debian's docker-registry: with TLS and a password, without both, or as a mirror."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tests.cluster import images
from tests.cluster.store import Image
from tests.live import Cluster, Object

from dind_operator.features.endpoint.x509 import Issued, issue_authority, issue_server, new_key

FOLDER = Path(__file__).parent / "cluster" / "registry"
TARGET = "docker-registry"
PORT = 5000
USER = "builder"


def image() -> Image:
    """Built when it is asked for the first time, in about a minute."""
    return images.build(TARGET, FOLDER)


def docker_config(host: str, password: str) -> bytes:
    """What `kubectl create secret docker-registry` would make of it, without the copy in plain text."""
    auth = base64.b64encode(f"{USER}:{password}".encode()).decode()
    return json.dumps({"auths": {host: {"auth": auth}}}).encode()


@dataclass(frozen=True)
class Registry:
    """One by its name: a pod, a Service, and what it is told in a Secret."""

    cluster: Cluster
    namespace: str
    name: str

    @property
    def host(self) -> str:
        """As it stands in the names of images."""
        return f"{self.name}.{self.namespace}.svc:{PORT}"

    def start(
        self,
        *,
        password: str | None = None,
        tls: Issued | None = None,
        mirrors: str | None = None,
        path: str | None = None,
    ) -> Registry:
        """With a password it asks for that of USER; with `mirrors`, a URL, it passes on what it does not have; with `path` (/a/b/)
        it is nowhere else."""
        config = _config(password, tls, mirrors)
        if path is not None:
            config["http"]["prefix"] = path
        files = {"config.yml": json.dumps(config).encode()}
        if tls is not None:
            files |= {"tls.crt": tls.certificate, "tls.key": tls.key}
        if password is not None:
            files["password"] = password.encode()
        secret(self.cluster, self.namespace, self.name, files)
        self.cluster.apply(self._pod(password is not None))
        metadata = {"name": self.name, "namespace": self.namespace}
        port = {"selector": {"registry": self.name}, "ports": [{"port": PORT}]}
        self.cluster.apply({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": port})
        self.cluster.wait_condition("pod", self.name, self.namespace)
        return self

    def _pod(self, guarded: bool) -> Object:
        serve = "exec docker-registry serve /told/config.yml"
        passwords = f'htpasswd -Bbn {USER} "$(cat /told/password)" >/tmp/passwords; ' if guarded else ""
        container = {
            "name": "registry",
            "image": images.image_name(TARGET),
            "imagePullPolicy": "IfNotPresent",
            "command": ["sh", "-c", passwords + serve],
            "readinessProbe": {"tcpSocket": {"port": PORT}, "periodSeconds": 1},
            "volumeMounts": [{"name": "told", "mountPath": "/told", "readOnly": True}],
        }
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": self.name, "namespace": self.namespace, "labels": {"registry": self.name}},
            "spec": {
                "terminationGracePeriodSeconds": 0,
                "automountServiceAccountToken": False,
                "containers": [container],
                "volumes": [{"name": "told", "secret": {"secretName": self.name}}],
            },
        }


def authority() -> Issued:
    """One that nobody knows."""
    return issue_authority("dind-tests", "a registry's authority", 1, datetime.now(UTC), new_key())


def certificate(signed_by: Issued, names: Sequence[str]) -> Issued:
    """For a registry of these names."""
    return issue_server(signed_by, names[0], names, datetime.now(UTC), new_key())


def secret(cluster: Cluster, namespace: str, name: str, files: dict[str, bytes], kind: str = "Opaque") -> None:
    """A Secret, made or changed."""
    data = {key: base64.b64encode(value).decode() for key, value in files.items()}
    metadata = {"name": name, "namespace": namespace}
    cluster.apply({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": kind, "data": data})


def _config(password: str | None, tls: Issued | None, mirrors: str | None) -> Object:
    http: Object = {"addr": f":{PORT}"}
    if tls is not None:
        http["tls"] = {"certificate": "/told/tls.crt", "key": "/told/tls.key"}
    config: Object = {"version": 0.1, "http": http, "storage": {"filesystem": {"rootdirectory": "/tmp/registry"}}}
    if password is not None:
        config["auth"] = {"htpasswd": {"realm": "tests", "path": "/tmp/passwords"}}
    if mirrors is not None:
        config["proxy"] = {"remoteurl": mirrors}
    return config
