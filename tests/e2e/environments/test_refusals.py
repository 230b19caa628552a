"""What cannot work says so in words, once, with a remedy; and works as soon as the reason is gone.

All the environments of this file are applied at its start, so that their waits run beside each other.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.cluster.own_images import BUSYBOX_IMAGE
from tests.e2e.environments.conftest import open_namespace, own_namespace
from tests.environment import Environment, eventually
from tests.live import Cluster, Object

SPECS: dict[str, Object] = {
    "confined": {"security": {"appArmorProfile": {"type": "Localhost", "localhostProfile": "no-such-profile"}}},
    "runtime-default": {"security": {"appArmorProfile": {"type": "RuntimeDefault"}}},
    "no-image": {"daemon": {"image": "dind.local/no-such-image:1", "imagePullPolicy": "Never"}},
    "no-dockerd": {"daemon": {"image": BUSYBOX_IMAGE, "imagePullPolicy": "Never"}},
    "bad-key": {"daemon": {"config": {"no-such-key": True}}},
    "bad-flag": {"daemon": {"args": ["--no-such-flag"]}},
    "no-room": {"daemon": {"resources": {"requests": {"cpu": "5000"}}}},
}


@pytest.fixture(scope="module")
def refused(kube: Cluster, namespace: str) -> Iterator[dict[str, Environment]]:
    made = {name: Environment(kube, namespace, name).apply(spec) for name, spec in SPECS.items()}
    yield made
    for environment in made.values():
        environment.delete()


@pytest.fixture(scope="module")
def foreign(kube: Cluster, namespace: str, refused: object) -> Iterator[Environment]:
    """An environment whose name somebody else's pod has."""
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "taken", "namespace": namespace, "labels": {"app": "somebody-elses"}},
        "spec": {
            "terminationGracePeriodSeconds": 0,
            "containers": [{"name": "main", "image": BUSYBOX_IMAGE, "command": ["sleep", "3600"]}],
        },
    }
    kube.apply(pod)
    environment = Environment(kube, namespace, "taken").apply()
    yield environment
    environment.delete()


@pytest.fixture(scope="module")
def elsewhere(kube: Cluster, refused: object) -> Iterator[dict[str, Environment]]:
    """Environments in namespaces that do not admit them."""
    names = {purpose: own_namespace(purpose) for purpose in ("baseline", "closed")}
    baseline = {"dind.dev/environments": "enabled", "pod-security.kubernetes.io/enforce": "baseline"}
    open_namespace(kube, names["baseline"], baseline)
    open_namespace(kube, names["closed"], {})
    yield {purpose: Environment(kube, name, "main").apply() for purpose, name in names.items()}
    for name in names.values():
        kube.start_deleting("namespace", name)


def pods_made(environment: Environment) -> int:
    """How many pods of this name the scheduler has seen, by its events."""
    return len({item["involvedObject"]["uid"] for item in environment.events(kind="Pod")})


def last_failure(environment: Environment) -> Any:
    return eventually(lambda: environment.status().get("lastFailure"), "lastFailure in status", 60, environment.story)


@pytest.mark.parametrize("name", ["confined", "runtime-default"])
def test_an_apparmor_profile_on_a_node_without_apparmor(refused: dict[str, Environment], name: str) -> None:
    confined = refused[name]
    condition = confined.wait_reason("AppArmorUnavailable")
    assert "appArmorProfile" in condition["message"]
    assert confined.status()["phase"] == "Failed"
    assert last_failure(confined)["reason"] == "AppArmorUnavailable"
    assert pods_made(confined) == 1


@pytest.mark.parametrize(("name", "setting"), [("bad-key", "config"), ("bad-flag", "args")])
def test_a_setting_that_dockerd_does_not_know(refused: dict[str, Environment], name: str, setting: str) -> None:
    environment = refused[name]
    condition = environment.wait_reason("InvalidDaemonConfig")
    assert f"spec.daemon.{setting}" in condition["message"]
    failure = last_failure(environment)
    assert failure["reason"] == "InvalidDaemonConfig"
    assert failure["exitCode"] == 1
    # The tenant's own words are for who may read the pod's log, and in no status or event.
    assert "no-such" not in json.dumps(environment.status())


def test_an_image_that_cannot_be_had(refused: dict[str, Environment]) -> None:
    message = refused["no-image"].wait_reason("ImagePullFailed")["message"]
    assert "dind.local/no-such-image:1" in message
    assert "spec.daemon.image" in message


def test_an_image_without_a_docker_daemon(refused: dict[str, Environment]) -> None:
    environment = refused["no-dockerd"]
    environment.wait(
        lambda found: environment.condition("Ready").get("reason") in ("DaemonNotFound", "DaemonFailed"), "no dockerd"
    )
    assert "dockerd" in environment.condition("Ready")["message"]
    assert "spec.daemon.image" in environment.condition("Ready")["message"]


def test_requests_that_no_node_can_meet(refused: dict[str, Environment]) -> None:
    message = refused["no-room"].wait_reason("Unschedulable")["message"]
    assert "Insufficient cpu" in message


def test_a_foreign_pod_of_the_same_name_is_told_and_left_alone(foreign: Environment) -> None:
    message = foreign.wait_reason("PodConflict")["message"]
    assert foreign.name in message
    pod = foreign.pod()
    assert pod
    assert pod["metadata"]["labels"] == {"app": "somebody-elses"}
    assert "deletionTimestamp" not in pod["metadata"]
    assert "podName" not in foreign.status()
    # Without it the name is free.
    foreign.delete_pod()
    foreign.ready()


def test_a_namespace_that_enforces_a_pod_security_standard(elsewhere: dict[str, Environment]) -> None:
    environment = elsewhere["baseline"]
    message = environment.wait_reason("PodSecurityForbidden")["message"]
    assert "privileged" in message
    assert "pod-security.kubernetes.io/enforce=privileged" in message
    assert environment.pod() is None
    label = {"pod-security.kubernetes.io/enforce": "privileged"}
    environment.cluster.patch("namespace", environment.namespace, None, {"metadata": {"labels": label}})
    environment.ready()


def test_a_namespace_that_is_not_open_to_environments(elsewhere: dict[str, Environment]) -> None:
    environment = elsewhere["closed"]
    message = environment.wait_reason("NamespaceNotEnabled")["message"]
    remedy = f"kubectl label namespace {environment.namespace} dind.dev/environments=enabled"
    assert remedy in message
    assert environment.pod() is None
    environment.cluster(*remedy.split()[1:])
    environment.ready()


def test_what_was_refused_works_once_it_is_corrected(refused: dict[str, Environment]) -> None:
    """And before that, nothing was tried again and again: each has made one pod."""
    for name in ("confined", "runtime-default", "bad-key", "bad-flag", "no-image"):
        assert pods_made(refused[name]) == 1, name
    corrections: dict[str, Object] = {
        "confined": {"security": {"appArmorProfile": {"type": "Unconfined", "localhostProfile": None}}},
        "runtime-default": {"security": {"appArmorProfile": {"type": "Unconfined"}}},
        "bad-key": {"daemon": {"config": {"no-such-key": None, "debug": True}}},
        "bad-flag": {"daemon": {"args": ["--debug"]}},
        "no-image": {"daemon": {"image": None, "imagePullPolicy": None}},
    }
    for name, correction in corrections.items():
        refused[name].patch(correction)
    for name in corrections:
        refused[name].ready()


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"daemon": {"config": {"hosts": ["tcp://0.0.0.0:2375"]}}}, "config.hosts is set by the operator"),
        ({"daemon": {"config": {"data-root": "/elsewhere"}}}, "config.data-root is set by the operator"),
        ({"daemon": {"config": {"cgroup-parent": "/"}}}, "config.cgroup-parent is set by the operator"),
        ({"daemon": {"args": ["--host=tcp://0.0.0.0:2375"]}}, "--host=tcp://0.0.0.0:2375 is set by the operator"),
        ({"daemon": {"args": ["-H", "tcp://0.0.0.0:2375"]}}, "-H is set by the operator"),
        ({"daemon": {"args": ["-Dg/elsewhere"]}}, "-Dg/elsewhere is set by the operator"),
        ({"security": {"appArmorProfile": {"type": "Localhost"}}}, "localhostProfile"),
        ({"daemonn": {}}, 'unknown field "spec.daemonn"'),
        ({"daemon": {"resources": {"limits": {"memory": "lots"}}}}, "memory"),
        ({"operatingMode": "running"}, 'supported values: "Running", "Suspended"'),
    ],
    ids=lambda value: None if isinstance(value, dict) else value,
)
def test_a_spec_that_no_daemon_can_follow_is_never_stored(
    kube: Cluster, namespace: str, spec: Object, words: str
) -> None:
    never = Environment(kube, namespace, "never-stored")
    assert words in never.refusal(spec)
    never.accepted({"daemon": {"config": {"debug": True}, "args": ["--dns=192.0.2.1"]}})
