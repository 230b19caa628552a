"""`report`: reads the information for a bug report, with the permissions of the user.

It changes nothing. The report lists the objects that are missing or not permitted to be read, and contains all others.
"""

import contextlib
import os
import sys
from collections.abc import Awaitable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, BinaryIO, Literal, TypeVar

import yaml
from kubernetes.aio.config import ConfigException

from dind_operator.api import names
from dind_operator.controller.api_errors import ClusterError, ErrorClass
from dind_operator.manager.client import ApiCluster, connect
from dind_operator.report.apparmor import collect, log_lines, profile_name
from dind_operator.report.facts import Gathered, facts
from dind_operator.report.render import render
from dind_operator.state import pod_status as pods
from dind_operator.state.cluster import Key

T = TypeVar("T")
Output = Literal["text", "yaml"]


class UnreportableError(Exception):
    """No report can be created. The message says why and what to do."""


async def print_report(
    name: str, namespace: str, lines: int, output: Output = "text", node_log: str | None = None
) -> int:
    """Print a report and return the exit code: 0, or 1 with an error message if the environment cannot be read.

    ``node_log`` is the path of a file with the log of the node, or "-" for standard input.
    """
    try:
        text = await report_text(name, namespace, lines, output, node_log)
    except UnreportableError as error:
        print(f"dind-operator: {error}", file=sys.stderr)
        return 1
    write(text)
    return 0


async def report_text(
    name: str,
    namespace: str,
    lines: int,
    output: Output = "text",
    node_log: str | None = None,
    context: str | None = None,
) -> str:
    """The report. Raises UnreportableError. ``context`` is a context of the kubeconfig; the default is the current context."""
    with contextlib.ExitStack() as stack:
        # Open the file first, so that an invalid path is reported without waiting for the cluster.
        log = stack.enter_context(_open(node_log)) if node_log is not None else None
        gathered = await _gathered(name, namespace, lines, context)
        if log is not None:
            gathered = with_node_log(gathered, log)
    return render_report(gathered, output)


async def _gathered(name: str, namespace: str, lines: int, context: str | None) -> Gathered:
    try:
        cluster = await connect(kubeconfig_first=True, context=context)
    except ConfigException as error:
        raise UnreportableError(
            f"no cluster is configured: {error}. Set KUBECONFIG to the file that kubectl uses, or run the command in a pod with "
            "a service account."
        ) from error
    async with cluster:
        return await gather(cluster, (namespace, name), lines)


def _open(path: str) -> contextlib.AbstractContextManager[BinaryIO]:
    if path == "-":
        return contextlib.nullcontext(sys.stdin.buffer)
    try:
        return open(path, "rb")
    except OSError as error:
        raise UnreportableError(
            f"the log {path} of the node cannot be read: {error.strerror}. Create the file on the node with `journalctl -k`, or copy "
            "/var/log/audit/audit.log from the node. - reads standard input."
        ) from error


def with_node_log(gathered: Gathered, log: BinaryIO) -> Gathered:
    """Add the AppArmor messages of the profile of the environment, since the creation of its pod."""
    preflight = pods.preflight(gathered.pod) if gathered.pod is not None else None
    effective = preflight.apparmor.profile if preflight is not None and preflight.apparmor is not None else None
    security = (gathered.environment.get("spec") or {}).get("security") or {}
    profile = profile_name(effective, (security.get("appArmorProfile") or {}).get("localhostProfile"))
    if profile is None:
        return replace(gathered, node_log_given=True)
    since = datetime.fromisoformat((gathered.pod or gathered.environment)["metadata"]["creationTimestamp"])
    try:
        found = collect(log_lines(log), profile, since)
    except OSError as error:
        raise UnreportableError(f"the log of the node cannot be read: {error.strerror}. Specify a file.") from error
    return replace(gathered, node_log=found, node_log_given=True)


def render_report(gathered: Gathered, output: Output = "text") -> str:
    """The report as text, or as YAML with the same content."""
    found = facts(gathered)
    if output == "yaml":
        return yaml.safe_dump(found, sort_keys=False, allow_unicode=False, width=130)
    return render(found)


async def gather(cluster: ApiCluster, key: Key, lines: int) -> Gathered:
    """Read the objects. Raises UnreportableError if the environment cannot be read."""
    environment = await _environment(cluster, key)
    reader = Reader()
    pod = await reader.read("pods", cluster.pod(key))
    node_name = pods.node_name(pod) if pod is not None else None
    logs = {}
    if pod is not None and node_name is not None and lines > 0:
        logs = await read_logs(cluster, reader, key, pod, lines)
    reported = (environment.get("status") or {}).get("docker")
    head = (
        None
        if reported or node_name is None
        else await reader.read("pods/log", cluster.daemon_log_head(key), of="daemon")
    )
    return Gathered(
        environment=environment,
        time=datetime.now(UTC),
        namespace=await reader.read("namespaces", cluster.namespace(key[0])),
        pod=pod,
        node=await reader.read("nodes", cluster.node(node_name)) if node_name is not None else None,
        events=await reader.read("events", cluster.events_named(key)) or [],
        server_version=await reader.read("version of the API server", cluster.server_version()),
        log_head=head,
        logs=logs,
        missing=reader.missing,
    )


async def _environment(cluster: ApiCluster, key: Key) -> dict[str, Any]:
    where = f"{key[1]} in the namespace {key[0]}"
    try:
        return await cluster.call("GET", f"/apis/{names.API_VERSION}/namespaces/{key[0]}/{names.PLURAL}/{key[1]}")
    except ClusterError as error:
        if error.code == 404 and names.PLURAL in error.server_message:
            raise UnreportableError(
                f"there is no DindEnvironment {where}. `kubectl get dind -A` lists them all."
            ) from error
        if error.code == 404:
            raise UnreportableError(
                "the cluster does not serve DindEnvironments. Install the chart of the operator, or check KUBECONFIG."
            ) from error
        if error.code in (401, 403):
            raise UnreportableError(
                f"not permitted: dindenvironments {where}. Message of the API server: {error.server_message}"
            ) from error
        raise UnreportableError(
            f"the DindEnvironment {where} cannot be read: {error.server_message}. Check KUBECONFIG and the network."
        ) from error


async def read_logs(cluster: ApiCluster, reader: "Reader", key: Key, pod: dict[str, Any], lines: int) -> dict[str, str]:
    """The last lines of each log, by the name of the container. A container that restarted has a log before the restart, too."""
    logs: dict[str, str] = {}

    async def read(container: str, *, previous: bool) -> str | None:
        title = _before(container) if previous else container
        text = await reader.read("pods/log", cluster.log_tail(key, container, lines, previous=previous), of=title)
        if text is not None:
            logs[title] = text
        return text

    restarted = pods.container_status(pod, names.DAEMON_CONTAINER).get("restartCount")
    await read(names.INIT_CONTAINER, previous=False)
    if restarted:
        await read(names.DAEMON_CONTAINER, previous=True)
    text = await read(names.DAEMON_CONTAINER, previous=False)
    if not text and not restarted:
        # The container may have restarted since: then the log before the restart is the one that is wanted. The kubelet knows
        # of a restart before the pod's status says so, so it is asked for the log. An error says that there was no restart.
        with contextlib.suppress(ClusterError):
            logs[_before(names.DAEMON_CONTAINER)] = await cluster.log_tail(
                key, names.DAEMON_CONTAINER, lines, previous=True
            )
    return logs


def _before(container: str) -> str:
    return f"{container} (before its last restart)"


class Reader:
    """Reads objects and collects the failures."""

    def __init__(self) -> None:
        self.missing: list[str] = []

    async def read(self, what: str, request: Awaitable[T], of: str = "") -> T | None:
        """The response; None if the request failed, with a line in ``missing``."""
        try:
            return await request
        except ClusterError as error:
            subject = f"{what} of {of}" if of else what
            if error.code in (401, 403):
                line = f"not permitted: {what}"
            elif error.error_class is ErrorClass.NOT_FOUND:
                line = f"not found: {subject}"
            else:
                line = f"not read: {subject}: {error.server_message}"
            if line not in self.missing:
                self.missing.append(line)
            return None


def write(text: str) -> None:
    """Write to standard output."""
    # Neither a character that the terminal cannot display nor a reader that closes the pipe (`| head`) is an error.
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
