"""`kubectl dind` as its user goes it, from `create` to `delete`, with the docker CLI of this machine through the forwarded port."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from tests.cluster import docker_client
from tests.cluster.own_images import BUSYBOX_IMAGE
from tests.e2e.environments.conftest import Environments, load_images
from tests.environment import Environment, eventually
from tests.live import Cluster
from tests.plugin import Plugin

# A session ends some seconds after its last user.
GONE_SECONDS = 40


@pytest.fixture
def dind(kube: Cluster, namespace: str, tmp_path: Path) -> Iterator[Plugin]:
    """The plugin with sessions of its own; none is left at the end, whatever the test did."""
    made = Plugin(tmp_path / "plugin", kube.kubeconfig, namespace, (docker_client.folder(),))
    yield made
    for environment in {path.name.rpartition("-")[0] for path in made.runtime.glob("kubectl-dind/*")}:
        made.run("env", environment, "--stop")
    assert made.left() == []


@pytest.fixture
def made(environments: Environments, dind: Plugin) -> Callable[[str], Environment]:
    """Makes an environment by the plugin, ready for clients and with busybox in it."""

    def make(name: str) -> Environment:
        environment = environments(name)
        dind("create", name, "--memory=1Gi", "--timeout=3m", timeout=200)
        dind("wait", name, "--for=endpoint", "--timeout=3m", timeout=200)
        load_images(environment)
        return environment

    return make


def gone(dind: Plugin, story: Callable[[], str]) -> None:
    eventually(lambda: not dind.left(), f"no file of a session; there were {dind.left()}", GONE_SECONDS, story)


@pytest.mark.timeout(500)
def test_a_life(made: Callable[[str], Environment], dind: Plugin) -> None:
    environment = made("plugin-life")

    def docker(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """In a session of its own: what a command leaves of its connections may disturb the next one (docs/kubectl-dind.md)."""
        done = dind.run("docker", "plugin-life", "--", *arguments, stdin=stdin)
        dind("env", "plugin-life", "--stop")
        return done

    run = ("run", "--rm", "-i", BUSYBOX_IMAGE)
    assert docker(*run, "echo", "hello").stdout == "hello\n"
    # Docker's own exit code, and its own words.
    assert docker(*run, "sh", "-c", "exit 42").returncode == 42
    identity = ("info", "--format={{.ID}}")
    assert docker(*identity).stdout.strip() == environment.docker(*identity)
    assert docker(*run, "cat", stdin="given\n").stdout == "given\n"
    assert dind("shell", "plugin-life", "--", "docker", "version", "--format={{.Server.Version}}").strip()
    assert dind.run("shell", "plugin-life", stdin="exit 7\n").returncode == 7
    assert "dind-report" in dind("logs", "plugin-life")
    assert yaml.safe_load(dind("report", "plugin-life", "-o", "yaml"))["environment"]["name"] == "plugin-life"
    assert "dindenvironment.dind.dev/plugin-life" in dind("list", "-o", "name").split()
    gone(dind, environment.story)
    dind("suspend", "plugin-life", timeout=200)
    assert environment.pod() is None
    assert "is suspended" in dind.refused(7, "docker", "plugin-life", "--", "ps")
    dind("resume", "plugin-life", timeout=300)
    dind("wait", "plugin-life", "--for=endpoint", timeout=300)
    assert dind("docker", "plugin-life", "--", "ps", "--quiet") == ""
    assert dind("delete", "plugin-life", timeout=200) == "plugin-life is deleted.\n"
    assert environment.pod() is None
    # The environment is gone, and its session with it.
    gone(dind, environment.story)


@pytest.mark.timeout(500)
def test_env_lives_as_long_as_its_shell_and_follows_the_pod(made: Callable[[str], Environment], dind: Plugin) -> None:
    environment = made("plugin-env")
    script = f"""
set -eu
eval "$(kubectl dind env plugin-env $ns)"
first=$DOCKER_HOST
docker run --rm {BUSYBOX_IMAGE} echo through
[ "$(stat -c %a "$DOCKER_CERT_PATH")" = 700 ]
[ "$(stat -c %a "$DOCKER_CERT_PATH"/key.pem)" = 600 ]
eval "$(kubectl dind env plugin-env $ns)"
[ "$first" = "$DOCKER_HOST" ]
before=$(kubectl get pod plugin-env $ns -o 'jsonpath={{.metadata.uid}}')
kubectl delete pod plugin-env $ns --wait=true >/dev/null
for turn in $(seq 90); do
  now=$(kubectl get pod plugin-env $ns -o 'jsonpath={{.metadata.uid}}' 2>/dev/null || :)
  [ -n "$now" ] && [ "$now" != "$before" ] && docker info >/dev/null 2>&1 && break
  sleep 1
done
[ "$now" != "$before" ]
docker info --format '{{{{.ID}}}}'
"""
    done = dind.shell(script, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr + environment.story()
    through, identity = done.stdout.split()
    assert through == "through"
    assert identity == environment.docker("info", "--format={{.ID}}"), "the new pod's daemon answered"
    # The shell has ended; so does what served it, and no key is left.
    gone(dind, environment.story)


@pytest.mark.timeout(400)
def test_env_is_stopped_by_word_and_by_the_environments_end(made: Callable[[str], Environment], dind: Plugin) -> None:
    environment = made("plugin-stop")
    script = """
set -eu
eval "$(kubectl dind env plugin-stop $ns)"
docker version >/dev/null
eval "$(kubectl dind env plugin-stop --stop $ns)"
[ -z "${DOCKER_HOST-}${DOCKER_CERT_PATH-}${DOCKER_TLS_VERIFY-}" ]
[ -z "$(find "$XDG_RUNTIME_DIR" -mindepth 1)" ]
"""
    done = dind.shell(script)
    assert done.returncode == 0, done.stdout + done.stderr
    variables = dind.json("env", "plugin-stop")
    folder = Path(variables["DOCKER_CERT_PATH"])
    assert (folder / "key.pem").exists()
    dind("delete", "plugin-stop", timeout=200)
    # Within the time that a shell has to take the exports up, so it is the environment's end that ends it.
    began = time.monotonic()
    gone(dind, environment.story)
    assert time.monotonic() - began < GONE_SECONDS


@pytest.mark.timeout(400)
def test_a_killed_forwarder_leaves_nothing_for_long(made: Callable[[str], Environment], dind: Plugin) -> None:
    environment = made("plugin-kill")
    script = """
set -eu
eval "$(kubectl dind env plugin-kill $ns)"
state=$(dirname "$DOCKER_CERT_PATH")/state.json
kill -9 "$(sed 's/.*"forwarder": {"pid": \\([0-9]*\\).*/\\1/' "$state")"
# Its successor is another one, on a port that works.
eval "$(kubectl dind env plugin-kill $ns)"
docker version --format '{{.Server.Version}}'
"""
    done = dind.shell(script)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.strip()
    gone(dind, environment.story)
