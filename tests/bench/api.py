"""The shortest way to the API server that Python has: what the operator is compared with must not be held up here."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import yaml

Object = dict[str, Any]

ENVIRONMENTS = "/apis/dind.dev/v1alpha1/namespaces/{}/dindenvironments"
PODS = "/api/v1/namespaces/{}/pods"

CONCURRENCY = 32
"""As many requests at a time as the operator has workers by default."""

_CALL_SECONDS = 120


class Api:
    """JSON in and out with a client certificate. Any answer that is not 2xx is an error."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url

    async def call(
        self, method: str, path: str, body: Any = None, content_type: str = "application/json", **query: Any
    ) -> Any:
        """The decoded answer. Raises RuntimeError with the server's words."""
        headers = {"Content-Type": content_type}
        data = json.dumps(body) if body is not None else None
        async with self._session.request(method, self._url + path, data=data, params=query, headers=headers) as answer:
            payload = await answer.read()
            if answer.status >= 300:
                raise RuntimeError(f"{method} {path}: {answer.status} {payload.decode(errors='replace')[:500]}")
            return json.loads(payload)

    async def text(self, path: str) -> str:
        """A page that is not JSON, like /metrics."""
        async with self._session.get(self._url + path) as answer:
            answer.raise_for_status()
            return await answer.text()

    async def watch(self, path: str, version: str, **query: Any) -> AsyncIterator[tuple[str, Object]]:
        """(type, object) of every event after `version`, until the caller has enough.

        The API server ends a watch that is read too slowly, as any is in a burst: it goes on where it was.
        """
        while True:
            async for kind, item in self._watch_once(path, version, query):
                if kind == "ERROR":
                    raise RuntimeError(f"watching {path} from {version}: {item}")
                version = item["metadata"]["resourceVersion"]
                yield kind, item

    async def _watch_once(self, path: str, version: str, query: dict[str, Any]) -> AsyncIterator[tuple[str, Object]]:
        params = {"watch": "true", "resourceVersion": version, **query}
        timeout = aiohttp.ClientTimeout(total=None)
        # An environment's line may be longer than aiohttp's readline allows, so lines are put together here.
        async with self._session.get(self._url + path, params=params, timeout=timeout) as answer:
            answer.raise_for_status()
            rest = b""
            async for chunk in answer.content.iter_any():
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    event = json.loads(line)
                    yield event["type"], event["object"]

    async def version(self, path: str) -> str:
        """The resourceVersion of a collection now."""
        answer = await self.call("GET", path, limit=1)
        return str(answer["metadata"]["resourceVersion"])


async def at_once(work: Callable[[int], Awaitable[None]], count: int) -> None:
    """`work(0)` … `work(count - 1)`, CONCURRENCY at a time."""
    numbers: Iterable[int] = iter(range(count))

    async def worker() -> None:
        for number in numbers:
            await work(number)

    async with asyncio.TaskGroup() as group:
        for _ in range(CONCURRENCY):
            group.create_task(worker())


@asynccontextmanager
async def connect(kubeconfig: Path) -> AsyncIterator[Api]:
    """A client for the current context of a kubeconfig that has a client certificate."""
    url, context = _credentials(kubeconfig)
    connector = aiohttp.TCPConnector(ssl=context, limit=CONCURRENCY + 8)
    timeout = aiohttp.ClientTimeout(total=_CALL_SECONDS)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        yield Api(session, url)


def _credentials(kubeconfig: Path) -> tuple[str, ssl.SSLContext]:
    config = yaml.safe_load(kubeconfig.read_text())
    name = config["current-context"]
    chosen = next(item["context"] for item in config["contexts"] if item["name"] == name)
    cluster = next(item["cluster"] for item in config["clusters"] if item["name"] == chosen["cluster"])
    user = next(item["user"] for item in config["users"] if item["name"] == chosen["user"])
    context = ssl.create_default_context(cadata=_pem(kubeconfig, cluster, "certificate-authority"))
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as chain:
        chain.write(_pem(kubeconfig, user, "client-certificate") + "\n" + _pem(kubeconfig, user, "client-key"))
        chain.flush()
        context.load_cert_chain(chain.name)
    return cluster["server"], context


def _pem(kubeconfig: Path, entry: Object, key: str) -> str:
    if f"{key}-data" in entry:
        return base64.b64decode(entry[f"{key}-data"]).decode()
    return (kubeconfig.parent / entry[key]).read_text()
