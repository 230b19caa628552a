"""What is shipped: a wheel with the package and its command, which needs nothing of the tests; layers that hold."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from configparser import ConfigParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PACKAGE = ROOT / "operator" / "dind_operator"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return zipfile.ZipFile(next(folder.glob("*.whl")))


def sources() -> set[str]:
    return {str(path.relative_to(PACKAGE.parent)) for path in PACKAGE.rglob("*.py")}


def test_the_wheel_has_all_of_the_package_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    shipped = {name for name in names if ".dist-info/" not in name}
    assert shipped == sources() | {"dind_operator/py.typed"}
    assert any(name.endswith("/licenses/LICENSE") for name in names)


def test_it_has_the_command(wheel: zipfile.ZipFile) -> None:
    path = next(name for name in wheel.namelist() if name.endswith("entry_points.txt"))
    scripts = ConfigParser()
    scripts.read_string(wheel.read(path).decode())
    assert scripts["console_scripts"]["dind-operator"] == "dind_operator.__main__:main"
    # By these names kubectl finds a plugin, and its completion.
    assert scripts["console_scripts"]["kubectl-dind"] == "dind_operator.plugin.main:main"
    assert scripts["console_scripts"]["kubectl_complete-dind"] == "dind_operator.plugin.completion:main"


def test_every_module_of_it_imports_without_the_tests(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    wheel.extractall(tmp_path)
    code = """
import importlib, pkgutil, sys
import dind_operator
for module in pkgutil.walk_packages(dind_operator.__path__, "dind_operator."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
import dind_operator.__main__
assert dind_operator.__file__.startswith(sys.argv[1]), dind_operator.__file__
assert not [name for name in sys.modules if name == "tests" or name.startswith(("tests.", "pytest", "hypothesis"))]
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        env={"PYTHONPATH": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_the_source_root_does_not_shadow_the_standard_librarys_operator() -> None:
    assert not (ROOT / "operator" / "__init__.py").exists()


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports"), "--config", str(ROOT / "pyproject.toml"), "--no-cache"],
        env={"PYTHONPATH": str(folder), "PATH": "/usr/bin:/bin"},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_layers_hold() -> None:
    done = lint_imports(ROOT / "operator")
    assert done.returncode == 0, done.stdout
    assert "4 kept, 0 broken" in done.stdout


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("api/names.py", "import dind_operator.pod.errors"),
        ("pod/errors.py", "import dind_operator.state.pod_status"),
        ("state/pod_status.py", "import dind_operator.features.storage.pod"),
        ("features/storage/pod.py", "import dind_operator.controller.decide"),
        ("features/storage/pod.py", "import dind_operator.features.network.pod"),
        ("state/pod_status.py", "import aiohttp"),
        ("manager/api_paths.py", "import dind_operator.plugin.errors"),
        ("manager/api_paths.py", "import click"),
    ],
)
def test_a_broken_layer_is_seen(tmp_path: Path, module: str, line: str) -> None:
    for path in PACKAGE.rglob("*.py"):
        target = tmp_path / path.relative_to(PACKAGE.parent)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(path.read_text())
    broken = tmp_path / "dind_operator" / module
    broken.write_text(broken.read_text() + f"\n{line}\n")
    assert lint_imports(tmp_path).returncode != 0


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_source_file_says_why_it_exists(path: Path) -> None:
    text = path.read_text()
    assert not text or text.startswith('"""'), "a module's docstring says why it exists"
