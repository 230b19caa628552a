"""Mirrors, trust and the proxy with a real dockerd under the real wrapper: what pulls, builds and nested containers ask, and whom.

The variables are those that the operator gives the daemon's container.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests import registries
from tests.cluster import docker_releases, images, own_images
from tests.integration.image.conftest import Beside, Daemon, StartDaemon, attach
from tests.integration.image.registry import PLAIN, PROXY, TLS
from tests.sandbox import told
from tests.unit.objects import SETTINGS, model, node_config

from dind_operator.controller.pod_manifest import daemon_pod

ADDRESS = "10.244.3.1"
NAMES = ("plain.example.com", "tls.example.com", "proxy.example.com")
MIRRORS = [f"https://tls.example.com:{TLS}/team/hub", f"http://plain.example.com:{PLAIN}"]
BUNDLE = {"configMapRef": {"name": "ca"}}
URL = f"http://builder:secret@proxy.example.com:{PROXY}"


def variables(spec: dict[str, Any]) -> dict[str, str]:
    """What the operator gives the container, as the kubelet would expand it."""
    (container,) = daemon_pod(model(spec), SETTINGS)["spec"]["containers"]
    given = {item["name"]: item["value"].replace("$$", "$") for item in container["env"] if "value" in item}
    # The memory of the node is none of this test's.
    config = {name: value for name, value in node_config(container).items() if name != "reserveBytes"}
    return given | told(**config)


def surroundings(authority: bytes) -> str:
    """Shell that makes the files of the pod: names, and the volume of registries."""
    hosts = "; ".join(f"echo {ADDRESS} {name} >>/etc/hosts" for name in NAMES)
    return (
        f"{hosts}; mkdir -p /run/dind-registry/trust; printf %s '{authority.decode()}' >/run/dind-registry/trust/ca.crt"
    )


class World:
    """A daemon, and the registry and proxy at the other end of its interface."""

    def __init__(self, daemon: Daemon, folder: Path) -> None:
        self.daemon, self.folder = daemon, folder

    def asked(self) -> list[str]:
        """What has been asked since the last call."""
        lines = (self.folder / "requests").read_text().splitlines()
        (self.folder / "requests").write_text("")
        return lines

    def build(self, *lines: str) -> None:
        text = "\\n".join(lines)
        self.daemon.run("sh", "-c", f"printf '{text}\\n' | docker build --pull --no-cache -")


@pytest.fixture
def begin(start_daemon: StartDaemon, beside: Beside, tmp_path: Path) -> Callable[..., World]:
    """Starts a daemon with a spec, and what is at the other end of its interface."""
    authority = registries.authority()
    certificate = registries.certificate(authority, ["tls.example.com"])
    (tmp_path / "tls.pem").write_bytes(certificate.certificate + certificate.key)

    def start(spec: dict[str, Any], userland: str, **more: str) -> World:
        whole = {"caBundle": BUNDLE, "endpoint": {"enabled": False}, **spec}
        inside = surroundings(authority.certificate)
        daemon = start_daemon(userland=userland, inside=inside, **{**variables(whole), **more})
        daemon.wait_checked()
        node = attach(daemon, beside)
        beside(node, sys.executable, str(Path(__file__).with_name("registry.py")), ADDRESS, str(tmp_path))
        return World(daemon, tmp_path)

    return start


@pytest.mark.timeout(600)  # dockerd and BuildKit try again what they are refused
def test_pulls_and_builds_ask_the_mirrors_and_nested_containers_the_proxy(
    begin: Callable[..., World], userland: str
) -> None:
    proxy = {"httpProxy": f"http://proxy.example.com:{PROXY}", "noProxy": [".example.com"]}
    spec = {"registry": {"mirrors": MIRRORS}, "network": {"proxy": proxy}}
    # As of a Secret.
    world = begin(spec, userland, HTTP_PROXY=URL, http_proxy=URL, HTTPS_PROXY=URL, https_proxy=URL)
    daemon = world.daemon
    first = "https GET /team/hub/v2/library/only-here/manifests/1"
    head = first.replace("GET", "HEAD")
    daemon.run("docker", "pull", "only-here:1")
    assert {first, head} & set(world.asked()), "the first mirror, by TLS and with its path"
    daemon.run("docker", "rmi", "only-here:1")
    world.build("FROM only-here:1", "LABEL a=b")
    assert {first, head} & set(world.asked())

    # What the first mirror does not have, the second is asked for.
    second = "http HEAD /v2/library/missing/manifests/1"
    daemon.run("docker", "pull", "missing:1", check=False)
    asked = world.asked()
    assert {second, second.replace("HEAD", "GET")} & set(asked), asked
    daemon.run("sh", "-c", "echo FROM missing:1 | docker build --pull -", check=False)
    asked = world.asked()
    assert {second, second.replace("HEAD", "GET")} & set(asked), asked

    # dockerd itself.
    daemon.run("docker", "pull", "elsewhere.test/x:1", check=False)
    assert "proxy CONNECT elsewhere.test:443" in world.asked()
    assert "xxxxx" in daemon.run("docker", "info", "--format", "{{.HTTPProxy}}"), "the password is masked"

    # Nested containers, what is executed in them, and builds; whatever the client is.
    daemon.load(images.nested_busybox_tar())
    name = own_images.BUSYBOX_IMAGE
    daemon.run("docker", "run", "-d", "--name=nested", name, "sleep", "600")
    for line in (("exec", "nested"), ("run", "--rm", name)):
        assert daemon.run("docker", *line, "sh", "-c", "echo $http_proxy") == URL
    direct = daemon.run("docker", "exec", "nested", "sh", "-c", "echo $NO_PROXY").split(",")
    bridge = daemon.run("docker", "network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Gateway}}")
    assert any(item.startswith(f"{bridge}/") for item in direct), (bridge, direct)
    own = daemon.run("docker", "run", "--rm", "-e", "http_proxy=mine", name, "sh", "-c", "echo $http_proxy")
    assert own == "mine"
    daemon.run("sh", "-c", f"printf 'FROM {name}\\nRUN test \"$http_proxy\" = {URL}\\n' | docker build -")
    assert "secret" not in daemon.run("docker", "inspect", "nested"), "it is in no configuration"
    assert "secret" not in daemon.log.read_text()


def test_mirrors_of_other_registries_are_asked_or_refused(
    begin: Callable[..., World], start_daemon: StartDaemon
) -> None:
    entry = {"registry": "elsewhere.test:5000", "mirrors": MIRRORS}
    config = {"features": {"containerd-snapshotter": True}}
    spec = {
        "registry": {"mirrorsFor": [entry]},
        "daemon": {"config": config},
        "endpoint": {"enabled": False},
        # It says at once that there is no such registry.
        "network": {"proxy": {"httpsProxy": f"http://proxy.example.com:{PROXY}", "noProxy": [".example.com"]}},
    }
    if int(docker_releases.OWN.partition(".")[0]) < 28:
        daemon = start_daemon(**variables(spec))
        assert daemon.wait() == 1
        error = daemon.message()["error"]
        assert error["reason"] == "MirrorsUnsupported"
        assert "knows only mirrors of docker.io" in error["message"]
        return
    world = begin(spec, "debian")
    name = "elsewhere.test:5000/team/only-here:1"
    path = "/team/only-here/manifests/1"
    for act in (lambda: world.daemon.run("docker", "pull", name), lambda: world.build(f"FROM {name}", "LABEL a=b")):
        act()
        assert f"https HEAD /team/hub/v2{path}" in world.asked()
    world.daemon.run("docker", "pull", "elsewhere.test:5000/team/missing/a:1", check=False)
    assert "http HEAD /v2/team/missing/a/manifests/1" in world.asked(), "the next mirror"
