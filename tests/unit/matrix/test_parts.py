"""Everything that the gate leaves out is in a part."""

from __future__ import annotations

import re
from pathlib import Path

from tests.cluster import nodes, versions
from tests.cluster.record import checkout
from tests.matrix.page import updated
from tests.matrix.parts import MARKED, PARTS, wanted

ROOT = Path(checkout())
MARK = re.compile(r"\bmark\.matrix\b")


def test_names_and_titles_are_different() -> None:
    assert len({part.name for part in PARTS}) == len({part.title for part in PARTS}) == len(PARTS)


def test_every_file_with_marked_tests_is_in_a_part_that_selects_the_mark() -> None:
    places = [ROOT / path for part in PARTS if part.options == MARKED for path in part.paths]
    # A conftest marks parameters of the tests below its folder.
    marked = [
        file for file in (ROOT / "tests").rglob("*.py") if MARK.search(file.read_text()) and file != Path(__file__)
    ]
    assert [file for file in marked if not any(file.is_relative_to(place) for place in places)] == []


def test_every_release_of_kubernetes_that_can_be_built_is_in_a_part() -> None:
    ran = {part.kubernetes for part in PARTS if "kubenode" in part.tools}
    assert ran == {versions.KUBERNETES, *versions.OLDER_KUBERNETES}


def test_paths_exist() -> None:
    assert [path for part in PARTS for path in part.paths if not (ROOT / path).exists()] == []


def test_the_virtual_node_is_asked_for_by_name_or_by_nodes_and_comes_last() -> None:
    assert nodes.VM not in {part.node for part in wanted(None, with_vm=False)}
    assert wanted(None, with_vm=True) == list(PARTS)
    assert [part.node for part in wanted(["vm"], with_vm=False)] == [nodes.VM]
    assert PARTS[-1].node == nodes.VM


def test_parts_run_in_their_own_order() -> None:
    names = [part.name for part in PARTS]
    assert [part.name for part in wanted(list(reversed(names)), with_vm=False)] == names


def test_the_page_of_versions_has_the_table_and_a_row_for_each_part() -> None:
    text = (ROOT / "docs" / "versions.md").read_text()
    assert updated(text, [part.title for part in PARTS], {}) == text
