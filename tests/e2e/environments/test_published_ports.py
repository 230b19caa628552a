"""Ports that nested containers publish: by the environment's name from another one, random ports too, and who the policies let in."""

from __future__ import annotations

import pytest
from tests.cluster.own_images import BUSYBOX_IMAGE
from tests.e2e.environments.conftest import Environments, load_images
from tests.environment import Environment, eventually
from tests.policies import allows_ingress

from dind_operator.api.names import NAMESPACE_POLICY
from dind_operator.features.endpoint.service import PORT

BROWSER = {"app": "browser"}
NAMED = {"allowFrom": [{"podSelector": {"matchLabels": BROWSER}}], "ports": [{"port": 8080}]}
WEB = "echo a preview >/tmp/index.html; exec httpd -f -p 80 -h /tmp"


def ask(environment: Environment, name: str, port: int) -> str:
    """What a container of another environment gets there, or what wget says of it."""
    url = f"http://{name}.dind.{environment.namespace}.svc.cluster.local:{port}/"
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
    serve = (BUSYBOX_IMAGE, "sh", "-c", WEB)
    previews.docker("run", "--detach", "--rm", "--publish=8080:80", *serve)
    # A port that the daemon chooses, as test libraries ask for.
    chosen = previews.docker("run", "--detach", "--rm", "--publish=80", *serve).strip()
    random = int(previews.docker("port", chosen, "80").splitlines()[0].rpartition(":")[2])
    for port in (8080, random):
        eventually(
            lambda port=port: ask(bench, name, port) == "a preview", "it", 60, lambda port=port: ask(bench, name, port)
        )
    # Nothing enforces policies here (test_policies.py has what does): who is let in is evaluated.
    where = previews.namespace
    labels = (previews.pod() or {})["metadata"]["labels"]
    near = {"namespace": {"kubernetes.io/metadata.name": where}}

    def let_in(pod: dict[str, str], port: int) -> bool:
        found = [previews.cluster.get("networkpolicy", each, where) for each in (name, NAMESPACE_POLICY)]
        return allows_ingress([each for each in found if each], labels, where, {**near, "pod": pod}, port)

    assert let_in(BROWSER, 8080)
    assert not let_in({"app": "other"}, 8080)
    assert not let_in(BROWSER, random), "it is not named"
    assert not let_in(BROWSER, PORT)
    pod = previews.pod_uid()
    previews.patch({"publishedPorts": {"ports": None}})
    eventually(lambda: let_in(BROWSER, random), "all ports let in", 120, previews.story)
    previews.patch({"publishedPorts": None})
    eventually(lambda: not let_in(BROWSER, 8080), "closed", 120, previews.story)
    assert previews.pod_uid() == pod, "who is let in restarts no daemon"
