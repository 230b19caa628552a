"""dockerd's arguments, read as pflag reads them: `--name`, `--name=value`, `-n value`, `-n=value`, `-nvalue`, and several one-letter
flags behind one dash. Keys of daemon.json, read as Go reads them: in any case."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

from .config_keys import OTHER_SHORT_WITH_VALUE, OWNED_EXEC_OPT, SETTINGS, Setting, deciding, owned

OWNED_KEYS: Final[Mapping[str, str]] = {setting.key: setting.owned for setting in owned() if setting.key}
"""Keys of daemon.json that the operator sets, and what users do instead."""
OWNED_FLAGS: Final[Mapping[str, str]] = {flag: setting.owned for setting in owned() for flag in setting.long_flags}
"""The same of long flags."""
OWNED_SHORT_FLAGS: Final[Mapping[str, str]] = {
    setting.short: setting.long_flags[0] for setting in owned() if setting.short
}
"""One-letter flags and the long flag that each stands for."""
END_OF_FLAGS: Final = "--"

_STOPS: Final = "".join(sorted({*OTHER_SHORT_WITH_VALUE, *(setting.short for setting in SETTINGS if setting.short)}))


def long_pattern(flags: Iterable[str]) -> str:
    """A pattern (RE2 and Python alike) of the arguments that set one of these flags by its long name."""
    return "^--?(" + "|".join(sorted(flags)) + ")(=|$)"


def short_pattern(letters: Iterable[str]) -> str:
    """The same for one-letter flags, also behind others that take no value; the first owned letter is the one named.

    Letters dockerd does not know are skipped: it refuses them today, and a later one may take no value.
    """
    return f"^-[^-={_STOPS}]*[{''.join(sorted(letters))}]"


_LONG: Final = re.compile(long_pattern(OWNED_FLAGS))
_SHORT: Final = re.compile(short_pattern(OWNED_SHORT_FLAGS))


def owned_argument(argument: str) -> str | None:
    """The owned flag that an argument of dockerd sets, as `--name` (or `--`), or None.

    Arguments are judged one by one: a value that looks like an owned flag is refused too (write it as `--flag=value`).
    """
    if argument == END_OF_FLAGS:
        return END_OF_FLAGS
    if match := _LONG.match(argument):
        return f"--{match[1]}"
    if match := _SHORT.match(argument):
        return f"--{OWNED_SHORT_FLAGS[match[0][-1]]}"
    return None


def argument_remedy(flag: str) -> str:
    """What to do about a flag that owned_argument named."""
    return OWNED_FLAGS.get(flag.removeprefix("--"), "remove it, dockerd takes no arguments besides flags")


def owned_config_key(key: str) -> str | None:
    """The owned key of daemon.json that `key` is, in any case of letters; None for any other.

    Go folds two letters to ASCII that are none: the long s (U+017F) and the sign of Kelvin (U+212A).
    """
    folded = key.casefold()
    return folded if folded in OWNED_KEYS else None


def owned_exec_opt(option: str) -> bool:
    """Whether an entry of exec-opts sets what the operator sets."""
    return option.strip().lower().startswith(OWNED_EXEC_OPT)


def is_set(setting: Setting, config: Mapping[str, Any], args: Sequence[str]) -> bool:
    """Whether daemon.json or the arguments set it, even to nothing."""
    if any(key.casefold() == setting.key for key in config):
        return True
    pattern = _of(setting)
    return any(pattern.match(argument) for argument in args)


def flag_values(setting: Setting, args: Sequence[str]) -> list[str]:
    """The values that the arguments give its long flags: `--name=value`, or `--name` with the value as the next argument."""
    found = []
    for argument, following in pairwise((*args, "")):
        name, equals, value = argument.partition("=")
        if argument.startswith("-") and name.removeprefix("-").removeprefix("-") in setting.long_flags:
            found.append(value if equals else following)
    return found


def decided(config: Mapping[str, Any], args: Sequence[str]) -> list[str]:
    """What daemon.json and the arguments decide of what the pod otherwise chooses, in the words of `dind-node network`."""
    return [word for word, settings in _DECIDING if any(is_set(setting, config, args) for setting in settings)]


_DECIDING: Final = tuple(deciding().items())


@functools.cache
def _of(setting: Setting) -> re.Pattern[str]:
    """Matches the arguments that set it; made once, because it is asked for every environment."""
    short = f"|{short_pattern(setting.short)}" if setting.short else ""
    return re.compile(long_pattern(setting.long_flags) + short)
