"""Values as JSON has them, for properties of what encodes, decodes and cuts them."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

# What orjson has and Python: integers of 64 bits.
INTEGERS = st.integers(-(2**63), 2**64 - 1)


def values(others: st.SearchStrategy[Any] = INTEGERS) -> st.SearchStrategy[Any]:
    """Values of every kind, small and with the marks that make up the text of JSON."""
    return st.recursive(
        st.none() | st.booleans() | st.text(alphabet='a"\\[]{},:é', max_size=8) | others,
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text(alphabet='k"\\[{', max_size=3), inner, max_size=3)
        ),
        max_leaves=30,
    )


def nested(levels: int, opening: str = "[", closing: str = "]") -> str:
    return opening * levels + closing * levels
