"""The system tier: tests that need root, namespaces, cgroups, a compiler, Helm, or a program of Debian, but no cluster."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def run_directory(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A directory that all workers of this run share. Take a lock (tests.cluster.locks) before you make a file there."""
    own = tmp_path_factory.getbasetemp()
    return own if worker_id == "master" else own.parent
