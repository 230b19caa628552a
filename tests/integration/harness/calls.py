"""The operator's calls as the proxy sees them, and what may be done to them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


@dataclass
class Call:
    """One call. `write` counts the writes from 1 (0: a read); `code` is the answer's, 0 while there is none."""

    verb: str
    resource: str
    group: str = ""
    namespace: str | None = None
    name: str | None = None
    query: dict[str, str] = field(default_factory=dict)
    body: dict[str, Any] | None = None
    write: int = 0
    code: int = 0

    def __str__(self) -> str:
        return f"{self.verb} {self.resource} {self.namespace or ''}/{self.name or ''} -> {self.code}"


def parse_call(method: str, path: str, query: dict[str, str], data: bytes) -> Call:
    """Reads a request as the API server does: verb, resource with its subresource, where."""
    parts = path.strip("/").split("/")
    group, rest = ("", parts[2:]) if parts[0] == "api" else ("".join(parts[1:2]), parts[3:])
    namespace = None
    if rest[:1] == ["namespaces"] and len(rest) > 2:
        namespace, rest = rest[1], rest[2:]
    resource = rest[0] if rest else path
    name = rest[1] if len(rest) > 1 else None
    if len(rest) > 2:
        resource += "/" + rest[2]
    reads = "watch" if query.get("watch") else "get" if name or not rest else "list"
    verb = _VERBS.get(method, reads)
    body = json.loads(data) if data else None
    return Call(verb, resource, group, namespace, name, query, _without_secrets(resource, body))


def _without_secrets(resource: str, body: dict[str, Any] | None) -> dict[str, Any] | None:
    """Calls are shown when a test fails, and logs of tests are public: of a Secret only the names of its entries are kept."""
    if resource != "secrets" or body is None:
        return body
    masked = {part: dict.fromkeys(body[part] or {}, "(masked)") for part in ("data", "stringData") if part in body}
    return {**body, **masked}


class Do(Enum):
    """What happens to a call instead of what should."""

    DROP_BEFORE = "the connection breaks; the API server never hears of it"
    DROP_AFTER = "the API server does it; the answer is lost"
    DIE_BEFORE = "the operator is cut off for good before the API server hears of it"
    DIE_AFTER = "the operator is cut off for good after the API server did it"
    HANG = "no answer comes, and the API server never hears of it"
    LATE = "the API server hears of it when the faults are healed"


@dataclass(frozen=True)
class Answer:
    """An answer that the API server did not give. `text` is the body, if it is not to be made here."""

    code: int
    reason: str = "InternalError"
    message: str = "made up by the test"
    headers: dict[str, str] = field(default_factory=dict)
    text: str | None = None

    def body(self) -> bytes:
        """As `metav1.Status`."""
        if self.text is not None:
            return self.text.encode()
        status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": self.code}
        return json.dumps({**status, "reason": self.reason, "message": self.message}).encode()


@dataclass
class Fault:
    """What to do to the calls that match; `times` of them, or all (None)."""

    matches: Callable[[Call], bool]
    act: Do | Answer
    times: int | None = 1
    hits: list[Call] = field(default_factory=list)


@dataclass
class Watch:
    """A watch that is open now. `flow` is cleared to hold its events back."""

    call: Call
    transport: asyncio.Transport
    flow: asyncio.Event = field(default_factory=asyncio.Event)


def on(verb: str, resource: str, name: str | None = None) -> Callable[[Call], bool]:
    """Matches calls by verb and resource, and by name if it is given."""
    return lambda call: call.verb == verb and call.resource == resource and name in (None, call.name)
