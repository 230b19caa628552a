"""The hash changes with what the cluster's own tests use, and with nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cluster.record import checkout
from tests.harness import dependencies

ROOT = Path(checkout())
TREE = {
    "tests/harness/test_life.py": "from tests import machine_view\nfrom tests.cluster import node\n",
    "tests/machine_view.py": "import os\n",
    "tests/cluster/__init__.py": "",
    "tests/cluster/__main__.py": "from tests.cluster.life import up\n",
    "tests/cluster/life.py": "def up():\n    from dind_operator.api import quantity\n",
    "tests/cluster/node.py": "",
    "tests/cluster/unused.py": "",
    "tests/cluster/node-init.sh": "mount\n",
    "tests/cluster/kubenode/go.mod": "module kubenode\n",
    "tests/cluster/releases/Dockerfile": "FROM debian\n",
    "tests/cluster/README.md": "",
    "operator/dind_operator/__init__.py": "",
    "operator/dind_operator/api/__init__.py": "",
    "operator/dind_operator/api/quantity.py": "",
    "operator/dind_operator/api/other.py": "",
    "tests/e2e/test_environments.py": "from tests.cluster import node\n",
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name, text in TREE.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def key(root: Path) -> str:
    return dependencies.key(root, {"containerd": "1.6.20", "kernel": "6.18"})


@pytest.mark.parametrize(
    "changed",
    [
        "tests/harness/test_life.py",
        "tests/machine_view.py",
        "tests/cluster/__init__.py",
        "tests/cluster/__main__.py",
        "tests/cluster/life.py",
        "tests/cluster/node.py",
        "tests/cluster/node-init.sh",
        "tests/cluster/kubenode/go.mod",
        "operator/dind_operator/__init__.py",
        "operator/dind_operator/api/quantity.py",
    ],
)
def test_the_hash_changes_with_a_file_that_the_tests_use(tree: Path, changed: str) -> None:
    before = key(tree)
    with (tree / changed).open("a") as file:
        file.write("# changed\n")
    assert key(tree) != before


@pytest.mark.parametrize(
    "changed",
    [
        "tests/cluster/unused.py",
        "tests/cluster/releases/Dockerfile",
        "tests/cluster/README.md",
        "operator/dind_operator/api/other.py",
        "tests/e2e/test_environments.py",
    ],
)
def test_the_hash_stays_when_another_file_changes(tree: Path, changed: str) -> None:
    before = key(tree)
    with (tree / changed).open("a") as file:
        file.write("# changed\n")
    assert key(tree) == before


@pytest.mark.parametrize(
    "added", ["tests/harness/test_more.py", "tests/harness/conftest.py", "tests/conftest.py", "tests/cluster/new.sh"]
)
def test_the_hash_changes_with_a_new_file(tree: Path, added: str) -> None:
    before = key(tree)
    (tree / added).write_text("")
    assert key(tree) != before


def test_the_hash_changes_with_the_machines_programs(tree: Path) -> None:
    assert dependencies.key(tree, {"containerd": "1.6.20"}) != dependencies.key(tree, {"containerd": "1.7.24"})


def test_imports_that_go_round_in_a_circle_come_to_an_end(tree: Path) -> None:
    (tree / "tests/cluster/node.py").write_text("import tests.cluster.life\n")
    (tree / "tests/cluster/life.py").write_text("import tests.cluster.node\n")
    assert key(tree)


def test_of_this_checkout_the_parts_that_start_a_cluster_are_there_and_the_operator_is_not() -> None:
    names = {str(file.relative_to(ROOT)) for file in dependencies.files(ROOT)}
    assert {
        "tests/harness/test_cluster.py",
        "tests/harness/test_control_plane.py",
        "tests/own_machine.py",
        "tests/cluster/lifecycle.py",
        "tests/cluster/components.py",
        "tests/cluster/node-init.sh",
        "tests/cluster/pause.c",
        "tests/cluster/kubenode/go.sum",
    } <= names
    assert not [name for name in names if name.startswith(("operator/", "tests/e2e/", "tests/unit/"))]


def test_the_machines_programs_have_versions() -> None:
    found = dependencies.programs_of_this_machine()
    assert found["kernel"]
    assert found["cgroups"] in ("1", "2")
