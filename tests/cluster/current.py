"""CLUSTER=current: the cluster that KUBECONFIG names, used as it is. It is never started, changed or stopped here."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from tests.cluster.progress import ClusterError, say


def chosen() -> bool:
    """Whether the user wants their own cluster. Any other value than the two known ones is a mistake."""
    value = os.environ.get("CLUSTER") or "embedded"
    if value not in ("embedded", "current"):
        raise ClusterError(
            f"CLUSTER={value} is not known: use CLUSTER=embedded (the default, a cluster on this machine) "
            "or CLUSTER=current (the cluster of KUBECONFIG)."
        )
    return value == "current"


def kubeconfig() -> Path:
    """The file kubectl would use. Several files in KUBECONFIG cannot be handed on as one path."""
    value = os.environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")
    if os.pathsep in value:
        raise ClusterError(
            "KUBECONFIG lists several files, and CLUSTER=current needs one: "
            "`kubectl config view --flatten --minify > FILE` makes it; then set KUBECONFIG=FILE."
        )
    if not Path(value).is_file():
        raise ClusterError(f"CLUSTER=current needs a kubeconfig and {value} does not exist: set KUBECONFIG to yours.")
    return Path(value)


def describe(config: dict[str, Any]) -> tuple[str, str]:
    """(context, server) of a kubeconfig as `kubectl config view --minify --output=json` gives it."""
    clusters = config.get("clusters") or []
    server = clusters[0]["cluster"].get("server", "") if clusters else ""
    return config.get("current-context") or "", server


def announce() -> None:
    """Says which cluster will be used and what will be done to it, before anything is."""
    path = kubeconfig()
    command = ["kubectl", f"--kubeconfig={path}", "config", "view", "--minify", "--output=json"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    context, server = describe(json.loads(done.stdout)) if done.returncode == 0 else ("", "")
    if not context or not server:
        reason = done.stderr.strip() or "it has no current context"
        raise ClusterError(
            f"The kubeconfig {path} has no current cluster ({reason}). Choose one with `kubectl config use-context`."
        )
    say(f"==> CLUSTER=current: context {context}, server {server}")
    say("    Privileged pods will be created there. Everyone who controls one can become root on its node.")
