"""The API paths of a kind, by any name that kubectl accepts. It asks the API server once, and again for an unknown kind."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from tests.kube.api import Api

_DISCOVERY = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


@dataclass(frozen=True)
class Kind:
    """One resource of the API. `base` is the path of its group and version."""

    base: str
    plural: str
    namespaced: bool

    def collection(self, namespace: str | None) -> str:
        """The path of the objects of a namespace, or, with None, of all there are."""
        where = f"/namespaces/{namespace}" if self.namespaced and namespace else ""
        return f"{self.base}{where}/{self.plural}"


class Kinds:
    """Finds a kind by its plural, singular, short or full name: `pods`, `pod`, `po`, `dindenvironments.dind.dev`, `Pod`."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._known: dict[str, Kind] = {}

    def __call__(self, name: str) -> Kind:
        name = name.lower()
        if name not in self._known:
            self._ask()
        return self._known[name]

    def _ask(self) -> None:
        for root in ("/api", "/apis"):
            for group in json.loads(self._api.text(root, accept=_DISCOVERY))["items"]:
                version = group["versions"][0]  # the preferred one comes first
                own = group["metadata"].get("name") or ""
                base = f"/apis/{own}/{version['version']}" if own else f"/api/{version['version']}"
                for resource in version.get("resources") or []:
                    self._learn(base, own, resource)

    def _learn(self, base: str, group: str, resource: dict[str, Any]) -> None:
        kind = Kind(base, resource["resource"], resource["scope"] == "Namespaced")
        names = [kind.plural, resource.get("singularResource") or "", *(resource.get("shortNames") or ())]
        names.append((resource.get("responseKind") or {}).get("kind") or "")
        for name in filter(None, names):
            # Core kinds come first and keep their plain names: events, not events.events.k8s.io.
            self._known.setdefault(name.lower(), kind)
        self._known[f"{kind.plural}.{group}".lower().rstrip(".")] = kind
