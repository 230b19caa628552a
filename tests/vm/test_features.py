"""Endpoint, networks, registries, preloaded images and workloads on cgroup version 2, in every security mode."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests import registries
from tests.cluster import store
from tests.cluster.own_images import BUSYBOX_IMAGE
from tests.e2e.environments.clients import Client
from tests.e2e.environments.conftest import load_images
from tests.environment import Environment, gone
from tests.installation import Installation
from tests.live import Object
from tests.registries import Registry
from tests.vm.modes import MODES, nested, spec
from tests.vm.patience import START_SECONDS
from tests.vm.view import Vm

pytestmark = [pytest.mark.timeout(2400), pytest.mark.thorough, pytest.mark.usefixtures("runtime_classes")]

Environments = Callable[[str], Environment]
PASSWORD = secrets.token_urlsafe(24)
MTU = 1300
NETWORK: Object = {
    "mtu": MTU,
    "bridgeAddress": "10.123.0.1/24",
    "addressPools": [{"base": "10.124.0.0/16", "size": 24}],
}


@pytest.fixture(scope="module")
def registry(vm: Vm, operator: Installation, vm_namespace: str) -> Iterator[Registry]:
    """On the first node: with TLS by a private authority, and a password."""
    store.import_images(vm.instance, [registries.image()])
    made = Registry(operator.cluster, vm_namespace, "registry")
    authority = registries.authority()
    bundle = {"ca.crt": authority.certificate.decode()}
    metadata = {"name": "corporate-ca", "namespace": vm_namespace}
    operator.cluster.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": bundle})
    login = {".dockerconfigjson": registries.docker_config(made.host, PASSWORD)}
    registries.secret(operator.cluster, vm_namespace, "pulls", login, "kubernetes.io/dockerconfigjson")
    names = [made.host.partition(":")[0]]
    yield made.start(password=PASSWORD, tls=registries.certificate(authority, names))
    operator.cluster.delete("pod", made.name, vm_namespace)


def asking(registry: Registry) -> Object:
    bundle = {"registry": registry.host, "configMapRef": {"name": "corporate-ca"}}
    return {"caBundles": [bundle], "pullSecret": {"name": "pulls"}}


def mtu_of(environment: Environment, *network: str) -> int:
    return int(nested(environment, *network, BUSYBOX_IMAGE, "cat", "/sys/class/net/eth0/mtu"))


@pytest.mark.parametrize("mode", MODES)
def test_endpoint_networks_registry_preload_and_a_job(
    registry: Registry, vm_environments: Environments, mode: str
) -> None:
    pusher = vm_environments(f"pusher-{mode.lower()}")
    pusher.apply({**spec(mode), "network": NETWORK, "registry": asking(registry)}).ready(START_SECONDS)
    for kind in ("NetworkReady", "EndpointReady"):
        assert pusher.condition(kind)["status"] == "True", pusher.condition(kind)
    load_images(pusher)
    the_networks_are_as_asked_for(pusher)
    name = f"{registry.host}/team/{mode.lower()}:1"
    through_the_endpoint(pusher, name)
    gone(pusher, seconds=300)
    job = vm_environments(f"job-{mode.lower()}")
    script = f"docker run --rm --pull=never {name} echo from inside"
    work = {"name": "work", "image": BUSYBOX_IMAGE, "command": ["sh", "-euc", AWAIT.format(name) + script]}
    asked: Any = spec(mode)
    job.apply(
        {
            **asked,
            "daemon": {**asked["daemon"], "preload": [name]},
            "registry": asking(registry),
            "workloads": {"containers": [work], "dockerCli": True},
        }
    )
    done = job.wait(
        lambda it: (it.get("status") or {}).get("phase") in ("Succeeded", "Failed"), "an end", START_SECONDS
    )
    log = job.cluster.run("logs", job.name, f"--namespace={job.namespace}", "--container=work")
    assert (done["status"]["phase"], log.stdout.strip().splitlines()[-1:]) == ("Succeeded", ["from inside"]), log


# Workloads do not wait for what is preloaded.
AWAIT = "until docker image inspect {} >/dev/null 2>&1; do sleep 3; done; "


def the_networks_are_as_asked_for(environment: Environment) -> None:
    environment.docker("network", "create", "mine")
    assert (mtu_of(environment), mtu_of(environment, "--network=mine")) == (MTU, MTU)
    (network,) = json.loads(environment.docker("network", "inspect", "mine"))
    assert network["IPAM"]["Config"][0]["Subnet"].startswith("10.124.")
    assert nested(environment, BUSYBOX_IMAGE, "sh", "-c", "ip -o -4 addr show eth0").split()[3].startswith("10.123.0.")
    found = nested(environment, BUSYBOX_IMAGE, "nslookup", "kubernetes.default.svc.cluster.local")
    assert "kubernetes.default.svc.cluster.local" in found


def through_the_endpoint(environment: Environment, image: str) -> None:
    """By a docker CLI on the other node, over the Service: served with its certificate, refused without."""
    name, cluster = f"client-{environment.name}", environment.cluster
    tagged = Client(environment, name).start().docker("tag", BUSYBOX_IMAGE, image, timeout=300)
    assert tagged.returncode == 0, tagged.stderr
    bare = ("env", "-u", "DOCKER_TLS_VERIFY", "-u", "DOCKER_CERT_PATH", "docker", "ps")
    refused = cluster.run("exec", name, f"--namespace={environment.namespace}", "--", *bare, timeout=120)
    assert "HTTP request to an HTTPS server" in refused.stderr
    environment.docker("push", image, timeout=600)
    cluster.delete("pod", name, environment.namespace)
