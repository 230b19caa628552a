"""What a report says, for every stage at which an environment may be stuck."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.unit import objects
from tests.unit.objects import (
    NOW,
    PREFLIGHT,
    condition,
    container,
    environment,
    init_done,
    running_pod,
    set_containers,
    terminated,
)

from dind_operator.report.facts import MAX_EVENTS, Gathered, facts

STATUS = {
    "phase": "Running",
    "observedGeneration": 1,
    "docker": {
        "serverVersion": "26.1.5",
        "storageDriver": "overlay2",
        "cgroupVersion": "2",
        "cgroupDriver": "cgroupfs",
    },
    "node": {
        "osImage": "Debian GNU/Linux 13 (trixie)",
        "kernelVersion": "6.12.0",
        "containerRuntimeVersion": "containerd://1.7",
    },
    "daemonImage": "registry.example.com/daemon:1",
    "conditions": [{"type": "Ready", "status": "True", "reason": "Ready", "message": "It answers."}],
    "lastFailure": {"reason": "DaemonFailed", "message": "It ended.", "exitCode": 1},
    "recreateAfter": "2025-06-01T12:01:00Z",
}
LIMITED = {"daemon": {"resources": {"limits": {"memory": "2Gi"}}}}


def report(**parts: Any) -> dict[str, Any]:
    return facts(Gathered(environment=parts.pop("environment", environment() | {"status": STATUS}), time=NOW, **parts))


def test_an_environment_that_nobody_looked_at_is_told_as_that() -> None:
    found = report(environment=environment(), namespace={"metadata": {"name": "team-a"}})
    assert "has not processed" in found["environment"]["phase"]
    assert found["environment"]["namespace label"] == "dind.dev/environments=(not set)"
    assert found["pod"] == {"exists": "no"}
    assert found["versions"]["docker"].startswith("unknown")


def test_a_running_environment_has_all_that_a_bug_report_needs() -> None:
    found = report(
        environment=environment(LIMITED) | {"status": STATUS},
        pod=running_pod(LIMITED),
        namespace={
            "metadata": {
                "labels": {"dind.dev/environments": "enabled", "pod-security.kubernetes.io/enforce": "privileged"}
            }
        },
        server_version="v1.34.1",
        node={
            "spec": {"taints": [{"key": "dedicated", "value": "builds", "effect": "NoSchedule"}]},
            "status": {
                "nodeInfo": {"kubeletVersion": "v1.34.1", "osImage": "Debian"},
                "allocatable": {"memory": "8Gi"},
                "conditions": [
                    {"type": "DiskPressure", "status": "True", "reason": "KubeletHasDiskPressure", "message": "full"},
                    {"type": "PIDPressure", "status": "False"},
                    {"type": "Ready", "status": "True"},
                ],
            },
        },
    )
    assert found["versions"] == {
        "docker": "26.1.5",
        "kubernetes": "v1.34.1",
        "kubelet": "v1.34.1",
        "container runtime": "containerd://1.7",
        "os": "Debian",
        "kernel": "6.12.0",
        "daemon image": "registry.example.com/daemon:1",
        "node-tool image": objects.SETTINGS.node_tool_image,
    }
    assert found["node"]["cgroups"] == "v2 with cpu, memory, pids"
    assert found["node"]["apparmor"] == "effective: unconfined; requested: Unconfined"
    assert found["node"]["conditions"] == ["DiskPressure=True (KubeletHasDiskPressure): full"]
    assert found["node"]["taints"] == ["dedicated=builds:NoSchedule"]
    assert found["docker volume"]["storage driver"] == "overlay2"
    assert found["docker volume"]["overlay can be mounted"] == "yes"
    assert found["memory"] == {"limit": "2Gi", "held back": "256Mi", "nested containers together": "1792Mi"}
    assert found["environment"]["next attempt"] == "2025-06-01T12:01:00Z"
    assert found["environment"]["pod security"] == "enforce=privileged"
    assert found["last failure"]["exitCode"] == 1
    assert condition(found, "Ready")["message"] == "It answers."


@pytest.mark.parametrize(("free", "said"), [(8, "at least 8 were free"), (3, "; 3 were free")])
def test_the_inotify_instances_of_the_node(free: int, said: str) -> None:
    init = init_done(PREFLIGHT | {"inotify": {"limit": 128, "free": free}})
    found = report(pod=set_containers(running_pod(), init, container("daemon", {"running": {}})))
    assert found["node"]["inotify instances"].startswith("128 for all pods of the node")
    assert said in found["node"]["inotify instances"]


def test_without_a_memory_limit_the_report_says_what_that_means() -> None:
    assert "all memory of the node" in report(pod=running_pod())["memory"]["limit"]


def test_a_daemon_that_never_answered_is_reported_by_what_it_left() -> None:
    message = json.dumps(
        {"version": 1, "docker": "26.1.5+dfsg1", "exitCode": 1, "signal": 0, "tail": "first\nunknown flag: --x\n"}
    )
    daemon = container(
        "daemon",
        {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}},
        lastState=terminated(1, message),
        restartCount=3,
    )
    pod = set_containers(running_pod(), init_done(), daemon)
    found = report(environment=environment(), pod=pod)
    assert found["versions"]["docker"] == "26.1.5+dfsg1 (dockerd has not responded)"
    assert found["containers"]["daemon"]["last words"] == ["first", "unknown flag: --x"]
    assert found["containers"]["daemon"]["restarts"] == 3
    assert found["containers"]["daemon"]["state"] == "waiting reason=CrashLoopBackOff back-off"
    assert found["containers"]["daemon"]["before"].startswith("terminated reason=Error exitCode=1")


def test_a_node_that_failed_the_check_is_reported_with_the_sentence() -> None:
    broken = PREFLIGHT | {"ok": False, "cgroup": {"version": None, "controllers": []}}
    broken |= {"error": {"check": "Cgroups", "reason": "CgroupsNotMountable", "message": "It cannot be mounted."}}
    init = container("mount-cgroups", terminated(1, json.dumps(broken)))
    found = report(environment=environment(), pod=set_containers(objects.scheduled(objects.pod()), init, None))
    assert found["containers"]["mount-cgroups"]["failed check"] == "Cgroups, CgroupsNotMountable: It cannot be mounted."
    assert found["versions"]["kernel"] == "6.12.0"
    assert found["versions"]["docker"].startswith("unknown")


def test_the_wrappers_own_failure_is_reported_with_its_sentence() -> None:
    left = json.dumps(
        {"docker": "28.0", "exitCode": 1, "error": {"check": "Daemon", "reason": "ConfigInvalid", "message": "bad key"}}
    )
    pod = set_containers(running_pod(), init_done(), container("daemon", terminated(1, left)))
    assert report(pod=pod)["containers"]["daemon"]["failed check"] == "Daemon, ConfigInvalid: bad key"


def test_versions_are_read_from_the_log_when_status_has_none() -> None:
    line = 'dind-report {"serverVersion":"27.0.1","storageDriver":"vfs"}'
    found = report(environment=environment(), pod=running_pod(), log_head=f"x\n{line}\n")
    assert found["versions"]["docker"] == "27.0.1"
    assert found["docker volume"]["storage driver"] == "vfs"


@pytest.mark.parametrize(
    ("apparmor", "shown"),
    [
        ({"enabled": False, "profile": None}, "not enabled on the node; requested: Localhost dind"),
        ({"enabled": True, "profile": "dind (enforce)"}, "effective: dind (enforce); requested: Localhost dind"),
    ],
)
def test_apparmor_is_told_as_asked_for_and_as_found(apparmor: dict[str, Any], shown: str) -> None:
    fields = {"security": {"appArmorProfile": {"type": "Localhost", "localhostProfile": "dind"}}}
    pod = set_containers(running_pod(fields), init_done(PREFLIGHT | {"apparmor": apparmor}), None)
    assert report(environment=environment(fields), pod=pod)["node"]["apparmor"] == shown


@pytest.mark.parametrize(
    ("fields", "said", "shown"),
    [
        ({}, "Privileged", "effective: Privileged; requested: Privileged"),
        ({"security": {"mode": "Capabilities"}}, None, "requested: Capabilities"),
        (
            {"security": {"mode": "UserNamespace"}},
            "UserNamespace",
            "effective: UserNamespace; requested: UserNamespace with the RuntimeClass dind",
        ),
    ],
)
def test_the_security_mode_is_told_as_asked_for_and_as_found(
    fields: dict[str, Any], said: str | None, shown: str
) -> None:
    pod = set_containers(running_pod(fields), init_done(PREFLIGHT | {"mode": said}), None)
    assert report(environment=environment(fields), pod=pod)["node"]["security mode"] == shown


def test_a_foreign_pod_is_told_as_one() -> None:
    pod = running_pod()
    pod["metadata"]["ownerReferences"] = []
    assert "the environment does not control the pod" in report(pod=pod)["pod"]["owner"]


def test_no_variable_and_no_secret_is_in_it() -> None:
    secret = "s3cr3t-VALUE"
    fields = {
        "daemon": {
            "config": {"proxies": {"http-proxy": f"http://u:{secret}@p:1"}, "log-opts": {"token": secret}},
            "args": [f"--log-opt=token={secret}"],
        }
    }
    env = environment(fields, annotations={"kubectl.kubernetes.io/last-applied-configuration": secret})
    env["status"] = STATUS | {"lastFailure": {"reason": "X", "message": f"proxyconnect http://u:{secret}@p failed"}}
    found = report(
        environment=env,
        pod=running_pod(fields),
        logs={"daemon": f"level=info proxy=http://u:{secret}@p\npassword={secret}"},
        events=[{"message": f"pull https://u:{secret}@r failed", "lastTimestamp": "t"}],
    )
    assert secret not in json.dumps(found)
    assert "DIND_" not in json.dumps(found)


def test_what_was_not_read_is_said() -> None:
    assert report(missing=["not permitted: pods/log"])["not read"] == ["not permitted: pods/log"]
    assert "not read" not in report()


def test_the_newest_events_are_shown_in_the_order_of_time() -> None:
    events = [{"lastTimestamp": f"2025-06-01T12:{minute:02}:00Z", "reason": f"R{minute}"} for minute in range(40)]
    events.append({"eventTime": "2025-06-01T13:00:00Z", "reason": "Last", "involvedObject": None})
    found = [event["reason"] for event in report(events=events[::-1])["events"]]
    assert len(found) == MAX_EVENTS
    assert found[-2:] == ["R39", "Last"]


@pytest.mark.parametrize("message", ["", "[" * 3000, "\x1b[2J", json.dumps({"tail": "x" * 3000, "error": 7})])
def test_a_hostile_last_word_does_not_stop_the_report(message: str) -> None:
    pod = set_containers(
        running_pod(), container("mount-cgroups", terminated(1, message)), container("daemon", terminated(1, message))
    )
    assert report(pod=pod)["containers"]["daemon"]["state"].startswith("terminated")
