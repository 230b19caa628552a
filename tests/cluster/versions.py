"""The versions of what the node runs, each in one place. docs/versions.md names them, too.

The gate runs the pinned release of Kubernetes. An older one is chosen by DIND_KUBERNETES_VERSION, for a whole cluster or for a
control plane alone: `make matrix` does so.
"""

from __future__ import annotations

import os

from tests.cluster.progress import ClusterError

KUBERNETES = "1.37.2"
CONTAINERD = "2.4.2"
RUNC = "1.5.3"

# Releases that kubenode can also be built of, newest first. Each has a modfile beside kubenode's sources: see pin-kubernetes.sh.
# With the pinned one these are the supported releases: what Kubernetes supports, and one more. Kubernetes 1.33 needs another
# main.go: its kubelet takes no context.
OLDER_KUBERNETES = ("1.36.3", "1.35.4", "1.34.4")

# Those that the project supports, by their minor versions, newest first.
SUPPORTED_KUBERNETES = tuple(version.rpartition(".")[0] for version in (KUBERNETES, *OLDER_KUBERNETES))

VARIABLE = "DIND_KUBERNETES_VERSION"
CHOSEN = os.environ.get(VARIABLE) or KUBERNETES


def older(minor: str) -> str:
    """The older release with this minor version, such as 1.35."""
    return next(version for version in OLDER_KUBERNETES if version.rpartition(".")[0] == minor)


def check() -> None:
    """Raises ClusterError if the release that was chosen is not one that can be built."""
    known = (KUBERNETES, *OLDER_KUBERNETES)
    if CHOSEN not in known:
        raise ClusterError(f"{VARIABLE}={CHOSEN} is not known: unset it, or choose one of {', '.join(known)}.")
