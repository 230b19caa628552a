"""Texts: what a pattern matches, what it nearly matches, and what is odd anywhere."""

from __future__ import annotations

import re._constants as ops  # the parser of `re`: no other library knows Python's patterns so exactly
import re._parser as parser
from functools import cache
from random import Random
from typing import Any

_ANY = [chr(code) for code in range(32, 127)]
# Repetitions beyond the least of an endless pattern, mostly.
_FEW = 3
ODD = (
    "",
    " ",
    "\n",
    "\x00",
    "\x7f",
    "\u0085",  # Unicode calls it a blank, Go's and Python's functions differ in such things
    "\u00a0",
    "\u2028",
    "\u200b",
    "\ufeff",
    "\u202egnp.exe",
    "\u017f",  # folds to s
    "\u212a",  # folds to k
    "\u0130",
    "\u0660\u0661",  # digits, and not ASCII's
    "\uff11",
    "e\u0301",
    "\U0001f40b" * 3,
    "\U0010ffff",
    "\ufffd",
    "\ud800",  # half of a character: no UTF-8 has it
    "{{ .Values.x }}",
    "$(id)",
    "%s%n",
    "'; DROP TABLE pods; --",
    "../../etc/passwd",
    "null",
    "~",
    "yes",
    "0x10",
    "1e999",
    "NaN",
    "-0",
    "+1",
    ".5",
    "1.",
    "9223372036854775807",
    "9223372036854775808",
    "1e99",
    "1n",
    "0",
    "0Mi",
    "512Mi",
    "999.0.0.0/8",
    "010.0.0.1",
    "10.0.0.0/33",
    "10.0.0.1/8",
    "0.0.0.0/0",
    "::/0",
    "::ffff:10.0.0.1",
    "fe80::1%eth0",
    "1:2:3:4:5:6:7:8::",
    "127.0.0.1",
    "365d",
    "366d",
    "999999d",
    "2030-01-31T18:00:00Z",
    "9999-12-31T23:59:60Z",
    "DOCKER_HOST",
    "docker-data",
    "daemon",
    "--host=x",
    "-H",
    "--",
    "native.cgroupdriver=systemd",
    "dind.dev/environment",
    "/run/dind",
    "/a/../b",
)
_BEFORE_OR_AFTER = ("\n", " ", "\x00", "\u00a0", "-", ".", "/", ":", "=", "\u017f", "\r\n", "\t")
_LIKE = {"s": "\u017f", "k": "\u212a", "0": "\u0660", "1": "\uff11", "a": "\u0430", "i": "\u0131", ".": "\u3002"}
_LONG = (254, 1024, 4097, 70_000)


def odd(rng: Random) -> str:
    """A text that is odd wherever it stands."""
    if rng.random() < 0.1:
        return rng.choice(["a", "\u00e9", "1", "\n", "\U0001f40b"]) * rng.choice(_LONG)
    return rng.choice(ODD)


def repeated(text: str, size: int) -> str:
    """Exactly so many characters of it, again and again."""
    return (text * (size // len(text) + 1))[:size]


def nearly(rng: Random, text: str) -> str:
    """The text with one thing changed that a careless check does not see."""
    where = rng.randrange(len(text) + 1)
    match rng.randrange(7):
        case 0:
            return text + rng.choice(_BEFORE_OR_AFTER)
        case 1:
            return rng.choice(_BEFORE_OR_AFTER) + text
        case 2:
            return text.swapcase()
        case 3:
            return text[:where] + _LIKE.get(text[where : where + 1], "\u00e9") + text[where + 1 :]
        case 4:
            return text[:where] + text[where + 1 :]
        case 5:
            return text[:where] + odd(rng) + text[where:]
        case _:
            return text + text


def matching(rng: Random, pattern: str, longest: int) -> str:
    """A text that the pattern matches from end to end; of at most `longest` characters if that is tried a few times."""
    for _ in range(8):
        text = _sequence(rng, _parsed(pattern))
        if len(text) <= longest:
            break
    return text


@cache
def _parsed(pattern: str) -> Any:
    return parser.parse(pattern)


def _sequence(rng: Random, items: Any) -> str:
    return "".join(_one(rng, op, argument) for op, argument in items)


def _one(rng: Random, op: Any, argument: Any) -> str:
    if op is ops.AT:
        return ""
    if op is ops.LITERAL:
        return chr(argument)
    if op is ops.NOT_LITERAL:
        return rng.choice([char for char in _ANY if ord(char) != argument])
    if op is ops.ANY:
        return rng.choice(_ANY)
    if op is ops.IN:
        return _member(rng, argument)
    if op is ops.BRANCH:
        return _sequence(rng, rng.choice(argument[1]))
    if op is ops.SUBPATTERN:
        return _sequence(rng, argument[-1])
    if op in (ops.MAX_REPEAT, ops.MIN_REPEAT):
        least, most, inner = argument
        few = min(most, least + _FEW)
        count = rng.randint(least, few) if rng.random() < 0.9 else rng.choice([least, min(most, least + 80)])
        return "".join(_sequence(rng, inner) for _ in range(count))
    raise ValueError(f"{op} is not in the patterns of the API")


def _member(rng: Random, members: Any) -> str:
    if members[0][0] is ops.NEGATE:
        excluded = members[1:]
        return rng.choice([char for char in _ANY if not any(_has(member, char) for member in excluded)])
    op, argument = rng.choice(members)
    return chr(rng.randint(*argument)) if op is ops.RANGE else chr(argument)


def _has(member: Any, char: str) -> bool:
    op, argument = member
    return argument[0] <= ord(char) <= argument[1] if op is ops.RANGE else bool(argument == ord(char))
