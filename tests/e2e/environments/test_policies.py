"""Who reaches an environment's pod and what it reaches, with an engine that enforces NetworkPolicies: connections refused, and
the same connections made without the engine or by who is named.
"""

from __future__ import annotations

import signal
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from tests.cluster import node as cluster_node
from tests.cluster import policy_engine
from tests.cluster.instance import Instance
from tests.cluster.own_images import BUSYBOX_IMAGE
from tests.e2e.environments.conftest import Environments, load_images
from tests.environment import Environment, eventually
from tests.live import Object

METADATA = "169.254.169.254"
FRIENDS = {"allowFrom": [{"podSelector": {"matchLabels": {"app": "friend"}}}]}
# An answer comes in milliseconds; a dropped packet never has one.
PATIENCE_SECONDS = 4
NO_ANSWER = "no-answer"
_TERMINATED = 143
# Less than the grace period of the pod.
HELD_SECONDS = 30
CONNECT = f"exec 3<>/dev/tcp/{METADATA}/80"


@contextmanager
def enforced() -> Iterator[None]:
    instance = Instance.from_environment()
    try:
        policy_engine.start(instance)
        yield
    finally:
        policy_engine.stop(instance)


@pytest.fixture
def metadata(tmp_path: Path) -> Iterator[None]:
    """A server on the node at the address where clouds have theirs."""
    instance = Instance.from_environment()
    init = cluster_node.find_init(instance)
    assert init is not None
    # Of a run that was ended in the middle.
    policy_engine.stop(instance)
    folder = instance.state / "metadata"
    folder.mkdir(exist_ok=True)
    (folder / "index.html").write_text("credentials")
    line = ["busybox", "httpd", "-f", "-p", f"{METADATA}:80", "-h", str(folder)]
    with ExitStack() as stack:
        cluster_node.run(init, ["ip", "address", "replace", f"{METADATA}/32", "dev", "lo"])
        stack.callback(cluster_node.run, init, ["ip", "address", "delete", f"{METADATA}/32", "dev", "lo"])
        if cluster_node.find(instance, line) is None:
            cluster_node.launch(instance, init, "metadata", line)
        yield
        running = cluster_node.find(instance, line)
        if running is not None:
            running.send(signal.SIGTERM)


def visitor(environment: Environment, name: str) -> Object:
    container = {"name": "visitor", "image": BUSYBOX_IMAGE, "command": ["sleep", "3600"]}
    metadata = {"name": name, "namespace": environment.namespace, "labels": {"app": name}}
    spec = {"containers": [container], "terminationGracePeriodSeconds": 0, "automountServiceAccountToken": False}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


@pytest.fixture
def published(environments: Environments) -> Iterator[Environment]:
    """An environment with a nested web server on port 8080, and two pods beside it: friend and stranger."""
    fields: Object = {"publishedPorts": {"ports": [{"port": 8080}]}}
    environment = environments("policies").apply(fields).ready()
    cluster = environment.cluster
    load_images(environment)
    serve = "echo hello >/tmp/index.html; exec httpd -f -p 80 -h /tmp"
    # As the first process of its container it does not hear TERM, so the daemon waits for it, and the pod for the daemon.
    hold = f"--stop-timeout={HELD_SECONDS}"
    environment.docker("run", "--detach", "--publish=8080:80", hold, BUSYBOX_IMAGE, "sh", "-c", serve)
    for name in ("friend", "stranger"):
        cluster.apply(visitor(environment, name))
    for name in ("friend", "stranger"):
        cluster.wait_condition("pod", name, environment.namespace)
    yield environment
    for name in ("friend", "stranger"):
        cluster.delete("pod", name, environment.namespace)


def fetch(url: str) -> tuple[str, ...]:
    """A command whose last line is what it gets from there, or that there is no answer. Debian's static wget has no time limit."""
    return (
        "sh",
        "-c",
        f"timeout {PATIENCE_SECONDS} wget -q -O - {url} 2>&1; [ $? != {_TERMINATED} ] || echo {NO_ANSWER}",
    )


def asks(environment: Environment, who: str, url: str) -> str:
    """What a pod gets from there: a line."""
    return last_line(environment.cluster.api.execute(environment.namespace, who, None, fetch(url)).stdout)


def answers(environment: Environment, asked: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """What several get, who and from where, at once: no answer takes its whole time."""
    chosen = list(asked)
    with ThreadPoolExecutor(len(chosen)) as pool:
        return dict(zip(chosen, pool.map(lambda one: asks(environment, *one), chosen), strict=True))


def nested_asks(environment: Environment, url: str) -> str:
    return last_line(environment.docker("run", "--rm", BUSYBOX_IMAGE, *fetch(url)))


def last_line(text: str) -> str:
    return text.strip().rpartition("\n")[2]


@pytest.mark.serial  # the engine is for the whole node
@pytest.mark.timeout(400)
@pytest.mark.usefixtures("metadata")
def test_who_is_not_named_is_shut_out_and_metadata_is_out_of_reach(published: Environment) -> None:
    address = (published.pod() or {})["status"]["podIP"]
    web, named = f"http://{address}:8080", "http://policies.dind:8080"
    # A plain request to the daemon's port is answered with 400, if it gets there.
    daemon = f"http://{address}:2376"
    for url, words in ((web, "hello"), (named, "hello"), (daemon, "400")):
        assert words in asks(published, "stranger", url), "nothing is enforced yet"
    assert nested_asks(published, f"http://{METADATA}") == "credentials", "nothing is enforced yet"
    with enforced():
        everything = [(who, url) for who in ("friend", "stranger") for url in (web, named, daemon)]
        assert answers(published, everything) == dict.fromkeys(everything, NO_ANSWER)
        assert nested_asks(published, f"http://{METADATA}") == NO_ANSWER
        assert asks(published, "stranger", f"http://{METADATA}") == "credentials", (
            "its policy is the environment's alone"
        )
        published.patch({"publishedPorts": FRIENDS})
        eventually(lambda: asks(published, "friend", web) == "hello", "let in", 60, published.story)
        assert asks(published, "friend", named) == "hello"
        assert asks(published, "friend", daemon) == NO_ANSWER, "a published port is not the daemon's"
        published.patch({"endpoint": FRIENDS})
        eventually(lambda: "400" in asks(published, "friend", daemon), "let in", 60, published.story)
        theirs = [("stranger", url) for url in (web, named, daemon)]
        assert answers(published, theirs) == dict.fromkeys(theirs, NO_ANSWER)
        published.patch({"security": {"cloudMetadata": "Open"}})
        eventually(lambda: nested_asks(published, f"http://{METADATA}") == "credentials", "opened", 60, published.story)
        pod = published.pod_uid()
        published.delete()
        eventually(
            lambda: published.cluster.get("networkpolicy", published.name, published.namespace) is None, "gone", 60
        )
        every = [(who, url) for who in ("friend", "stranger") for url in (web, daemon)]
        assert answers(published, every) == dict.fromkeys(every, NO_ANSWER), (
            "what closes a pod outlives its environment"
        )
        assert published.attempt("timeout", str(PATIENCE_SECONDS), "bash", "-c", CONNECT).returncode != 0
    assert asks(published, "stranger", web) == "hello", "the engine is gone, and its rules with it"
    published.run("timeout", str(PATIENCE_SECONDS), "bash", "-c", CONNECT)
    left = published.pod() or {}
    assert (left["metadata"]["uid"], "deletionTimestamp" in left["metadata"]) == (pod, True), (
        "all the while it terminated"
    )
