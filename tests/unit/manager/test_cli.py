"""The command line: what it prints and with which exit code it ends."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from dind_operator import __version__
from dind_operator.__main__ import main

ROOT = Path(__file__).parents[3]


def test_crds_prints_the_definition(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["crds"]) == 0
    assert (
        yaml.load(capsys.readouterr().out, Loader=yaml.CSafeLoader)["metadata"]["name"] == "dindenvironments.dind.dev"
    )


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"dind-operator {__version__}\n"


def test_printing_the_definition_loads_no_client() -> None:
    code = "import sys; from dind_operator.__main__ import main; main(['crds']); sys.exit(any(m in sys.modules for m in ('kopf', 'kubernetes', 'aiohttp')))"  # noqa: E501
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": str(ROOT / "operator")}, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
