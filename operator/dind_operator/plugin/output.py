"""Output of the commands: results to standard output, everything else to standard error. Only terminals get colours."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, TextIO

import click

from dind_operator.plugin.progress import format_duration

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
    """Whether to write colours to a stream: only to a terminal with a known TERM, and not if NO_COLOR is set."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def style(text: str, stream: TextIO, colour: str | None = None) -> str:
    """The text in a colour if the stream supports colours. The default depends on the text, such as green for True."""
    chosen = colour or _COLOURS.get(text.strip())
    return click.style(text, fg=chosen) if chosen and coloured(stream) else text


def print_info(text: str) -> None:
    """Print a message to standard error."""
    print(text, file=sys.stderr)


def print_error(text: str) -> None:
    """Print an error to standard error."""
    print(f"{style('kubectl dind:', sys.stderr, 'red')} {text}", file=sys.stderr)


def print_result(environment: Object, output: str | None, text: str) -> None:
    """Print an environment in the format of -o, or ``text`` without -o."""
    if output == "json":
        print(json.dumps(environment, indent=2))
    elif output == "name":
        print(NAME_PREFIX + environment["metadata"]["name"])
    else:
        print(text)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table. Each column is as wide as its widest cell; cells such as True or Failed are coloured."""
    widths = [max(len(row[at]) for row in (head, *rows)) for at in range(len(head))]
    lines = ["   ".join(cell.ljust(width) for cell, width in zip(head, widths, strict=True)).rstrip()]
    for row in rows:
        # The last column is not padded, because it can be long.
        cells = [cell.ljust(width) for cell, width in zip(row[:-1], widths, strict=False)] + [row[-1]]
        lines.append("   ".join(style(cell, sys.stdout) for cell in cells).rstrip())
    return "\n".join(lines)


class Progress:
    """Prints the progress: on a terminal one line that is overwritten, elsewhere one line for each change."""

    def __init__(self, name: str, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._name = name
        self._stream = stream or sys.stderr
        self._clock = clock
        self._start = clock()
        self._last = ""
        self._overwrites = self._stream.isatty() and os.environ.get("TERM") != "dumb"

    def update(self, text: str) -> None:
        """Print the current state. Without a terminal, an unchanged state is not printed again."""
        elapsed = format_duration(self._clock() - self._start)
        if self._overwrites:
            self._stream.write(f"{_CLEAR}{_cut(f'{self._name}: {text} ({elapsed})')}")
        elif text != self._last:
            self._stream.write(f"{self._name}: {text}\n")
        self._last = text
        self._stream.flush()

    def done(self) -> None:
        """Clear the line of the terminal."""
        if self._overwrites and self._last:
            self._stream.write(_CLEAR)
            self._stream.flush()


def _cut(text: str) -> str:
    """The text, cut to the width of the terminal: a line that wraps cannot be overwritten."""
    try:
        width = os.get_terminal_size(sys.stderr.fileno()).columns
    except (OSError, ValueError):
        width = 80
    return text if len(text) < width else text[: max(width - 2, 1)] + "…"
