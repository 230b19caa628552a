"""The registry mirrors of the daemon in a pod, for status: from the spec, or the defaults at the creation of the pod."""

import re
from typing import Any

from dind_operator.api.registry import MIRROR_PATTERN
from dind_operator.state import pod_status as pods
from dind_operator.state.observed import Observed

MAX_MIRRORS = 16
"""The maximum in status; `spec.daemon.config` may contain more."""
MAX_LENGTH = 512
"""Of a URL in status."""


def pod_status(_observed: Observed, pod: pods.Pod) -> dict[str, Any]:
    """``status.registryMirrors``."""
    return {"registryMirrors": mirrors(pod)}


def mirrors(pod: pods.Pod) -> list[str] | None:
    """The mirrors, or None. Other URLs in `spec.daemon.config` are omitted, because they may contain a password."""
    config = pods.node_config(pod).get("daemonConfig")
    found = config.get("registry-mirrors") if isinstance(config, dict) else None
    if not isinstance(found, list):
        return None
    urls = [url for url in found if isinstance(url, str) and len(url) <= MAX_LENGTH and re.match(MIRROR_PATTERN, url)]
    return urls[:MAX_MIRRORS] or None
