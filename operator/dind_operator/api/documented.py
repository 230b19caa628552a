"""Enumerations with documentation, from which docs/api.md is generated."""

from __future__ import annotations

from enum import StrEnum


class Documented(StrEnum):
    """A value of the API with its meaning and a remedy, which is empty if no action is needed."""

    meaning: str
    remedy: str

    def __new__(cls, value: str, meaning: str = "", remedy: str = "") -> Documented:
        member = str.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        member.remedy = remedy
        return member
