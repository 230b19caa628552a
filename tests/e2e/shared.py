"""The one installation that all tests share: made by the first that needs it, found by all others, replaced when its code changed."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from tests.cluster import images
from tests.cluster.instance import Instance
from tests.cluster.locks import exclusive
from tests.installation import CRD, Installation

# On the CRD, which goes with the installation: what it was made from.
_MADE_FROM = "dind.dev/tests-installed-from"


def key_of(installation: Installation, values: dict[str, Any]) -> str:
    """Changes with the chart, the values and the images, whose archives are named after what they are made from."""
    parts = [json.dumps([installation.values, values], sort_keys=True).encode()]
    parts += [file.read_bytes() for file in sorted(installation.chart.rglob("*")) if file.is_file()]
    parts += [images.build(target).archive.name.encode() for target in ("operator", "node-tool", "daemon")]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


def ensure(installation: Installation, values: dict[str, Any]) -> None:
    """Returns with the operator of this checkout installed and available. Workers that ask at once wait for each other."""
    cluster, instance = installation.cluster, Instance.from_environment()
    lock = instance.lock_file.with_name(f"installation-{instance.name}.lock")
    with exclusive(lock, f"the installation on the cluster {instance.name}"):
        key = key_of(installation, values)
        found = cluster.get("crd", CRD)
        if found is not None and (found["metadata"].get("annotations") or {}).get(_MADE_FROM) == key:
            return
        installation.clear()
        installation.install(values)
        cluster.patch("crd", CRD, None, {"metadata": {"annotations": {_MADE_FROM: key}}})
