"""Mirrors, one CA bundle and one HTTP proxy for an environment: what pulls, builds, nested containers and workloads make of them.

The mirrors: one over http, and one with TLS by a private authority and with a path, which passes on what another registry has. The
proxy writes down what it is asked, and answers itself.
"""

from __future__ import annotations

import secrets
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from tests import registries
from tests.cluster import docker_releases, images, store
from tests.cluster.instance import Instance
from tests.cluster.own_images import BUSYBOX_IMAGE
from tests.e2e.environments.conftest import Environments, load_images
from tests.environment import Environment, eventually
from tests.live import Cluster, Object
from tests.registries import Registry

PATH = "/team/hub"
AUTHORITY = registries.authority()
PASSWORD = secrets.token_urlsafe(16)
PROXY_PORT = 3128
PROXY = """
import http.server

class Proxy(http.server.BaseHTTPRequestHandler):
    def told(self):
        user = "a user" if self.headers.get("Proxy-Authorization") else "nobody"
        print(f"{self.command} {self.path} of {user}.", flush=True)

    def do_CONNECT(self):
        self.told()
        self.send_error(403)

    def do_GET(self):
        self.told()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"proxied")

http.server.ThreadingHTTPServer(("", 3128), Proxy).serve_forever()
"""


@dataclass(frozen=True)
class Sites:
    """What is around the environments: `near` is a mirror over http, `mirror` one of `far`."""

    kube: Cluster
    namespace: str
    near: Registry
    far: Registry
    mirror: Registry

    @property
    def mirrors(self) -> list[str]:
        return [f"https://{self.mirror.host}{PATH}", f"http://{self.near.host}"]


@pytest.fixture(scope="module")
def sites(kube: Cluster, namespace: str) -> Iterator[Sites]:
    store.import_images(Instance.from_environment(), [registries.image()])
    near, far = (Registry(kube, namespace, name).start() for name in ("near", "far"))
    mirror = Registry(kube, namespace, "far-mirror")
    certificate = registries.certificate(AUTHORITY, [mirror.host.partition(":")[0]])
    mirror.start(tls=certificate, mirrors=f"http://{far.host}", path=f"{PATH}/")
    trusted_map(kube, namespace)
    yield Sites(kube, namespace, near, far, mirror)
    for made in (near, far, mirror):
        kube.delete("pod", made.name, namespace)


def trusted_map(kube: Cluster, namespace: str) -> None:
    metadata = {"name": "mirrors-ca", "namespace": namespace}
    data = {"ca.crt": AUTHORITY.certificate.decode()}
    kube.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})


@pytest.fixture(scope="module")
def proxy(kube: Cluster, namespace: str) -> Iterator[str]:
    """The URL of the proxy, in a pod of the operator's image, which has Python."""
    metadata = {"name": "proxy", "namespace": namespace, "labels": {"proxy": "yes"}}
    container = {
        "name": "proxy",
        "image": images.image_name("operator"),
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "-c", PROXY],
        "readinessProbe": {"tcpSocket": {"port": PROXY_PORT}, "periodSeconds": 1},
    }
    spec = {"terminationGracePeriodSeconds": 0, "automountServiceAccountToken": False, "containers": [container]}
    kube.apply({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
    service = {"selector": {"proxy": "yes"}, "ports": [{"port": PROXY_PORT}]}
    kube.apply({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": service})
    kube.wait_condition("pod", "proxy", namespace)
    yield f"http://builder:{PASSWORD}@proxy.{namespace}.svc:{PROXY_PORT}"
    kube.delete("pod", "proxy", namespace)


def push(environment: Environment, *names: str) -> None:
    load_images(environment)
    for name in names:
        environment.docker("tag", BUSYBOX_IMAGE, name)
        environment.docker("push", name)
        environment.docker("rmi", name)


def build(environment: Environment, base: str, *run: str) -> None:
    """Without anything that an earlier build or pull has left."""
    dockerfile = f"FROM {base}\n" + "".join(f"RUN {line}\n" for line in run)
    environment.docker("build", "--pull", "--no-cache", "--progress=plain", "-", stdin=dockerfile.encode())


def pulled_and_built(environment: Environment, *names: str) -> None:
    for name in names:
        build(environment, name, "true")
        environment.docker("pull", name)
        environment.docker("rmi", name)


def trusting(sites: Sites, **registry: object) -> Object:
    insecure = [sites.far.host, sites.near.host]
    return {
        "caBundle": {"configMapRef": {"name": "mirrors-ca"}},
        "registry": {"insecureRegistries": insecure, **registry},
    }


@pytest.mark.timeout(400)
def test_one_environment_with_mirrors_and_a_proxy(sites: Sites, proxy: str, environments: Environments) -> None:
    kube, namespace = sites.kube, sites.namespace
    work = {"name": "work", "image": BUSYBOX_IMAGE, "command": ["sh", "-c", "trap 'exit 0' TERM; sleep 900 & wait"]}
    spec = {
        **trusting(sites, mirrors=sites.mirrors),
        "network": {"proxy": {"secretRef": {"name": "proxy-url"}, "noProxy": ["direct.test"]}},
        "workloads": {"containers": [work], "restartPolicy": "Always"},
    }
    environment = environments("surrounded").apply(spec)
    told = environment.wait_reason("RegistryFilesMissing")
    assert "The Secret proxy-url" in told["message"]
    registries.secret(kube, namespace, "proxy-url", {"httpProxy": proxy.encode(), "httpsProxy": proxy.encode()})
    environment.delete_pod()
    environment.ready()

    # Mirrors, for pulls and builds alike: the first has one image, the second the other.
    push(environment, f"{sites.far.host}/library/only-far:1", f"{sites.near.host}/library/only-near:1")
    assert environment.status()["registryMirrors"] == sites.mirrors
    pulled_and_built(environment, "only-far:1", "only-near:1")

    # The proxy: the daemon, builds, nested containers and what is executed in them, workloads.
    environment.attempt("docker", "pull", "daemon.test/x:1")
    build(environment, "only-near:1", "wget -q -O- http://build.test/")
    environment.docker("run", "-d", "--name=nested", "only-near:1", "sleep", "600")
    assert environment.docker("exec", "nested", "wget", "-q", "-O-", "http://exec.test/") == "proxied"
    assert environment.docker("run", "--rm", "only-near:1", "wget", "-q", "-O-", "http://run.test/") == "proxied"
    assert environment.run("wget", "-q", "-O-", "http://work.test/", container="work") == "proxied"

    def recorded() -> str:
        said = kube.log(namespace, "proxy", "proxy")
        asked = ("CONNECT daemon.test:443", *(f"GET http://{name}.test/" for name in ("build", "exec", "run", "work")))
        return said if all(f"{line} of a user." in said for line in asked) else ""

    said = eventually(recorded, "all requests in the log of the proxy", 30)
    assert ".svc" not in said, "names of the cluster are kept out"
    # A variable that a container has is its own.
    own = (
        "run",
        "--rm",
        "-e",
        "http_proxy=",
        "-e",
        "HTTP_PROXY=mine",
        "only-near:1",
        "sh",
        "-c",
        "echo $http_proxy$HTTP_PROXY",
    )
    assert environment.docker(*own) == "mine"
    direct = environment.docker("run", "--rm", "only-near:1", "sh", "-c", "echo $NO_PROXY").split(",")
    bridge = environment.docker("network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Subnet}}")
    assert {"localhost", "127.0.0.0/8", "::1", ".svc", ".cluster.local", "surrounded", "direct.test"} <= set(direct)
    assert any(item.partition("/")[2] == bridge.partition("/")[2] for item in direct), (bridge, direct)

    # A builder finds the same.
    config = tomllib.loads(environment.run("cat", "/etc/buildkit/buildkitd.toml"))["registry"]
    assert config["docker.io"]["mirrors"] == [f"{sites.mirror.host}/..{PATH}/v2", sites.near.host]
    assert config[sites.near.host]["http"] is True

    # The password is in no place that others read.
    seen = [str(environment.get()), str(environment.pod()), environment.log("daemon"), environment.log("mount-cgroups")]
    assert all(PASSWORD not in text for text in seen)


def _releases() -> list[object]:
    others = [one for one in docker_releases.OTHERS if one != "20.10"]
    return [docker_releases.OWN, *(pytest.param(one, marks=pytest.mark.matrix) for one in others)]


@pytest.mark.timeout(500)
@pytest.mark.parametrize("release", _releases())
def test_mirrors_of_any_registry_with_the_containerd_image_store(
    sites: Sites, environments: Environments, release: str
) -> None:
    """Docker before 28 cannot, and says so."""
    image = docker_releases.image(release)
    store.import_images(Instance.from_environment(), [image])
    entry = {"registry": "elsewhere.test:5000", "mirrors": [f"https://{sites.mirror.host}{PATH}"]}
    environment = environments(f"any-{release.replace('.', '-')}").apply(
        {
            **trusting(sites, mirrors=sites.mirrors, mirrorsFor=[entry]),
            "daemon": {"image": image.name, "config": {"features": {"containerd-snapshotter": True}}},
        }
    )
    if int(release.partition(".")[0]) < 28:
        told = environment.wait_reason("InvalidDaemonConfig")
        assert "does not use the mirrors in spec.registry.mirrorsFor" in told["message"]
        said = "registry.mirrorsFor has mirrors of elsewhere.test:5000, but Docker"
        assert said in environment.log("daemon", previous="true") + environment.log("daemon")
        return
    environment.ready()
    push(environment, f"{sites.far.host}/library/only-far:1", f"{sites.near.host}/library/only-near:1")
    pulled_and_built(environment, "elsewhere.test:5000/library/only-far:1", "only-far:1", "only-near:1")
