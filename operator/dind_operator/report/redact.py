"""Makes untrusted text safe to print: masks secrets and escapes control characters.

Reports are published. Masking therefore prefers false positives: any key that looks like that of a secret hides its value.
"""

import re
import unicodedata
from typing import Any

MASK = "***"
_SECRET_KEY = re.compile(
    r"pass(word|wd|phrase)?|secret|token|auth|credential|api[-_]?key|private[-_]?key", re.IGNORECASE
)
_URL = re.compile(r"(\b[A-Za-z][A-Za-z0-9+.-]{0,20}://)([^\s'\"]*)")
_DIGEST = re.compile(r"sha(256|512):")
"""The text after the @ of an image reference with a digest."""
_WORD = r"[A-Za-z0-9_.-]"
_SENSITIVE = (
    r"pass(?:word|wd|phrase)|(?<![A-Za-z])pass(?![A-Za-z])|secret|token|credential|registry-config|(?:api|private|access)[-_]?key|"
    r"(?<![A-Za-z])auth(?![A-Za-z])"
)
_KEY = re.compile(
    # The lookbehind tries each word only once, from its start. Without it, a megabyte of letters takes hours.
    rf"(?<!{_WORD})(?={_WORD}*(?:{_SENSITIVE}))(?P<flag>--)?{_WORD}+"
    # JSON in a log line has backslashes before its quotes. The value of a flag can be the next word or list item.
    r"(?:(?:\\*[\"'])?\s*[=:]\s*|(?(flag)[ \t,\"'\\]*[ \t,]|(?!)))",
    re.IGNORECASE,
)
_FLAG = re.compile(rf"--(?={_WORD}*(?:{_SENSITIVE})){_WORD}+", re.IGNORECASE)
_QUOTE = re.compile(r"(\\*)([\"'])")
_BARE = re.compile(r"[^\s,;&\"']+")
_CLOSING = re.compile(r"(\\*)([\"'])|\n")
_BEARER = re.compile(r"\b(Basic|Bearer)\s+[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE)
_PRIVATE_KEY = re.compile(r"(-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY-----)[^-]*")
_REFERENCES = frozenset({"imagePullSecrets", "pullSecret", "secret", "secretKeyRef", "secretRef"})
"""Keys that look like secrets. In the spec they are objects with the names of Secrets; any other value is masked."""
_NAME = "secretName"
_COUNT = "credentialsGeneration"
"""A number in the spec. Other numbers under keys that look like secrets are masked, as they can be passwords."""
_VARIABLE = frozenset({"name", "value"})
"""The keys of an environment variable of a container. Its value is always masked: the name does not show if it is secret."""
_UNPRINTABLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode categories: controls, formats (which can reverse or hide text), surrogates, private, unassigned, separators."""
_MAX_DEPTH = 50
"""The nesting below which values are masked. daemon.json is less deep."""


def masked(value: Any, depth: int = 0) -> Any:
    """The data with masked secrets, which are recognized by their keys and in texts."""
    if depth > _MAX_DEPTH:
        return MASK
    if isinstance(value, dict) and value.keys() == _VARIABLE:
        return {"name": masked(value["name"], depth + 1), "value": MASK if value["value"] else value["value"]}
    if isinstance(value, dict):
        return {
            masked_text(str(key)): MASK if item and _secret(str(key), item) else masked(item, depth + 1)
            for key, item in value.items()
        }
    if isinstance(value, list):
        flags = [False, *(isinstance(item, str) and _FLAG.fullmatch(item) is not None for item in value)]
        return [MASK if flag else masked(item, depth + 1) for flag, item in zip(flags, value, strict=False)]
    return masked_text(value) if isinstance(value, str) else value


def _secret(key: str, value: Any) -> bool:
    plain = isinstance(value, bool) or (key == _COUNT and isinstance(value, int))
    names = key == _NAME or (key in _REFERENCES and isinstance(value, dict | list))
    return not names and not plain and _SECRET_KEY.search(key) is not None


def masked_text(text: str) -> str:
    """Masks credentials in URLs, values after ``password=`` and similar keys, bearer and basic credentials, and private keys."""
    text = _PRIVATE_KEY.sub(rf"\g<1>{MASK}", text)
    text = _URL.sub(_masked_url, text)
    text = _BEARER.sub(rf"\g<1> {MASK}", text)
    return _masked_values(text)


def _masked_url(url: re.Match[str]) -> str:
    """Masks everything before the last @, because passwords can contain an @ or a slash."""
    scheme, rest = url.groups()
    at = rest.rfind("@")
    while at >= 0 and _DIGEST.match(rest, at + 1):
        at = rest.rfind("@", 0, at)
    return f"{scheme}{MASK}{rest[at:]}" if at >= 0 else f"{scheme}{rest}"


def _masked_values(text: str) -> str:
    parts, done = [], 0
    while (key := _KEY.search(text, done)) is not None:
        parts.append(text[done : key.end()])
        done = _value_end(text, key.end())
        if done > key.end():
            parts.append(MASK)
    return "".join([*parts, text[done:]])


def _value_end(text: str, start: int) -> int:
    """The end of a value: a space or comma, or for a quoted value the closing quote of the same depth or the end of the line."""
    opening = _QUOTE.match(text, start)
    if opening is None:
        bare = _BARE.match(text, start)
        return bare.end() if bare else start
    depth = len(opening[1])
    for quote in _CLOSING.finditer(text, opening.end()):
        if quote[0] == "\n":
            return quote.start()
        # A nested string closes with as many backslashes as it opened with. Each level of nesting doubles the others.
        if quote[2] == opening[2] and len(quote[1]) % (2 * (depth + 1)) == depth:
            return quote.end()
    return len(text)


def visible(text: str) -> str:
    """The text with escaped line breaks and control characters, so that it cannot control a terminal."""
    return "".join(character if _printable(character) else _escaped(character) for character in text)


def _printable(character: str) -> bool:
    return (character.isascii() and character.isprintable()) or unicodedata.category(character) not in _UNPRINTABLE


def _escaped(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")
