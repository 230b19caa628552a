"""Documentation that cannot be followed is wrong: links lead somewhere, commands and fields exist, reasons are explained."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.levels import LISTED

from dind_operator.api.conditions import Reason
from dind_operator.api.environment import DindEnvironment
from dind_operator.manager.settings import Settings
from dind_operator.pod.defaults import DEFAULT_RESERVE_MEMORY

ROOT = Path(__file__).parents[3]
PAGES = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("charts/**/*.md"), *ROOT.glob("tests/**/*.md")]
)
HAND_WRITTEN = [page for page in PAGES if page.name not in ("api.md", "benchmarks.md")]
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
MAKE = re.compile(r"\bmake ((?:-s )?[a-z][a-z0-9 -]*)")
TARGETS = set(re.findall(r"^([a-z][a-z0-9-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def anchors(page: Path) -> set[str]:
    text = page.read_text()
    headings = [re.sub(r"<[^>]*>", "", line).strip() for line in re.findall(r"^#+ (.*)$", text, re.MULTILINE)]
    slugs = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    return slugs | set(re.findall(r'<a id="([^"]+)"', text))


def test_the_pages_are_there() -> None:
    wanted = {"README.md", "CONTRIBUTING.md", "CHANGELOG.md"}
    wanted |= {
        f"docs/{page}.md"
        for page in (
            "quickstart",
            "api",
            "security",
            "storage",
            "endpoint",
            "kubectl-dind",
            "apparmor",
            "troubleshooting",
            "operations",
            "docker-in-docker",
            "docker-in-docker-in-docker",
            "versions",
            "architecture",
            "benchmarks",
        )
    }
    assert wanted <= {name(page) for page in PAGES}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text()):
        if target.startswith(("http://", "https://", "mailto:")):
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        assert found.exists(), f"{name(page)} links to {target}"
        assert found.is_relative_to(ROOT)
        if anchor:
            assert anchor in anchors(found), f"{name(page)} links to {target}"


@pytest.mark.parametrize("page", HAND_WRITTEN, ids=name)
def test_every_make_target_that_is_named_exists(page: Path) -> None:
    code = "\n".join(body for _, body in FENCE.findall(page.read_text()))
    code += "\n".join(re.findall(r"`([^`\n]+)`", FENCE.sub("", page.read_text())))
    for line in MAKE.findall(re.sub(r"#.*", "", code)):
        for target in line.replace("-s ", "").split():
            assert target in TARGETS, f"{name(page)}: make {target}"


def test_the_two_commands_of_the_readme_are_there() -> None:
    text = (ROOT / "README.md").read_text()
    for command in ("make demo", "make test"):
        assert command in text
        assert command.removeprefix("make ") in TARGETS


def manifests(page: Path) -> list[dict[str, Any]]:
    found = [yaml.safe_load(body) for kind, body in FENCE.findall(page.read_text()) if kind == "yaml"]
    return [item for item in found if isinstance(item, dict) and item.get("kind") == "DindEnvironment"]


@pytest.mark.parametrize("page", [page for page in PAGES if manifests(page)], ids=name)
def test_every_environment_that_is_shown_can_be_read(page: Path) -> None:
    for manifest in manifests(page):
        manifest["metadata"].setdefault("namespace", "default")
        DindEnvironment.from_dict(manifest)


def test_the_readmes_example_is_the_one_in_examples() -> None:
    assert manifests(ROOT / "README.md") == [yaml.safe_load((ROOT / "examples" / "builder.yaml").read_text())]


@pytest.mark.parametrize("page", HAND_WRITTEN, ids=name)
def test_files_that_are_named_exist(page: Path) -> None:
    for path in re.findall(r"`((?:tests|docs|examples|charts|image|operator|crds)/[\w./-]+)`", page.read_text()):
        assert (ROOT / path).exists(), f"{name(page)} names {path}"


def test_troubleshooting_explains_every_reason_that_asks_for_something() -> None:
    text = (ROOT / "docs" / "troubleshooting.md").read_text()
    assert [reason.value for reason in Reason if reason.remedy and f"`{reason.value}`" not in text] == []


def test_troubleshooting_explains_no_reason_that_does_not_exist() -> None:
    text = (ROOT / "docs" / "troubleshooting.md").read_text()
    first_columns = [row.split("|")[1] for row in text.splitlines() if row.startswith("| `")]
    words = [word for column in first_columns for word in re.findall(r"`([A-Z][A-Za-z]+)`", column)]
    unknown = set(words) - {reason.value for reason in Reason} - {"Ready", "Unknown"}
    assert unknown == set()


def test_operations_lists_every_setting() -> None:
    text = (ROOT / "docs" / "operations.md").read_text()
    variables = [f"DIND_{field.upper()}" for field in Settings.model_fields]
    assert [variable for variable in variables if f"`{variable}`" not in text] == []


def committed() -> list[Path]:
    """All that git knows, or, where git does not answer, all files but the caches of Python and its tools."""
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=30)
    if done.returncode == 0:
        return [ROOT / path for path in done.stdout.split("\0") if path and (ROOT / path).is_file()]
    caches = re.compile(r"/(__pycache__|\.git|\.hypothesis|\.\w+_cache)(/|$)")
    return [path for path in ROOT.rglob("*") if path.is_file() and not caches.search(str(path))]


# Nobody's machine, nobody's registry, nobody's key. The words are put together so that this file does not name them.
UNWANTED = re.compile(
    r"/work/(?:main|wt|shared)"
    r"|-{5}BEGIN [A-Z ]*PRIVATE KEY-{5}\s+[A-Za-z0-9+/=]{40}"
    r"|\b(?:[\w-]+\.)+(?:jfrog\.io|azurecr\.io|amazonaws\.com|pkg\.dev)\b"
)


def test_nothing_of_a_machine_or_of_a_person_is_committed() -> None:
    found = []
    for path in committed():
        if path == Path(__file__).resolve() or path.suffix == ".sum":
            continue
        found += [f"{name(path)}: {match[0]}" for match in UNWANTED.finditer(path.read_text(errors="replace"))]
    assert found == []
    for page in PAGES:
        assert not re.search(r"/root/|/tmp/(?!app)", page.read_text()), name(page)


def test_the_page_of_benchmarks_has_what_was_promised() -> None:
    text = (ROOT / "docs" / "benchmarks.md").read_text()
    for section in ("cold-start", "burst", "reserve"):
        assert f"<!-- {section} -->" in text
        assert f"<!-- /{section} -->" in text
    assert int(re.findall(r"(\d+) pairs", text)[0]) >= 10
    assert "200: environments / pods alone" in text
    assert "200: environments / script" in text
    assert DEFAULT_RESERVE_MEMORY in text


def test_the_page_of_three_levels_has_the_flags_and_words_that_are_tested() -> None:
    text = (ROOT / "docs" / "docker-in-docker-in-docker.md").read_text()
    command = " ".join(text.partition("--name listed")[2].partition("registry.")[0].replace("\\\n", " ").split())
    assert shlex.split(command) == [word for flag in LISTED for word in flag.split("=", 1)]
    said = re.sub(r'" \+\s*"', "", "".join(path.read_text() for path in (ROOT / "node").rglob("*.go")))
    for words in re.findall(r"`dind: ([^`]*)`", text):
        for part in words.split("…"):
            assert part.strip() in said.replace("could not %s", "could not enter a cgroup namespace"), part


def test_operations_and_chart_name_the_default_reserve() -> None:
    for page in ("docs/operations.md", "charts/dind-operator/README.md"):
        assert DEFAULT_RESERVE_MEMORY in (ROOT / page).read_text(), page


def test_make_help_lists_the_commands() -> None:
    done = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=30)
    for target in ("demo", "test", "unit", "system", "integration", "e2e"):
        assert re.search(rf"^  {target} ", done.stdout, re.MULTILINE), target
