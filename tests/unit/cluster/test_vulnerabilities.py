"""What govulncheck prints, as the tests read it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cluster import vulnerabilities
from tests.cluster.progress import ClusterError
from tests.cluster.vulnerabilities import Finding

TRACE = [{"module": "golang.org/x/net", "version": "v0.55.0", "package": "golang.org/x/net/http2", "function": "Close"}]
SAID = [
    {"config": {"scanner_name": "govulncheck"}},
    {"osv": {"id": "GO-2026-0001", "summary": "Text with { braces }"}},
    {"finding": {"osv": "GO-2026-0001", "fixed_version": "v0.60.0", "trace": TRACE}},
    {"finding": {"osv": "GO-2026-0001", "fixed_version": "v0.60.0", "trace": [{**TRACE[0], "function": "Open"}]}},
    {"finding": {"osv": "GO-2026-0002", "trace": [{"module": "stdlib"}]}},
]


@pytest.fixture
def scanner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program that says what govulncheck would, and ends as it is told."""
    (tmp_path / "said").write_text("\n".join(json.dumps(value, indent=2) for value in SAID) + "\n")
    (program := tmp_path / "govulncheck").write_text(f"#!/bin/sh\ncat {tmp_path}/said; exit $(cat {tmp_path}/status)\n")
    program.chmod(0o755)
    (tmp_path / "status").write_text("0")
    monkeypatch.setattr(vulnerabilities, "tool", lambda name: program)
    monkeypatch.setattr(vulnerabilities, "database", lambda: tmp_path)
    return tmp_path


def test_each_vulnerability_is_found_once_whatever_functions_it_has(scanner: Path) -> None:
    assert sorted(vulnerabilities.findings(scanner / "said")) == [
        Finding("GO-2026-0001", "golang.org/x/net", "v0.55.0", "v0.60.0"),
        Finding("GO-2026-0002", "stdlib", "", ""),
    ]


def test_a_program_that_cannot_be_read_is_not_one_without_vulnerabilities(scanner: Path) -> None:
    (scanner / "status").write_text("1")
    with pytest.raises(ClusterError, match="cannot read"):
        vulnerabilities.findings(scanner / "said")
