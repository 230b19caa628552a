"""A plugin of pytest: each property is tried with many examples."""

from __future__ import annotations

from hypothesis import settings

# Ten times Hypothesis' default. The slowest properties still end within a minute.
_EXAMPLES = 1000


def pytest_configure() -> None:
    # After the conftest files of the tests that were named, whose profile this one replaces.
    settings.register_profile("thorough", deadline=None, max_examples=_EXAMPLES)
    settings.load_profile("thorough")
