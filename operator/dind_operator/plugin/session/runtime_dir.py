"""Where a session's files are: a folder of the user's own, mode 0700, on memory where the system has such a place.

The folder is itself the lock: whoever holds it may make and remove what is in it. The last to leave removes it, too.
"""

from __future__ import annotations

import fcntl
import os
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dind_operator.plugin.errors import CliError

_PRIVATE = 0o700
_OTHERS = 0o077


def base() -> Path:
    """Where all sessions are: below XDG_RUNTIME_DIR, which is the user's alone and in memory, else below the temporary folder."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime and Path(runtime).is_dir():
        return Path(runtime) / "kubectl-dind"
    return Path(tempfile.gettempdir()) / f"kubectl-dind-{os.getuid()}"


@contextmanager
def locked() -> Iterator[Path]:
    """The base folder, made if need be, and held against other processes. Raises CliError if it is not the user's alone."""
    while True:
        handle = _opened()
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            if not _still_there(handle):
                continue  # the last one before us has removed it
            yield base()
            return
        finally:
            with suppress(OSError):  # not empty, or gone
                base().rmdir()
            os.close(handle)


def _opened() -> int:
    folder = base()
    while True:
        with suppress(FileExistsError):
            folder.mkdir(mode=_PRIVATE)
        try:
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except FileNotFoundError:
            continue  # removed between the two calls
        except OSError as error:
            raise CliError(
                f"the folder {folder} cannot be used: {error.strerror}. Remove what has its name."
            ) from error
        found = os.fstat(handle)
        if found.st_uid == os.getuid() and not stat.S_IMODE(found.st_mode) & _OTHERS:
            return handle
        os.close(handle)
        raise CliError(
            f"the folder {folder} is not yours alone, and a key is to be kept in it. Remove it, or set XDG_RUNTIME_DIR to a "
            "folder of your own."
        )


def _still_there(handle: int) -> bool:
    try:
        now = os.stat(base(), follow_symlinks=False)
    except FileNotFoundError:
        return False
    own = os.fstat(handle)
    return (now.st_dev, now.st_ino) == (own.st_dev, own.st_ino)


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read, whole or not at all. The folder is the caller's own."""
    new = path.with_name(f".{path.name}.new")
    with suppress(FileNotFoundError):
        new.unlink()
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
    new.replace(path)


def started(pid: int) -> str | None:
    """When a process was started, to tell it from a later one with its number; None if there is no such process.

    A process that has ended and was not waited for is none. The text is the system's own and is only compared.
    """
    if Path("/proc/self/stat").exists():
        try:
            # The name stands in brackets and may hold anything; behind it are the state and, the 20th, the start.
            after = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        except OSError:
            return None
        return None if after[0] in "ZX" else after[19]
    done = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return done.stdout.strip() or None
