"""The servers' command lines and identities."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cluster import components
from tests.cluster.components import ControlPlaneLayout


@pytest.fixture
def layout(tmp_path: Path) -> ControlPlaneLayout:
    return ControlPlaneLayout(kubenode=Path("/kubenode"), folder=tmp_path, address="127.0.0.1", port=7443)


def test_admission_plugins_are_left_out_only_when_asked(layout: ControlPlaneLayout) -> None:
    assert not [a for a in components.api_server(layout) if a.startswith("--disable-admission-plugins")]
    wanted = ControlPlaneLayout(Path("/k"), layout.folder, "127.0.0.1", disable_admission=("ServiceAccount", "X"))
    assert "--disable-admission-plugins=ServiceAccount,X" in components.api_server(wanted)


def test_an_api_server_on_the_loopback_announces_no_address_to_pods(layout: ControlPlaneLayout) -> None:
    assert "--endpoint-reconciler-type=none" in components.api_server(layout)
    of_the_node = ControlPlaneLayout(Path("/k"), layout.folder, "10.87.0.2")
    assert not [word for word in components.api_server(of_the_node) if "endpoint-reconciler" in word]


def test_the_first_node_is_told_apart_by_a_label(layout: ControlPlaneLayout) -> None:
    command = components.kubelet(layout, "dind-life", "10.87.0.2", Path("/kubelet.json"))
    assert "--node-labels=dind.dev/test-node=host" in command
