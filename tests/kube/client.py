"""The asyncio client of all tiers: objects are dicts, it watches instead of polling, and runs exec without starting kubectl.

It shares no code with the client of the operator, so that it does not share its errors. The official client reads the credentials, so
every kubeconfig works.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
from kubernetes.aio import client, config

Object = dict[str, Any]

TIMEOUT_SECONDS = 30
"""For one call. A call that the API server asks to repeat (429) is repeated within this time."""
_RETRY_SECONDS = 0.05
# No watch tells when a new kind is served.
_KIND_SECONDS = 0.2
_STDIN, _STDOUT, _STDERR, _STATUS = range(4)
_CLOSE = 255
# The one subprotocol that can tell the other side that standard input has ended.
_EXEC_PROTOCOL = "v5.channel.k8s.io"
_STDIN_CHUNK = 256 * 1024
JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"


class ApiError(Exception):
    """The API server answered with an error: `code` is the HTTP code, `text` the body."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text

    @property
    def message(self) -> str:
        """The sentence of the `metav1.Status`, or the body if it is none."""
        with suppress(ValueError, KeyError, TypeError):
            return str(json.loads(self.text)["message"])
        return self.text


@dataclass(frozen=True)
class Executed:
    """What a command in a container printed and how it ended. Commands that could not be started have exit code 1."""

    returncode: int
    stdout: str
    stderr: str


class Client:
    """One API server as one user. Use it within the event loop that made it."""

    def __init__(self, host: str, session: aiohttp.ClientSession) -> None:
        self._host = host.rstrip("/")
        self._session = session

    @classmethod
    async def connect(cls, kubeconfig: Path | Mapping[str, Any]) -> Client:
        """The current context of a kubeconfig, given as a file or as its content."""
        found = client.Configuration()
        if isinstance(kubeconfig, Path):
            await config.load_kube_config(config_file=str(kubeconfig), client_configuration=found)  # type: ignore[no-untyped-call]
        else:
            await config.load_kube_config_from_dict(dict(kubeconfig), client_configuration=found)  # type: ignore[no-untyped-call]
        tls = client.ApiClient(found).rest_client.ssl_context
        headers = {}
        if token := found.api_key.get("BearerToken"):
            headers["Authorization"] = token if token.startswith("Bearer ") else f"Bearer {token}"
        connector = aiohttp.TCPConnector(ssl=tls, limit=0)
        return cls(found.host, aiohttp.ClientSession(connector=connector, headers=headers))

    async def close(self) -> None:
        await self._session.close()

    # Calls

    async def request(
        self,
        method: str,
        path: str,
        body: Object | str | None = None,
        *,
        content_type: str = JSON,
        accept: str = JSON,
    ) -> bytes:
        """One call, repeated as long as the API server asks for it. Returns the body. Raises ApiError."""
        data = body if body is None or isinstance(body, str) else json.dumps(body)
        headers = {"Content-Type": content_type, "Accept": accept}
        end = asyncio.get_running_loop().time() + TIMEOUT_SECONDS
        limit = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
        while True:
            async with self._session.request(
                method, self._host + path, data=data, headers=headers, timeout=limit
            ) as answer:
                answered = await answer.read()
            late = asyncio.get_running_loop().time() > end
            # An eviction that a budget forbids is answered so, too, and is meant.
            if answer.status != 429 or path.endswith("/eviction") or late:
                break
            await asyncio.sleep(_RETRY_SECONDS)
        if answer.status >= 400:
            raise ApiError(answer.status, answered.decode(errors="replace"))
        return answered

    async def watch(self, collection: str, version: str, **query: str) -> AsyncIterator[tuple[str, Object]]:
        """Changes of a collection after a resourceVersion: type and object. Ends when the API server ends it."""
        asked = urlencode({"watch": "1", "resourceVersion": version, "allowWatchBookmarks": "true", **query})
        forever = aiohttp.ClientTimeout(total=None, sock_connect=TIMEOUT_SECONDS)
        async with self._session.get(f"{self._host}{collection}?{asked}", timeout=forever) as answer:
            if answer.status >= 400:
                raise ApiError(answer.status, await answer.text())
            rest = b""
            async for chunk in answer.content.iter_any():
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    event = json.loads(line)
                    if event["type"] == "ERROR":
                        return  # too old, mostly: the caller lists again
                    if event["type"] != "BOOKMARK":
                        yield event["type"], event["object"]

    async def follow(self, collection: str, **query: str) -> AsyncGenerator[list[Object], None]:
        """The objects of a collection as they are, and again after each change; none while there is no such kind.

        The first list is as fresh as a write that was answered before. An API server that is away later is waited for. Never
        ends by itself.
        """
        listed = False
        while True:
            try:
                found = json.loads(await self.request("GET", f"{collection}?{urlencode(query)}"))
            except aiohttp.ClientError:
                if not listed:
                    raise
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            except ApiError as error:
                if listed and error.code >= 500:
                    await asyncio.sleep(_RETRY_SECONDS)
                    continue
                if error.code != 404:  # the kind itself may not be there yet
                    raise
                yield []
                await asyncio.sleep(_KIND_SECONDS)
                continue
            listed = True
            known = {_key(item): item for item in found["items"]}
            yield list(known.values())
            with suppress(aiohttp.ClientError, ApiError):
                async for kind, changed in self.watch(collection, found["metadata"]["resourceVersion"], **query):
                    if kind == "DELETED":
                        known.pop(_key(changed), None)
                    else:
                        known[_key(changed)] = changed
                    yield list(known.values())
            await asyncio.sleep(_RETRY_SECONDS)

    # Commands in containers

    async def execute(
        self, namespace: str, pod: str, container: str | None, command: Sequence[str], stdin: Path | bytes | None = None
    ) -> Executed:
        """Runs a command in a container of a pod, as `kubectl exec` does, with a file or bytes as its standard input."""
        query = [("stdout", "true"), ("stderr", "true"), *(("command", word) for word in command)]
        query += [("container", container)] if container else []
        query += [("stdin", "true")] if stdin is not None else []
        path = f"/api/v1/namespaces/{namespace}/pods/{pod}/exec?{urlencode(query)}"
        try:
            connection = self._session.ws_connect(self._host + path, protocols=(_EXEC_PROTOCOL,), max_msg_size=0)
            async with connection as socket:
                return await _talk(socket, stdin)
        except aiohttp.WSServerHandshakeError as error:
            return Executed(1, "", f"exec into {namespace}/{pod}: {error.status} {await self._why_not(path)}")
        except aiohttp.ClientError as error:
            return Executed(1, "", f"exec into {namespace}/{pod}: {error}")

    async def _why_not(self, path: str) -> str:
        """The reason why there is no stream, which an error of the handshake leaves out."""
        try:
            await self.request("GET", path)
        except ApiError as error:
            return error.message
        return "the connection was not upgraded"


def _key(item: Object) -> tuple[str, str]:
    return item["metadata"].get("namespace", ""), item["metadata"]["name"]


async def _talk(socket: aiohttp.ClientWebSocketResponse, stdin: Path | bytes | None) -> Executed:
    said: dict[int, list[bytes]] = {_STDOUT: [], _STDERR: [], _STATUS: []}
    feeding = asyncio.create_task(_feed(socket, stdin)) if stdin is not None else None
    try:
        async for message in socket:
            if message.type is aiohttp.WSMsgType.BINARY and message.data[:1] and message.data[0] in said:
                said[message.data[0]].append(message.data[1:])
    finally:
        if feeding is not None:
            feeding.cancel()
            with suppress(asyncio.CancelledError, aiohttp.ClientError, ConnectionError):
                await feeding
    stdout, stderr, status = (
        b"".join(said[channel]).decode(errors="replace") for channel in (_STDOUT, _STDERR, _STATUS)
    )
    code, more = _exit_code(status)
    return Executed(code, stdout, stderr + more)


async def _feed(socket: aiohttp.ClientWebSocketResponse, stdin: Path | bytes) -> None:
    """A command may end before it has read all: that is no failure of the feeding."""
    with suppress(ConnectionError, aiohttp.ClientError):
        if isinstance(stdin, bytes):
            for start in range(0, len(stdin), _STDIN_CHUNK):
                await socket.send_bytes(bytes([_STDIN]) + stdin[start : start + _STDIN_CHUNK])
        else:
            with stdin.open("rb") as source:
                while chunk := await asyncio.to_thread(source.read, _STDIN_CHUNK):
                    await socket.send_bytes(bytes([_STDIN]) + chunk)
        await socket.send_bytes(bytes([_CLOSE, _STDIN]))


def _exit_code(status: str) -> tuple[int, str]:
    """Of the `metav1.Status` at the end of a stream: the exit code, and a message where there is none."""
    if not status:
        return 1, "the connection ended before the command did"
    found = json.loads(status)
    if found.get("status") == "Success":
        return 0, ""
    for cause in (found.get("details") or {}).get("causes") or []:
        if cause.get("reason") == "ExitCode":
            return int(cause["message"]), ""
    return 1, str(found.get("message"))
