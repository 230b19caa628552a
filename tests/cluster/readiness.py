"""Waiting for the cluster's parts, each with the message that helps when it does not come."""

from __future__ import annotations

import json
import shutil
import socket
import ssl
import struct
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.cluster import node, tools
from tests.cluster.instance import Instance
from tests.cluster.process import wait_until
from tests.cluster.progress import ClusterError

# Each several times what a busy machine of two cores was seen to need.
_SERVER_SECONDS = 60
_NODE_SECONDS = 120
_DNS_SECONDS = 120


def now() -> float:
    return time.time()


def api_status(url: str, ca: Path, path: str, client: tuple[Path, Path] | None = None) -> int:
    """The status code of a GET at the API server, 0 where nobody answers. `client` is a certificate and its key."""
    context = ssl.create_default_context(cafile=str(ca))
    if client is not None:
        context.load_cert_chain(*map(str, client))
    # No proxy: the address is on this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    try:
        with opener.open(f"{url}{path}", timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def api_answers(url: str, ca: Path) -> bool:
    """Whether the API server says that it is ready."""
    return api_status(url, ca, "/readyz") == 200


def wait_for_api(url: str, ca: Path, log: Path, died: Callable[[], bool] = lambda: False) -> None:
    wait_until(lambda: died() or api_answers(url, ca), _SERVER_SECONDS, interval=0.1)
    if not api_answers(url, ca):
        raise ClusterError(f"The API server at {url} did not become ready. The last lines of {log}:\n{node.tail(log)}")


def wait_for_containerd(instance: Instance) -> None:
    address = str(instance.containerd_socket)
    ctr = str(tools.tool("containerd").with_name("ctr"))

    def answers() -> bool:
        command = [ctr, "--address", address, "--connect-timeout", "1s", "version"]
        return subprocess.run(command, check=False, capture_output=True).returncode == 0

    if not wait_until(answers, _SERVER_SECONDS, interval=0.1):
        log = instance.logs / "containerd.log"
        raise ClusterError(f"containerd does not respond at {address}. The last lines of {log}:\n{node.tail(log)}")


def kubectl(instance: Instance, *arguments: str, stdin: str | None = None) -> str:
    program = shutil.which("kubectl") or "kubectl"
    done = subprocess.run(
        [program, f"--kubeconfig={instance.kubeconfig}", *arguments],
        check=False,
        capture_output=True,
        text=True,
        input=stdin,
    )
    if done.returncode != 0:
        raise ClusterError(f"`kubectl {' '.join(arguments)}` failed: {done.stderr.strip()}")
    return done.stdout


def node_is_ready(answer: dict[str, Any], heartbeat_after: float) -> bool:
    """Whether a Node object says Ready, in a report no older than `heartbeat_after` (seconds since 1970)."""
    for condition in answer.get("status", {}).get("conditions", []):
        if condition["type"] == "Ready":
            beat = datetime.fromisoformat(condition["lastHeartbeatTime"]).timestamp()
            # The API keeps whole seconds.
            return bool(condition["status"] == "True" and beat >= int(heartbeat_after))
    return False


def wait_for_node(instance: Instance, servers: dict[str, list[str]], heartbeat_after: float) -> None:
    """Waits for the kubelet's own word that it can run pods, and for the account that pods run under."""

    def ready() -> bool:
        try:
            answer = json.loads(kubectl(instance, "get", "node", instance.node_name, "--output=json"))
            kubectl(instance, "get", "serviceaccount", "default")
        except ClusterError:
            return False
        return node_is_ready(answer, heartbeat_after)

    if wait_until(ready, _NODE_SECONDS, interval=0.3):
        return
    dead = [name for name, command in servers.items() if node.find(instance, command) is None] or ["kubelet"]
    logs = "\n".join(f"  {instance.logs / name}.log:\n{node.tail(instance.logs / f'{name}.log')}" for name in dead)
    raise ClusterError(
        f"The node {instance.node_name} did not become Ready. See {', '.join(dead)}:\n{logs}\n"
        "`make cluster-down cluster` starts a new one."
    )


def deploy_dns(instance: Instance, objects: list[dict[str, Any]]) -> None:
    """Applies CoreDNS and waits until a name resolves at the service's address."""
    document = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
    kubectl(instance, "apply", "--server-side", "--force-conflicts", "--filename=-", stdin=document)
    name = "kubernetes.default.svc.cluster.local"
    if not wait_until(lambda: resolves(name, instance.dns_address), _DNS_SECONDS, interval=0.3):
        state = kubectl(instance, "--namespace=kube-system", "get", "pods", "--output=wide")
        raise ClusterError(
            f"{name} does not resolve at {instance.dns_address}, so Services would have no names. The pods:\n{state}"
            f"See `kubectl --kubeconfig {instance.kubeconfig} -n kube-system describe pods`."
        )


def resolves(name: str, server: str) -> bool:
    """Asks a DNS server for an address of `name`, once, as a pod would."""
    question = b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"
    # An id, "recursion desired", one question; then the question for an A record of class IN.
    query = struct.pack(">HHHHHH", 0x1D1D, 0x0100, 1, 0, 0, 0) + question + struct.pack(">HH", 1, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as connection:
        connection.settimeout(1)
        try:
            connection.sendto(query, (server, 53))
            answer = connection.recv(512)
        except OSError:
            return False
    _, flags, _, answers = struct.unpack(">HHHH", answer[:8])
    return bool(flags & 0x000F == 0 and answers > 0)
