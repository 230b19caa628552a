"""Versions are those of programs, without what vendors and machines add."""

from __future__ import annotations

import dataclasses

from tests.cluster.instance import Instance
from tests.cluster.tools import TOOLS
from tests.matrix.in_use import from_reports, versions
from tests.matrix.parts import Condition

INFO = {
    "kubeletVersion": "v1.34.4",
    "containerRuntimeVersion": "containerd://1.6.20~ds1",
    "kernelVersion": "6.12.90+deb13-amd64",
}


def test_what_a_cluster_reports() -> None:
    found = from_reports("v1.34.4", INFO, "runc version 1.1.5+ds1\ncommit: 1.1.5+ds1-1+deb12u1\nspec: 1.0.2-dev\n")
    assert found == {"Kubernetes": ["1.34.4"], "containerd": ["1.6.20"], "runc": ["1.1.5"], "Linux": ["6.12.90"]}


def test_a_kubelet_of_another_release_is_named_beside_the_servers() -> None:
    found = from_reports("v1.34.4", {**INFO, "kubeletVersion": "v1.33.1"}, "")
    assert found["Kubernetes"] == ["1.34.4", "1.33.1"]
    assert found["runc"] == []


def test_a_part_without_a_node_has_the_versions_of_its_programs() -> None:
    part = Condition("api", "API", ("tests",), tools=("kubenode", "helm3", "helm4"), distributions=("hypothesis",))
    found = versions(Instance("none"), part)
    assert found["Kubernetes"] == [TOOLS["kubenode"].version]
    assert found["Helm"] == [TOOLS["helm3"].version, TOOLS["helm4"].version]
    assert found["Hypothesis"]
    older = dataclasses.replace(part, environment=(("DIND_KUBERNETES_VERSION", "1.34.4"),))
    assert versions(Instance("none"), older)["Kubernetes"] == ["1.34.4"]
    assert found["Python"]
