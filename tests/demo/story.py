"""The output of the demonstration: numbered steps with their durations, commands as a user types them, failures with advice."""

from __future__ import annotations

import shlex
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.cluster.progress import HEARTBEAT_SECONDS

# What a failed command said last; its beginning is progress that nobody needs any more.
_LAST_LINES = 15


class DemoError(Exception):
    """A step did not come to its end. `what` is the fact, `advice` what to do about it."""

    def __init__(self, what: str, advice: str) -> None:
        super().__init__(what)
        self.what = what
        self.advice = advice


def tell(text: str = "") -> None:
    """A line of the story. Flushed: it is read while it happens, also through a pipe."""
    print(text, flush=True)


@dataclass
class Story:
    """The steps so far. `total` is only for the numbers in front of the titles."""

    total: int
    times: list[tuple[str, float]] = field(default_factory=list)

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """One step: announced, timed, and its time kept for the table."""
        tell(f"\n[{len(self.times) + 1}/{self.total}] {title}")
        begin = time.monotonic()
        with _sign_of_life(begin):
            yield
        seconds = time.monotonic() - begin
        self.times.append((title, seconds))
        tell(f"      {seconds:.1f} s")

    def table(self) -> str:
        """All steps and how long each took."""
        width = max(len(title) for title, _ in self.times)
        lines = [f"  {title:<{width}}  {seconds:6.1f} s" for title, seconds in self.times]
        lines.append(f"  {'total':<{width}}  {sum(seconds for _, seconds in self.times):6.1f} s")
        return "\n".join(lines)


@contextmanager
def _sign_of_life(begin: float) -> Iterator[None]:
    done = threading.Event()

    def beat() -> None:
        while not done.wait(HEARTBEAT_SECONDS):
            tell(f"      … {time.monotonic() - begin:.0f} s so far")

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def command(
    *words: str,
    advice: str,
    environment: Mapping[str, str] | None = None,
    stdin: Path | None = None,
    show: Callable[[str], str | None] | None = None,
    timeout: float = 300,
) -> str:
    """Runs a command and returns what it printed. `show` picks what of its lines is shown while it runs.

    Raises DemoError with the last lines it printed when it fails or takes longer than `timeout` seconds.
    """
    with (stdin or Path("/dev/null")).open("rb") as source:
        process = subprocess.Popen(
            words,
            env=environment,
            stdin=source,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
    timer = threading.Timer(timeout, process.kill)
    timer.start()
    lines = []
    with process:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line.rstrip())
            shown = show(lines[-1]) if show else None
            if shown:
                tell(f"      {shown}")
    late = not timer.is_alive()
    timer.cancel()
    if process.returncode == 0:
        return "\n".join(lines)
    end = "\n".join(f"        {line[:300]}" for line in lines[-_LAST_LINES:])
    how = f"did not finish within {timeout:.0f} s" if late else f"failed (exit code {process.returncode})"
    raise DemoError(f"`{readable(words)}` {how}. Its last output:\n{end}", advice)


def readable(words: tuple[str, ...]) -> str:
    """A command as one would type it, without the paths of this machine."""
    plain = [Path(words[0]).name.rstrip("34") if words[0].startswith("/") else words[0]]
    plain += [word for word in words[1:] if not word.startswith("--kubeconfig=")]
    text = shlex.join(plain)
    return text if len(text) <= 160 else text[:157] + "…"
