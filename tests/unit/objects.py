"""Objects as the API server would give them, made by the operator's own builder and then brought into a state."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime, timedelta
from typing import Any

from dind_operator.api.environment import DindEnvironment
from dind_operator.api.spec import DindEnvironmentSpec
from dind_operator.controller.pod_manifest import daemon_pod, whole_part
from dind_operator.features.endpoint.credentials import Credentials, Running
from dind_operator.pod.daemon_json import daemon_config
from dind_operator.pod.defaults import BuildSettings
from dind_operator.pod.node_config import CONFIG_VARIABLE
from dind_operator.state.node_reports import DaemonReport
from dind_operator.state.observed import EndpointState, NodeView, Observed, Policy

NOW = datetime(2025, 6, 1, 12, 0, 0, tzinfo=UTC)
SETTINGS = BuildSettings(
    daemon_image="registry.example.com/daemon:1", node_tool_image="registry.example.com/node-tool:1"
)
POLICY = Policy(build=SETTINGS)
UID = "11111111-0000-4000-8000-000000000001"
POD_UID = "22222222-0000-4000-8000-000000000002"
NODE = "node-a"

# Issued a month ago, with eleven to go.
CREDENTIALS = Credentials(
    generation=1,
    server=Running("a" * 16, "b" * 16, NOW + timedelta(days=335)),
    issued=NOW - timedelta(days=30),
    client_not_after=NOW + timedelta(days=335),
)
ENDPOINT = EndpointState(CREDENTIALS)

PREFLIGHT = {
    "version": 1,
    "ok": True,
    "tool": "0.1.0",
    "mode": "Privileged",
    "kernel": "6.12.0",
    "arch": "x86_64",
    "cgroup": {"version": 2, "controllers": ["cpu", "memory", "pids"]},
    "memory": {"limitBytes": 536870912},
    "apparmor": {"enabled": True, "profile": "unconfined"},
    "storage": {"path": "/var/lib/docker", "filesystem": "ext4", "overlay": True},
    "error": None,
}


def spec(fields: dict[str, Any] | None = None) -> DindEnvironmentSpec:
    return DindEnvironmentSpec.model_validate(fields or {})


def environment(fields: dict[str, Any] | None = None, **metadata: Any) -> dict[str, Any]:
    return {
        "apiVersion": "dind.dev/v1alpha1",
        "kind": "DindEnvironment",
        "metadata": {
            "name": "builder",
            "namespace": "team-a",
            "uid": UID,
            "generation": 1,
            "resourceVersion": "100",
            "creationTimestamp": "2025-06-01T11:59:00Z",
            **metadata,
        },
        "spec": fields or {},
    }


def model(fields: dict[str, Any] | None = None) -> DindEnvironment:
    return DindEnvironment.from_dict(environment(fields))


def daemon_json(fields: dict[str, Any] | None = None) -> str:
    """daemon.json of an environment with this spec."""
    made = model(fields)
    part = whole_part(made, SETTINGS)
    return json.dumps(daemon_config(made.spec, part.daemon_json, part.listen))


def node_config(container: dict[str, Any]) -> dict[str, Any]:
    """The configuration of dind-node in the container, as the kubelet passes it on."""
    (text,) = (item["value"] for item in container["env"] if item["name"] == CONFIG_VARIABLE)
    found: dict[str, Any] = json.loads(text.replace("$$", "$"))
    return found


def namespace(*, labelled: bool = True, ending: bool = False) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": "team-a", "uid": "uid-of-team-a"}
    if labelled:
        metadata["labels"] = {"dind.dev/environments": "enabled"}
    if ending:
        metadata["deletionTimestamp"] = "2025-06-01T12:00:00Z"
    return {"metadata": metadata}


def pod(
    fields: dict[str, Any] | None = None, settings: BuildSettings = SETTINGS, credentials: Credentials | None = None
) -> dict[str, Any]:
    """The environment's own pod, just created. ``credentials``: what the server Secret held then."""
    told = credentials.server.text if credentials is not None else None
    manifest = copy.deepcopy(daemon_pod(model(fields), settings, told))
    manifest["metadata"] |= {"uid": POD_UID, "resourceVersion": "200", "creationTimestamp": "2025-06-01T11:59:01Z"}
    manifest["status"] = {"phase": "Pending"}
    return manifest


def scheduled(manifest: dict[str, Any], node: str = NODE) -> dict[str, Any]:
    manifest["spec"]["nodeName"] = node
    conditions = manifest["status"].setdefault("conditions", [])
    conditions.append({"type": "PodScheduled", "status": "True", "lastTransitionTime": "2025-06-01T11:59:02Z"})
    return manifest


def terminated(
    code: int, message: str = "", *, reason: str = "Error", finished: str = "2025-06-01T11:59:30Z"
) -> dict[str, Any]:
    end = {"exitCode": code, "reason": reason, "startedAt": "2025-06-01T11:59:10Z", "finishedAt": finished}
    return {"terminated": end | ({"message": message} if message else {})}


def container(name: str, state: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": name, "state": state, "lastState": {}, "ready": False, "started": False, "restartCount": 0, **more}


def set_containers(
    manifest: dict[str, Any], init: dict[str, Any] | None, daemon: dict[str, Any] | None
) -> dict[str, Any]:
    if init is not None:
        manifest["status"]["initContainerStatuses"] = [init]
    if daemon is not None:
        manifest["status"]["containerStatuses"] = [daemon]
    return manifest


def init_done(report: dict[str, Any] | None = None) -> dict[str, Any]:
    message = json.dumps(PREFLIGHT if report is None else report)
    return container("mount-cgroups", terminated(0, message, reason="Completed"))


def running_pod(
    fields: dict[str, Any] | None = None, settings: BuildSettings = SETTINGS, credentials: Credentials | None = None
) -> dict[str, Any]:
    """On a node, checked, and the daemon answers."""
    manifest = scheduled(pod(fields, settings, credentials))
    manifest["status"]["phase"] = "Running"
    manifest["status"]["conditions"].append(
        {"type": "Ready", "status": "True", "lastTransitionTime": "2025-06-01T11:59:10Z"}
    )
    daemon = container("daemon", {"running": {"startedAt": "2025-06-01T11:59:05Z"}}, ready=True, started=True)
    return set_containers(manifest, init_done(), daemon)


def failed_pod(reason: str = "", message: str = "", fields: dict[str, Any] | None = None) -> dict[str, Any]:
    manifest = scheduled(pod(fields))
    manifest["status"] |= {"phase": "Failed", "reason": reason, "message": message}
    return manifest


def node(*, gone: bool = False, ready: bool = True, boot: str = "boot-1", name: str = NODE) -> NodeView:
    if gone:
        return NodeView(name, None)
    info = {
        "bootID": boot,
        "osImage": "Debian GNU/Linux 13 (trixie)",
        "kernelVersion": "6.12.0",
        "architecture": "amd64",
    }
    status = "True" if ready else "Unknown"
    return NodeView(
        name, {"spec": {}, "status": {"nodeInfo": info, "conditions": [{"type": "Ready", "status": status}]}}
    )


def observed(
    env: dict[str, Any] | None = None,
    pod: dict[str, Any] | None = None,
    *,
    space: dict[str, Any] | None = None,
    node: NodeView | None = None,
    daemon: DaemonReport | None = None,
    now: datetime = NOW,
    endpoint: EndpointState | None = None,
) -> Observed:
    """``space`` left out: an open namespace."""
    return Observed(env or environment(), pod, space or namespace(), node, daemon, now, endpoint=endpoint)


def condition(status: dict[str, Any] | None, kind: str) -> dict[str, Any]:
    assert status is not None, "the plan writes no status"
    return next(item for item in status["conditions"] if item["type"] == kind)
