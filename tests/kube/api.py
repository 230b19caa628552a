"""The client for tests, which are ordinary functions: an asyncio client in its own thread, one for the whole process."""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import json
import threading
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping, Sequence
from concurrent.futures import Future
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode

from tests.kube.client import APPLY_PATCH, JSON, MERGE_PATCH, ApiError, Client, Executed, Object

T = TypeVar("T")

FIELD_MANAGER = "tests"
# A condition may depend on more than the object that is watched: it is asked again after this time.
_ASK_AGAIN_SECONDS = 1.0
# The least time for a first answer, however short the wait is meant to be.
_FIRST_SECONDS = 10.0


class NotSeenError(AssertionError):
    """What was waited for did not come. The message says what was there instead."""


@cache
def _loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True, name="api-client")
    thread.start()
    atexit.register(loop.call_soon_threadsafe, loop.stop)
    return loop


def run(work: Coroutine[Any, Any, T], seconds: float | None = None) -> T:
    """Runs it in the client's thread and returns its result. Raises TimeoutError after `seconds`, and ends it then."""
    doing = asyncio.run_coroutine_threadsafe(work, _loop())
    try:
        return doing.result(seconds)
    except TimeoutError:
        doing.cancel()
        raise


class Api:
    """Calls by path, as the user of a kubeconfig. Safe to use from several threads."""

    def __init__(self, kubeconfig: Path | Mapping[str, Any]) -> None:
        self._client = run(Client.connect(kubeconfig))
        # Before the loop is stopped, which was registered earlier.
        atexit.register(self.close)

    def close(self) -> None:
        run(self._client.close())

    # Calls

    def call(self, method: str, path: str, body: Object | str | None = None, content_type: str = JSON) -> Object:
        """One call with a JSON answer. Raises ApiError."""
        answer = run(self._client.request(method, path, body, content_type=content_type))
        found: Object = json.loads(answer) if answer else {}
        return found

    def text(self, path: str, accept: str = "*/*") -> str:
        """One GET with an answer that is no object, such as a log. Raises ApiError."""
        return run(self._client.request("GET", path, accept=accept)).decode(errors="replace")

    def get(self, path: str) -> Object | None:
        """The object, or None if it does not exist."""
        try:
            return self.call("GET", path)
        except ApiError as error:
            if error.code == 404:
                return None
            raise

    def items(self, path: str, **query: str) -> list[Object]:
        """The objects of a collection."""
        found: list[Object] = self.call("GET", f"{path}?{urlencode(query)}" if query else path)["items"]
        return found

    def create(self, path: str, body: Object) -> Object:
        """Create in a collection."""
        return self.call("POST", path, body)

    def patch(self, path: str, body: Object) -> Object:
        """Merge."""
        return self.call("PATCH", path, body, MERGE_PATCH)

    def apply(self, path: str, body: Object) -> Object:
        """Server-side apply, over whatever is there."""
        return self.call("PATCH", f"{path}?fieldManager={FIELD_MANAGER}&force=true", body, APPLY_PATCH)

    def delete(self, path: str, **options: Any) -> None:
        """Delete if it is there; options are DeleteOptions."""
        try:
            self.call("DELETE", path, {"apiVersion": "v1", "kind": "DeleteOptions", **options})
        except ApiError as error:
            if error.code != 404:
                raise

    def execute(
        self,
        namespace: str,
        pod: str,
        container: str | None,
        command: Sequence[str],
        stdin: Path | bytes | None = None,
        timeout: float = 120,
    ) -> Executed:
        """Runs a command in a container. Raises TimeoutError."""
        return run(self._client.execute(namespace, pod, container, command, stdin), timeout)

    # Waiting

    def states(self, collection: str, **query: str) -> States:
        """A collection as it is, and as it becomes, for the thread that asks. Close it in the end."""
        return States(self._client.follow(collection, **query))

    def wait_items(
        self,
        collection: str,
        holds: Callable[[list[Object]], Any],
        what: str,
        seconds: float,
        story: Callable[[], object] | None = None,
        **query: str,
    ) -> list[Object]:
        """Watches the objects of a collection until `holds`; returns them then. Raises NotSeenError with the story."""
        end = time.monotonic() + seconds
        with closing(self.states(collection, **query)) as states:
            found = states.next(max(seconds, _FIRST_SECONDS)) or []
            while not holds(found):
                if time.monotonic() > end:
                    told = story() if story else json.dumps([item.get("status") for item in found], indent=1)
                    raise NotSeenError(f"not seen within {seconds:.0f} s: {collection}: {what}\n{told}")
                coming = states.next(_ASK_AGAIN_SECONDS)
                found = found if coming is None else coming
        return found

    def wait(
        self,
        collection: str,
        name: str,
        holds: Callable[[Object | None], Any],
        what: str,
        seconds: float,
        story: Callable[[], object] | None = None,
    ) -> Object | None:
        """Watches an object (None while absent) until `holds`; returns it then. Raises NotSeenError with the story."""

        def one(items: list[Object]) -> Object | None:
            return items[0] if items else None

        chosen = {"fieldSelector": f"metadata.name={name}"}
        return one(
            self.wait_items(collection, lambda items: holds(one(items)), f"{name}: {what}", seconds, story, **chosen)
        )


class States:
    """What `Client.follow` yields, for one thread."""

    def __init__(self, states: AsyncGenerator[list[Object], None]) -> None:
        self._states = states
        self._coming: Future[list[Object]] | None = None

    def next(self, seconds: float) -> list[Object] | None:
        """The next state; None when none comes within `seconds`."""
        if self._coming is None:
            self._coming = asyncio.run_coroutine_threadsafe(self._step(), _loop())
        done, _ = concurrent.futures.wait([self._coming], seconds)
        if not done:
            return None
        coming, self._coming = self._coming, None
        return coming.result()

    async def _step(self) -> list[Object]:
        return await anext(self._states)

    def close(self) -> None:
        """Ends the watch, if one is open."""
        # A step that is under way ends the generator with itself; one that rests between two states is closed.
        if self._coming is None or not self._coming.cancel():
            run(self._states.aclose())
