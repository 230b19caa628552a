"""`make demo`: what a person reads, twice, and what they read when a step fails. It installs the operator itself."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cluster import docker_releases
from tests.cluster.instance import Instance
from tests.demo.environment import NAMESPACE
from tests.e2e.conftest import Installations

pytestmark = pytest.mark.serial

ROOT = Path(__file__).parents[2]
# Seen: 45 s with everything cached. A machine that builds the images first takes minutes.
SECONDS = 900
DESCRIBE = "--namespace dind-demo describe dind builder"


def demo(*variables: str) -> subprocess.CompletedProcess[str]:
    """Runs the command that the README names. stderr, where the cluster tells its own progress, comes with the output."""
    return subprocess.run(
        ["make", "--no-print-directory", "demo", *variables],
        cwd=ROOT,
        env={**os.environ, "CLUSTER": "embedded", "DIND_DEMO_TROUBLE_SECONDS": "2"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS,
        check=False,
    )


@pytest.fixture(scope="module")
def first(installations: Installations) -> Iterator[str]:
    """The output of the first run, where no operator is installed; what it made is there until all tests of this file are done."""
    installation = installations[4]
    installation.cluster.delete("namespace", NAMESPACE)
    installation.clear()
    done = demo()
    yield done.stdout + f"\nexit code {done.returncode}"
    installation.cluster.empty(NAMESPACE)
    installation.cluster.delete("namespace", NAMESPACE)
    installation.clear()


def steps(output: str) -> dict[str, float]:
    """The table: seconds by step."""
    table = output.partition("How long it took")[2].partition("How to go on")[0]
    return {
        title.strip(): float(seconds) for title, seconds in re.findall(r"^  (.+?) +([0-9.]+) s$", table, re.MULTILINE)
    }


def check(output: str) -> None:
    assert "exit code 0" in output, output
    assert "Running: The Docker daemon responds to requests." in output
    # What ran inside, from the base image and from the image that was built.
    assert "Hello from Debian GNU/Linux 13" in output
    assert "This image was built and run inside Kubernetes." in output.partition("Inside: the image that was built")[2]
    # The object and the report.
    assert re.search(rf"^builder +Running +True +{re.escape(docker_releases.OWN)}\.", output, re.MULTILINE), output
    assert re.search(r"^dind-operator [0-9.]+ report", output, re.MULTILINE), output
    # Nine steps, numbered, each with its time.
    assert re.findall(r"^\[([0-9])/9\]", output, re.MULTILINE) == [str(number) for number in range(1, 10)]
    times = steps(output)
    assert len(times) == 10
    # How to go on: commands for a shell in the checkout, each with its meaning.
    commands = dict(re.findall(r"^  (\S.*?) {3,}(\S.*)$", output.partition("How to go on")[2], re.MULTILINE))
    assert next(iter(commands)) == "export KUBECONFIG=$(make -s kubeconfig)"
    assert list(commands)[-1] == "make cluster-down"
    assert len(commands) == 5
    assert times.pop("total") == pytest.approx(sum(times.values()), abs=0.6)


@pytest.mark.timeout(SECONDS)
def test_the_first_run_builds_and_runs_an_image_inside_an_environment(first: str) -> None:
    check(first)
    # The build was real: apt-get ran and took its time.
    assert re.search(r"#\d+ \[2/2\] RUN apt-get update && apt-get install -y --no-install-recommends hello", first)


def test_the_commands_to_go_on_with_work(first: str) -> None:
    """As they stand there, in one shell."""
    script = "\n".join(
        ["set -e", "export KUBECONFIG=$(make -s kubeconfig)", "echo path=$KUBECONFIG", f"kubectl {DESCRIBE}"]
    )
    done = subprocess.run(
        ["bash", "-c", script], cwd=ROOT, env={**os.environ, "CLUSTER": "embedded"},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    # The path and nothing else, or `export` would take the rest for a name.
    assert done.stdout.splitlines()[0] == f"path={Instance.from_environment().kubeconfig}"
    assert f"kubectl {DESCRIBE}" in first
    assert "The Docker daemon responds to requests." in done.stdout


@pytest.mark.timeout(SECONDS)
def test_a_second_run_goes_through_what_is_there(first: str) -> None:
    done = demo()
    check(done.stdout + f"\nexit code {done.returncode}")
    assert "dindenvironment.dind.dev/builder unchanged" in done.stdout
    assert "debian:trixie-slim is already present" in done.stdout
    assert re.search(r"#\d+ CACHED", done.stdout)


@pytest.mark.timeout(SECONDS)
def test_a_step_that_fails_says_what_is_wrong_and_what_to_do(first: str, tmp_path: Path) -> None:
    example = tmp_path / "broken.yaml"
    example.write_text(
        "apiVersion: dind.dev/v1alpha1\nkind: DindEnvironment\nmetadata: {name: broken}\n"
        "spec: {daemon: {image: dind.local/no-such-image:1, imagePullPolicy: Never}}\n"
    )
    done = demo(f"EXAMPLE={example}")
    assert done.returncode != 0
    assert "The demonstration stopped in step 5 of 9." in done.stdout
    assert re.search(r"The environment broken is not Ready after \d+ s \(ImagePullFailed\)", done.stdout)
    advice = done.stdout.partition("What to do: ")[2]
    assert "dind.local/no-such-image:1" in advice
    assert "Correct spec.daemon.image" in advice
    # The report follows, and nothing pretends that later steps were tried.
    assert re.search(r"^dind-operator [0-9.]+ report", advice, re.MULTILINE)
    assert "docker build" not in done.stdout


def test_on_the_users_own_cluster_it_first_says_which_and_asks_for_a_registry(tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(
        "{apiVersion: v1, kind: Config, current-context: mine, users: [], contexts: [{name: mine, context: {cluster: c}}],"
        " clusters: [{name: c, cluster: {server: 'https://192.0.2.1'}}]}"
    )
    given = {name: value for name, value in os.environ.items() if name != "DIND_IMAGE_REGISTRY"}
    done = subprocess.run(
        ["make", "--no-print-directory", "demo"],
        cwd=ROOT,
        env={**given, "CLUSTER": "current", "KUBECONFIG": str(kubeconfig)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode != 0
    assert "CLUSTER=current: context mine, server https://192.0.2.1" in done.stderr
    assert "DIND_IMAGE_REGISTRY" in done.stdout
