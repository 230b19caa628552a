"""What the patterns accept is what Python's own reader of addresses accepts, but for two forms that nobody needs."""

from __future__ import annotations

import ipaddress
import re

from hypothesis import given
from hypothesis import strategies as st

from dind_operator.api.addresses import ADDRESS_PATTERN, IPV4, RANGE_PATTERN

ADDRESSES = st.ip_addresses().map(str) | st.ip_addresses(v=6).map(lambda address: address.exploded.upper())
LENGTHS = st.integers(0, 140).map(str) | st.sampled_from(["", "08", "+8", "8 ", "-1"])


@st.composite
def nearly(draw: st.DrawFn, text: st.SearchStrategy[str]) -> str:
    """With a character too much, too few, or another one."""
    found = draw(text)
    place, change = draw(st.integers(0, len(found))), draw(st.text(alphabet="0123456789abfFg:./%\n ", max_size=2))
    return found[:place] + change + found[place + draw(st.integers(0, 2)) :]


GROUPS = st.lists(st.sampled_from(["", "0", "1", "ffff", "12345", "g"]), max_size=10).map(":".join)
TEXTS = ADDRESSES | nearly(ADDRESSES) | GROUPS | st.text(alphabet="0129.:af", max_size=12)


def is_address(text: str) -> bool:
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return False
    return found.version == 4 or ("." not in text and "%" not in text)


@given(TEXTS)
def test_an_address(text: str) -> None:
    assert bool(re.search(ADDRESS_PATTERN, text)) == (is_address(text) and not text.endswith("\n"))


@given(TEXTS, LENGTHS)
def test_a_range(address: str, length: str) -> None:
    text = f"{address}/{length}"
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        expected = False
    else:
        # Python takes 08 for 8, and a mask for a length.
        expected = is_address(address) and str(int(length)) == length
    assert bool(re.search(RANGE_PATTERN, text)) == expected


def test_the_patterns_are_words_that_re2_knows_too() -> None:
    for pattern in (ADDRESS_PATTERN, RANGE_PATTERN, IPV4):
        assert not re.search(r"\(\?|\\[1-9]", pattern)
