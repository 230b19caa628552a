"""How a report looks: nobody's text can pass for a line of ours, and YAML has the same content."""

import re

import yaml
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.objects import NOW, container, environment, init_done, running_pod, set_containers, terminated
from tests.unit.texts import texts

from dind_operator.report.facts import Gathered, facts
from dind_operator.report.gather import render_report

HEADING = re.compile(r"^[A-Z][A-Z -]+$")


def gathered(tenant: str) -> Gathered:
    env = environment({"daemon": {"config": {"labels": [tenant]}, "args": [tenant]}})
    env["status"] = {"conditions": [{"type": "Ready", "status": "False", "reason": "X", "message": tenant}]}
    daemon = container("daemon", terminated(1, tenant), restartCount=1)
    pod = set_containers(running_pod(), init_done(), daemon)
    pod["status"]["message"] = tenant
    return Gathered(
        environment=env,
        time=NOW,
        pod=pod,
        events=[{"message": tenant, "lastTimestamp": "2025-06-01T12:00:00Z", "count": 3, "type": "Warning"}],
        logs={"daemon": tenant, "mount-cgroups": ""},
        missing=["not permitted: nodes"],
    )


def test_conditions_are_in_columns_however_long_their_names_are() -> None:
    env = environment()
    kinds = ("Ready", "IsolationVerified", "DisruptionProtected")
    env["status"] = {"conditions": [{"type": kind, "status": "True", "reason": "Because"} for kind in kinds]}
    text = render_report(Gathered(environment=env, time=NOW))
    lines = [line for line in text.splitlines() if line.strip().startswith(kinds)]
    assert [line.split()[:3] for line in lines] == [[kind, "True", "Because"] for kind in kinds]
    assert len({line.index("True") for line in lines}) == 1


def headings(text: str) -> list[str]:
    return [line for line in text.splitlines() if HEADING.match(line)]


WANTED = [
    "ENVIRONMENT",
    "VERSIONS",
    "NODE",
    "DOCKER VOLUME",
    "MEMORY",
    "CONDITIONS",
    "SPEC",
    "POD",
    "CONTAINERS",
    "EVENTS",
    "NOT READ",
    "LOG OF DAEMON",
    "LOG OF MOUNT-CGROUPS",
]


def test_its_sections() -> None:
    text = render_report(gathered("x"))
    assert text.startswith("dind-operator 0.1.0 report, 2025-06-01T12:00:00Z\n")
    assert headings(text) == WANTED
    assert "  not permitted: nodes" in text
    assert "(x3)" in text
    assert "  | (empty)" in text


def test_it_is_plain_lines_without_trailing_blanks() -> None:
    text = render_report(gathered("x"))
    assert text.endswith("\n")
    assert not [line for line in text.splitlines() if line != line.rstrip()]


@given(texts() | st.sampled_from(["a\n\nVERSIONS\n  docker: 99", "\x1b]0;title\x07", "\r\nPOD\r\n", "a\u2028POD"]))
def test_a_tenants_text_can_neither_forge_a_section_nor_reach_the_terminal(tenant: str) -> None:
    text = render_report(gathered(tenant))
    assert headings(text) == WANTED
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e]", text)
    assert all(
        line == "" or line.startswith(("  ", "dind-operator ")) or HEADING.match(line) for line in text.split("\n")
    )


@given(texts())
def test_yaml_has_the_same_content_and_no_control_character(tenant: str) -> None:
    source = gathered(tenant)
    text = render_report(source, "yaml")
    assert text.isascii()
    assert yaml.load(text, Loader=yaml.CSafeLoader) == facts(source)
