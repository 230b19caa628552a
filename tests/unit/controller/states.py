"""Strategies for everything that may be observed: environment x pod x node x namespace."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

from hypothesis import strategies as st
from tests.unit import objects
from tests.unit.controller.world import World
from tests.unit.objects import NOW, POD_UID, PREFLIGHT, SETTINGS, container, terminated
from tests.unit.texts import texts

from dind_operator.api.conditions import Reason, format_time
from dind_operator.features.endpoint.credentials import Running
from dind_operator.pod.defaults import BuildSettings
from dind_operator.pod.spec_hash import intent_hash
from dind_operator.state.assessment import Condition
from dind_operator.state.node_reports import ActivityReport, DaemonReport, IsolationReport, VolumeReport
from dind_operator.state.observed import EndpointState, NodeView

SPECS: list[dict[str, Any]] = [
    {},
    {"operatingMode": "Suspended"},
    {"updatePolicy": "OnDelete"},
    {"daemon": {"image": "docker:28-dind", "resources": {"limits": {"memory": "2Gi"}}}},
    {"daemon": {"resources": {"limits": {"memory": "2Gi"}}}, "updatePolicy": "OnDelete"},
    {"daemon": {"resources": {"limits": {"memory": "100Mi"}}}},  # the default reserve leaves nothing
    {"security": {"appArmorProfile": {"type": "Localhost", "localhostProfile": "dind"}}},
    {"endpoint": {"enabled": False}},
    {"endpoint": {"credentialsGeneration": 2}},
    {"lifetime": {"ttl": "1h"}},
    {"lifetime": {"idleTimeout": "30m"}},
    {"lifetime": {"ttl": "1h", "idleTimeout": "30m", "expire": "Delete"}},
    {"lifetime": {"ttl": "1h"}, "operatingMode": "Suspended"},
    *(
        {"workloads": {"containers": [{"name": "work", "image": "i"}], "restartPolicy": policy}, **more}
        for policy in ("Never", "OnFailure", "Always")
        for more in ({}, {"updatePolicy": "OnDelete"})
    ),
    {"workloads": {"containers": [{"name": "work", "image": "i"}]}, "operatingMode": "Suspended"},
    {"daemon": {"preload": ["golang:1.24", "base:7"]}, "registry": {"pullSecret": {"name": "login"}}},
    {"unknown": "field"},
]
POD_SPECS = [fields for fields in SPECS if "unknown" not in fields and "100Mi" not in json.dumps(fields)]
NEWER = BuildSettings(daemon_image="registry.example.com/daemon:2", node_tool_image=SETTINGS.node_tool_image)

# One that is well, one of another authority, and two of the first that are near their end and past it.
CREDENTIALS = [
    objects.CREDENTIALS,
    replace(objects.CREDENTIALS, server=Running("c" * 16, "d" * 16, NOW + timedelta(days=200))),
    *(
        replace(objects.CREDENTIALS, server=Running("a" * 16, f"{days:016d}", NOW + timedelta(days=days)))
        for days in (100, 3, -1)
    ),
]
PROBLEM = Condition.false(Reason.ENDPOINT_CONFLICT, "A Secret is in the way.")

TAILS = ["", "failed to start daemon: no space left on device", "unknown flag: --nope", "\x1b[31m" * 20, "{" * 300]
MESSAGES = st.sampled_from(
    [
        "",
        "not json",
        json.dumps(PREFLIGHT),
        json.dumps(
            PREFLIGHT | {"ok": False, "error": {"check": "Storage", "reason": "StorageNotWritable", "message": "x"}}
        ),
        json.dumps(PREFLIGHT | {"ok": False, "error": {"check": "Cgroups", "reason": "Ready", "message": "x" * 3000}}),
        json.dumps({"version": 1, "docker": "26.1.5", "exitCode": 1, "tail": TAILS[1]}),
        json.dumps({"version": 1, "docker": "26.1.5", "exitCode": 1, "tail": TAILS[2]}),
        json.dumps(PREFLIGHT | {"memory": {"limitBytes": None}}),
        json.dumps(
            PREFLIGHT | {"ok": False, "error": {"check": "Install", "reason": "NodeToolInstallFailed", "message": "x"}}
        ),
        json.dumps({"error": {"check": "Daemon", "reason": "ConfigInvalid", "message": "x"}}),
        "[" * 2000,
    ]
) | texts(max_size=50)
TIMES = st.sampled_from(["2025-06-01T11:40:00Z", "2025-06-01T11:59:30Z"])


@st.composite
def states(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.sampled_from(["none", "waiting", "running", "terminated"]))
    if kind == "none":
        return {}
    if kind == "running":
        return {"running": {"startedAt": draw(TIMES)}}
    if kind == "waiting":
        reason = draw(
            st.sampled_from(
                ["PodInitializing", "ImagePullBackOff", "ErrImagePull", "CrashLoopBackOff", "RunContainerError", ""]
            )
        )
        return {"waiting": {"reason": reason, "message": draw(texts(max_size=30))}}
    return terminated(
        draw(st.sampled_from([0, 1, 137, 255])),
        draw(MESSAGES),
        reason=draw(st.sampled_from(["Error", "OOMKilled", "StartError"])),
        finished=draw(TIMES),
    )


@st.composite
def containers(draw: st.DrawFn, name: str) -> dict[str, Any]:
    return container(
        name,
        draw(states()),
        lastState=draw(states().filter(lambda state: "running" not in state and "waiting" not in state)),
        ready=draw(st.booleans()),
        started=draw(st.booleans()),
        restartCount=draw(st.integers(0, 5)),
    )


@st.composite
def own_pods(draw: st.DrawFn, fields: dict[str, Any]) -> dict[str, Any]:
    same = fields in POD_SPECS and draw(st.booleans())
    pod = objects.pod(
        fields if same else draw(st.sampled_from(POD_SPECS)),
        draw(st.sampled_from([SETTINGS, NEWER])),
        draw(st.sampled_from([None, *CREDENTIALS])),
    )
    if draw(st.booleans()):
        objects.scheduled(pod)
        if draw(st.booleans()):
            pod["status"]["conditions"].append({"type": "Ready", "status": draw(st.sampled_from(["True", "False"]))})
        objects.set_containers(
            pod,
            draw(st.none() | containers("mount-cgroups")),
            draw(st.none() | containers("daemon")),
        )
        if pod["spec"]["restartPolicy"] != "Always" or len(pod["spec"]["initContainers"]) > 1:
            pod["status"].setdefault("containerStatuses", []).append(draw(containers("work")))
            if draw(st.booleans()):
                pod["status"].setdefault("conditions", []).append({"type": "DisruptionTarget", "status": "True"})
    pod["status"]["phase"] = draw(st.sampled_from(["Pending", "Running", "Running", "Failed", "Succeeded", "Unknown"]))
    if pod["status"]["phase"] == "Failed":
        pod["status"]["reason"] = draw(st.sampled_from(["", "AppArmor", "Evicted", "OutOfcpu", "NodeShutdown"]))
        pod["status"]["message"] = draw(texts(max_size=600))
    if draw(st.booleans()):
        pod["metadata"]["labels"] = draw(
            st.sampled_from([{}, {"dind.dev/environment": "other"}, pod["metadata"]["labels"]])
        )
        pod["metadata"]["annotations"].pop("dind.dev/intent-hash", None)
    return pod


@st.composite
def foreign_pods(draw: st.DrawFn) -> dict[str, Any]:
    pod = objects.running_pod() if draw(st.booleans()) else objects.failed_pod("Evicted")
    pod["metadata"]["uid"] = "foreign"
    owner = pod["metadata"]["ownerReferences"][0]
    pod["metadata"]["ownerReferences"] = draw(
        st.sampled_from(
            [
                [],
                [owner | {"uid": "an-earlier-environment"}],
                [owner | {"controller": False}],
                [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": "rs", "controller": True}],
            ]
        )
    )
    return pod


@st.composite
def runs(draw: st.DrawFn) -> dict[str, Any]:
    """What an operator may have stored of workloads."""
    run: dict[str, Any] = {
        "containers": [{"name": "work", **draw(st.sampled_from([{}, {"startedAt": "2025-06-01T11:40:00Z"}]))}],
        "podUID": draw(st.sampled_from([POD_UID, "another"])),
        "intent": intent_hash(objects.spec(draw(st.sampled_from(POD_SPECS)))),
    }
    if draw(st.booleans()):
        run["result"] = draw(
            st.sampled_from([Reason.WORKLOADS_SUCCEEDED, Reason.WORKLOADS_FAILED, Reason.WORKLOADS_LOST])
        ).value
        run["finishedAt"] = draw(TIMES)
    return run


@st.composite
def statuses(draw: st.DrawFn) -> dict[str, Any]:
    """What an operator may have stored."""
    status: dict[str, Any] = {
        "observedGeneration": draw(st.integers(0, 2)),
        "phase": draw(st.sampled_from(["Pending", "Running", "Recovering", "Failed", "Suspended"])),
        "recreations": draw(st.integers(0, 40)),
        "conditions": [
            {
                "type": draw(st.sampled_from(["Ready", "DaemonReady", "EndpointReady", "ImagesPreloaded", "Foreign"])),
                "status": "False",
                "reason": draw(
                    st.sampled_from(
                        [
                            "Ready",
                            "BackingOff",
                            "Evicted",
                            "Pending",
                            "EndpointConflict",
                            "PreloadFailed",
                            "ImagesPreloaded",
                        ]
                    )
                ),
                "message": "m",
                "lastTransitionTime": "2025-06-01T10:00:00Z",
            }
        ],
        "podUID": draw(st.sampled_from([POD_UID, "another"])),
        "docker": {"serverVersion": "26.1.5"},
        "reserveMemory": "256Mi",
    }
    if draw(st.booleans()):
        status["credentials"] = draw(st.sampled_from(CREDENTIALS)).status("builder")
    if draw(st.booleans()):
        status["workloads"] = draw(runs())
    if draw(st.booleans()):
        status["recreateAfter"] = format_time(NOW + timedelta(seconds=draw(st.integers(-60, 300))))
    if draw(st.booleans()):
        status["lastFailure"] = {
            "reason": draw(st.sampled_from([Reason.EVICTED, Reason.APPARMOR_UNAVAILABLE, Reason.POD_FAILED])).value,
            "message": "m",
            "time": draw(TIMES),
            "podName": "builder",
            "podUID": draw(st.sampled_from([POD_UID, "another"])),
            "nodeBootID": draw(st.sampled_from(["boot-1", "boot-0"])),
        }
    return status


NODES = st.sampled_from(
    [None, objects.node(), objects.node(gone=True), objects.node(ready=False), objects.node(boot="boot-2")]
) | st.just(NodeView("node-a", {"spec": {"taints": [{"key": "node.kubernetes.io/out-of-service"}]}, "status": {}}))
NAMESPACES = st.sampled_from(
    [objects.namespace()] * 12 + [objects.namespace(labelled=False), objects.namespace(ending=True), None]
)
VOLUMES = st.sampled_from([None, *(VolumeReport(full=full, usedBytes=9, limitBytes=10) for full in (True, False))])
ISOLATIONS = st.sampled_from([None, *(IsolationReport(inside=inside) for inside in (True, False, None))])
ENDPOINTS = st.none() | st.builds(
    EndpointState,
    st.none() | st.sampled_from(CREDENTIALS),
    st.sampled_from([None, None, PROBLEM]),
    st.booleans(),
)
REPORTS = st.none() | st.just(DaemonReport(serverVersion="26.1.5", storageDriver="overlay2"))


ACTIVITIES = st.none() | st.builds(
    ActivityReport, idle=st.booleans(), idleSeconds=st.sampled_from([0, 60, 1700, 1800, 10**8]), seen=st.booleans()
)
MOMENTS = st.integers(-7200, 7200).map(lambda seconds: format_time(NOW + timedelta(seconds=seconds)))
EXTENSIONS = st.none() | MOMENTS | st.sampled_from(["", "tomorrow", "2025-06-01", "9999-12-31T23:59:59-14:00"])


@st.composite
def lifetimes(draw: st.DrawFn) -> dict[str, Any]:
    """What an operator may have stored of a lifetime, or somebody else."""
    names = draw(st.sets(st.sampled_from(["expiresAt", "idleSince", "ttlWarnedAt", "idleWarnedAt"])))
    lifetime: dict[str, Any] = {name: draw(MOMENTS) for name in sorted(names)}
    if draw(st.booleans()):
        reason = draw(st.sampled_from([Reason.TTL_EXPIRED, Reason.IDLE_TIMEOUT_EXCEEDED]))
        lifetime["expired"] = {"reason": reason.value, "time": draw(MOMENTS)}
    return lifetime


@st.composite
def worlds(draw: st.DrawFn, *, foreign: bool | None = None, deleted: bool = False) -> World:
    fields = draw(st.sampled_from(SPECS))
    environment = objects.environment(copy.deepcopy(fields), generation=draw(st.integers(1, 2)))
    environment["metadata"]["creationTimestamp"] = draw(st.just("2025-06-01T11:59:00Z") | MOMENTS)
    extension = draw(EXTENSIONS)
    if extension is not None:
        environment["metadata"]["annotations"] = {"dind.dev/extend-until": extension}
    if deleted:
        environment["metadata"]["deletionTimestamp"] = "2025-06-01T12:00:00Z"
    status = draw(st.none() | statuses())
    if status is not None:
        if draw(st.booleans()):
            status["lifetime"] = draw(lifetimes())
        environment["status"] = status
    conflicts = foreign if foreign is not None else draw(st.integers(0, 5)) == 0
    pod = draw(foreign_pods()) if conflicts else draw(st.none() | own_pods(fields))
    if pod is not None and draw(st.integers(0, 3)) == 0:
        pod["metadata"]["deletionTimestamp"] = "2025-06-01T11:59:50Z"
    seen = (draw(NAMESPACES), draw(NODES), draw(REPORTS), draw(VOLUMES), draw(ISOLATIONS), draw(ENDPOINTS))
    return World(environment, pod, *seen, draw(ACTIVITIES))
