"""Any text, for property tests.

The set of characters is the default of hypothesis: all of Unicode but surrogates, which UTF-8 cannot carry. hypothesis
derives its default from the codec, which takes some seconds in every worker of a fresh checkout; named by the category
it takes a moment.
"""

from hypothesis import strategies as st

CHARACTERS = st.characters(exclude_categories=["Cs"])


def texts(max_size: int | None = None) -> st.SearchStrategy[str]:
    return st.text(CHARACTERS, max_size=max_size)
