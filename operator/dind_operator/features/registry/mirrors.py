"""Which mirrors the daemon of a pod asks, for status: the spec's, or those of the installation when the pod was made."""

import json
import re
from typing import Any

from dind_operator.api.registry import MIRROR_PATTERN
from dind_operator.state import pod_status as pods
from dind_operator.state.observed import Observed

MAX_MIRRORS = 16
"""As many as status holds; `spec.daemon.config` may have more."""


def pod_status(_observed: Observed, pod: pods.Pod) -> dict[str, Any]:
    """``status.registryMirrors``."""
    return {"registryMirrors": mirrors(pod)}


def mirrors(pod: pods.Pod) -> list[str] | None:
    """The mirrors, None without any. What is not plainly one is left out: a URL in `spec.daemon.config` may have a password."""
    text = (pods.variable(pod, "DIND_DAEMON_CONFIG") or "{}").replace("$$", "$")
    if '"registry-mirrors"' not in text:
        return None
    try:
        config: Any = json.loads(text)
    except ValueError:
        return None
    found = config.get("registry-mirrors") if isinstance(config, dict) else None
    if not isinstance(found, list):
        return None
    return [url for url in found if isinstance(url, str) and re.match(MIRROR_PATTERN, url)][:MAX_MIRRORS] or None
