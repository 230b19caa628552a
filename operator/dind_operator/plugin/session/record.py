"""The directory of a session: the state of the forwarder, the certificates of the client, and the users of the session.

The forwarder serves the session, and deletes it when no user is left. A user is a process; a file in ``users`` has its PID.
The directory contains a private key, so only its owner may read it, and the key is written only while the forwarder is running.
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
from dind_operator.plugin.session import runtime_dir

CLIENT_FILES = ("ca.pem", "cert.pem", "key.pem")
"""The files that the docker CLI reads in DOCKER_CERT_PATH. The client Secret contains them under these names."""
PENDING = "pending-"
"""Prefix of the file of a user whose PID is not known yet: a shell that received the exports and has not run them."""
VARIABLES = ("DOCKER_HOST", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH")
_STOP_SECONDS = 10
_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Session:
    """A session, identified by its directory. The directory need not exist."""

    directory: Path

    @property
    def certificates(self) -> Path:
        return self.directory / "certs"

    @property
    def users(self) -> Path:
        return self.directory / "users"

    # Contents

    def make(self) -> None:
        """Create the directory, without files. The caller holds the lock."""
        shutil.rmtree(self.directory, ignore_errors=True)
        for directory in (self.directory, self.certificates, self.users):
            directory.mkdir(mode=0o700)

    def write_certificates(self, files: dict[str, bytes]) -> None:
        """Write the ``client_files``. The caller holds the lock, and the forwarder is running: it deletes them."""
        for name, content in files.items():
            runtime_dir.write_private(self.certificates / name, content)

    def state(self) -> dict[str, Any]:
        """The state that the forwarder has written; {} if there is none."""
        try:
            found = json.loads((self.directory / "state.json").read_bytes())
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def write_state(self, **fields: Any) -> None:
        """Merge these fields into the state."""
        runtime_dir.write_private(self.directory / "state.json", json.dumps(self.state() | fields).encode())

    def forwarder_pid(self) -> int | None:
        """The PID of the forwarder; None if it is not running."""
        return _running_pid(self.state().get("forwarder"))

    def add_user(self, name: str) -> None:
        """Add a user by its PID, or by a name with the prefix PENDING."""
        (self.users / name).touch(mode=0o600)

    def variables(self) -> dict[str, str]:
        """The environment variables of a docker client."""
        values = (f"tcp://127.0.0.1:{self.state()['port']}", "1", str(self.certificates))
        return dict(zip(VARIABLES, values, strict=True))

    # Deletion

    def remove(self) -> None:
        """Terminate kubectl if it is still running, and delete the directory. The caller holds the lock."""
        pid = _running_pid(self.state().get("port_forward"))
        if pid is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        shutil.rmtree(self.directory, ignore_errors=True)

    def stop(self) -> bool:
        """Terminate the forwarder and delete the directory. False if none was running. The caller does not hold the lock."""
        pid = self.forwarder_pid()
        if pid is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
            end = time.monotonic() + _STOP_SECONDS
            while self.forwarder_pid() == pid and time.monotonic() < end:
                time.sleep(_POLL_SECONDS)
        with runtime_dir.locked():
            if self.directory.exists():
                self.remove()
        return pid is not None


def client_files(secret: dict[str, Any]) -> dict[str, bytes]:
    """The contents of CLIENT_FILES in the client Secret. Raises CliError if one is missing or invalid."""
    data, files = secret.get("data") or {}, {}
    for name in CLIENT_FILES:
        try:
            files[name] = base64.b64decode(data[name], validate=True)
        except (KeyError, TypeError, binascii.Error):
            raise CliError(
                f"the Secret {secret.get('metadata', {}).get('name')} contains no valid {name}. Delete the Secret. The operator "
                "creates it again within two minutes."
            ) from None
    return files


def session_of(cluster_user_namespace: tuple[str, str, str], name: str) -> Session:
    """The session of an environment."""
    digest = hashlib.sha256(json.dumps([*cluster_user_namespace, name]).encode()).hexdigest()
    # 12 digits suffice for the environments of one user. The name is a part of DOCKER_CERT_PATH, so it is short.
    return Session(runtime_dir.base() / f"{name}-{digest[:12]}")


def remove_dead() -> None:
    """Delete the directories of forwarders that were killed. The caller holds the lock."""
    for directory in runtime_dir.base().iterdir():
        session = Session(directory)
        if session.forwarder_pid() is None and not _is_starting(session):
            session.remove()


def _is_starting(session: Session) -> bool:
    """Whether the forwarder was started a moment ago and has not written its PID yet."""
    state = session.state()
    starting = state.get("starting")
    return (
        "forwarder" not in state and isinstance(starting, int | float) and 0 <= time.time() - starting < _STOP_SECONDS
    )


def process_identity(pid: int) -> dict[str, Any]:
    """The PID and the start time of a process, as the state contains them."""
    return {"pid": pid, "started": runtime_dir.start_time(pid)}


def _running_pid(process: Any) -> int | None:
    if not isinstance(process, dict) or not isinstance(process.get("pid"), int) or not process.get("started"):
        return None
    return process["pid"] if runtime_dir.start_time(process["pid"]) == process["started"] else None


def problem(session: Session) -> CliError | None:
    """The error with which the forwarder failed to start; None if there is none."""
    found = session.state().get("problem")
    if not isinstance(found, dict):
        return None
    return CliError(str(found.get("message")), Exit(found.get("code", Exit.FAILED)))
