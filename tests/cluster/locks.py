"""One at a time: file locks, released by the kernel when their holder dies."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.cluster.progress import say


@contextmanager
def exclusive(path: Path, what: str) -> Iterator[None]:
    """Holds the lock at `path`; while another process has it, says so once and waits."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # The descriptor is not inherited (PEP 446), so a server started under the lock does not keep it.
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            say(f"==> Waiting for process {file.read().strip() or '?'}, which uses {what}")
            fcntl.flock(file, fcntl.LOCK_EX)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
