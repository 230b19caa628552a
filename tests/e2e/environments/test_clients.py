"""Compose and buildx in another pod, through the endpoint: what people point at a daemon beside `docker` itself."""

from __future__ import annotations

import pytest
from tests.cluster.own_images import BUSYBOX_IMAGE
from tests.e2e.environments.clients import client, made
from tests.e2e.environments.conftest import Environments, load_images

SERVICES = f"""
services:
  server:
    image: {BUSYBOX_IMAGE}
    command: sh -c "echo composed >/index.html; exec httpd -f -p 80 -h /"
  client:
    image: {BUSYBOX_IMAGE}
    command: sh -c "until wget -q -O - http://server/; do sleep 0.2; done"
    depends_on: [server]
"""
DOCKERFILE = f"""
FROM {BUSYBOX_IMAGE}
COPY said /said
RUN tr a-z A-Z </said >/shouted
CMD ["cat", "/shouted"]
"""


@pytest.mark.timeout(400)
def test_compose_and_buildx_in_another_pod(environments: Environments) -> None:
    environment = made(environments, "endpoint-tools")
    load_images(environment)
    with client(environment, "tools-client") as cli:
        cli.file("/tmp/compose/compose.yaml", SERVICES)
        compose = ("compose", "--project-directory=/tmp/compose")
        up = cli.says(*compose, "up", "--exit-code-from=client", "--no-color")
        assert "composed" in up
        cli.says(*compose, "down", "--timeout=0")
        # The folder is the client's: the daemon has no such file.
        cli.file("/tmp/build/Dockerfile", DOCKERFILE)
        cli.file("/tmp/build/said", "built from afar")
        cli.says("buildx", "build", "--progress=plain", "--tag=afar:1", "/tmp/build")
        assert "Driver: docker" in " ".join(cli.says("buildx", "inspect").split())
        assert cli.says("run", "--rm", "afar:1") == "BUILT FROM AFAR"
        assert environment.docker("run", "--rm", "afar:1") == "BUILT FROM AFAR"
