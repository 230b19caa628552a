"""The endpoint as its users meet it: the docker CLI in another pod, docker-py through `kubectl port-forward`, and who is
refused. Who may reach the port is judged by evaluating the policy; connections are in test_policies.py.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.cluster.own_images import BUSYBOX_IMAGE
from tests.cluster.process import wait_until
from tests.e2e.environments.clients import (
    CERTS,
    CLIENT_LABELS,
    client,
    docker_py,
    endpoint_ready,
    forwarded,
    made,
    secret,
    store,
    write,
)
from tests.e2e.environments.conftest import Environments, load_images
from tests.environment import eventually
from tests.live import Cluster
from tests.policies import allows_ingress

from dind_operator.api.names import NAMESPACE_POLICY
from dind_operator.features.endpoint.service import PORT
from dind_operator.features.endpoint.x509 import CERTIFICATE_LIFE, Issued, issue_client, new_key

# A deleted Secret is noticed by a look, once a minute.
LOOK_SECONDS = 120


@pytest.fixture(autouse=True)
def no_bundle_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """requests, below docker-py, takes the bundle of these variables before the authority that a client was given."""
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.timeout(400)
def test_the_docker_cli_in_another_pod(environments: Environments, tmp_path: Path) -> None:
    environment = made(environments, "endpoint-pod")
    load_images(environment)
    with client(environment, "endpoint-client") as cli:
        assert environment.status()["endpoint"] == f"tcp://endpoint-pod.dind.{environment.namespace}.svc:2376"
        nested = cli.says("run", "--rm", BUSYBOX_IMAGE, "echo", "hello from afar")
        assert nested == "hello from afar"
        # It is this environment's daemon that answers.
        assert cli.says("info", "--format={{.ID}}") == environment.docker("info", "--format={{.ID}}")
        cli.says("context", "import", "shared", f"{CERTS}/context.tar")
        without = ("env", "-u", "DOCKER_HOST", "-u", "DOCKER_TLS_VERIFY")
        used = cli.run(*without, "docker", "--context=shared", "info", "--format={{.ID}}")
        assert used.stdout.strip() == environment.docker("info", "--format={{.ID}}")
    names = (environment.name, NAMESPACE_POLICY)
    policies = [environment.cluster.existing("networkpolicy", name, environment.namespace) for name in names]
    pod = environment.pod() or {}
    near = {"namespace": {"kubernetes.io/metadata.name": environment.namespace}}
    for labels, let_in in ((CLIENT_LABELS, True), ({"app": "other"}, False)):
        who = {**near, "pod": labels}
        assert allows_ingress(policies, pod["metadata"]["labels"], environment.namespace, who, PORT) is let_in


@pytest.mark.timeout(400)
def test_docker_py_through_a_forwarded_port(environments: Environments, tmp_path: Path) -> None:
    environment = made(environments, "endpoint-forward")
    load_images(environment)
    files = write(tmp_path / "certs", secret(environment, "client"))
    with forwarded(environment) as port:
        python = docker_py(files, port)
        assert python.ping()
        assert python.info()["ID"] == environment.docker("info", "--format={{.ID}}")
        # Last: kubectl ends a forwarding when one of its connections is reset, as this one's may be at its end.
        assert python.containers.run(BUSYBOX_IMAGE, "echo hello", remove=True) == b"hello\n"


@pytest.mark.timeout(500)
def test_without_a_certificate_of_its_own_authority_nobody_gets_in(environments: Environments) -> None:
    """None, an expired one, another environment's: each refused by the daemon, which the good one shows to be at work."""
    environment, other = made(environments, "endpoint-guard"), made(environments, "endpoint-other")
    files = secret(environment, "client")
    authority = secret(environment, "ca")
    issuer = Issued(authority["ca.pem"], authority["key.pem"])
    then = datetime.now(UTC) - CERTIFICATE_LIFE - timedelta(hours=1)
    expired = issue_client(issuer, "expired", then, new_key())
    trusted = {"ca.pem": files["ca.pem"]}
    cases = {
        "expired": ({**trusted, "cert.pem": expired.certificate, "key.pem": expired.key}, "expired"),
        "other": (secret(other, "client") | trusted, "certificate required"),
    }
    for name, (wrong, words) in cases.items():
        keys = {key: wrong[key] for key in ("ca.pem", "cert.pem", "key.pem")}
        with client(environment, f"client-{name}", store(environment, f"client-{name}", keys)) as cli:
            cli.refused(words, "docker", "version")
    with client(environment, "endpoint-good") as cli:
        bare = ("env", "-u", "DOCKER_CERT_PATH", "-u", "DOCKER_TLS_VERIFY", "docker")
        cli.refused("certificate required", *bare, "--tls", f"--tlscacert={CERTS}/ca.pem", "version")
        cli.refused("HTTP request to an HTTPS server", *bare, "version")
        assert cli.says("version", "--format={{.Server.Version}}")


@pytest.mark.timeout(500)
def test_a_deleted_secret_is_issued_again_and_a_revocation_shuts_the_old_one_out(
    environments: Environments, kube: Cluster, tmp_path: Path
) -> None:
    environment = made(environments, "endpoint-revoke")
    pod = environment.pod_uid()
    first = secret(environment, "client")
    # Without waiting for it to be gone: it may be back by then.
    kube.start_deleting("secret", "endpoint-revoke-client", environment.namespace)

    def again() -> dict[str, bytes] | None:
        found = secret(environment, "client")
        return found if found and found["cert.pem"] != first["cert.pem"] else None

    second = eventually(again, "the Secret made again", LOOK_SECONDS, environment.story)
    assert second["ca.pem"] == first["ca.pem"]
    with forwarded(environment) as port:
        for name, files in (("first", first), ("second", second)):
            assert docker_py(write(tmp_path / name, files), port).ping(), "one authority signed both"
    assert environment.pod_uid() == pod
    environment.patch({"endpoint": {"credentialsGeneration": 2}})
    eventually(lambda: environment.pod_uid() not in ("", pod), "another pod", 120, environment.story)
    environment.ready()
    endpoint_ready(environment)
    third = secret(environment, "client")
    with forwarded(environment) as port:
        assert docker_py(write(tmp_path / "third", third), port).ping()
        old = write(tmp_path / "old", second | {"ca.pem": third["ca.pem"]})
        with pytest.raises(Exception, match=r"(?i)certificate|connection"):
            docker_py(old, port).ping()
    # kubectl ends a forwarding whose connection was reset: another one shows that the daemon answers on.
    with forwarded(environment) as port:
        assert docker_py(tmp_path / "third", port).ping()


def test_turned_off_there_is_no_listener_and_nothing_is_left(environments: Environments) -> None:
    environment = made(environments, "endpoint-off")
    environment.patch({"endpoint": {"enabled": False}})

    def left() -> list[str]:
        kinds = ("secret/endpoint-off-ca", "secret/endpoint-off-server", "secret/endpoint-off-client")
        kinds += ("service/endpoint-off", "networkpolicy/endpoint-off")
        pairs = [kind.split("/") for kind in kinds]
        return [name for kind, name in pairs if environment.cluster.get(kind, name, environment.namespace)]

    assert wait_until(lambda: not left(), 150), left()
    environment.ready()
    listening = environment.run("sh", "-c", "cat /proc/net/tcp /proc/net/tcp6 | grep -c ' 0A ' || :")
    assert listening == "0"
    assert environment.status()["endpoint"] == "unix:///run/dind/docker.sock"
    assert json.dumps(environment.pod()).find("dind-endpoint") == -1
