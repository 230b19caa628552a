"""Testcontainers for Python, in another pod and in a workload: random ports, and a reaper that removes what a killed client leaves.

The reaper is not Ryuk itself, which the module proxy does not serve, but a script that speaks its protocol (tests/cluster/reaper.sh).
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from importlib.metadata import distribution

import pytest
from packaging.requirements import Requirement
from tests.cluster import images
from tests.cluster.own_images import BUSYBOX_IMAGE, REAPER_IMAGE
from tests.e2e.environments.clients import CLIENT_LABELS, client, endpoint_ready
from tests.e2e.environments.conftest import Environments, load_images
from tests.environment import Environment, eventually
from tests.kube.client import Executed

FOLDER = "/tmp/packages"
# A container that the client removes, and one that it has no time to remove.
SCRIPT = """
import os, signal, sys, urllib.request
from testcontainers.core.container import DockerContainer
from testcontainers.core.wait_strategies import HttpWaitStrategy

serve = ["sh", "-c", "echo reached >/tmp/index.html; exec httpd -f -p 80 -h /tmp"]

def container():
    made = DockerContainer(sys.argv[1]).with_exposed_ports(80).with_command(serve).waiting_for(HttpWaitStrategy(80))
    return made.with_kwargs(labels={"way": sys.argv[2]})

with container() as first:
    url = f"http://{first.get_container_host_ip()}:{first.get_exposed_port(80)}/"
    print(url, urllib.request.urlopen(url).read().decode().strip())
second = container().start()
print(first.get_wrapped_container().id, second.get_wrapped_container().id, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""

# How a client runs a command, with standard input.
Run = Callable[..., Executed]


def packages(name: str) -> bytes:
    """An archive of a package and all that it requires, without compiled modules: they are of this machine's Python, and optional."""
    found: dict[str, None] = {}

    def add(name: str) -> None:
        if name in found:
            return
        found[name] = None
        for text in distribution(name).requires or []:
            required = Requirement(text)
            if required.marker is None or required.marker.evaluate({"extra": ""}):
                add(required.name)

    add(name)
    with tarfile.open(fileobj=(packed := io.BytesIO()), mode="w") as archive:
        for each in found:
            for file in distribution(each).files or []:
                if ".." not in file.parts and file.suffix not in (".so", ".pyc"):
                    archive.add(str(file.locate()), str(file))
    return packed.getvalue()


def used(environment: Environment, run: Run, way: str, host: str) -> None:
    """A client gets to its containers at `host`, and nothing of it is left when it is killed."""
    assert run("sh", "-c", f"mkdir {FOLDER} && tar -xC {FOLDER}", stdin=packages("testcontainers")).returncode == 0
    variables = (f"PYTHONPATH={FOLDER}", f"RYUK_CONTAINER_IMAGE={REAPER_IMAGE}", "RYUK_RECONNECTION_TIMEOUT=1s")
    done = run("env", *variables, "python3", "-c", SCRIPT, BUSYBOX_IMAGE, way)
    assert done.returncode == 128 + 9, done.stdout + done.stderr
    url, body, first, second = done.stdout.split()
    assert (url.rpartition(":")[0], body) == (f"http://{host}", "reached")
    assert first != second

    def left() -> str:
        return environment.docker("ps", "--all", "--quiet", "--filter=label=org.testcontainers=true")

    eventually(lambda: not left(), "no container of the client, and no reaper", 30, environment.story)


@pytest.mark.timeout(400)
def test_random_ports_and_the_reaper(environments: Environments) -> None:
    near = [{"podSelector": {"matchLabels": CLIENT_LABELS}}]
    work = {
        "name": "work",
        "image": images.image_name("operator"),  # it has Python
        "command": ["sh", "-c", "trap 'exit 0' TERM; sleep 900 & wait"],
        "securityContext": {"runAsUser": 0},
    }
    spec = {
        "endpoint": {"allowFrom": near},
        "publishedPorts": {"allowFrom": near},
        "workloads": {"containers": [work], "restartPolicy": "Always"},
    }
    environment = environments("testcontainers").apply(spec).ready()
    endpoint_ready(environment)
    load_images(environment)
    environment.docker("load", stdin=images.nested_reaper_tar())

    def beside(*command: str, stdin: bytes | None = None) -> Executed:
        return environment.attempt(*command, stdin=stdin, container="work")

    used(environment, beside, "workload", "localhost")
    with client(environment, "testcontainers-client", target="operator") as cli:
        used(environment, cli.run, "pod", f"testcontainers.dind.{environment.namespace}.svc")
