"""Checks of nested containers on every node, in every mode, at every level: memory use, and name resolution between them."""

from __future__ import annotations

from pathlib import Path

from tests.cluster.own_images import BUSYBOX_IMAGE
from tests.environment import Environment
from tests.node_view import NodeView, container_id

# Two services: one answers by its name, the other asks it and ends with what it got.
COMPOSE = f"""services:
  server:
    image: {BUSYBOX_IMAGE}
    command: sh -c "echo composed >/index.html; exec httpd -f -p 80 -h /"
  client:
    image: {BUSYBOX_IMAGE}
    command: sh -c "until wget -q -O - http://server/; do sleep 0.2; done"
    depends_on: [server]
"""


def fill(environment: Environment, mebibytes: int, *options: str, patience: float = 1) -> int:
    """A nested container fills a buffer of that size. Its exit code: 0, or 137 when it was killed."""
    hog = ["dd", "if=/dev/zero", "of=/dev/null", f"bs={mebibytes}M", "count=1"]
    line = ("docker", "run", "--rm", *options, BUSYBOX_IMAGE, *hog)
    done = environment.attempt(*line, timeout=120 * patience)
    assert done.returncode in (0, 137), done.stderr
    return done.returncode


def composed_services_find_each_other(environment: Environment, folder: Path, patience: float = 1) -> None:
    """With the image's own `docker compose`; busybox must be loaded. `folder` is for the file, on the test's side."""
    (file := folder / "compose.yaml").write_text(COMPOSE)
    compose = ("compose", "--project-name=two", "--file=-")
    try:
        up = ("up", "--exit-code-from=client", "--no-color")
        assert "composed" in environment.docker(*compose, *up, stdin=file, timeout=120 * patience)
    finally:
        environment.docker(*compose, "down", "--timeout=0", stdin=file, timeout=120 * patience)
    left = ("ps", "--all", "--quiet", "--filter=label=com.docker.compose.project=two")
    assert environment.docker(*left, timeout=120 * patience) == ""


def groups_below_the_pod(environment: Environment, node: NodeView, nested: str, way: str = "/docker") -> None:
    """The groups of the container `nested`, one in each hierarchy: pod, daemon's container, `way`, nested, in this order."""
    groups = node.groups(nested)
    assert len(groups) == len(node.hierarchies())
    own, pod = container_id(environment.daemon_status()), environment.pod_uid()
    for group in groups:
        before, _, after = group.partition(own)
        assert after.removeprefix(".scope") == f"{way}/{nested}", group
        assert pod in before.replace("_", "-"), group
