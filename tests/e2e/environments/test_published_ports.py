"""Ports that nested containers publish: by the Service's name from another environment, and who the policy lets in."""

from __future__ import annotations

import pytest
from tests.cluster.own_images import BUSYBOX_IMAGE
from tests.e2e.environments.conftest import Environments, load_images
from tests.environment import Environment, eventually
from tests.policies import allows_ingress

from dind_operator.features.endpoint.service import PORT

BROWSER = {"app": "browser"}
NAMED = {"allowFrom": [{"podSelector": {"matchLabels": BROWSER}}], "ports": [{"port": 8080}]}
WEB = "echo a preview >/tmp/index.html; exec httpd -f -p 80 -h /tmp"


def ask(environment: Environment, name: str, port: int) -> str:
    """What a container of another environment gets there, or what wget says of it."""
    url = f"http://{name}.{environment.namespace}.svc.cluster.local:{port}/"
    # Not with wget's own option, which a static busybox does not survive; and below a shell, for a first process heeds no signal.
    script = f"timeout 5 wget -q -O - {url} || exit 1"
    done = environment.attempt("docker", "run", "--rm", BUSYBOX_IMAGE, "sh", "-c", script)
    return done.stdout.strip() or f"nothing ({done.returncode}: {done.stderr.strip()})"


@pytest.mark.parametrize("endpoint", [True, False], ids=["endpoint", "no-endpoint"])
def test_a_published_port_has_the_environments_name(
    bench: Environment, environments: Environments, endpoint: bool
) -> None:
    name = f"previews-{'on' if endpoint else 'off'}"
    previews = environments(name).apply({"publishedPorts": NAMED, "endpoint": {"enabled": endpoint}}).ready()
    load_images(previews)
    for port in (8080, 8081):
        previews.docker("run", "--detach", "--rm", f"--publish={port}:80", BUSYBOX_IMAGE, "sh", "-c", WEB)
    eventually(lambda: ask(bench, name, 8080) == "a preview", "it", 60, lambda: ask(bench, name, 8080))
    # Published as well, and not named: no Service carries it.
    assert ask(bench, name, 8081).startswith("nothing (1:")
    where = previews.namespace
    service = previews.cluster.get("service", name, where) or {}
    ports = {item["port"] for item in service["spec"]["ports"]}
    assert ports == ({8080, PORT} if endpoint else {8080})
    # Nothing enforces policies here (test_policies.py has what does): who is let in is evaluated.
    policy = previews.cluster.get("networkpolicy", name, where) or {}
    labels = (previews.pod() or {})["metadata"]["labels"]
    near = {"namespace": {"kubernetes.io/metadata.name": where}}

    def let_in(pod: dict[str, str], port: int) -> bool:
        return allows_ingress(policy, labels, where, {**near, "pod": pod}, port)

    assert let_in(BROWSER, 8080)
    assert not let_in({"app": "other"}, 8080)
    assert not let_in(BROWSER, 8081)
    assert not let_in(BROWSER, PORT)
    pod = previews.pod_uid()
    previews.patch({"publishedPorts": None})

    def closed() -> bool:
        left = previews.cluster.get("service", name, where) or {"spec": {"ports": []}}
        return {item["port"] for item in left["spec"]["ports"]} == ({PORT} if endpoint else set())

    eventually(closed, "the port taken out of the Service", 120, previews.story)
    assert previews.pod_uid() == pod, "who is let in restarts no daemon"
