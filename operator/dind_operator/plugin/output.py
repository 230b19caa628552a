"""What a command prints: results to standard output, all else to standard error; colours and a moving line on terminals only."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, TextIO

import click

from dind_operator.plugin.progress import span

Object = dict[str, Any]
NAME_PREFIX = "dindenvironment.dind.dev/"
_CLEAR = "\r\x1b[K"
_COLOURS = {
    "Running": "green",
    "Ready": "green",
    "True": "green",
    "Failed": "red",
    "False": "red",
    "Suspended": "yellow",
}


def coloured(stream: TextIO) -> bool:
    """Whether a stream takes colours: a terminal that says what it is, and a user who has not forbidden them (NO_COLOR)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def style(text: str, stream: TextIO, colour: str | None = None) -> str:
    """The text in a colour, by default that of the word it is, where the stream takes it."""
    chosen = colour or _COLOURS.get(text.strip())
    return click.style(text, fg=chosen) if chosen and coloured(stream) else text


def say(text: str) -> None:
    """A sentence to the user, beside the result."""
    print(text, file=sys.stderr)


def complain(text: str) -> None:
    """What went wrong."""
    print(f"{style('kubectl dind:', sys.stderr, 'red')} {text}", file=sys.stderr)


def show(environment: Object, output: str | None, text: str) -> None:
    """One environment as asked for with -o, or else a sentence on it."""
    if output == "json":
        print(json.dumps(environment, indent=2))
    elif output == "name":
        print(NAME_PREFIX + environment["metadata"]["name"])
    else:
        print(text)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their widest cell, coloured by the words in them."""
    widths = [max(len(row[at]) for row in (head, *rows)) for at in range(len(head))]
    lines = ["   ".join(cell.ljust(width) for cell, width in zip(head, widths, strict=True)).rstrip()]
    for row in rows:
        # The last column is not padded: it may be long.
        cells = [cell.ljust(width) for cell, width in zip(row[:-1], widths, strict=False)] + [row[-1]]
        lines.append("   ".join(style(cell, sys.stdout) for cell in cells).rstrip())
    return "\n".join(lines)


class Progress:
    """Says what goes on: on a terminal in one line that moves, elsewhere a line for each change."""

    def __init__(self, name: str, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._name = name
        self._stream = stream or sys.stderr
        self._clock = clock
        self._since = clock()
        self._last = ""
        self._moving = self._stream.isatty() and os.environ.get("TERM") != "dumb"

    def tell(self, text: str) -> None:
        """What goes on now. The same again says nothing new elsewhere than on a terminal."""
        elapsed = span(self._clock() - self._since)
        if self._moving:
            self._stream.write(f"{_CLEAR}{_cut(f'{self._name}: {text} ({elapsed})')}")
        elif text != self._last:
            self._stream.write(f"{self._name}: {text}\n")
        self._last = text
        self._stream.flush()

    def done(self) -> None:
        """Leave the terminal's line free."""
        if self._moving and self._last:
            self._stream.write(_CLEAR)
            self._stream.flush()


def _cut(text: str) -> str:
    """To the width of the terminal: a line that wraps cannot be taken back."""
    try:
        width = os.get_terminal_size(sys.stderr.fileno()).columns
    except (OSError, ValueError):
        width = 80
    return text if len(text) < width else text[: max(width - 2, 1)] + "…"
