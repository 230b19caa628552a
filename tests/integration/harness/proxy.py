"""A reverse proxy between one operator and the API server that can count, fail, hold back and cut.

It ends TLS on both sides. The operator authenticates by a token, which passes through, so the API server judges its rights
as in a cluster. `sever` is how an operator dies here: what it had not sent by then never arrives.
"""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from tests.integration.harness.calls import Answer, Call, Do, Fault, Watch, parse_call

# Broken connections are this proxy's trade; aiohttp would write a traceback for each.
logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)

_NOT_FORWARDED = {"host", "connection", "content-length", "transfer-encoding", "accept-encoding", "keep-alive"}


class Cut(Exception):  # noqa: N818 - it is no error: it is what the test asked for
    """The connection is to be broken now."""


class Proxy:
    """Start, use `url`, stop. Every method but `start` may be called from any thread.

    `only` names a namespace: lists and watches of environments and pods show no other, so that operators can work at the
    same time without seeing each other's.
    """

    def __init__(self, target: str, ca: Path, certificate: Path, key: Path, *, only: str | None = None) -> None:
        self._target = target
        self._only = {"fieldSelector": f"metadata.namespace={only}"} if only else {}
        self._upstream = ssl.create_default_context(cafile=str(ca))
        self._downstream = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._downstream.load_cert_chain(certificate, key)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True, name="proxy")
        self._written = 0
        self._faults: list[Fault] = []
        self._watches: list[Watch] = []
        self._held: set[str] = set()
        self._refused: set[str] = set()
        self._failing: dict[str, int] = {}
        self._down = False
        self._open = asyncio.Event()
        self.dead = threading.Event()
        self.calls: list[Call] = []
        self.left: set[str] = set()
        self.url = ""

    # Life

    def start(self) -> Proxy:
        self._thread.start()
        self._run(self._start())
        return self

    async def _start(self) -> None:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=self._upstream),
            timeout=aiohttp.ClientTimeout(total=None),
            # What is asked for is what is passed on: no encoding of this proxy's own.
            headers={"Accept-Encoding": "identity"},
        )
        # A client that goes away ends what is done for it: a broken watch must not be counted as open.
        self._server = web.Server(self._handle, handler_cancellation=True)
        self._listener = await self._loop.create_server(self._server, "127.0.0.1", 0, ssl=self._downstream)
        self.url = f"https://127.0.0.1:{self._listener.sockets[0].getsockname()[1]}"

    def stop(self) -> None:
        """May be called again; what is asked of it afterwards is done to nobody."""
        if not self._thread.is_alive():
            return
        self._run(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _stop(self) -> None:
        self._open.set()
        self._listener.close()
        self._abort_all()
        await self._server.shutdown(1)
        await self._session.close()

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        if not self._thread.is_alive():
            work.close()
            return
        asyncio.run_coroutine_threadsafe(work, self._loop).result(20)

    def _do(self, act: Callable[[], None]) -> None:
        async def run() -> None:
            act()

        self._run(run())

    # Faults

    def fault(self, matches: Callable[[Call], bool], act: Do | Answer, times: int | None = 1) -> Fault:
        """From now on, do this to calls that match."""
        fault = Fault(matches, act, times)
        self._faults.append(fault)
        return fault

    def die_at(self, write: int, *, after: bool) -> Fault:
        """Cut the operator off at its n-th write from now, counted from 1."""
        write += self._written
        return self.fault(lambda call: call.write == write, Do.DIE_AFTER if after else Do.DIE_BEFORE)

    def heal(self) -> None:
        """No more faults; hanging calls are let go unanswered, late ones go on."""
        self._faults.clear()

        def act() -> None:
            self._open.set()
            self._open.clear()

        self._do(act)

    def sever(self) -> None:
        """The operator is dead from this moment on: nothing it does reaches the API server any more."""
        self._do(self._sever)

    def _sever(self) -> None:
        self.dead.set()
        self._abort_all()

    def _abort_all(self) -> None:
        for connection in list(self._server.connections):
            if connection.transport is not None:
                connection.transport.abort()

    def down(self, down: bool) -> None:
        """The API server cannot be reached, or can again."""

        def act() -> None:
            self._down = down
            if down:
                self._abort_all()

        self._do(act)

    # Watches

    def watching(self, resource: str) -> bool:
        """Whether a watch of the resource is open."""
        return any(watch.call.resource == resource for watch in list(self._watches))

    def cut_watches(self, *resources: str) -> None:
        """Break the watches of these resources and let none begin until `allow_watches`."""

        def act() -> None:
            self._refused.update(resources)
            for watch in self._watches:
                if watch.call.resource in resources:
                    watch.transport.abort()

        self._do(act)

    def allow_watches(self, *resources: str, error: int | None = None) -> None:
        """Let watches of these resources begin again; the first of each gets an error event with that code."""

        def act() -> None:
            self._refused.difference_update(resources)
            if error is not None:
                self._failing.update(dict.fromkeys(resources, error))

        self._do(act)

    def hold_watches(self, *resources: str) -> None:
        """Keep the watches open and silent, as a connection that is dead without knowing it."""
        self._do(lambda: self._let_flow(set(resources)))

    def release_watches(self) -> None:
        """Let everything that was held back pass."""
        self._do(lambda: self._let_flow(set()))

    def _let_flow(self, held: set[str]) -> None:
        self._held = held
        for watch in self._watches:
            if watch.call.resource in held:
                watch.flow.clear()
            else:
                watch.flow.set()

    # Looking back

    def writes(self, *, after: int = 0, resource: str | None = None) -> list[Call]:
        """The writes so far, without the first `after`, the Lease's, and those in namespaces that earlier tests left; in the order
        they came."""
        found = [call for call in list(self.calls) if call.write > after and call.resource != "leases"]
        found = [call for call in found if call.namespace not in self.left]
        return [call for call in found if resource in (None, call.resource)]

    def count(self, matches: Callable[[Call], bool]) -> int:
        """How many calls match so far."""
        return sum(1 for call in list(self.calls) if matches(call))

    # Forwarding

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            return await self._answer(request)
        except (Cut, aiohttp.ClientError, ConnectionError):
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=502)

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        # Not request.read(): that ends at a megabyte, and a pod may be larger.
        data = await request.content.read()
        if self.dead.is_set() or self._down:
            raise Cut
        call = parse_call(request.method, request.path, dict(request.query), data)
        if call.verb not in ("get", "list", "watch"):
            self._written += 1
            call.write = self._written
        self.calls.append(call)
        act = self._fault_for(call)
        if isinstance(act, Answer):
            call.code = act.code
            return web.Response(status=act.code, body=act.body(), content_type="application/json", headers=act.headers)
        if act in (Do.HANG, Do.LATE):
            await self._open.wait()
        if act is Do.HANG:
            raise Cut
        if act is Do.DIE_BEFORE:
            self._sever()
        if act in (Do.DIE_BEFORE, Do.DROP_BEFORE):
            raise Cut
        if call.verb == "watch":
            return await self._watch(request, call)
        response = await self._forward(request, call, data)
        if act is Do.DIE_AFTER:
            self._sever()
        if act in (Do.DIE_AFTER, Do.DROP_AFTER) or self.dead.is_set():
            raise Cut
        return response

    def _fault_for(self, call: Call) -> Do | Answer | None:
        for fault in self._faults:
            if (fault.times is None or len(fault.hits) < fault.times) and fault.matches(call):
                fault.hits.append(call)
                return fault.act
        return None

    def _request(self, request: web.BaseRequest, call: Call, data: bytes | None) -> Any:
        headers = {key: value for key, value in request.headers.items() if key.lower() not in _NOT_FORWARDED}
        everywhere = call.verb in ("list", "watch") and call.resource in ("pods", "dindenvironments")
        query = self._only if everywhere else {}
        return self._session.request(
            request.method, self._target + request.path_qs, params=query, headers=headers, data=data
        )

    async def _forward(self, request: web.BaseRequest, call: Call, data: bytes) -> web.Response:
        async with self._request(request, call, data or None) as answer:
            body = await answer.read()
            call.code = answer.status
            kept = {
                key: value for key, value in answer.headers.items() if key.lower() in ("content-type", "retry-after")
            }
            return web.Response(status=answer.status, body=body, headers=kept)

    async def _watch(self, request: web.BaseRequest, call: Call) -> web.StreamResponse:
        assert isinstance(request.transport, asyncio.Transport)
        if call.resource in self._refused:
            raise Cut
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        if call.resource in self._failing:
            status = {
                "kind": "Status",
                "apiVersion": "v1",
                "status": "Failure",
                "code": self._failing.pop(call.resource),
            }
            await response.prepare(request)
            await response.write(json.dumps({"type": "ERROR", "object": status}).encode() + b"\n")
            return response
        watch = Watch(call, request.transport)
        if call.resource not in self._held:
            watch.flow.set()
        self._watches.append(watch)
        try:
            async with self._request(request, call, None) as answer:
                call.code = answer.status
                response.set_status(answer.status)
                await response.prepare(request)
                async for chunk in answer.content.iter_any():
                    await watch.flow.wait()
                    await response.write(chunk)
            return response
        finally:
            self._watches.remove(watch)
