"""What is remembered about a cluster, and reading it back whoever wrote it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cluster import record
from tests.cluster.instance import Instance
from tests.cluster.record import Record

RECORD = Record("/some/checkout", "abc", ["/var/lib/cni"], {"net/ipv4/ip_forward": "0"})


def test_a_record_is_read_back(tmp_path: Path) -> None:
    instance = Instance(cache=tmp_path)
    RECORD.save(instance)
    assert Record.load(instance.record_file) == RECORD


def test_fields_of_a_newer_checkout_do_not_matter(tmp_path: Path) -> None:
    instance = Instance(cache=tmp_path)
    RECORD.save(instance)
    instance.record_file.write_text(json.dumps(json.loads(instance.record_file.read_text()) | {"new": 1}))
    assert Record.load(instance.record_file) == RECORD


@pytest.mark.parametrize("text", ["", "{", "[]", '{"checkout": "x"}', "null"])
def test_a_record_cut_off_or_foreign_is_none(tmp_path: Path, text: str) -> None:
    file = tmp_path / "cluster.json"
    file.write_text(text)
    assert Record.load(file) is None


def test_other_clusters_are_found_and_the_own_is_not(tmp_path: Path) -> None:
    RECORD.save(Instance(cache=tmp_path))
    assert record.others(Instance(cache=tmp_path)) == []
    assert record.others(Instance("life", cache=tmp_path)) == [RECORD]
