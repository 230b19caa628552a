"""Registries as their users meet them: with an authority of their own, with a password, and behind a mirror; and images that
are there before an environment is Ready. The registry is Debian's, in the cluster, which has no other to ask.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest
from tests import registries
from tests.cluster import store
from tests.cluster.instance import Instance
from tests.cluster.own_images import BUSYBOX_IMAGE
from tests.e2e.environments.conftest import Environments, load_images
from tests.environment import Environment, eventually
from tests.live import Cluster, Object, condition
from tests.registries import Registry

PASSWORD = secrets.token_urlsafe(24)
WRONG = secrets.token_urlsafe(24)
# The kubelet looks at a Secret about once a minute, the helper tries again once a minute at the latest.
CHANGE_SECONDS = 200
AUTHORITY = registries.authority()


@pytest.fixture(scope="module")
def registry(kube: Cluster, namespace: str) -> Iterator[Registry]:
    """One with TLS by a private authority, and a password."""
    store.import_images(Instance.from_environment(), [registries.image()])
    made = Registry(kube, namespace, "guarded")
    names = [made.host.partition(":")[0]]
    yield made.start(password=PASSWORD, tls=registries.certificate(AUTHORITY, names))
    kube.delete("pod", made.name, namespace)


def authority_map(kube: Cluster, namespace: str, name: str) -> str:
    data = {"ca.crt": AUTHORITY.certificate.decode()}
    metadata = {"name": name, "namespace": namespace}
    kube.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})
    return name


def credentials(registry: Registry, name: str, password: str) -> str:
    files = {".dockerconfigjson": registries.docker_config(registry.host, password)}
    registries.secret(registry.cluster, registry.namespace, name, files, "kubernetes.io/dockerconfigjson")
    return name


def asking(registry: Registry, pull_secret: str, authority: str) -> Object:
    bundle = {"registry": registry.host, "configMapRef": {"name": authority}}
    return {"caBundles": [bundle], "pullSecret": {"name": pull_secret}}


def preloaded(environment: Environment, *parts: str, seconds: float = CHANGE_SECONDS) -> None:
    """Waits until ImagesPreloaded says all of this, and nothing of a password."""

    def holds(found: Object) -> bool:
        message = str(condition(found, "ImagesPreloaded").get("message"))
        return all(part in message for part in parts)

    seen = environment.wait(holds, f"ImagesPreloaded with {parts}", seconds)
    assert PASSWORD not in str(seen)
    assert WRONG not in str(seen)


def push(environment: Environment, *names: str) -> None:
    load_images(environment)
    for name in names:
        environment.docker("tag", BUSYBOX_IMAGE, name)
        environment.docker("push", name)


def test_what_one_environment_pushes_another_has_before_it_is_ready(
    registry: Registry, environments: Environments
) -> None:
    kube, namespace = registry.cluster, registry.namespace
    authority = authority_map(kube, namespace, "corporate-ca")
    first, second = f"{registry.host}/team/base:1", f"{registry.host}/team/tools:2"
    pusher = environments("pusher").apply(
        {"registry": asking(registry, credentials(registry, "pushes", PASSWORD), authority)}
    )
    puller = environments("puller").apply(
        {
            "registry": asking(registry, credentials(registry, "pulls", WRONG), authority),
            "daemon": {"preload": [first, second]},
        }
    )
    push(pusher.ready(), first)
    # A wrong password is told, and the daemon is up, and stays so.
    preloaded(puller, first, "denied access", "spec.registry.pullSecret", "0 of 2 images")
    assert puller.condition("Ready")["reason"] == "PreloadFailed"
    assert puller.condition("DaemonReady")["status"] == "True"
    # The right one is used without a restart: what is still missing is what nobody has pushed.
    uid = puller.pod_uid()
    credentials(registry, "pulls", PASSWORD)
    preloaded(puller, second, "does not exist in the registry", "1 of 2 images")
    push(pusher, second)
    puller.ready()
    preloaded(puller, "2 of 2 images are pulled")
    assert (puller.pod_uid(), puller.restarts()) == (uid, 0)
    assert puller.docker("run", "--rm", "--pull=never", second, "echo", "here") == "here"
    # The same credentials serve the docker CLI in the daemon's container.
    third = f"{registry.host}/team/late:3"
    push(pusher, third)
    puller.docker("pull", third)
    logs = [puller.log("mount-cgroups"), puller.log("daemon")]
    assert all(logs)
    assert PASSWORD not in "".join(logs)


def test_dockers_own_image_store_has_authorities_credentials_and_mirrors_too(
    registry: Registry, environments: Environments
) -> None:
    """The tests beside this one run with containerd's store, which asks registries by other code."""
    kube, namespace = registry.cluster, registry.namespace
    plain = Registry(kube, namespace, "hub").start()
    mirror = Registry(kube, namespace, "hub-mirror").start(mirrors=f"http://{plain.host}")
    guarded, hub = f"{registry.host}/team/own-store:1", "own-store:1"
    asked = asking(
        registry, credentials(registry, "own-store", PASSWORD), authority_map(kube, namespace, "own-store-ca")
    )
    own = {"config": {"storage-driver": "overlay2"}}
    pusher = environments("own-pusher").apply(
        {"registry": {**asked, "insecureRegistries": [plain.host]}, "daemon": own}
    )
    push(pusher.ready(), guarded, f"{plain.host}/library/{hub}")
    puller = environments("own-puller").apply(
        {"registry": {**asked, "mirrors": [f"http://{mirror.host}"]}, "daemon": {**own, "preload": [guarded, hub]}}
    )
    puller.ready()
    preloaded(puller, "2 of 2 images are pulled")
    assert puller.status()["docker"]["storageDriver"] == "overlay2"
    for name in (guarded, hub):
        assert puller.docker("run", "--rm", "--pull=never", name, "echo", "here") == "here"
    for made in (plain, mirror):
        kube.delete("pod", made.name, namespace)


def test_an_authority_nobody_knows_and_one_nobody_has_made_yet(registry: Registry, environments: Environments) -> None:
    kube, namespace = registry.cluster, registry.namespace
    name = f"{registry.host}/team/base:1"
    trusting = asking(
        registry, credentials(registry, "trusts", PASSWORD), authority_map(kube, namespace, "corporate-ca")
    )
    push(environments("pushes-again").apply({"registry": trusting}).ready(), name)
    careful = environments("careful").apply(
        {"registry": {"pullSecret": {"name": "trusts"}}, "daemon": {"preload": [name]}}
    )
    preloaded(careful, name, "does not trust the certificate authority", "spec.registry.caBundles")
    careful.patch({"registry": asking(registry, "trusts", "made-later")})
    told = careful.wait_reason("RegistryFilesMissing")
    assert "The key ca.crt of the ConfigMap made-later" in told["message"]
    authority_map(kube, namespace, "made-later")
    careful.ready(CHANGE_SECONDS)
    # What is there is not pulled again: it is Ready with the registry out of reach.
    kube.delete("pod", registry.name, namespace)
    careful.attempt("pkill", "dockerd")
    eventually(lambda: careful.restarts() == 1, "the daemon's restart", 60)
    careful.ready()


def test_a_mirror_has_what_docker_hub_is_asked_for(registry: Registry, environments: Environments) -> None:
    kube, namespace = registry.cluster, registry.namespace
    plain = Registry(kube, namespace, "plain").start()
    mirror = Registry(kube, namespace, "mirror").start(mirrors=f"http://{plain.host}")
    pusher = environments("to-plain").apply({"registry": {"insecureRegistries": [plain.host]}}).ready()
    push(pusher, f"{plain.host}/library/only-here:1")
    url = f"http://{mirror.host}"
    mirrored = environments("mirrored").apply({"registry": {"mirrors": [url]}, "daemon": {"preload": ["only-here:1"]}})
    mirrored.ready()
    assert mirrored.status()["registryMirrors"] == [url]
    assert mirrored.docker("run", "--rm", "--pull=never", "only-here:1", "echo", "mirrored") == "mirrored"
    # Without the mirror there is no such image.
    assert pusher.attempt("docker", "pull", "only-here:1").returncode != 0
    for made in (plain, mirror):
        kube.delete("pod", made.name, namespace)


@pytest.mark.timeout(500)
def test_an_authority_that_changes_is_followed_without_a_restart(
    registry: Registry, environments: Environments
) -> None:
    """The registry moves to a certificate of another authority, and what is trusted is changed where it is."""
    kube, namespace = registry.cluster, registry.namespace
    moving = Registry(kube, namespace, "moving")
    names = [moving.host.partition(":")[0]]
    first, second = registries.authority(), registries.authority()
    trusted = {"metadata": {"name": "moving-ca", "namespace": namespace}, "apiVersion": "v1", "kind": "ConfigMap"}
    kube.apply({**trusted, "data": {"ca.crt": first.certificate.decode()}})
    moving.start(tls=registries.certificate(first, names))
    bundle = {"registry": moving.host, "configMapRef": {"name": "moving-ca"}}
    environment = environments("follower").apply({"registry": {"caBundles": [bundle]}}).ready()
    name = f"{moving.host}/team/base:1"
    push(environment, name)
    uid = environment.pod_uid()
    kube.delete("pod", moving.name, namespace)
    moving.start(tls=registries.certificate(second, names))

    def refused() -> bool:
        done = environment.attempt("docker", "push", name)
        return "certificate signed by unknown authority" in done.stdout + done.stderr

    # Until the Service has found the new pod there is nobody to be refused by.
    eventually(refused, "a refusal", 60)
    kube.apply({**trusted, "data": {"ca.crt": second.certificate.decode()}})
    eventually(lambda: environment.attempt("docker", "push", name).returncode == 0, "trust", CHANGE_SECONDS)
    assert (environment.pod_uid(), environment.restarts()) == (uid, 0)
    kube.delete("pod", moving.name, namespace)
