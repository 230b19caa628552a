"""The table from a pod's state to the words of its environment."""

import json
from typing import Any

import pytest
from tests.unit import objects
from tests.unit.objects import PREFLIGHT, container, init_done, scheduled, set_containers, terminated

from dind_operator.api.conditions import ConditionType, Reason
from dind_operator.api.status import ConditionStatus, Phase
from dind_operator.controller.pod_health import diagnose
from dind_operator.state.assessment import Assessment
from dind_operator.state.pod_failures import failure_of

BACK_OFF = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s restarting failed container"}}
RUNNING: dict[str, Any] = {"running": {"startedAt": "2025-06-01T11:59:05Z"}}


def waits(reason: str, message: str = "") -> dict[str, Any]:
    return {"waiting": {"reason": reason, "message": message}}


def look(
    init: dict[str, Any] | None,
    daemon: dict[str, Any] | None,
    *,
    answered: bool = False,
    fields: dict[str, Any] | None = None,
) -> Assessment:
    return diagnose(set_containers(scheduled(objects.pod(fields)), init, daemon), answered_before=answered)


def broken(reason: str, check: str = "Cgroups") -> dict[str, Any]:
    error = {"check": check, "reason": reason, "message": "The check failed."}
    return container("mount-cgroups", terminated(1, json.dumps(PREFLIGHT | {"ok": False, "error": error})))


def failing(state: dict[str, Any], tail: str = "", restarts: int = 1, code: int = 1) -> dict[str, Any]:
    end = terminated(code, json.dumps({"docker": "26.1.5", "exitCode": code, "tail": tail}))
    return container("daemon", state, lastState=end, restartCount=restarts)


def ended_well(state: dict[str, Any]) -> dict[str, Any]:
    return container("daemon", state, lastState=terminated(0, reason="Completed"), restartCount=3)


TABLE = [
    ("nothing yet", None, None, False, Phase.STARTING, "Initializing", False),
    ("init runs", container("mount-cgroups", RUNNING), None, False, Phase.STARTING, "Initializing", False),
    ("init waits", container("mount-cgroups", waits("PodInitializing")), None, False, Phase.STARTING, "Initializing", False),
    ("init image missing", container("mount-cgroups", waits("ImagePullBackOff")), None, False, Phase.FAILED, "ImagePullFailed", True),
    ("check failed", broken("ControllerMissing"), None, False, Phase.FAILED, "ControllerMissing", True),
    ("storage check failed", broken("StorageNotOverlayCapable", "Storage"), None, False, Phase.FAILED, "StorageNotOverlayCapable", True),  # noqa: E501
    ("daemon waits", init_done(), container("daemon", waits("PodInitializing")), False, Phase.STARTING, "DaemonStarting", False),
    ("daemon starts", init_done(), container("daemon", RUNNING), False, Phase.STARTING, "DaemonStarting", False),
    ("started, never ready", init_done(), container("daemon", RUNNING, started=True), False, Phase.STARTING, "DaemonStarting", False),
    ("ready", init_done(), container("daemon", RUNNING, started=True, ready=True), False, Phase.RUNNING, "Ready", False),
    ("busy", init_done(), container("daemon", RUNNING, started=True), True, Phase.RECOVERING, "DaemonNotReady", True),
    ("image missing", init_done(), container("daemon", waits("ErrImagePull")), False, Phase.FAILED, "ImagePullFailed", True),
    ("image name bad", init_done(), container("daemon", waits("InvalidImageName")), False, Phase.FAILED, "ImagePullFailed", True),
    ("cannot run", init_done(), container("daemon", waits("RunContainerError")), False, Phase.FAILED, "PodFailed", True),
    ("first failure", init_done(), failing(RUNNING), True, Phase.RECOVERING, "DaemonFailed", True),
    ("crash loop", init_done(), failing(BACK_OFF, restarts=3), True, Phase.FAILED, "DaemonCrashLoop", True),
    ("crash loop, starting", init_done(), failing(RUNNING, restarts=3), True, Phase.FAILED, "DaemonCrashLoop", True),
    ("ends well", init_done(), ended_well(BACK_OFF), False, Phase.FAILED, "DaemonCrashLoop", True),
    ("ends well, starting", init_done(), ended_well(RUNNING), False, Phase.FAILED, "DaemonCrashLoop", True),
    ("bad config", init_done(), failing(BACK_OFF, "unknown flag: --x"), False, Phase.FAILED, "InvalidDaemonConfig", True),
]  # fmt: skip


@pytest.mark.parametrize(
    ("init", "daemon", "answered", "phase", "reason", "warning"),
    [row[1:] for row in TABLE],
    ids=[row[0] for row in TABLE],
)
def test_the_table(
    init: dict[str, Any] | None, daemon: dict[str, Any] | None, answered: bool, phase: Phase, reason: str, warning: bool
) -> None:
    assessment = look(init, daemon, answered=answered)
    assert (assessment.phase, assessment.ready.reason.value, assessment.warning) == (phase, reason, warning)
    assert (assessment.ready.status is ConditionStatus.TRUE) == (phase is Phase.RUNNING)
    assert assessment.conditions[ConditionType.DAEMON_READY].status is assessment.ready.status


def test_without_a_node_the_scheduler_is_waited_for() -> None:
    assessment = diagnose(objects.pod(), answered_before=False)
    assert (assessment.phase, assessment.ready.reason, assessment.warning) == (Phase.PENDING, Reason.POD_PENDING, False)


def test_an_unschedulable_pod_is_told_with_the_schedulers_words_and_a_remedy() -> None:
    pod = objects.pod()
    pod["status"]["conditions"] = [
        {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes are available."}
    ]
    assessment = diagnose(pod, answered_before=False)
    assert (assessment.ready.reason, assessment.warning) == (Reason.UNSCHEDULABLE, True)
    assert "0/3 nodes" in assessment.ready.message
    assert "spec.scheduling" in assessment.ready.message


def test_a_claim_that_is_just_being_made_is_no_trouble() -> None:
    pod = objects.pod()
    message = (
        'waiting for ephemeral volume controller to create the persistentvolumeclaim "builder-docker-data". not found'
    )
    unbound = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    pod["status"]["conditions"] = [unbound]
    assessment = diagnose(pod, answered_before=False)
    assert (assessment.ready.reason, assessment.warning) == (Reason.POD_PENDING, False)
    pod["status"]["conditions"] = [unbound | {"message": "no volume fits"}]
    assert diagnose(pod, answered_before=False).warning


def test_words_do_not_flicker_while_a_failed_daemon_restarts() -> None:
    first, later = look(init_done(), failing(BACK_OFF, restarts=4)), look(init_done(), failing(RUNNING, restarts=4))
    assert first.ready == later.ready


@pytest.mark.parametrize("name", ["daemon", "mount-cgroups"])
def test_words_do_not_flicker_while_a_runtime_cannot_start_a_container(name: str) -> None:
    """The kubelet alternates; the runtime's own end stays beside both."""
    end = terminated(128, "failed to create containerd task: exec /dind/entrypoint: not found", reason="StartError")
    states = [waits("RunContainerError", "context deadline exceeded"), BACK_OFF, end]
    statuses = [container(name, state, lastState={} if state is end else end, restartCount=2) for state in states]
    found = [look(*((init_done(), status) if name == "daemon" else (status, None))) for status in statuses]
    assert found[0].ready == found[1].ready == found[2].ready
    assert (found[0].ready.reason, found[0].phase) == (Reason.POD_FAILED, Phase.FAILED)
    assert "exec /dind/entrypoint" in found[0].ready.message


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("rpc error: not found", 'Back-off pulling image "d:1": ErrImagePull: rpc error: not found'),
        ("rpc error: not found", 'Back-off pulling image "d:1": rpc error: not found'),
    ],
)
def test_words_do_not_flicker_while_an_image_is_pulled_again(one: str, other: str) -> None:
    verdicts = [
        look(init_done(), container("daemon", waits("ErrImagePull", one))),
        look(init_done(), container("daemon", waits("ImagePullBackOff", other))),
    ]
    assert verdicts[0].ready == verdicts[1].ready


def test_what_is_missing_is_told_by_name_and_field() -> None:
    daemon = look(
        init_done(), container("daemon", waits("ErrImagePull", "denied")), fields={"daemon": {"image": "private:1"}}
    )
    assert "private:1" in daemon.ready.message
    assert "spec.daemon.image" in daemon.ready.message
    init = look(container("mount-cgroups", waits("ErrImagePull", "denied")), None)
    assert objects.SETTINGS.node_tool_image in init.ready.message
    assert "chart" in init.ready.message


def test_a_kubelets_long_sentence_is_bounded() -> None:
    assert len(look(init_done(), container("daemon", waits("ErrImagePull", "x" * 100_000))).ready.message) < 1000


def test_a_failed_check_is_the_condition_it_is_about() -> None:
    cgroups = look(broken("CgroupSetupFailed"), None)
    assert cgroups.conditions[ConditionType.CGROUPS_MOUNTED].reason is Reason.CGROUP_SETUP_FAILED
    assert ConditionType.STORAGE_HEALTHY not in cgroups.conditions
    storage = look(broken("StorageNotWritable", "Storage"), None)
    assert storage.conditions[ConditionType.STORAGE_HEALTHY].reason is Reason.STORAGE_NOT_WRITABLE
    assert storage.conditions[ConditionType.CGROUPS_MOUNTED].status is ConditionStatus.TRUE, "proved before"


@pytest.mark.parametrize(("reason", "check"), [("MemoryLimitTooLow", "Memory"), ("NodeToolInstallFailed", "Install")])
def test_what_fails_after_the_cgroups_takes_nothing_back_of_them(reason: str, check: str) -> None:
    assessment = look(broken(reason, check), None)
    assert assessment.ready.reason.value == reason
    assert assessment.conditions[ConditionType.CGROUPS_MOUNTED].status is ConditionStatus.TRUE
    assert (ConditionType.STORAGE_HEALTHY in assessment.conditions) == (check == "Install")


def test_without_a_memory_limit_the_cgroups_condition_says_what_that_means() -> None:
    free = look(init_done(PREFLIGHT | {"memory": {"limitBytes": None}}), None).conditions[ConditionType.CGROUPS_MOUNTED]
    assert (free.status, free.reason) == (ConditionStatus.TRUE, Reason.NO_MEMORY_LIMIT)
    # A LimitRange of the namespace may set one that no spec has.
    limited = look(init_done(PREFLIGHT | {"memory": {"limitBytes": 2**30}}), None)
    assert limited.conditions[ConditionType.CGROUPS_MOUNTED].reason is Reason.CGROUPS_MOUNTED


LIMITED = {"memory": {"limitBytes": 2**30}}


@pytest.mark.parametrize(
    ("free", "reason"),
    [(8, Reason.CGROUPS_MOUNTED), (7, Reason.INOTIFY_INSTANCES_LOW), (0, Reason.INOTIFY_INSTANCES_LOW)],
)
def test_a_node_that_runs_out_of_inotify_instances_is_reported(free: int, reason: Reason) -> None:
    part = look(init_done(PREFLIGHT | LIMITED | {"inotify": {"limit": 128, "free": free}}), None).conditions[
        ConditionType.CGROUPS_MOUNTED
    ]
    assert (part.status, part.reason) == (ConditionStatus.TRUE, reason)
    assert ("fs.inotify.max_user_instances" in part.message) == (free < 8)
    assert (f"{free} of the 128 inotify instances" in part.message) == (free < 8)


def test_both_shortages_are_in_the_message() -> None:
    report = PREFLIGHT | {"memory": {"limitBytes": None}, "inotify": {"limit": 128, "free": 0}}
    part = look(init_done(report), None).conditions[ConditionType.CGROUPS_MOUNTED]
    assert part.reason is Reason.NO_MEMORY_LIMIT
    assert "fs.inotify.max_user_instances" in part.message
    assert "no memory limit" in part.message


@pytest.mark.parametrize(
    "inotify", [None, {"limit": -1, "free": 1}, {"limit": 128, "free": "few"}, {"limit": 128, "free": 65}]
)
def test_what_is_no_report_of_inotify_instances_is_left_out(inotify: Any) -> None:
    part = look(init_done(PREFLIGHT | LIMITED | {"inotify": inotify}), None).conditions[ConditionType.CGROUPS_MOUNTED]
    assert part.reason is Reason.CGROUPS_MOUNTED
    assert "inotify" not in part.message


@pytest.mark.parametrize("mode", ["Privileged", "Capabilities", "UserNamespace"])
@pytest.mark.parametrize("fields", [{}, {"daemon": {"resources": {"limits": {"memory": "2Gi"}}}}])
def test_the_cgroups_condition_says_which_mode_is_in_force(mode: str, fields: dict[str, Any]) -> None:
    part = look(init_done(PREFLIGHT | {"mode": mode}), None, fields=fields).conditions[ConditionType.CGROUPS_MOUNTED]
    assert f"The cgroups are mounted and verified (mode {mode}): cgroup v2 with cpu, memory, pids." in part.message


@pytest.mark.parametrize("mode", [None, 7, "words that\nlie"])
def test_a_report_that_names_no_mode_is_told_without(mode: Any) -> None:
    part = look(init_done(PREFLIGHT | {"mode": mode}), None).conditions[ConditionType.CGROUPS_MOUNTED]
    assert "The cgroups are mounted and verified: cgroup v2" in part.message


def test_the_last_failure_is_the_daemons_and_before_that_the_checks() -> None:
    pod = set_containers(scheduled(objects.pod()), broken("ControllerMissing"), None)
    failure = failure_of(pod)
    assert failure is not None
    assert failure.reason is Reason.CONTROLLER_MISSING
    failure = failure_of(set_containers(pod, None, failing(RUNNING)))
    assert failure is not None
    assert failure.reason is Reason.DAEMON_FAILED
    assert failure_of(objects.running_pod()) is None
