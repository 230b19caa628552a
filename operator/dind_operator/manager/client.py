"""The API client: raw dicts in and out through ``kubernetes.aio``, errors classed once.

The client's typed models are left out on purpose: building one costs twenty times a dict, and fields that the installed
client does not know yet would be lost on the way.
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
from dind_operator.api import names
from dind_operator.controller.api_errors import ClusterError, ErrorClass, error_of
from dind_operator.manager.api_paths import delete_options, environment_path, identity, owned_path, pod_path
from dind_operator.manager.clock_skew import ServerClock, utc_now
from dind_operator.manager.event_recorder import COMPONENT, event_of
from dind_operator.state.cluster import Key, Note, ObjectKind

REQUEST_TIMEOUT = 20.0
"""Seconds for one call. The API server itself gives up after 60; a worker must not wait that long."""
LOG_HEAD_BYTES = 128 * 1024
"""The report comes within the first lines; a chatty log level adds some. Nothing beyond is ever read."""
LOG_TAIL_BYTES = 256 * 1024
"""For `report`: 1000 lines of ordinary length. The API server cuts at the end, so a flood shows its older part."""
VOLUME_LINES = 400
"""Of the daemon's log, when it is looked into for news of its volume: about 64 KiB. What is news is repeated every minute."""
LIST_PAGE = 500
_MERGE_PATCH = "application/merge-patch+json"


@dataclass(frozen=True, slots=True)
class Listing:
    """All objects of a collection as they were at one resourceVersion; of each, what ``keep`` of ``list_all`` made."""

    items: list[Any]
    version: int


async def connect(*, kubeconfig_first: bool = False, context: str | None = None) -> "ApiCluster":
    """A client for the cluster this runs in, else for the current context of KUBECONFIG.

    ``kubeconfig_first``: as kubectl does it, a KUBECONFIG that is set, or a ``context`` that is named, wins over the cluster
    this runs in.
    Raises ``kubernetes.aio.config.ConfigException`` if neither is there.
    """
    configuration = client.Configuration()
    if context or (kubeconfig_first and os.environ.get("KUBECONFIG")):
        await _load_kubeconfig(configuration, context)
    else:
        try:
            config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
        except config.ConfigException:
            await _load_kubeconfig(configuration)
    # Only for a proxy is the environment to be asked: aiohttp would look for a .netrc too, in a thread, for every request.
    configuration.client_session_kwargs = {"trust_env": bool(getproxies())}
    return ApiCluster(client.ApiClient(configuration))


async def _load_kubeconfig(configuration: client.Configuration, context: str | None = None) -> None:
    """Raises ConfigException for whatever is wrong with the file; the client's own errors tell of its code."""
    paths = _kubeconfig_paths()
    try:
        await config.load_kube_config(  # type: ignore[no-untyped-call]
            config_file=paths, context=context, client_configuration=configuration
        )
    except config.ConfigException:
        raise
    except Exception as error:
        raise config.ConfigException(f"{paths} is no kubeconfig that can be used ({type(error).__name__})") from error


def _kubeconfig_paths() -> str:
    paths = os.environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")
    if not any(Path(path).is_file() for path in paths.split(os.pathsep)):
        raise config.ConfigException(f"there is no file {paths}")
    return paths


class ApiCluster:
    """Implements ``reconcile.cluster.Cluster`` and what the rest of the runtime asks of the API."""

    def __init__(
        self, api: client.ApiClient, *, timeout: float = REQUEST_TIMEOUT, clock: Callable[[], datetime] = utc_now
    ) -> None:
        self._api = api
        self._timeout = timeout
        self._server_clock = ServerClock(clock)
        api.user_agent = f"{COMPONENT}/{__version__}"

    @property
    def api(self) -> client.ApiClient:
        """The client underneath, for the leader election."""
        return self._api

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._api.close()  # type: ignore[no-untyped-call]

    async def environment(self, key: Key) -> dict[str, Any] | None:
        """See ``Cluster``."""
        return await self._get_or_none(environment_path(key))

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

    def ahead(self) -> timedelta:
        """How far the own clock is ahead of the API server's, as its last answer showed; never negative."""
        return self._server_clock.ahead()

    async def patch_pod_metadata(self, key: Key, seen: dict[str, Any], metadata: dict[str, Any]) -> dict[str, Any]:
        """See ``Cluster``."""
        body = {"metadata": {**identity(seen), **metadata}}
        return await self.call("PATCH", pod_path(key), body=body, content_type=_MERGE_PATCH)

    async def patch_status(self, key: Key, seen: dict[str, Any], status: dict[str, Any]) -> dict[str, Any]:
        """See ``Cluster``."""
        body = {"metadata": identity(seen), "status": status}
        return await self.call("PATCH", f"{environment_path(key)}/status", body=body, content_type=_MERGE_PATCH)

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

    async def record(self, environment: dict[str, Any], note: Note) -> None:
        """See ``Cluster``. A lost Event changes nothing that matters: status has the same words."""
        event = event_of(environment, note, utc_now())
        namespace = environment["metadata"]["namespace"]
        try:
            await self.call("POST", f"/api/v1/namespaces/{namespace}/events", body=event)
        except ClusterError:
            return

    async def list_all(
        self, path: str, query: dict[str, Any] | None = None, keep: Callable[[dict[str, Any]], Any] = dict
    ) -> Listing:
        """All objects of a collection, page by page, and the resourceVersion at which they were so.

        ``keep`` is called for each object, so that no more than a page of them is in memory as it was read. They are without
        managedFields, which are half of an object and of no use here.
        """
        items: list[Any] = []
        page: dict[str, Any] = {"limit": LIST_PAGE, **(query or {})}
        while True:
            answer = await self.call("GET", path, query=page)
            for item in answer.get("items") or []:
                item["metadata"].pop("managedFields", None)
                items.append(keep(item))
            following = answer.get("metadata", {}).get("continue")
            if not following:
                return Listing(items, int(answer["metadata"]["resourceVersion"]))
            page["continue"] = following

    async def namespace(self, name: str) -> dict[str, Any]:
        """Read live. Raises ClusterError (NOT_FOUND) if absent."""
        return await self.call("GET", f"/api/v1/namespaces/{name}")

    async def server_version(self) -> str:
        """The API server's version, such as v1.34.1."""
        return str((await self.call("GET", "/version")).get("gitVersion") or "unknown")

    async def events_named(self, key: Key) -> list[dict[str, Any]]:
        """Events about objects with this name, at most one page of them."""
        query = {"fieldSelector": f"involvedObject.name={key[1]}", "limit": LIST_PAGE}
        return (await self.call("GET", f"/api/v1/namespaces/{key[0]}/events", query=query)).get("items") or []

    async def list_environments(self, keep: Callable[[dict[str, Any]], Any] = dict) -> Listing:
        """Every environment of the cluster."""
        return await self.list_all(f"/apis/{names.API_VERSION}/{names.PLURAL}", keep=keep)

    async def list_pods(self, keep: Callable[[dict[str, Any]], Any] = dict) -> Listing:
        """Every pod that carries our label."""
        selector = f"{names.LABEL_MANAGED_BY}={names.LABEL_MANAGED_BY_VALUE}"
        return await self.list_all("/api/v1/pods", {"labelSelector": selector}, keep)

    async def list_namespaces(self, keep: Callable[[dict[str, Any]], Any] = dict) -> Listing:
        """Every namespace of the cluster."""
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
        """One call with a JSON answer. Raises ClusterError."""
        data = await self._request(method, path, query=query, body=body, content_type=content_type)
        answer: dict[str, Any] = json.loads(data) if data else {}
        return answer

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
            prepared = await self._api.param_serialize(
                method, url, header_params=headers, body=body, auth_settings=["BearerToken"]
            )
            response = await self._api.call_api(*prepared, _request_timeout=self._timeout)
            self._server_clock.saw(response.headers.get("Date"))
            data: bytes = await response.read()  # type: ignore[no-untyped-call]
        except client.ApiException as error:
            raise ClusterError(ErrorClass.RETRY, f"{method} {path}: {error.reason}") from error
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise ClusterError(ErrorClass.RETRY, f"{method} {path}: no answer ({type(error).__name__})") from error
        if response.status >= 400:
            raise error_of(response.status, _status_of(data))
        return data


def _status_of(data: bytes) -> dict[str, Any]:
    try:
        status = json.loads(data)
    except ValueError:
        return {}
    return status if isinstance(status, dict) else {}
