"""CLUSTER has two values; any other value is an error."""

from __future__ import annotations

import pytest
from tests.cluster import current
from tests.cluster.progress import ClusterError


def test_another_value_is_a_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLUSTER", "curent")
    with pytest.raises(ClusterError, match="CLUSTER=curent is not known"):
        current.chosen()
