"""A small synchronous client of the API server: what tests read and write, as plain dicts.

Not kubectl: a test looks many times a second. Not the operator's client either: it must not share its faults.
"""

from __future__ import annotations

import json
import time
from typing import Any

import urllib3
from tests.cluster.controlplane import ControlPlane

Object = dict[str, Any]
_MERGE_PATCH = "application/merge-patch+json"
_TIMEOUT_SECONDS = 30
_ENVIRONMENTS = "/apis/dind.dev/v1alpha1"


class ApiError(Exception):
    """The API server answered with an error: `code` is the HTTP code, `text` the body."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text


class Api:
    """Calls as the cluster's administrator, or with the token of somebody else. Safe to use from several threads."""

    def __init__(self, plane: ControlPlane, token: str | None = None) -> None:
        self._url = plane.url
        own = {"cert_file": str(plane.client_certificate), "key_file": str(plane.client_key)} if token is None else {}
        self._headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self._pool = urllib3.PoolManager(
            maxsize=16, ca_certs=str(plane.ca), retries=False, timeout=_TIMEOUT_SECONDS, **own
        )

    def call(
        self, method: str, path: str, body: Object | None = None, content_type: str = "application/json"
    ) -> Object:
        """One call, repeated as long as the API server asks for it. Raises ApiError."""
        data = None if body is None else json.dumps(body)
        end = time.monotonic() + _TIMEOUT_SECONDS
        while True:
            headers = {"Content-Type": content_type, **self._headers}
            answer = self._pool.request(method, self._url + path, body=data, headers=headers)
            if answer.status != 429 or path.endswith("/eviction") or time.monotonic() > end:
                break
            time.sleep(0.05)  # a new kind's storage takes a moment to be there
        if answer.status >= 400:
            raise ApiError(answer.status, answer.data.decode())
        parsed: Object = json.loads(answer.data)
        return parsed

    def get(self, path: str) -> Object | None:
        """The object, or None if it does not exist."""
        try:
            return self.call("GET", path)
        except ApiError as error:
            if error.code == 404:
                return None
            raise

    def items(self, path: str) -> list[Object]:
        """The objects of a collection."""
        found: list[Object] = self.call("GET", path)["items"]
        return found

    def create(self, path: str, body: Object) -> Object:
        """Create in a collection."""
        return self.call("POST", path, body)

    def patch(self, path: str, body: Object) -> Object:
        """Merge."""
        return self.call("PATCH", path, body, _MERGE_PATCH)

    def apply(self, path: str, body: Object) -> Object:
        """Server-side apply, over whatever is there."""
        query = "?fieldManager=tests&force=true"
        return self.call("PATCH", path + query, body, "application/apply-patch+yaml")

    def delete(self, path: str, **options: Any) -> None:
        """Delete if it is there; options are DeleteOptions."""
        try:
            self.call("DELETE", path, {"apiVersion": "v1", "kind": "DeleteOptions", **options})
        except ApiError as error:
            if error.code != 404:
                raise


def environments(namespace: str) -> str:
    """Path of a namespace's environments."""
    return f"{_ENVIRONMENTS}/namespaces/{namespace}/dindenvironments"


def pods(namespace: str) -> str:
    """Path of a namespace's pods."""
    return f"/api/v1/namespaces/{namespace}/pods"
