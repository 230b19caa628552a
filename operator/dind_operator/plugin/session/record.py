"""A session: one environment's forwarded port with the client's files, as any process of its user finds it.

A minder (``minder``) serves it and takes it away when no user is left. A user is a process: a file in ``users`` has its
number. The folder holds a private key: nothing in it is for others to read.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
import shutil
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dind_operator.plugin.errors import CliError, Exit
from dind_operator.plugin.session import runtime_dir as places

CLIENT_FILES = ("ca.pem", "cert.pem", "key.pem")
"""What the docker CLI looks for in DOCKER_CERT_PATH; the client Secret has them by these names."""
PENDING = "pending-"
"""With something that tells it from others: stands for the shell that has been given the exports and has not run them yet."""
VARIABLES = ("DOCKER_HOST", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH")
_STOP_SECONDS = 10
_STEP = 0.05


@dataclass(frozen=True)
class Session:
    """A session by its folder, whether or not it exists."""

    folder: Path

    @property
    def certificates(self) -> Path:
        return self.folder / "certs"

    @property
    def users(self) -> Path:
        return self.folder / "users"

    # What it holds

    def make(self) -> None:
        """The empty folder. The caller holds the lock."""
        shutil.rmtree(self.folder, ignore_errors=True)
        for folder in (self.folder, self.certificates, self.users):
            folder.mkdir(mode=0o700)

    def write_certificates(self, secret: dict[str, Any]) -> None:
        """The client's files out of its Secret. Raises CliError if they are not in it."""
        data = secret.get("data") or {}
        for name in CLIENT_FILES:
            try:
                content = base64.b64decode(data[name], validate=True)
            except (KeyError, TypeError, binascii.Error):
                raise CliError(
                    f"the Secret {secret.get('metadata', {}).get('name')} has no usable {name}. Delete the Secret; the operator "
                    "makes it again within a minute or two."
                ) from None
            places.write_private(self.certificates / name, content)

    def state(self) -> dict[str, Any]:
        """What the minder says of itself; {} while it says nothing."""
        try:
            found = json.loads((self.folder / "state.json").read_bytes())
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def write_state(self, **fields: Any) -> None:
        """Merge into what is said."""
        places.write_private(self.folder / "state.json", json.dumps(self.state() | fields).encode())

    def minder(self) -> int | None:
        """The minder's process id while it lives."""
        return _living(self.state().get("minder"))

    def add_user(self, name: str) -> None:
        """Note a process by its number, or by a name that begins with PENDING."""
        (self.users / name).touch(mode=0o600)

    def variables(self) -> dict[str, str]:
        """What a docker client needs in its environment."""
        values = (f"tcp://127.0.0.1:{self.state()['port']}", "1", str(self.certificates))
        return dict(zip(VARIABLES, values, strict=True))

    # Its end

    def remove(self) -> None:
        """End what a minder left and take the folder away. The caller holds the lock."""
        forward = _living(self.state().get("forward"))
        if forward is not None:
            with suppress(ProcessLookupError):
                os.kill(forward, signal.SIGTERM)
        shutil.rmtree(self.folder, ignore_errors=True)

    def stop(self) -> bool:
        """End the minder and wait until its files are gone; False if there was none. The caller does not hold the lock."""
        pid = self.minder()
        if pid is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
            end = time.monotonic() + _STOP_SECONDS
            while self.minder() == pid and time.monotonic() < end:
                time.sleep(_STEP)
        with places.locked():
            if self.folder.exists():
                self.remove()
        return pid is not None


def session_of(where: tuple[str, str, str], name: str) -> Session:
    """The session of an environment. ``where`` is cluster, user and namespace as kubectl knows them."""
    digest = hashlib.sha256(json.dumps([*where, name]).encode()).hexdigest()
    # Enough that no two of one user's environments meet; short, because it stands in DOCKER_CERT_PATH.
    return Session(places.base() / f"{name}-{digest[:12]}")


def remove_dead() -> None:
    """Take away what minders left that were killed. The caller holds the lock."""
    for folder in places.base().iterdir():
        session = Session(folder)
        if session.minder() is None and not _being_made(session):
            session.remove()


def _being_made(session: Session) -> bool:
    """Its minder was started a moment ago and has not said so yet. One that has, and is dead, was killed."""
    said = session.state()
    starting = said.get("starting")
    return "minder" not in said and isinstance(starting, int | float) and 0 <= time.time() - starting < _STOP_SECONDS


def identity(pid: int) -> dict[str, Any]:
    """A process as ``state`` names it."""
    return {"pid": pid, "started": places.started(pid)}


def _living(said: Any) -> int | None:
    if not isinstance(said, dict) or not isinstance(said.get("pid"), int) or not said.get("started"):
        return None
    return said["pid"] if places.started(said["pid"]) == said["started"] else None


def problem(session: Session) -> CliError | None:
    """Why the minder ended before it served, if it said so."""
    said = session.state().get("problem")
    if not isinstance(said, dict):
        return None
    return CliError(str(said.get("message")), Exit(said.get("code", Exit.FAILED)))
