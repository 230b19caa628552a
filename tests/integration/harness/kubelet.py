"""The test plays scheduler and kubelet: it binds pods and writes the status that a kubelet would write.

Times, states and reasons are those of a real kubelet; the reports are what image/ leaves. Logs are served over TLS on the
node's own port, because the API server fetches them from there.
"""

from __future__ import annotations

import json
import select
import socket
import ssl
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.integration.harness.paths import pods
from tests.kube.api import Api, States
from tests.kube.client import ApiError, Object

from dind_operator.api.quantity import parse_bytes

REPORT: Object = {
    "version": 1,
    "ok": True,
    "tool": "0.1.0",
    "kernel": "6.18.44",
    "arch": "x86_64",
    "cgroup": {"version": 1, "controllers": ["cpu", "memory", "pids"]},
    "memory": {"limitBytes": None},
    "apparmor": {"enabled": False, "profile": None},
    "storage": {"path": "/var/lib/docker", "filesystem": "ext4", "overlay": True},
    "error": None,
}
ISOLATION_REPORT: Object = {"version": 1, "inside": True, "detail": ""}
DAEMON_REPORT: Object = {
    "version": 1,
    "serverVersion": "26.1.5",
    "storageDriver": "overlay2",
    "cgroupVersion": "1",
    "cgroupDriver": "cgroupfs",
}
NODE_INFO = {
    "architecture": "amd64",
    "bootID": "",
    "containerRuntimeVersion": "containerd://1.7.24",
    "kernelVersion": "6.18.44",
    "kubeProxyVersion": "",
    "kubeletVersion": "v1.34.4",
    "machineID": "m",
    "operatingSystem": "linux",
    "osImage": "Debian GNU/Linux 13 (trixie)",
    "systemUUID": "s",
}
# So soon it sees that it is to end; what happens to pods it sees at once.
_GLANCE_SECONDS = 0.1


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Held:
    """Reads of logs that get no answer, once `begin` was called, until `end` is: how many there are now, were at most, and in all."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._silent = threading.Event()
        self.now = self.most = self.total = 0

    def begin(self) -> None:
        self._silent.set()

    def end(self) -> None:
        self._silent.clear()

    def hold(self, connection: socket.socket) -> None:
        """Return when whoever reads has hung up, or the reads are answered again."""
        if not self._silent.is_set():
            return
        with self._lock:
            self.now, self.total = self.now + 1, self.total + 1
            self.most = max(self.most, self.now)
        while self._silent.is_set() and not select.select([connection], [], [], _GLANCE_SECONDS)[0]:
            pass
        with self._lock:
            self.now -= 1


class Kubelet:
    """One node and all its pods. `logs` holds what a pod's daemon wrote, by the pod's name; `seen` has namespace and
    name of every pod it was given, by uid; `held` are the reads of logs that get no answer."""

    def __init__(self, api: Api, node: str, certificate: Path, key: Path) -> None:
        self._api = api
        self.node = node
        self.logs: dict[str, str] = {}
        self.seen: dict[str, tuple[str, str]] = {}
        self.held = Held()
        self._server = _log_server(self.logs, self.held, certificate, key)
        self._path = f"/api/v1/nodes/{node}"

    # The node

    def register(self) -> None:
        """Make the node: ready, with room for everything."""
        port = self._server.server_address[1]
        self._api.create("/api/v1/nodes", {"apiVersion": "v1", "kind": "Node", "metadata": {"name": self.node}})
        status = {
            "nodeInfo": {**NODE_INFO, "bootID": str(uuid.uuid4())},
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
            "conditions": [_condition("Ready", True, "KubeletReady")],
        }
        self._api.patch(f"{self._path}/status", {"status": status})

    def reboot(self) -> None:
        """The node has another boot id."""
        self._api.patch(f"{self._path}/status", {"status": {"nodeInfo": {"bootID": str(uuid.uuid4())}}})

    def lose(self) -> None:
        """The node stops answering: what the node lifecycle controller, which does not run here, then writes, on the node and on
        its pods."""
        conditions = [_condition("Ready", None, "NodeStatusUnknown")]
        self._api.patch(f"{self._path}/status", {"status": {"conditions": conditions}})
        for pod in self._api.items(f"/api/v1/pods?fieldSelector=spec.nodeName={self.node}"):
            conditions = [item for item in pod["status"].get("conditions", []) if item["type"] != "Ready"]
            self._write(pod, conditions=[*conditions, _condition("Ready", False)])

    def taint_out_of_service(self) -> None:
        """What an administrator says of a node that will not come back."""
        taints = [{"key": "node.kubernetes.io/out-of-service", "value": "nodeshutdown", "effect": "NoExecute"}]
        self._api.patch(self._path, {"spec": {"taints": taints}})

    def remove(self) -> None:
        """Delete the node."""
        self._api.delete(self._path)

    def close(self) -> None:
        """The node and its log port go."""
        self.held.end()
        self.remove()
        self._server.shutdown()
        self._server.server_close()

    # Its pods, step by step. All take the pod as read and return it as stored.

    def bind(self, pod: Object) -> Object:
        """What a scheduler does, and the kubelet's first word about it."""
        self.schedule(pod)
        return self.accept(pod)

    def schedule(self, pod: Object) -> None:
        """What a scheduler does."""
        self.seen[pod["metadata"]["uid"]] = (pod["metadata"]["namespace"], pod["metadata"]["name"])
        target = {"apiVersion": "v1", "kind": "Node", "name": self.node}
        binding = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": pod["metadata"]["name"]},
            "target": target,
        }
        self._api.create(f"{self._path_of(pod)}/binding", binding)

    def accept(self, pod: Object) -> Object:
        """The kubelet has seen a pod that was scheduled to it."""
        return self._write(self._read(pod), phase="Pending", init={"waiting": {"reason": "PodInitializing"}})

    def check(self, pod: Object, report: Object | None = None, *, code: int = 0) -> Object:
        """mount-cgroups ends with its report."""
        message = json.dumps(report or {**REPORT, "memory": {"limitBytes": _memory_limit(pod)}})
        return self._write(pod, init=_ended(code, "Completed" if code == 0 else "Error", message))

    def start(self, pod: Object, restarts: int = 0) -> Object:
        """The daemon's container runs."""
        started = {"running": {"startedAt": now()}}
        return self._write(pod, phase="Running", daemon=started, restarts=restarts)

    def ready(self, pod: Object, log: Object | None = None, isolation: Object | None = ISOLATION_REPORT) -> Object:
        """The probes succeed; the helper has said the daemon's versions and, unless None, where a nested container was."""
        self.logs[pod["metadata"]["name"]] = _reports(log or DAEMON_REPORT, isolation)
        return self._write(pod, ready=True)

    def says_idle(self, pod: Object, seconds: int | None) -> None:
        """The helper says for how long the daemon has been unused; None: it is used."""
        line = {"version": 1, "idle": seconds is not None, "idleSeconds": seconds or 0, "seen": True}
        self.logs[pod["metadata"]["name"]] += f"dind-activity {json.dumps(line)}\n"

    def busy(self, pod: Object) -> Object:
        """The readiness probe fails, and nothing else."""
        return self._write(pod, ready=False, started=True)

    def fail(self, pod: Object, reason: str, message: str = "") -> Object:
        """The kubelet gives the whole pod up."""
        return self._api.patch(
            self._path_of(pod) + "/status", {"status": {"phase": "Failed", "reason": reason, "message": message}}
        )

    def crash(
        self, pod: Object, code: int, message: str, *, restarts: int, reason: str = "Error", looping: bool = True
    ) -> Object:
        """The daemon's container ended; the kubelet waits before it starts it again, or has just begun to."""
        state = (
            {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}}
            if looping
            else {"running": {"startedAt": now()}}
        )
        return self._write(pod, daemon=state, last=_ended(code, reason, message), restarts=restarts, ready=False)

    def waits(self, pod: Object, reason: str, message: str) -> Object:
        """The daemon's container cannot be made."""
        return self._write(pod, daemon={"waiting": {"reason": reason, "message": message}})

    def finish(self, pod: Object) -> None:
        """The containers of a pod that was deleted have ended: it goes."""
        self._api.delete(self._path_of(pod), gracePeriodSeconds=0, preconditions={"uid": pod["metadata"]["uid"]})

    # Everything at once

    def run(self, pod: Object) -> Object:
        """From unscheduled to ready."""
        return self.ready(self.start(self.check(self.bind(pod))))

    def run_at_once(self, pod: Object) -> Object:
        """The same with one write, where there are many pods and the steps between are of no interest."""
        self.schedule(pod)
        self.logs[pod["metadata"]["name"]] = _reports(DAEMON_REPORT, ISOLATION_REPORT)
        init = _ended(0, "Completed", json.dumps({**REPORT, "memory": {"limitBytes": _memory_limit(pod)}}))
        return self._write(pod, phase="Running", init=init, daemon={"running": {"startedAt": now()}}, ready=True)

    @contextmanager
    def serving(self, namespace: str) -> Iterator[None]:
        """Binds, starts and ends the pods of a namespace as they come and change, until the context ends."""
        over = threading.Event()
        with ThreadPoolExecutor(1, "kubelet") as thread, closing(self._api.states(pods(namespace))) as states:
            working = thread.submit(self._serve, namespace, states, over)
            try:
                yield
            finally:
                over.set()
                working.result()

    def _serve(self, namespace: str, states: States, over: threading.Event) -> None:
        while not over.is_set():
            if states.next(_GLANCE_SECONDS) is None:
                continue
            # As they are now: what the watch tells may be older than what was done here.
            for pod in self._api.items(pods(namespace)):
                try:
                    self._step(pod)
                except ApiError as error:
                    if error.code not in (404, 409):  # changed or gone since then, of which the watch tells
                        raise

    def _step(self, pod: Object) -> None:
        if pod["metadata"].get("deletionTimestamp"):
            self.finish(pod)
        elif "nodeName" not in pod["spec"]:
            self.bind(pod)
        elif pod["status"]["phase"] == "Pending":
            self.start(self.check(pod))
        elif pod["status"]["phase"] == "Running" and not pod["status"]["containerStatuses"][0]["ready"]:
            self.ready(pod)

    def _read(self, pod: Object) -> Object:
        return self._api.call("GET", self._path_of(pod))

    @staticmethod
    def _path_of(pod: Object) -> str:
        return f"{pods(pod['metadata']['namespace'])}/{pod['metadata']['name']}"

    def _write(self, pod: Object, *, conditions: list[Object] | None = None, **change: Any) -> Object:
        """Merge a change into the pod's status as it was read."""
        status = {"hostIP": "127.0.0.1", "startTime": now(), **(pod.get("status") or {})}
        init, daemon = _containers(pod, change)
        ready = daemon["ready"]
        status |= {
            "phase": change.get("phase", status["phase"]),
            "initContainerStatuses": [init],
            "containerStatuses": [daemon],
            "conditions": conditions
            or [
                _condition("PodScheduled", True),
                _condition("Initialized", init["ready"]),
                _condition("ContainersReady", ready),
                _condition("Ready", ready),
            ],
        }
        status.pop("resize", None)
        return self._api.patch(self._path_of(pod) + "/status", {"status": status})


def _memory_limit(pod: Object) -> int | None:
    """As the API server stored it: a LimitRange may have set it."""
    limit = (pod["spec"]["containers"][0].get("resources", {}).get("limits") or {}).get("memory")
    return parse_bytes(limit) if limit is not None else None


def _reports(log: Object, isolation: Object | None) -> str:
    """What the daemon's container wrote."""
    lines = ["time=now level=info msg=starting", f"dind-report {json.dumps(log)}", "more"]
    lines += [f"dind-isolation {json.dumps(isolation)}"] if isolation else []
    return "\n".join([*lines, ""])


def _containers(pod: Object, change: Object) -> tuple[Object, Object]:
    """The statuses of mount-cgroups and daemon after a change."""
    old = pod.get("status") or {}
    init = (old.get("initContainerStatuses") or [_new("mount-cgroups")])[0]
    daemon = (old.get("containerStatuses") or [_new("daemon")])[0]
    if "init" in change:
        ended = change["init"].get("terminated")
        init = {**init, "state": change["init"], "ready": bool(ended and ended["exitCode"] == 0)}
    if "daemon" in change:
        running = "running" in change["daemon"]
        daemon = {**daemon, "state": change["daemon"], "ready": False, "started": False}
        daemon["restartCount"] = change.get("restarts", daemon["restartCount"])
        daemon["containerID"] = f"containerd://{uuid.uuid4().hex}" if running else daemon.get("containerID", "")
    if "last" in change:
        daemon["lastState"] = change["last"]
    if "ready" in change:
        daemon |= {"ready": change["ready"], "started": change.get("started", change["ready"])}
    return init, daemon


def _new(name: str) -> Object:
    waiting = {"waiting": {"reason": "PodInitializing"}}
    return {
        "name": name,
        "image": "i",
        "imageID": "",
        "ready": False,
        "restartCount": 0,
        "state": waiting,
        "lastState": {},
    }


def _ended(code: int, reason: str, message: str) -> Object:
    times = {"startedAt": now(), "finishedAt": now()}
    return {"terminated": {"exitCode": code, "reason": reason, "message": message, **times}}


def _condition(kind: str, holds: bool | None, reason: str = "") -> Object:
    status = {True: "True", False: "False", None: "Unknown"}[holds]
    return {"type": kind, "status": status, "reason": reason, "lastTransitionTime": now()}


def _log_server(logs: dict[str, str], held: Held, certificate: Path, key: Path) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            held.hold(self.connection)
            pod = self.path.split("?")[0].split("/")[3]  # /containerLogs/NAMESPACE/POD/CONTAINER
            text = logs.get(pod)
            with suppress(OSError):  # whoever asked has hung up
                self._answer(text)

        def _answer(self, text: str | None) -> None:
            self.send_response(404 if text is None else 200)
            self.end_headers()
            self.wfile.write((text or "").encode())

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    return server
