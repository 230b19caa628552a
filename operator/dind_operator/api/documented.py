"""A word of the API that brings its documentation along: docs/api.md is made from it."""

from __future__ import annotations

from enum import StrEnum


class Documented(StrEnum):
    """A word of the API that carries its documentation: what it means, and what to do (empty: nothing)."""

    meaning: str
    remedy: str

    def __new__(cls, value: str, meaning: str = "", remedy: str = "") -> Documented:
        member = str.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        member.remedy = remedy
        return member
