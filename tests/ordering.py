"""Selects the tests of a tier that run first, and those that stay on one worker of pytest-xdist (`--dist loadgroup
--no-loadscope-reorder`)."""

from __future__ import annotations

import pytest


def group_and_sort(items: list[pytest.Item]) -> None:
    """Keeps tests that share a fixture of their module on one worker, and puts what takes long first.

    Groups come first, then tests in the order of their time limits (`pytest.mark.timeout`): a long test that began last would run
    alone while all other workers are done.
    """
    for item in items:
        if item.get_closest_marker("xdist_group") is None and _shares_fixture_of_module(item):
            item.add_marker(pytest.mark.xdist_group(item.path.stem))
    items.sort(key=lambda item: (item.get_closest_marker("xdist_group") is None, -_time_limit(item)))


def _shares_fixture_of_module(item: pytest.Item) -> bool:
    definitions = getattr(item, "_fixtureinfo").name2fixturedefs.values()  # noqa: B009 - pytest has no public name for it
    return any(definition.scope == "module" for found in definitions for definition in found)


def _time_limit(item: pytest.Item) -> float:
    mark = item.get_closest_marker("timeout")
    return float(mark.args[0]) if mark is not None else 0.0
