"""Every way in which a daemon or its pod ends has one documented word, and no tenant's text goes along."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.objects import PREFLIGHT, SETTINGS, container, failed_pod, pod, set_containers, terminated
from tests.unit.texts import texts

from dind_operator.api.conditions import Reason
from dind_operator.state.pod_failures import container_failure, pod_failure

EVIL = "EVIL-TENANT-TEXT"
CLAIM = {"volumeClaimTemplate": {"spec": {"resources": {"requests": {"storage": "1Gi"}}}}}


def daemon(code: int = 1, *, reason: str = "Error", **message: Any) -> dict[str, Any]:
    return container(
        "daemon", terminated(code, json.dumps({"version": 1, "docker": "26.1.5"} | message), reason=reason)
    )


def preflight(code: int = 1, error: dict[str, str] | None = None, text: str | None = None) -> dict[str, Any]:
    message = json.dumps(PREFLIGHT | {"ok": False, "error": error}) if text is None else text
    return container("mount-cgroups", terminated(code, message))


@pytest.mark.parametrize(
    ("tail", "reason"),
    [
        ("unable to configure the Docker daemon with file /x: the following directives don't match any configuration option: nope", "InvalidDaemonConfig"),  # noqa: E501
        ("the following directives are specified both as a flag and in the configuration file: debug", "InvalidDaemonConfig"),
        ("unknown flag: --nope\nSee 'dockerd --help'.", "InvalidDaemonConfig"),
        ("unknown shorthand flag: 'x' in -x", "InvalidDaemonConfig"),
        ('invalid argument "x" for "--mtu" flag: strconv.ParseInt', "InvalidDaemonConfig"),
        ("failed to start daemon: Devices cgroup isn't mounted", "CgroupsNotMountable"),
        ("failed to start daemon: mkdir /var/lib/docker/tmp: no space left on device", "DiskFull"),
        ("failed to start daemon: error initializing graphdriver: driver not supported: btrfs", "StorageDriverFailed"),
        ("Error initializing network controller: error obtaining controller instance: failed to register \"bridge\" driver", "NetworkSetupFailed"),  # noqa: E501
        ("iptables v1.8.9 (nf_tables): Could not fetch rule set generation id", "NetworkSetupFailed"),
        ("panic: runtime error", "DaemonFailed"),
        ("", "DaemonFailed"),
    ],
)  # fmt: skip
def test_dockerds_last_words_are_classed_and_not_repeated(tail: str, reason: str) -> None:
    failure = container_failure(daemon(tail=f"{EVIL} {tail} {EVIL}"), "daemon")
    assert failure is not None
    assert (failure.reason.value, failure.exit_code) == (reason, 1)
    assert EVIL not in failure.message


START = """\
time="2025-06-01T12:00:00.1Z" level=info msg="Starting up"
time="2025-06-01T12:00:00.2Z" level=warning msg="could not use snapshotter: failed to create network: no space left on device"
time="2025-06-01T12:00:00.3Z" level=info msg="skip loading plugin" error="no such file: aufs: driver not supported" id=snapshotter
time="2025-06-01T12:00:00.3Z" level=error msg="failed to mount overlay: invalid argument" storage-driver=overlay2
time="2025-06-01T12:00:00.4Z" level=warning msg="cgroup: cgroups: cannot find path: no such file or directory"
time="2025-06-01T12:00:00.5Z" level=info msg="Deleting nftables IPv4 rules" error="exit status 1"
time="2025-06-01T12:00:00.6Z" level=warning msg="WARNING: bridge-nf-call-iptables is disabled"
{"level":"warn","msg":"iptables v1.8.9 (legacy): no chain by that name","time":"2025-06-01T12:00:00Z"}
time="2025-06-01T12:00:00.7Z" level=info msg="API listen on /run/dind/docker.sock"
"""
"""What a daemon says that starts well: trouble it went around, in the words of what would have ended it."""
NAT = (
    "failed to start daemon: Error initializing network controller: error obtaining controller instance: failed to register "
    '"bridge" driver: failed to create NAT chain DOCKER: iptables failed: iptables -t nat -N DOCKER: iptables v1.8.9 (legacy): '
    "can't initialize iptables table `nat': Table does not exist"
)


@pytest.mark.parametrize(
    ("last", "code", "reason"),
    [
        ("", 1, Reason.DAEMON_FAILED),
        ("", 2, Reason.DAEMON_FAILED),
        ("panic: runtime error: invalid memory address", 2, Reason.DAEMON_FAILED),
        (NAT, 1, Reason.NETWORK_SETUP_FAILED),
        (f'time="2025-06-01T12:00:01Z" level=fatal msg="{NAT}"', 1, Reason.NETWORK_SETUP_FAILED),
        ("failed to start daemon: nft: Could not process rule: Not supported", 1, Reason.NETWORK_SETUP_FAILED),
        (NAT, 137, Reason.DAEMON_FAILED),
        ("failed to start daemon: error initializing graphdriver: driver not supported: overlay2", 1, Reason.STORAGE_DRIVER_FAILED),
        ("failed to start containerd: mkdir /run/x: no space left on device", 1, Reason.DISK_FULL),
    ],
)  # fmt: skip
def test_only_the_line_that_ended_it_is_classed(last: str, code: int, reason: Reason) -> None:
    failure = container_failure(daemon(code, tail=START + last), "daemon")
    assert failure is not None
    assert (failure.reason, "SIGKILL" in failure.message) == (reason, code == 137)


def test_a_node_that_was_too_busy_for_containerd_is_told_with_the_remedy() -> None:
    failure = container_failure(
        daemon(tail=f"{START}failed to start containerd: timeout waiting for containerd to start"), "daemon"
    )
    assert failure is not None
    assert failure.reason is Reason.DAEMON_FAILED
    assert "more cpu (spec.daemon.resources)" in failure.message


@pytest.mark.parametrize("word", ["StartError", "ContainerCannotRun"])
@pytest.mark.parametrize("name", ["daemon", "mount-cgroups"])
def test_a_container_that_never_ran_is_not_called_a_daemon_that_failed(name: str, word: str) -> None:
    said = f"failed to create containerd task {'ab' * 32}: exec: no such file"
    failure = container_failure(container(name, terminated(128, said, reason=word)), name)
    assert failure is not None
    assert (failure.reason, failure.exit_code) == (Reason.POD_FAILED, 128)
    assert name in failure.message
    assert "exec: no such file" in failure.message
    assert "abab" not in failure.message, "an id of this try alone"


@pytest.mark.parametrize(
    ("state", "restarts"), [({"waiting": {"reason": "CrashLoopBackOff"}}, 1), ({"running": {}}, 2), ({}, 7)]
)
def test_a_daemon_that_ends_well_again_and_again_fails(state: Any, restarts: int) -> None:
    status = container("daemon", state, lastState=terminated(0), restartCount=restarts)
    failure = container_failure(status, "daemon")
    assert failure is not None
    assert (failure.reason, failure.exit_code) == (Reason.DAEMON_CRASH_LOOP, 0)
    assert container_failure(status | {"state": {"running": {}}, "started": True}, "daemon") is None


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("ConfigInvalid", "InvalidDaemonConfig"),
        ("MirrorsUnsupported", "InvalidDaemonConfig"),
        ("RegistryFilesMissing", "RegistryFilesMissing"),
        ("DaemonNotFound", "DaemonNotFound"),
        ("DaemonNotRunnable", "DaemonNotRunnable"),
        ("CgroupsNotMountable", "CgroupsNotMountable"),
        ("MemoryLimitTooLow", "MemoryLimitTooLow"),
        ("CgroupVersionUnsupported", "CgroupVersionUnsupported"),
        ("RuntimeClassMissing", "DaemonFailed"),
        ("RuntimeHandlerMissing", "DaemonFailed"),
        ("ProcSysReadOnly", "DaemonFailed"),
        ("Ready", "DaemonFailed"),
        ("Evicted", "DaemonFailed"),
        ("AppArmorUnavailable", "DaemonFailed"),
        ("NoSuchReason", "DaemonFailed"),
    ],
)
def test_the_wrapper_names_a_reason_and_its_text_stays_behind(said: str, reason: str) -> None:
    failure = container_failure(daemon(error={"check": "Daemon", "reason": said, "message": EVIL}), "daemon")
    assert failure is not None
    assert failure.reason.value == reason
    assert EVIL not in failure.message
    assert not failure.repeats


def test_what_a_daemon_misses_that_starts_again_is_named_in_its_log() -> None:
    error = {"check": "Registry", "reason": "RegistryFilesMissing", "message": EVIL}
    failure = container_failure(daemon(error=error), "daemon")
    assert failure is not None
    assert failure.reason is Reason.REGISTRY_FILES_MISSING
    assert "The log of the container daemon names it" in failure.message


def test_out_of_memory_wins_over_what_was_left() -> None:
    failure = container_failure(daemon(137, reason="OOMKilled", tail="unknown flag"), "daemon")
    assert failure is not None
    assert failure.reason is Reason.OUT_OF_MEMORY


@pytest.mark.parametrize("code", [0, 143])
def test_a_daemon_that_the_node_stopped_for_a_nested_container_is_told_apart(code: int) -> None:
    """What runc 1.5.2 and later ask systemd for, seen on the virtual node. The kubelet's reason is that of the nested container."""
    before = terminated(code, "", reason="OOMKilled")
    failure = container_failure(container("daemon", {"running": {}}, lastState=before, restartCount=1), "daemon")
    assert failure is not None
    assert (failure.reason, failure.exit_code) == (Reason.OUT_OF_MEMORY, code)
    assert "singleProcessOOMKill: true" in failure.message


def test_a_daemon_that_ended_well_did_so_whatever_was_out_of_memory_before() -> None:
    """At the end of workloads, for one."""
    assert container_failure(daemon(0, reason="OOMKilled"), "daemon") is None


def test_a_daemon_that_failed_by_itself_did_so_whatever_was_out_of_memory_before() -> None:
    failure = container_failure(daemon(1, reason="OOMKilled", tail="unknown flag: --nope"), "daemon")
    assert failure is not None
    assert failure.reason is Reason.INVALID_DAEMON_CONFIG


def test_a_kill_is_told_as_one() -> None:
    failure = container_failure(daemon(137), "daemon")
    assert failure is not None
    assert (failure.reason, failure.exit_code) == (Reason.DAEMON_FAILED, 137)
    assert "SIGKILL" in failure.message


def test_the_checks_sentence_is_the_conditions_sentence() -> None:
    error = {"check": "Storage", "reason": "StorageNotWritable", "message": "The volume is read-only: remount it."}
    failure = container_failure(preflight(error=error), "mount-cgroups")
    assert failure is not None
    assert (failure.reason, failure.message) == (Reason.STORAGE_NOT_WRITABLE, error["message"])


@pytest.mark.parametrize(
    "said",
    ["CgroupVersionUnsupported", "CgroupNotWritable", "UserNamespaceMissing", "ProcMasked", "SecurityModeUnknown"],
)
def test_what_a_mode_lacks_is_the_conditions_reason(said: str) -> None:
    failure = container_failure(preflight(error={"check": "Cgroups", "reason": said, "message": "m"}), "mount-cgroups")
    assert failure is not None
    assert (failure.reason.value, failure.message) == (said, "m")


@pytest.mark.parametrize("said", ["ReportFailed", "Ready", "Suspended"])
def test_a_check_cannot_name_a_reason_that_is_not_a_checks(said: str) -> None:
    failure = container_failure(preflight(error={"check": "Cgroups", "reason": said, "message": "m"}), "mount-cgroups")
    assert failure is not None
    assert failure.reason is Reason.PREFLIGHT_FAILED


@pytest.mark.parametrize("text", ["", "killed", "{}", "[" * 3000])
def test_a_check_that_left_no_report_is_told_by_its_exit_code(text: str) -> None:
    failure = container_failure(preflight(139, text=text), "mount-cgroups")
    assert failure is not None
    assert failure.reason is Reason.PREFLIGHT_FAILED
    assert "139" in failure.message


@pytest.mark.parametrize("status", [{}, container("daemon", {"running": {}}), container("daemon", terminated(0))])
def test_no_end_or_a_good_one_is_no_failure(status: dict[str, Any]) -> None:
    assert container_failure(status, "daemon") is None


@pytest.mark.parametrize(
    ("kubelet", "reason", "repeats"),
    [
        ("AppArmor", "AppArmorUnavailable", True),
        ("SysctlForbidden", "SysctlForbidden", True),
        ("Evicted", "Evicted", False),
        ("OutOfcpu", "PodFailed", False),
        ("OutOfmemory", "PodFailed", False),
        ("NodeShutdown", "PodFailed", False),
        ("", "PodFailed", False),
    ],
)
def test_why_a_pod_is_over(kubelet: str, reason: str, repeats: bool) -> None:
    failure = pod_failure(failed_pod(kubelet, "said the kubelet"))
    assert (failure.reason.value, failure.repeats) == (reason, repeats)
    assert failure.message.endswith("said the kubelet")
    assert kubelet in failure.message or failure.reason.value != "PodFailed"


@pytest.mark.parametrize(
    ("storage", "told"),
    [
        ({"emptyDir": {}}, "volumes on its emptyDir volume are lost"),
        ({"ephemeral": CLAIM}, "volumes on its ephemeral volume are lost"),
        ({"hostPath": {"path": "/srv/a"}}, "The data of Docker in the directory of the node is kept"),
    ],
)
def test_an_eviction_says_what_becomes_of_the_data(storage: dict[str, Any], told: str) -> None:
    allowing = replace(SETTINGS, host_path_prefixes=("/srv",))
    evicted = pod({"storage": storage}, allowing) | {"status": {"phase": "Failed", "reason": "Evicted"}}
    assert told in pod_failure(evicted).message


@pytest.mark.parametrize(
    ("by", "sentence", "reason"),
    [
        ("TerminationByKubelet", 'Usage of EmptyDir volume "docker-data" exceeds the limit "64Mi". ', "Evicted"),
        ("TerminationByKubelet", "The node was low on resource: memory. ", "Evicted"),
        ("TerminationByKubelet", "Pod was terminated in response to imminent node shutdown.", "PodFailed"),
        ("TerminationByKubelet", "Pod was preempted by Kubelet to accommodate a critical pod.", "PodFailed"),
        ("", "", "Evicted"),
    ],
)
def test_an_evicted_daemon_that_ended_well_is_still_evicted(by: str, sentence: str, reason: str) -> None:
    """dockerd obeys and exits with 0: the pod is Succeeded, and the kubelet's reason is in a condition, or nowhere."""
    pod = failed_pod()
    pod["status"]["phase"] = "Succeeded"
    if by:
        condition = {"type": "DisruptionTarget", "status": "True", "reason": by, "message": sentence}
        pod["status"]["conditions"].append(condition)
    failure = pod_failure(pod)
    assert failure.reason.value == reason
    assert sentence.strip() in failure.message


def test_a_pod_that_ended_with_its_daemon_has_the_daemons_reason() -> None:
    pod = set_containers(failed_pod(), None, daemon(tail="no space left on device"))
    assert pod_failure(pod).reason is Reason.DISK_FULL


@given(texts(), st.integers(1, 255))
def test_no_message_of_a_container_raises_or_passes_through(message: str, code: int) -> None:
    failure = container_failure(container("daemon", terminated(code, EVIL + message)), "daemon")
    assert failure is not None
    assert EVIL not in failure.message
