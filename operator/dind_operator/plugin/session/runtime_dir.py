"""The base directory of the sessions. It belongs to the user, has the mode 0700, and is on a tmpfs if the system has one.

A lock on the directory protects its contents. A process that leaves the directory empty deletes it.
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
    """The path: in XDG_RUNTIME_DIR, which is private and in memory, or else in the directory for temporary files."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime and Path(runtime).is_dir():
        return Path(runtime) / "kubectl-dind"
    return Path(tempfile.gettempdir()) / f"kubectl-dind-{os.getuid()}"


@contextmanager
def locked() -> Iterator[Path]:
    """Create the base directory if necessary, and lock it. Raises CliError if other users can access it."""
    while True:
        descriptor = _open_base()
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if not _is_base(descriptor):
                continue  # another process deleted the directory before this process got the lock
            yield base()
            return
        finally:
            with suppress(OSError):  # not empty, or already deleted
                base().rmdir()
            os.close(descriptor)


def _open_base() -> int:
    directory = base()
    while True:
        with suppress(FileExistsError):
            directory.mkdir(mode=_PRIVATE)
        try:
            descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except FileNotFoundError:
            continue  # deleted between the two calls
        except OSError as error:
            raise CliError(
                f"the directory {directory} cannot be used: {error.strerror}. Delete the file at this path."
            ) from error
        found = os.fstat(descriptor)
        if found.st_uid == os.getuid() and not stat.S_IMODE(found.st_mode) & _OTHERS:
            return descriptor
        os.close(descriptor)
        raise CliError(
            f"the directory {directory} must not be accessible to other users, because it contains a private key. Delete it, or "
            "set XDG_RUNTIME_DIR to a private directory."
        )


def _is_base(descriptor: int) -> bool:
    try:
        current = os.stat(base(), follow_symlinks=False)
    except FileNotFoundError:
        return False
    opened = os.fstat(descriptor)
    return (current.st_dev, current.st_ino) == (opened.st_dev, opened.st_ino)


def write_private(path: Path, content: bytes) -> None:
    """Atomically write a file that only its owner can read. The directory must be private."""
    new = path.with_name(f".{path.name}.new")
    with suppress(FileNotFoundError):
        new.unlink()
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
    new.replace(path)


def start_time(pid: int) -> str | None:
    """The start time of a process, which distinguishes it from a later process with the same PID. None if it has exited.

    A zombie counts as exited. The format depends on the system; compare the text only.
    """
    if Path("/proc/self/stat").exists():
        try:
            # The name is in parentheses and can contain any characters. The start time is the 20th field after it.
            fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        except OSError:
            return None
        return None if fields[0] in "ZX" else fields[19]
    done = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return done.stdout.strip() or None
