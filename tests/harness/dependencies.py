"""What the result of the cluster's own tests depends on: files of this checkout and programs of this machine.

Python files are found by following imports, so a new module counts without being listed anywhere. Scripts, Go and C sources
are read by path, which no import shows: all of those under tests/cluster count, except the ones that no test here uses.
"""

from __future__ import annotations

import ast
import hashlib
import json
import platform
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.cluster import cgroups, machine

# Where `import` finds the project's own modules, as PYTHONPATH has it in the Makefile.
_IMPORT_ROOTS = (".", "operator")
# No import names these: the tests start the first as a program, pytest reads the others, if they are there.
_NOT_IMPORTED = ("tests/cluster/__main__.py", "tests/conftest.py", "conftest.py")
_CLUSTER = "tests/cluster"
# Images for tests of environments, and the guest of the virtual node, which tests/vm tests.
_UNUSED = ("policyengine", "registry", "releases", "vm")


def key(root: Path, programs: dict[str, str]) -> str:
    """Changes with the content of a file below `root` that these tests use, and with `programs`."""
    contents = {
        str(file.relative_to(root)): hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(files(root))
    }
    return hashlib.sha256(json.dumps([contents, programs], sort_keys=True).encode()).hexdigest()[:16]


def files(root: Path) -> set[Path]:
    """Every file below `root` that these tests use."""
    others = (root / name for name in _NOT_IMPORTED)
    start = [*(root / "tests/harness").rglob("*.py"), *(file for file in others if file.exists())]
    return imported(root, start) | set(_read_by_path(root / _CLUSTER))


def _read_by_path(cluster: Path) -> Iterator[Path]:
    for file in cluster.rglob("*"):
        place = file.relative_to(cluster).parts
        if file.is_file() and file.suffix not in (".md", ".py", ".pyc") and place[0] not in _UNUSED:
            yield file


def imported(root: Path, start: Iterable[Path]) -> set[Path]:
    """`start`, and every file of the project that these import, directly or through others."""
    found: set[Path] = set()
    left = list(start)
    while left:
        file = left.pop()
        if file not in found:
            found.add(file)
            left += [target for module in _modules(file) for target in _sources(root, module)]
    return found


def _modules(file: Path) -> Iterator[str]:
    """The names of modules that a file may import. A name imported from a package may be a module of it."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _sources(root: Path, module: str) -> Iterator[Path]:
    """The project's files that importing `module` runs: its own and those of the packages around it."""
    parts = module.split(".")
    for place in _IMPORT_ROOTS:
        for end in range(1, len(parts) + 1):
            path = (root / place).joinpath(*parts[:end])
            yield from (file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file())


def programs_of_this_machine() -> dict[str, str]:
    """Versions of what the cluster takes from the machine: Debian's packages, the kernel, its cgroups, Python."""
    command = ["dpkg-query", "--show", "--showformat=${Package} ${Version}\n", *machine.PACKAGES]
    try:
        # It fails when one of them is not installed, and still shows the others.
        shown = subprocess.run(command, check=False, capture_output=True, text=True).stdout
    except FileNotFoundError:  # not Debian: a change of its packages goes unseen
        shown = ""
    packages = dict(line.split(" ", 1) for line in shown.splitlines())
    return packages | {
        "kernel": platform.release(),
        "cgroups": str(cgroups.version()),
        "python": platform.python_version(),
    }
