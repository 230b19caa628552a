"""Environments by number: the same seed and number give the same object, whatever was made before.

A third are valid as far as the schema goes, a third are nearly valid (a valid one, an example of the documentation or a case of
the tests, with one or two things otherwise), and a third are hostile: many things otherwise, deep, long, unknown.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import yaml
from tests.fuzz import texts, values
from tests.fuzz.jsontext import encode

ROOT = Path(__file__).parents[2]
Object = dict[str, Any]


@dataclass(frozen=True)
class Made:
    """One object, and what kind it is of."""

    number: int
    kind: str
    body: Object

    def text(self) -> str:
        """As YAML for people; as JSON, which is YAML, too, what YAML's writer cannot follow."""
        try:
            return str(yaml.safe_dump(self.body, width=1000))
        except RecursionError:
            return encode(self.body)


class Environments:
    """The objects of one seed. `others`: specs that are changed a little, besides the examples."""

    def __init__(self, seed: int, others: Sequence[Object] = ()) -> None:
        self.seed = seed
        definition = yaml.load((ROOT / "crds" / "dind.dev_dindenvironments.yaml").read_text(), Loader=yaml.CSafeLoader)
        root = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        self.schema: Object = root["properties"]["spec"]
        self._known = [*_examples(), *others]

    def __getitem__(self, number: int) -> Made:
        # Not hash(): that of a text differs from process to process.
        digest = hashlib.sha256(f"{self.seed}/{number}".encode()).digest()
        rng = Random(int.from_bytes(digest))
        kind = ("valid", "nearly", "hostile")[number % 3]
        spec: Any = self._base(rng, kind)
        # What is hostile as a whole is stored more often if the rest is as it should be.
        changes = {"valid": [0], "nearly": [1, 1, 2], "hostile": [0, 0, 0, 2, 4, 8]}[kind]
        for _ in range(rng.choice(changes)):
            self._change(rng, spec)
        metadata: Object = {"name": f"f{number}"}
        if kind == "hostile":
            spec = _hostile(rng, spec, metadata)
        body = {"apiVersion": "dind.dev/v1alpha1", "kind": "DindEnvironment", "metadata": metadata, "spec": spec}
        return Made(number, kind, body)

    def _base(self, rng: Random, kind: str) -> Object:
        if kind == "valid" or rng.random() < 0.4:
            spec: Object = values.valid(rng, self.schema)
        else:
            spec = copy.deepcopy(rng.choice(self._known))
        # Certificates and a Service for each would be most of the work, and are of interest for some.
        if rng.random() < 0.8:
            spec["endpoint"] = {**(spec.get("endpoint") or {}), "enabled": False}
        return spec

    def _change(self, rng: Random, spec: Object) -> None:
        """One place in the spec, as deep or shallow as it comes, otherwise."""
        container, key, node = rng.choice(list(places(spec, self.schema)))
        there = container.get(key) if isinstance(container, dict) else container[key]
        container[key] = values.otherwise(rng, node, there)


def places(value: Any, node: Object) -> Iterator[tuple[Any, Any, Object]]:
    """Every field, item and entry that is there, and every field that could be: where, under which key, with which schema."""
    if isinstance(value, dict):
        for name, child in node.get("properties", {}).items():
            yield value, name, child
            if name in value:
                yield from places(value[name], child)
        inner = node.get("additionalProperties")
        for key in list(value) if isinstance(inner, dict) else ():
            yield value, key, inner
            yield from places(value[key], inner)
    elif isinstance(value, list) and "items" in node:
        for index, item in enumerate(value):
            yield value, index, node["items"]
            yield from places(item, node["items"])


def _hostile(rng: Random, spec: Any, metadata: Object) -> Any:
    """What is beyond single fields."""
    match rng.randrange(12):
        case 0:
            depths = values.VERY_DEEP if rng.random() < 0.1 else values.DEPTHS
            spec["daemon"] = {"config": {rng.choice(values.SETTINGS): values.deep(rng.choice(depths), rng)}}
        case 1:
            spec["daemon"] = {
                "config": {f"k{number}": values.free(rng) for number in range(rng.choice([127, 128, 129]))}
            }
        case 2:
            # Once in a while more than the API server takes of one object.
            text = texts.repeated(texts.odd(rng) or "a", rng.choice([1, 1000, 100_000]))
            spec["daemon"] = {"config": {"x": "a" * 3_200_000 if rng.random() < 0.05 else text}}
        case 3:
            spec[rng.choice(["unknown", "status", "Daemon", texts.odd(rng)])] = values.free(rng)
        case 4:
            metadata["annotations"] = {
                rng.choice(["dind.dev/extend-until", "a"]): rng.choice(
                    [texts.odd(rng), "2030-01-31T18:00:00Z", "a" * 9000]
                )
            }
        case 5:
            metadata["labels"] = {
                rng.choice(["dind.dev/environment", "app.kubernetes.io/managed-by", "a"]): "dind-operator"
            }
        case 6:
            metadata["finalizers"] = ["example.com/kept"]
        case 7:
            spec["operatingMode"] = "Suspended"
            spec["lifetime"] = {"ttl": rng.choice(["1m", "365d", texts.odd(rng)])}
        case 8:
            return rng.choice(
                [None, [], "", 0, {"daemon": None, "storage": None, "endpoint": None, "lifetime": None}, [spec]]
            )
        case 9:
            return dict.fromkeys(("daemon", "security", "network", "endpoint", "registry", "scheduling", "probes"))
    return spec


def _examples() -> Iterator[Object]:
    for path in sorted((ROOT / "examples").glob("*.yaml")):
        for found in yaml.safe_load_all(path.read_text()):
            if found["kind"] == "DindEnvironment":
                yield found["spec"] or {}
