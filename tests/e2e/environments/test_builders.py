"""Builders of buildx with the driver docker-container: BuildKit in a nested container, with the mirrors of the environment.

`make matrix` runs these, because BuildKit is compiled for them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests import registries
from tests.cluster import images, programs, store
from tests.cluster.instance import Instance
from tests.cluster.own_images import BUILDER_IMAGE, BUSYBOX_IMAGE
from tests.e2e.environments.clients import CERTS, CLIENT_LABELS, client, endpoint_ready
from tests.e2e.environments.conftest import load_images
from tests.e2e.environments.test_builds import BOTH, DOCKERFILE, PLATFORMS, made_for
from tests.environment import Environment
from tests.live import Cluster
from tests.nested import groups_below_the_pod
from tests.node_view import NodeView
from tests.plugin import Plugin
from tests.registries import Registry

pytestmark = [pytest.mark.timeout(600), pytest.mark.matrix]

# Only the mirror has it.
BASE = "only-mirror:1"
BUILD = f"""FROM {BASE}
COPY said /said
RUN tr a-z A-Z </said >/shouted && cat /proc/self/cgroup
CMD ["cat", "/shouted"]
"""
AUTHORITY = registries.authority()


@pytest.fixture(scope="module")
def mirror(kube: Cluster, namespace: str) -> Iterator[Registry]:
    """A registry with TLS by an authority that is in a ConfigMap."""
    store.import_images(Instance.from_environment(), [registries.image()])
    registry = Registry(kube, namespace, "builders-mirror")
    registry.start(tls=registries.certificate(AUTHORITY, [registry.host.partition(":")[0]]))
    metadata = {"name": "builders-ca", "namespace": namespace}
    data = {"ca.crt": AUTHORITY.certificate.decode()}
    kube.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})
    yield registry
    kube.delete("pod", registry.name, namespace)


@pytest.fixture(scope="module")
def environment(kube: Cluster, namespace: str, mirror: Registry) -> Iterator[Environment]:
    """Its mirror has a base and the image of builders, and it has neither."""
    spec = {
        "daemon": {"resources": {"limits": {"memory": "1Gi"}}, "reserve": {"memory": "384Mi"}},
        "endpoint": {"allowFrom": [{"podSelector": {"matchLabels": CLIENT_LABELS}}]},
        "caBundle": {"configMapRef": {"name": "builders-ca"}},
        "registry": {"mirrors": [f"https://{mirror.host}"]},
    }
    made = Environment(kube, namespace, "builders").apply(spec).ready()
    endpoint_ready(made)
    load_images(made)
    made.docker("load", stdin=images.nested_builder_tar())
    for source, target in ((BUSYBOX_IMAGE, f"library/{BASE}"), (BUILDER_IMAGE, BUILDER_IMAGE)):
        made.docker("tag", source, f"{mirror.host}/{target}")
        made.docker("push", "--quiet", f"{mirror.host}/{target}")
        made.docker("rmi", source, f"{mirror.host}/{target}")
    yield made
    made.delete()


@pytest.fixture
def dind(kube: Cluster, namespace: str, tmp_path: Path) -> Iterator[Plugin]:
    """The plugin, with the docker CLI and the buildx of the image daemon."""
    home = tmp_path / "plugin"
    plugins = home / ".docker/cli-plugins"
    plugins.mkdir(parents=True)
    (plugins / "docker-buildx").symlink_to(programs.folder("buildx") / "cli-plugins/docker-buildx")
    made = Plugin(home, kube.kubeconfig, namespace, (programs.folder("cli") / "bin",))
    yield made
    made.run("env", "builders", "--stop")
    assert made.left() == []


def test_the_commands_of_kubectl_dind_builder(
    environment: Environment, dind: Plugin, node: NodeView, tmp_path: Path
) -> None:
    """In two sessions: the second builder replaces the first. Builds pull through the mirror, and are in the pod's cgroup."""
    context = tmp_path / "context"
    context.mkdir()
    (context / "Dockerfile").write_text(BUILD)
    (context / "said").write_text("built from afar")
    script = f"""
set -eu
for turn in 1 2; do
  eval "$(kubectl dind env builders $ns)"
  commands=$(kubectl dind builder builders $ns --directory {tmp_path}/files)
  eval "$commands"
  docker buildx build --builder builders --progress=plain --load --tag=turn:$turn {context}
  docker inspect --format 'builder {{{{.Id}}}}' buildx_buildkit_builders0
  kubectl dind env builders --stop $ns >/dev/null
done
"""
    done = dind.shell(script, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "CACHED" in done.stderr, "the second builder has the cache of the first"
    assert len(set(re.findall(r"^builder ([0-9a-f]{64})$", done.stdout, re.MULTILINE))) == 2, "and is another"
    for turn in (1, 2):
        assert environment.docker("run", "--rm", f"turn:{turn}") == "BUILT FROM AFAR"
    builder = environment.docker("inspect", "--format={{.Id}}", "buildx_buildkit_builders0")
    groups_below_the_pod(environment, node, builder, "/docker/buildx")
    # Each of the build's own groups is below that of its builder. On cgroup v1 a nested container sees the groups of the daemon.
    groups = re.findall(r" \d+:[^:\s]+:(\S+)", done.stderr)
    assert groups
    assert all(re.match(r"/docker/buildx/[0-9a-f]{64}/", group) for group in groups), groups


def test_a_builder_of_a_client_in_another_pod(environment: Environment, mirror: Registry) -> None:
    """For two architectures, without emulation: into the image store of the daemon, and into an archive of the client."""
    config = f"""
[registry."docker.io"]
  mirrors = ["{mirror.host}"]
[registry."{mirror.host}"]
  ca = ["/tmp/builder/ca.crt"]
"""
    with client(environment, "builders-client") as cli:
        cli.file("/tmp/builder/buildkitd.toml", config)
        cli.file("/tmp/builder/ca.crt", AUTHORITY.certificate.decode())
        cli.file("/tmp/build/Dockerfile", DOCKERFILE.replace(BUSYBOX_IMAGE, BASE))
        # buildx takes the files of TLS from a context only.
        cli.says("context", "import", "far", f"{CERTS}/context.tar")
        create = ("buildx", "create", "--name=two", "--driver=docker-container")
        cli.says(*create, "--buildkitd-config=/tmp/builder/buildkitd.toml", "far")
        build = ("buildx", "build", "--builder=two", "--progress=plain", BOTH)
        cli.says(*build, "--load", "--tag=far:1", "/tmp/build")
        cli.says(*build, "--output=type=oci,dest=/tmp/far.tar", "/tmp/build")
        packed = cli.run("tar", "-xOf", "/tmp/far.tar", "index.json")
        assert json.loads(packed.stdout)["manifests"]
        for name in PLATFORMS:
            kept = cli.says("create", f"--platform=linux/{name}", "far:1")
            assert cli.run("sh", "-c", f"docker cp {kept}:/made - | tar -xO").stdout.strip() == made_for(name)
            cli.says("rm", kept)
        cli.says("buildx", "rm", "two")
