"""Clients of an endpoint, for tests: the docker CLI in a pod of its own, a forwarded port, docker-py."""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import docker
from docker.tls import TLSConfig
from tests.e2e.conftest import image_values
from tests.e2e.environments.conftest import Environments
from tests.environment import Environment
from tests.kube.client import Executed
from tests.live import Object

from dind_operator.features.endpoint.service import PORT

CERTS = "/docker-certs"
CLIENT_LABELS = {"app": "ci"}


def secret(environment: Environment, suffix: str) -> dict[str, bytes]:
    """The content of one of its Secrets; {} while there is none."""
    found = environment.cluster.get("secret", f"{environment.name}-{suffix}", environment.namespace) or {}
    return {key: base64.b64decode(value) for key, value in (found.get("data") or {}).items()}


def client_pod(environment: Environment, name: str, secret_name: str, target: str = "daemon") -> Object:
    """A pod with one of the project's images, the daemon's for its docker CLI: no privileges, and the Secret mounted."""
    values = image_values()["image"]
    host = {"secretKeyRef": {"name": f"{environment.name}-client", "key": "DOCKER_HOST"}}
    container = {
        "name": "client",
        "image": f"{values['registry']}/{target}:{values['tag']}",
        "imagePullPolicy": "IfNotPresent",
        "command": ["sleep", "3600"],
        "env": [
            {"name": "DOCKER_HOST", "valueFrom": host},
            {"name": "DOCKER_TLS_VERIFY", "value": "1"},
            {"name": "DOCKER_CERT_PATH", "value": CERTS},
        ],
        "volumeMounts": [{"name": "certs", "mountPath": CERTS, "readOnly": True}],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": environment.namespace, "labels": CLIENT_LABELS},
        "spec": {
            "terminationGracePeriodSeconds": 0,
            "automountServiceAccountToken": False,
            "containers": [container],
            "volumes": [{"name": "certs", "secret": {"secretName": secret_name}}],
        },
    }


class Client:
    """The docker CLI in a pod beside the environment's, or what else is in the image `target`."""

    def __init__(
        self, environment: Environment, name: str, secret_name: str | None = None, target: str = "daemon"
    ) -> None:
        self._environment = environment
        self._name = name
        self._secret = secret_name or f"{environment.name}-client"
        self._target = target

    def start(self) -> Client:
        cluster, namespace = self._environment.cluster, self._environment.namespace
        cluster.apply(client_pod(self._environment, self._name, self._secret, self._target))
        cluster.wait_condition("pod", self._name, namespace)
        return self

    def docker(self, *arguments: str, timeout: float = 120) -> Executed:
        """Runs it; the caller looks at the exit code."""
        return self.run("docker", *arguments, timeout=timeout)

    def run(self, *command: str, stdin: bytes | None = None, timeout: float = 120) -> Executed:
        environment = self._environment
        return environment.cluster.api.execute(environment.namespace, self._name, None, command, stdin, timeout)

    def says(self, *arguments: str) -> str:
        done = self.docker(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    def refused(self, words: str, *command: str) -> None:
        """Every try fails. Who still writes when the daemon hangs up may learn of the connection's end before its reason."""
        said = []
        for _ in range(10):
            done = self.run(*command)
            assert done.returncode != 0, done.stdout
            if words in done.stderr:
                return
            said.append(done.stderr)
        raise AssertionError(f"never said {words!r}: {said}")

    def file(self, path: str, text: str) -> None:
        """Writes a file in the client's own container."""
        done = self.run("sh", "-c", 'mkdir -p "${1%/*}" && printf %s "$2" >"$1"', "sh", path, text)
        assert done.returncode == 0, done.stderr

    def remove(self) -> None:
        self._environment.cluster.delete("pod", self._name, self._environment.namespace)


@contextmanager
def client(
    environment: Environment, name: str, secret_name: str | None = None, target: str = "daemon"
) -> Iterator[Client]:
    made = Client(environment, name, secret_name, target)
    try:
        yield made.start()
    finally:
        made.remove()


def store(environment: Environment, name: str, files: dict[str, bytes]) -> str:
    """A Secret of the test's own; its name."""
    data = {key: base64.b64encode(value).decode() for key, value in files.items()}
    metadata = {"name": name, "namespace": environment.namespace}
    environment.cluster.apply({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data})
    return name


@contextmanager
def forwarded(environment: Environment) -> Iterator[int]:
    """`kubectl port-forward` to the pod; the local port."""
    line = ["kubectl", f"--kubeconfig={environment.cluster.kubeconfig}", "port-forward"]
    line += [f"--namespace={environment.namespace}", f"pod/{environment.name}", f":{PORT}"]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            first = process.stdout.readline()  # Forwarding from 127.0.0.1:40001 -> 2376
            yield int(first.split("->")[0].rsplit(":", 1)[1])
        finally:
            process.terminate()


def write(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir(exist_ok=True)
    for name in ("ca.pem", "cert.pem", "key.pem"):
        (folder / name).write_bytes(files[name])
        (folder / name).chmod(0o600)
    return folder


def docker_py(folder: Path, port: int) -> docker.DockerClient:
    tls = TLSConfig(
        client_cert=(str(folder / "cert.pem"), str(folder / "key.pem")), ca_cert=str(folder / "ca.pem"), verify=True
    )
    return docker.DockerClient(base_url=f"https://localhost:{port}", tls=tls, timeout=60)


def endpoint_ready(environment: Environment, reason: str = "EndpointReady", seconds: float = 150) -> None:
    def holds(found: Object) -> bool:
        generation = found.get("metadata", {}).get("generation")
        conditions = (found.get("status") or {}).get("conditions") or []
        return any(
            (item["type"], item["reason"], item.get("observedGeneration")) == ("EndpointReady", reason, generation)
            for item in conditions
        )

    environment.wait(holds, f"EndpointReady with reason {reason}", seconds)


def made(environments: Environments, name: str, **endpoint: object) -> Environment:
    fields: Object = {
        "daemon": {"resources": {"limits": {"memory": "1Gi"}}, "reserve": {"memory": "384Mi"}},
        "endpoint": {"allowFrom": [{"podSelector": {"matchLabels": CLIENT_LABELS}}], **endpoint},
    }
    environment = environments(name).apply(fields).ready()
    endpoint_ready(environment)
    return environment
