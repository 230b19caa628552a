"""A part becomes a row whatever becomes of it, and what has ended is in the page when the next part is cut off."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cluster import nodes
from tests.cluster.instance import Instance
from tests.cluster.versions import VARIABLE
from tests.matrix import __main__ as command
from tests.matrix import run
from tests.matrix.page import BEGIN, END
from tests.matrix.parts import Condition

OPTIONS = ("-p", "no:cacheprovider")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where parts of these tests have their tests and the page."""
    monkeypatch.setattr(run, "checkout", lambda: str(tmp_path))
    (tmp_path / "test_good.py").write_text(
        "def test_good(record_property):\n    record_property('version:Docker', '28.5.2')\n"
    )
    (tmp_path / "test_cut_off.py").write_text("def test_good(): pass\ndef test_cut_off(): raise KeyboardInterrupt\n")
    (tmp_path / "versions.md").write_text(f"By hand\n{BEGIN}\n{END}\n")
    return tmp_path


def part(name: str, **more: object) -> Condition:
    return Condition(name, f"Part {name}", (f"test_{name}.py",), OPTIONS, **more)  # type: ignore[arg-type]


def runner() -> run.Runner:
    return run.Runner(Instance("none"))


def test_a_part_that_passes(folder: Path) -> None:
    row = runner().run(part("good", distributions=("hypothesis",)))
    assert (row.result, row.passed) == ("1 passed", True)
    assert row.versions["Docker"] == ["28.5.2"]
    assert row.versions["Hypothesis"]
    assert row.seconds is not None


def test_a_part_that_is_interrupted(folder: Path) -> None:
    row = runner().run(part("cut_off"))
    assert row.result == "**not run to the end**: interrupted"


def test_a_part_whose_cluster_does_not_start(folder: Path) -> None:
    cluster = folder / "tests" / "cluster"
    cluster.mkdir(parents=True)
    (cluster / "__init__.py").touch()
    (cluster / "__main__.py").write_text("raise SystemExit(1)\n")
    row = runner().run(part("good", node=nodes.HOST))
    assert row.result == "**not run**: `up` of the embedded cluster failed"
    assert row.seconds is None


def test_a_cluster_is_made_anew_for_a_part_with_another_release_and_only_then(folder: Path) -> None:
    cluster, log = folder / "tests" / "cluster", folder / "log"
    cluster.mkdir(parents=True)
    (cluster / "__init__.py").touch()
    (cluster / "__main__.py").write_text(
        f"import os, sys\nprint(os.environ.get({VARIABLE!r}, 'pinned'), *sys.argv[1:], file=open({str(log)!r}, 'a'))\n"
    )
    old = {"environment": ((VARIABLE, "1.35.4"),)}
    prepares = runner()
    for made in (part("1", node=nodes.HOST), part("2", node=nodes.HOST), part("3", node=nodes.HOST, **old)):
        prepares._prepare(made)
    prepares._prepare(part("4", tools=("kubenode", "helm3"), **old))
    prepares._prepare(part("5", node=nodes.HOST))
    assert log.read_text().splitlines() == [
        *("pinned up", "pinned images", "1.35.4 up", "1.35.4 images"),
        "1.35.4 tool kubenode helm3",
        *("pinned up", "pinned images"),
    ]


@pytest.fixture
def parts(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three parts, with pytest's place taken by what it leaves: each of the real one takes a second to start."""
    made = [part("good"), part("bad"), part("cut_off")]
    monkeypatch.setattr(command, "PARTS", tuple(made))
    monkeypatch.setattr(command, "wanted", lambda only, **_: [each for each in made if not only or each.name in only])
    monkeypatch.setattr(command.machine, "setup", lambda **_: None)
    monkeypatch.setattr(run, "_pytest", pretended)
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    monkeypatch.delenv("CLUSTER", raising=False)


def pretended(part: Condition, report: Path) -> tuple[int, bool]:
    good, bad = '<testcase name="a"/>', '<testcase name="b"><failure/></testcase>'
    report.write_text(f"<testsuites><testsuite>{good}{bad if part.name == 'bad' else ''}</testsuite></testsuites>")
    return {"good": 0, "bad": 1, "cut_off": 2}[part.name], False


def results(page: Path) -> list[str]:
    return [line.split("|")[3].strip() for line in page.read_text().splitlines() if line.startswith("| Part")]


def matrix(folder: Path, *names: str) -> int:
    only = ["--only", *names] if names else []
    return command.main(["--page", str(folder / "versions.md"), *only])


@pytest.mark.usefixtures("parts")
def test_the_exit_code_is_0_when_every_part_that_was_asked_for_passed(folder: Path) -> None:
    assert matrix(folder, "good") == 0
    assert results(folder / "versions.md") == ["1 passed", "**not run**", "**not run**"]


@pytest.mark.usefixtures("parts")
def test_a_failure_does_not_keep_the_next_part_from_running(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert matrix(folder) == 1
    failed, cut_off = "**failed**: 1 failed, 1 passed", "**not run to the end**: interrupted"
    assert results(folder / "versions.md") == ["1 passed", failed, cut_off]
    said = capfd.readouterr().err
    assert "==> Part 2 of 3: Part bad" in said
    assert f"    Part bad: {failed}, " in said


@pytest.mark.usefixtures("parts")
def test_what_ended_before_an_interruption_is_in_the_page(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def pressed(each: Condition, report: Path) -> tuple[int, bool]:
        code, _ = pretended(each, report)
        return (2, True) if each.name == "bad" else (code, False)

    monkeypatch.setattr(run, "_pytest", pressed)
    assert matrix(folder) == 130
    cut_off = "**not run to the end**: interrupted, 1 failed"
    assert results(folder / "versions.md") == ["1 passed", cut_off, "**not run**"]


@pytest.mark.usefixtures("parts")
def test_a_page_without_a_place_is_refused_before_anything_runs(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (folder / "versions.md").write_text("By hand\n")
    assert matrix(folder) == 1
    said = capfd.readouterr().err
    assert "The page needs the comments" in said
    assert "==> Part" not in said


@pytest.mark.usefixtures("parts")
def test_a_cluster_of_ones_own_is_not_used(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLUSTER", "current")
    assert matrix(folder) == 1
    assert results(folder / "versions.md") == []
