"""A real dockerd with the operator's own daemon.json and certificates: who gets in over TCP, and who does not.

The docker CLI runs in the daemon's network namespace, with the files of a client Secret and no way to the socket.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.integration.image.conftest import Daemon, StartDaemon
from tests.unit.objects import SETTINGS, environment, node_config

from dind_operator.api.environment import DindEnvironment
from dind_operator.controller.pod_manifest import daemon_pod
from dind_operator.features.endpoint import secrets as credentials
from dind_operator.features.endpoint import service as endpoint
from dind_operator.features.endpoint import x509 as certificates
from dind_operator.features.endpoint.x509 import CERTIFICATE_LIFE, Issued, issue_authority, issue_client, new_key

HOST = f"tcp://localhost:{endpoint.PORT}"
FOLDER = "/run/dind"  # the one that the test's side shares with the container
# Lines of the kernel's tables with a listening TCP socket: family, and port in hexadecimal.
LISTENERS = "for t in tcp tcp6; do grep ' 0A ' /proc/net/$t | while read -r n a rest; do echo ${a##*:}; done; done"


@dataclass
class Side:
    """An authority and what it signs, as the operator would make it for an environment."""

    made: DindEnvironment
    authority: Issued

    @classmethod
    def of(cls, name: str = "builder", generation: int = 1) -> Side:
        made = DindEnvironment.from_dict(environment(name=name))
        return cls(made, issue_authority(made.uid, name, generation, datetime.now(UTC), new_key()))

    def server(self) -> dict[str, bytes]:
        names = endpoint.server_names(self.made, SETTINGS.subdomain)
        issued = certificates.issue_server(self.authority, self.made.name, names, datetime.now(UTC), new_key())
        return credentials.decoded(credentials.server_secret(self.made, self.authority.certificate, issued))

    def client(self, ago: timedelta = timedelta()) -> dict[str, bytes]:
        issued = issue_client(self.authority, "client", datetime.now(UTC) - ago, new_key())
        secret = credentials.client_secret(self.made, self.authority.certificate, issued, SETTINGS.subdomain)
        return credentials.decoded(secret)


def lay_out(folder: Path, files: dict[str, bytes]) -> None:
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)


@dataclass
class Endpoint:
    """A daemon with an endpoint, and the folder that it shares with the test."""

    daemon: Daemon
    shared: Path

    def call(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """The docker CLI, without a socket to fall back on; the caller looks at the exit code."""
        line = " ".join(["docker", *arguments])
        done = self.daemon.run("sh", "-c", f"{line} 2>&1; echo exit=$?", check=False)
        text, _, code = done.rpartition("exit=")
        return subprocess.CompletedProcess(line, int(code), text, "")

    def version_for(self, files: dict[str, bytes], name: str) -> subprocess.CompletedProcess[str]:
        """`docker version` with the files of a Secret."""
        lay_out(self.shared / name, files)
        return self.call(f"--config={FOLDER}/{name}", f"--host={HOST}", "--tlsverify", *_flags(name), "version")


def _flags(name: str) -> list[str]:
    return [
        f"--tls{flag}={FOLDER}/{name}/{file}.pem" for flag, file in (("cacert", "ca"), ("cert", "cert"), ("key", "key"))
    ]


def start(start_daemon: StartDaemon, folder: Path, side: Side, **more: Any) -> Endpoint:
    shared = folder / "sockets"
    lay_out(shared / "server", side.server())
    # As a Secret's volume has it.
    copied = f"mkdir -m 700 {endpoint.SERVER_MOUNT} && cp {FOLDER}/server/* {endpoint.SERVER_MOUNT}/"
    host = endpoint.host(side.made.name, side.made.namespace, SETTINGS.subdomain)
    known = f"echo 127.0.0.1 localhost {host} >/etc/hosts"
    made = daemon_pod(side.made, SETTINGS)["spec"]["containers"][0]
    config = {"daemonConfig": node_config(made)["daemonConfig"]}
    daemon = start_daemon(inside=f"{copied}; {known}", config=config, **more)
    daemon.wait_ready()
    return Endpoint(daemon, shared)


def refused(call: Callable[[], subprocess.CompletedProcess[str]], words: str) -> None:
    """Every call fails. Who still writes when the daemon hangs up may learn of the connection's end before its reason."""
    said = []
    for _ in range(10):
        done = call()
        assert done.returncode != 0, done.stdout
        if words in done.stdout:
            return
        said.append(done.stdout)
    pytest.fail(f"never said {words!r}: {said}")


def test_it_listens_on_its_socket_and_on_port_2376(start_daemon: StartDaemon, tmp_path: Path, userland: str) -> None:
    found = start(start_daemon, tmp_path, Side.of(), userland=userland)
    assert found.daemon.run("sh", "-c", LISTENERS) == f"{endpoint.PORT:04X}"
    assert found.daemon.run("docker", "info", "--format", "{{.ServerVersion}}")
    # A daemon that waits is one that listens to who has no certificate.
    assert "without TLS" not in found.daemon.log.read_text()


def test_who_has_the_secret_gets_in_and_nobody_else(start_daemon: StartDaemon, tmp_path: Path) -> None:
    side = Side.of()
    found = start(start_daemon, tmp_path, side)
    good = found.version_for(side.client(), "good")
    assert good.returncode == 0, good.stdout
    assert "Server:" in good.stdout
    ours = {"ca.pem": side.authority.certificate}
    cases = {
        "expired": (side.client(ago=CERTIFICATE_LIFE + timedelta(hours=1)), "expired certificate"),
        # With this daemon's authority to trust, so that only the daemon has something to refuse. Docker's client sends no
        # certificate that an authority of another name signed.
        "other": (Side.of("other").client() | ours, "certificate required"),
        "earlier": (Side.of(generation=2).client() | ours, "certificate required"),
        # An authority of the same name, and another key.
        "forged": (Side.of().client() | ours, "unknown certificate authority"),
    }
    for name, (files, words) in cases.items():
        refused(partial(found.version_for, files, name), words)
    trusting = (f"--config={FOLDER}/none", f"--host={HOST}", "--tls", f"--tlscacert={FOLDER}/good/ca.pem")
    refused(partial(found.call, *trusting, "version"), "certificate required")
    plain = found.call(f"--host={HOST}", "version")
    assert plain.returncode != 0
    assert "HTTP request to an HTTPS server" in plain.stdout
    # The daemon of another environment is not believed.
    conflict = found.version_for(Side.of("other").client(), "stranger")
    assert "certificate signed by unknown authority" in conflict.stdout
    assert found.version_for(side.client(), "good").returncode == 0, "the daemon is as it was"


def test_the_context_of_the_secret_can_be_imported_and_used(start_daemon: StartDaemon, tmp_path: Path) -> None:
    side = Side.of()
    found = start(start_daemon, tmp_path, side)
    lay_out(found.shared / "context", side.client())
    config = f"--config={FOLDER}/context"
    done = found.call(config, "context", "import", "shared", f"{FOLDER}/context/context.tar")
    assert done.returncode == 0, done.stdout
    used = found.call(config, "--context=shared", "version")
    assert used.returncode == 0, used.stdout
    assert "Server:" in used.stdout
    where = found.call(config, "context", "inspect", "shared", "--format='{{.Endpoints.docker.Host}}'")
    assert where.stdout.strip() == endpoint.url("builder", "team-a", SETTINGS.subdomain)


@pytest.mark.timeout(300)
def test_a_revocation_holds_once_the_daemon_has_restarted(start_daemon: StartDaemon, tmp_path: Path) -> None:
    before, after = Side.of(), Side.of(generation=2)
    first = start(start_daemon, tmp_path, before)
    old, new = before.client(), after.client()
    assert first.version_for(old, "old").returncode == 0
    # As the kubelet changes the files of a running pod.
    lay_out(first.shared / "server", after.server())
    first.daemon.run("sh", "-c", f"cp {FOLDER}/server/* {endpoint.SERVER_MOUNT}/; kill -HUP $(cat /var/run/docker.pid)")
    assert first.version_for(old, "old").returncode == 0, "dockerd reads its files once"
    assert first.version_for(new, "new").returncode != 0
    first.daemon.run("sh", "-c", "kill -TERM 1")
    assert first.daemon.wait() == 0
    second = start(start_daemon, tmp_path, after)
    assert second.version_for(new, "new").returncode == 0
    assert second.version_for(old | {"ca.pem": after.authority.certificate}, "old").returncode != 0
