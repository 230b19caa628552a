"""The AppArmor profile as text: every grant is explained, every denial is audited."""

from __future__ import annotations

import re

import pytest
from tests.apparmor import (
    PROFILES,
    complain_text,
)

DIND = (PROFILES / "dind").read_text()
RULES = [line for line in DIND.splitlines() if line.strip() and not line.strip().startswith("#")]


def test_the_two_differ_in_name_and_flag_and_in_nothing_else() -> None:
    ours, theirs = DIND.splitlines(), complain_text(DIND).splitlines()
    assert len(ours) == len(theirs)
    assert [pair for pair in zip(ours, theirs, strict=True) if pair[0] != pair[1]] == [
        (
            "profile dind flags=(attach_disconnected,mediate_deleted) {",
            "profile dind-complain flags=(attach_disconnected,mediate_deleted,complain) {",
        )
    ]


def test_no_deny_is_silent_or_the_complain_profile_would_enforce_it() -> None:
    denies = [line.strip() for line in RULES if re.search(r"\bdeny\b", line)]
    assert len(denies) > 20
    assert [line for line in denies if not line.startswith("audit deny ")] == []


def test_every_capability_has_its_reason_beside_it() -> None:
    lines = DIND.splitlines()
    granted = [number for number, line in enumerate(lines) if re.match(r"\s+capability \w+,", line)]
    assert len(granted) > 15
    for number in granted:
        explained = "#" in lines[number]
        above = number
        while not explained and re.match(r"\s+capability \w+,", lines[above]):
            above -= 1
        assert explained or lines[above].strip().startswith("#"), lines[number]


@pytest.mark.parametrize("name", ["sys_module", "sys_rawio", "mac_admin", "mac_override", "sys_boot", "sys_time"])
def test_a_capability_over_the_node_is_denied(name: str) -> None:
    assert any(re.match(rf"\s+audit deny capability {name},", line) for line in RULES)
    assert not any(re.match(rf"\s+capability {name},", line) for line in RULES)


def test_no_rule_grants_all_capabilities_or_all_mounts() -> None:
    assert not [line for line in RULES if re.match(r"\s+(capability|mount|change_profile|dbus|ptrace|signal),", line)]
