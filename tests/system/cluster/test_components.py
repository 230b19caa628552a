"""The certificates of the servers, issued and read with the openssl command."""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path

import pytest
from tests.cluster import components
from tests.cluster.components import ControlPlaneLayout


@pytest.fixture
def layout(tmp_path: Path) -> ControlPlaneLayout:
    return ControlPlaneLayout(kubenode=Path("/kubenode"), folder=tmp_path, address="127.0.0.1", port=7443)


def subject(certificate: str) -> str:
    command = [
        "openssl",
        "x509",
        "-noout",
        "-subject",
        "-ext",
        "subjectAltName,extendedKeyUsage",
        "-nameopt",
        "RFC2253",
    ]
    done = subprocess.run(command, check=True, capture_output=True, input=base64.b64decode(certificate))
    return done.stdout.decode()


def test_each_server_gets_an_identity_of_its_own(layout: ControlPlaneLayout) -> None:
    components.credentials(layout, node_name="dind-life")
    found = {}
    for file in layout.folder.glob("*.kubeconfig"):
        config = json.loads(file.read_text())
        assert config["clusters"][0]["cluster"]["server"] == "https://127.0.0.1:7443"
        found[file.stem] = subject(config["users"][0]["user"]["client-certificate-data"]).splitlines()[0]
    assert found == {
        "admin": "subject=CN=admin,O=system:masters",
        "controller-manager": "subject=CN=system:kube-controller-manager",
        "kubelet": "subject=CN=system:node:dind-life,O=system:nodes",
        "proxy": "subject=CN=system:kube-proxy",
        "scheduler": "subject=CN=system:kube-scheduler",
    }


def test_keys_and_kubeconfigs_are_for_root_alone(layout: ControlPlaneLayout) -> None:
    components.credentials(layout)
    private = [*layout.pki.glob("*.key"), *layout.folder.glob("*.kubeconfig")]
    assert private
    assert [file for file in private if file.stat().st_mode & 0o077] == []
    assert layout.pki.stat().st_mode & 0o077 == 0


def test_credentials_made_before_are_kept(layout: ControlPlaneLayout) -> None:
    admin = components.credentials(layout)
    first = admin.read_bytes()
    assert components.credentials(layout).read_bytes() == first


def test_the_server_certificate_is_valid_for_the_addresses_it_serves(layout: ControlPlaneLayout) -> None:
    components.credentials(layout)
    text = subject(base64.b64encode((layout.pki / "apiserver.crt").read_bytes()).decode())
    assert "IP Address:10.96.0.1, IP Address:127.0.0.1" in text
    assert "TLS Web Server Authentication" in text
