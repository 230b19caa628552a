"""Known vulnerabilities of programs that are built from Go modules, from the module proxy alone.

govulncheck asks vuln.go.dev, which a machine with nothing but package registries does not reach. The same database is
published as the module golang.org/x/vulndb, weeks later at times: a version of it is pinned beside those of the programs.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cluster import programs
from tests.cluster.instance import cache_root
from tests.cluster.locks import exclusive
from tests.cluster.progress import ClusterError, step
from tests.cluster.record import checkout
from tests.cluster.tools import tool

_MODULE = "golang.org/x/vulndb"


@dataclass(frozen=True, order=True)
class Finding:
    """A vulnerability of a module that is part of a program. `fixed` is the module's version without it, "" if there is none."""

    vulnerability: str
    module: str
    version: str
    fixed: str


def database() -> Path:
    """The folder with the pinned database, in the form that govulncheck reads."""
    version = programs.versions(Path(checkout()))["VULNDB"]
    target = cache_root() / "vulndb" / version
    if not target.exists():
        with exclusive(cache_root() / "locks" / "vulndb.lock", "the database of vulnerabilities"):
            if not target.exists():
                with step("Indexing Go's database of vulnerabilities (once; cached by version)", 30):
                    _index(version, target)
    return target


def _go(*command: str, folder: Path) -> str:
    environment = os.environ | {"GOFLAGS": "-mod=mod", "CGO_ENABLED": "0"}
    done = subprocess.run(
        ["go", *command], check=False, cwd=folder, env=environment, capture_output=True, text=True, timeout=900
    )
    if done.returncode != 0:
        raise ClusterError(f"`go {' '.join(command)}` failed: {(done.stderr or done.stdout).strip()[-500:]}")
    return done.stdout


def _index(version: str, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=".vulndb-", dir=target.parent))
    try:
        sources = json.loads(_go("mod", "download", "-json", f"{_MODULE}@v{version}", folder=folder))["Dir"]
        # The module's own program, run from its folder: go.mod there names what it is made with.
        _go("run", "./cmd/indexdb", "-vulns", f"{sources}/data/osv", "-out", str(folder / "made"), folder=Path(sources))
        (folder / "made").rename(target)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def findings(program: Path) -> set[Finding]:
    """The vulnerabilities of a program. Which of a module's functions are in it, a program without symbols does not tell."""
    command = [str(tool("govulncheck")), "-mode=binary", "-format=json", f"-db=file://{database()}", str(program)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=600)
    if done.returncode != 0:
        raise ClusterError(f"govulncheck cannot read {program}: {done.stderr.strip()[-500:]}")
    return {_finding(message["finding"]) for message in _stream(done.stdout) if "finding" in message}


def _finding(found: dict[str, Any]) -> Finding:
    place = found["trace"][0]
    return Finding(found["osv"], place["module"], place.get("version", ""), found.get("fixed_version", ""))


def report() -> str:
    """A line for each vulnerability of the daemon image's programs: what it is, where, and which version is without it."""
    places: dict[Finding, set[str]] = {}
    for project in programs.PROJECTS:
        for file in sorted(programs.folder(project).glob("*/*")):
            for finding in findings(file):
                places.setdefault(finding, set()).add(file.name)
    return "\n".join(
        f"{found.vulnerability} {found.module} {found.version} (fixed in {found.fixed or 'no version'}): "
        f"{', '.join(sorted(where))}. {summary(found.vulnerability)}"
        for found, where in sorted(places.items())
    )


def summary(vulnerability: str) -> str:
    """What the database says of it in a sentence."""
    text: str = json.loads((database() / "ID" / f"{vulnerability}.json").read_text()).get("summary", "")
    return text


def _stream(text: str) -> Iterator[dict[str, Any]]:
    """JSON values one after the other."""
    decoder, at = json.JSONDecoder(), 0
    while at < len(text.rstrip()):
        value, end = decoder.raw_decode(text, at)
        yield value
        at = end + len(text[end:]) - len(text[end:].lstrip())


if __name__ == "__main__":
    # Written for people to judge: see CONTRIBUTING.md.
    print(report())
