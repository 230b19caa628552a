"""The API client: sends and returns dicts through ``kubernetes.aio``, and raises failures as ClusterError.

It does not use the typed models of ``kubernetes.aio``: they take twenty times as long as dicts, and drop fields that the
installed version of the library does not contain.
"""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode
from urllib.request import getproxies

import aiohttp
from kubernetes.aio import client, config

from dind_operator import __version__
from dind_operator.api import json_codec, names
from dind_operator.api.nesting import limited
from dind_operator.controller.api_errors import ClusterError, ErrorClass, error_of
from dind_operator.manager.api_paths import delete_options, environment_path, identity, owned_path, pod_path
from dind_operator.manager.clock_skew import ServerClock, utc_now
from dind_operator.manager.event_recorder import COMPONENT, EventRecorder
from dind_operator.state.cluster import Event, Key, ObjectKind

REQUEST_TIMEOUT = 20.0
"""Seconds for one call. It is shorter than the timeout of the API server (60), so that workers are not blocked for long."""
LOG_HEAD_BYTES = 128 * 1024
"""The report of the helper is in the first lines of the log. A verbose log level adds lines before it."""
LOG_TAIL_BYTES = 256 * 1024
"""For `report`: 1000 lines of usual length. The API server cuts the end of longer logs."""
VOLUME_LINES = 400
"""The lines that are read to find the last reports about volume and use, about 64 KiB. The helper repeats them every minute."""
LIST_PAGE = 500
_MERGE_PATCH = "application/merge-patch+json"


@dataclass(frozen=True, slots=True)
class Listing:
    """All objects of a collection at one resourceVersion. Each item is a result of the ``keep`` of ``list_all``."""

    items: list[Any]
    version: int


async def connect(*, kubeconfig_first: bool = False, context: str | None = None) -> "ApiCluster":
    """A client for the cluster of the pod in which this process runs, or else for the current context of the kubeconfig.

    ``kubeconfig_first``: as in kubectl, KUBECONFIG has precedence over the cluster of the pod if it is set. A ``context``
    always has precedence.
    Raises ``kubernetes.aio.config.ConfigException`` if neither is available.
    """
    json_codec.install()
    configuration = client.Configuration()
    if context or (kubeconfig_first and os.environ.get("KUBECONFIG")):
        await _load_kubeconfig(configuration, context)
    else:
        try:
            config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
        except config.ConfigException:
            await _load_kubeconfig(configuration)
    # Only if there is a proxy: with trust_env, aiohttp also reads .netrc for every request, in a thread.
    configuration.client_session_kwargs = {"trust_env": bool(getproxies())}
    return ApiCluster(client.ApiClient(configuration))


async def _load_kubeconfig(configuration: client.Configuration, context: str | None = None) -> None:
    """Raises ConfigException for any invalid kubeconfig. The other errors of the library describe its own code."""
    paths = _kubeconfig_paths()
    try:
        await config.load_kube_config(  # type: ignore[no-untyped-call]
            config_file=paths, context=context, client_configuration=configuration
        )
    except config.ConfigException:
        raise
    except Exception as error:
        raise config.ConfigException(f"{paths} is not a valid kubeconfig ({type(error).__name__})") from error


def _kubeconfig_paths() -> str:
    paths = os.environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")
    if not any(Path(path).is_file() for path in paths.split(os.pathsep)):
        raise config.ConfigException(f"the file {paths} does not exist")
    return paths


class ApiCluster:
    """Implements ``state.cluster.Cluster``, and the other requests of the manager and of `report`."""

    def __init__(
        self, api: client.ApiClient, *, timeout: float = REQUEST_TIMEOUT, clock: Callable[[], datetime] = utc_now
    ) -> None:
        self._api = api
        self._timeout = timeout
        self._server_clock = ServerClock(clock)
        self._events = EventRecorder(self.call, clock)
        api.user_agent = f"{COMPONENT}/{__version__}"

    @property
    def api(self) -> client.ApiClient:
        """The client of the library, for the leader election."""
        return self._api

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._api.close()  # type: ignore[no-untyped-call]

    async def environment(self, key: Key) -> dict[str, Any] | None:
        """See ``Cluster``."""
        return limited(await self._get_or_none(environment_path(key)))

    async def pod(self, key: Key) -> dict[str, Any] | None:
        """See ``Cluster``."""
        return await self._get_or_none(pod_path(key))

    async def node(self, name: str) -> dict[str, Any] | None:
        """See ``Cluster``."""
        return await self._get_or_none(f"/api/v1/nodes/{name}")

    async def create_pod(self, manifest: dict[str, Any]) -> dict[str, Any]:
        """See ``Cluster``."""
        return await self.call("POST", f"/api/v1/namespaces/{manifest['metadata']['namespace']}/pods", body=manifest)

    async def delete_pod(self, key: Key, uid: str, *, force: bool) -> None:
        """See ``Cluster``."""
        options = delete_options(uid)
        if force:
            options["gracePeriodSeconds"] = 0
        await self.call("DELETE", pod_path(key), body=options)

    async def delete_environment(self, seen: dict[str, Any]) -> None:
        """See ``Cluster``."""
        metadata = seen["metadata"]
        options = delete_options(metadata["uid"])
        options["preconditions"] = identity(seen)
        await self.call("DELETE", environment_path((metadata["namespace"], metadata["name"])), body=options)

    def clock_skew(self) -> timedelta:
        """How far the clock of the operator is ahead of the clock of the API server; never negative."""
        return self._server_clock.skew()

    async def patch_pod_metadata(self, key: Key, seen: dict[str, Any], metadata: dict[str, Any]) -> dict[str, Any]:
        """See ``Cluster``."""
        body = {"metadata": {**identity(seen), **metadata}}
        return await self.call("PATCH", pod_path(key), body=body, content_type=_MERGE_PATCH)

    async def patch_status(self, key: Key, seen: dict[str, Any], status: dict[str, Any]) -> dict[str, Any]:
        """See ``Cluster``."""
        body = {"metadata": identity(seen), "status": status}
        return limited(
            await self.call("PATCH", f"{environment_path(key)}/status", body=body, content_type=_MERGE_PATCH)
        )

    async def owned(self, kind: ObjectKind, key: Key) -> dict[str, Any] | None:
        """See ``Cluster``."""
        return await self._get_or_none(owned_path(kind, key[0], key[1]))

    async def create_owned(self, kind: ObjectKind, manifest: dict[str, Any]) -> dict[str, Any]:
        """See ``Cluster``."""
        return await self.call("POST", owned_path(kind, manifest["metadata"]["namespace"]), body=manifest)

    async def replace_owned(self, kind: ObjectKind, manifest: dict[str, Any]) -> dict[str, Any]:
        """See ``Cluster``."""
        metadata = manifest["metadata"]
        return await self.call("PUT", owned_path(kind, metadata["namespace"], metadata["name"]), body=manifest)

    async def delete_owned(self, kind: ObjectKind, seen: dict[str, Any]) -> None:
        """See ``Cluster``."""
        metadata = seen["metadata"]
        path = owned_path(kind, metadata["namespace"], metadata["name"])
        await self.call("DELETE", path, body=delete_options(metadata["uid"]))

    async def daemon_log_head(self, key: Key) -> str:
        """See ``Cluster``."""
        return await self._log(key, {"container": names.DAEMON_CONTAINER, "limitBytes": LOG_HEAD_BYTES})

    async def daemon_log_tail(self, key: Key) -> str:
        """See ``Cluster``."""
        return await self.log_tail(key, names.DAEMON_CONTAINER, VOLUME_LINES)

    async def log_tail(self, key: Key, container: str, lines: int, *, previous: bool = False) -> str:
        """The last lines of a container's log, or of the container before its last restart."""
        query: dict[str, Any] = {"container": container, "tailLines": lines, "limitBytes": LOG_TAIL_BYTES}
        return await self._log(key, query | ({"previous": "true"} if previous else {}))

    async def _log(self, key: Key, query: dict[str, Any]) -> str:
        data = await self._request("GET", f"{pod_path(key)}/log", query=query, accept="*/*")
        return data.decode("utf-8", "replace")

    async def record(self, environment: dict[str, Any], event: Event) -> None:
        """See ``Cluster``. Failures are ignored, because status contains the same information."""
        try:
            await self._events.record(environment, event)
        except ClusterError:
            return

    async def list_all(
        self, path: str, query: dict[str, Any] | None = None, keep: Callable[[dict[str, Any]], Any] = dict
    ) -> Listing:
        """List all objects of a collection page by page, with their common resourceVersion.

        ``keep`` converts each object, so that at most one page of unconverted objects is in memory. managedFields are removed
        before, because they are half of an object and not used.
        """
        items: list[Any] = []
        page: dict[str, Any] = {"limit": LIST_PAGE, **(query or {})}
        while True:
            response = await self.call("GET", path, query=page)
            for item in response.get("items") or []:
                item["metadata"].pop("managedFields", None)
                items.append(keep(item))
            token = response.get("metadata", {}).get("continue")
            if not token:
                return Listing(items, int(response["metadata"]["resourceVersion"]))
            page["continue"] = token

    async def namespace(self, name: str) -> dict[str, Any]:
        """Read from the API server. Raises ClusterError (NOT_FOUND) if absent."""
        return await self.call("GET", f"/api/v1/namespaces/{name}")

    async def server_version(self) -> str:
        """The version of the API server, such as v1.34.1."""
        return str((await self.call("GET", "/version")).get("gitVersion") or "unknown")

    async def events_named(self, key: Key) -> list[dict[str, Any]]:
        """At most one page of the Events about objects with this name."""
        query = {"fieldSelector": f"involvedObject.name={key[1]}", "limit": LIST_PAGE}
        return (await self.call("GET", f"/api/v1/namespaces/{key[0]}/events", query=query)).get("items") or []

    async def list_environments(self, keep: Callable[[dict[str, Any]], Any] = dict) -> Listing:
        """All environments of the cluster."""
        return await self.list_all(f"/apis/{names.API_VERSION}/{names.PLURAL}", keep=keep)

    async def list_pods(self, keep: Callable[[dict[str, Any]], Any] = dict) -> Listing:
        """All pods with the label of the operator."""
        selector = f"{names.LABEL_MANAGED_BY}={names.LABEL_MANAGED_BY_VALUE}"
        return await self.list_all("/api/v1/pods", {"labelSelector": selector}, keep)

    async def list_namespaces(self, keep: Callable[[dict[str, Any]], Any] = dict) -> Listing:
        """All namespaces of the cluster."""
        return await self.list_all("/api/v1/namespaces", keep=keep)

    async def call(
        self,
        method: str,
        path: str,
        *,
        query: dict[str, Any] | None = None,
        body: dict[str, Any] | None = None,
        content_type: str = "application/json",
    ) -> dict[str, Any]:
        """One call with a JSON response. Raises ClusterError."""
        data = await self._request(method, path, query=query, body=body, content_type=content_type)
        response: dict[str, Any] = json.loads(data) if data else {}
        return response

    async def _get_or_none(self, path: str) -> dict[str, Any] | None:
        try:
            return await self.call("GET", path)
        except ClusterError as error:
            if error.error_class is ErrorClass.NOT_FOUND:
                return None
            raise

    async def _request(
        self,
        method: str,
        path: str,
        *,
        query: dict[str, Any] | None = None,
        body: dict[str, Any] | None = None,
        content_type: str = "application/json",
        accept: str = "application/json",
    ) -> bytes:
        url = path + ("?" + urlencode(query) if query else "")
        headers = {"Accept": accept, "Content-Type": content_type}
        try:
            # The body is not prepared: it is plain, and the client would copy each of its values in search of models.
            method, url, headers, _, _ = await self._api.param_serialize(
                method, url, header_params=headers, auth_settings=["BearerToken"]
            )
            response = await self._api.call_api(method, url, headers, body, _request_timeout=self._timeout)
            self._server_clock.record(response.headers.get("Date"))
            data: bytes = await response.read()  # type: ignore[no-untyped-call]
        except client.ApiException as error:
            raise ClusterError(ErrorClass.RETRY, f"{method} {path}: {error.reason}") from error
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise ClusterError(ErrorClass.RETRY, f"{method} {path}: no response ({type(error).__name__})") from error
        if response.status >= 400:
            raise error_of(response.status, _status_of(data))
        return data


def _status_of(data: bytes) -> dict[str, Any]:
    try:
        status = json.loads(data)
    except ValueError:
        return {}
    return status if isinstance(status, dict) else {}
