"""Quantities are exact, read what Kubernetes reads, and refuse the rest with a sentence."""

import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dind_operator.api.quantity import (
    BINARY_SUFFIXES,
    DECIMAL_SUFFIXES,
    MAX_VALUE,
    QUANTITY_PATTERN,
    InvalidQuantity,
    format_bytes,
    parse_bytes,
    parse_quantity,
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", "0"),
        ("1", "1"),
        ("+1", "1"),
        ("1.", "1"),
        (".5", "0.5"),
        ("0.5", "0.5"),
        ("500m", "0.5"),
        ("1n", "1e-9"),
        ("3u", "0.000003"),
        ("1k", "1000"),
        ("1Ki", "1024"),
        ("1.5Gi", "1610612736"),
        ("2M", "2000000"),
        ("1T", "1000000000000"),
        ("1P", "1e15"),
        ("1E", "1e18"),
        ("7Ei", "8070450532247928832"),
        ("1e3", "1000"),
        ("1E3", "1000"),
        ("12e+2", "1200"),
        ("5E-1", "0.5"),
        ("0.1", "0.1"),
    ],
)
def test_reads_what_kubernetes_reads(text: str, value: str) -> None:
    assert parse_quantity(text) == Decimal(value)
    assert re.match(QUANTITY_PATTERN, text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "1 Gi",
        "Gi",
        "-1",
        "1gi",
        "1K",
        "1KB",
        "0x10",
        "1e",
        "1e3Mi",
        "1.2.3",
        "\uff11",
        "1_000",
        "inf",
        "nan",
        "1\n",
    ],
)
def test_refuses_what_kubernetes_refuses(text: str) -> None:
    with pytest.raises(InvalidQuantity, match="must be a quantity: write a number"):
        parse_quantity(text)
    assert not re.search(QUANTITY_PATTERN.removesuffix("$") + r"\Z", text)


def test_refuses_what_kubernetes_would_cap_in_silence() -> None:
    assert parse_bytes(str(MAX_VALUE - 1)) == MAX_VALUE - 1
    for text in ("9223372036854775807", "8Ei", "1e99"):
        with pytest.raises(InvalidQuantity, match=r"must be less than 2\^63-1"):
            parse_quantity(text)


def test_a_fraction_of_a_byte_takes_a_byte() -> None:
    assert parse_bytes("1500m") == 2
    assert parse_bytes("0.5") == 1


@given(st.integers(0, MAX_VALUE - 1))
def test_bytes_survive_writing_and_reading(amount: int) -> None:
    assert parse_bytes(format_bytes(amount)) == amount
    assert parse_bytes(amount) == amount


@given(st.integers(0, 2**20), st.sampled_from(sorted(BINARY_SUFFIXES)))
def test_binary_suffixes_multiply_exactly(number: int, suffix: str) -> None:
    if number * BINARY_SUFFIXES[suffix] < MAX_VALUE:
        assert parse_bytes(f"{number}{suffix}") == number * BINARY_SUFFIXES[suffix]


@given(
    st.decimals(0, 9, allow_nan=False, allow_infinity=False, places=12),
    st.sampled_from(sorted(DECIMAL_SUFFIXES)),
)
def test_decimal_suffixes_lose_no_digit(number: Decimal, suffix: str) -> None:
    assert parse_quantity(f"{number:f}{suffix}") == number * DECIMAL_SUFFIXES[suffix]


@given(st.text(alphabet="0123456789.eEKMGTPinumk+- \n", max_size=12))
def test_the_pattern_of_the_crd_and_the_parser_agree(text: str) -> None:
    # Python's `$` also matches before a last newline; the API server's does not.
    matches = re.search(QUANTITY_PATTERN.removesuffix("$") + r"\Z", text) is not None
    try:
        parse_quantity(text)
        reads = True
    except InvalidQuantity as error:
        reads = "must be less than 2^63-1" in str(error)
    assert reads == matches


def test_a_negative_amount_of_bytes_is_not_written() -> None:
    with pytest.raises(InvalidQuantity):
        format_bytes(-1)
