"""Opens a session: joins the running session of an environment or starts a forwarder, and waits until the daemon responds."""

from __future__ import annotations

import http.client
import os
import shlex
import signal
import ssl
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import dind_operator
from dind_operator.features.endpoint.service import client_secret_name
from dind_operator.plugin import progress as state
from dind_operator.plugin.errors import CliError, Exit, NotFoundError
from dind_operator.plugin.kubectl import Kubectl
from dind_operator.plugin.session import runtime_dir
from dind_operator.plugin.session.record import (
    PENDING,
    VARIABLES,
    Session,
    client_files,
    problem,
    remove_dead,
    session_of,
)

_PORT_SECONDS = 40
"""The timeout for the forwarder to report its port. It is longer than the timeout of the forwarder itself."""
_RESPONSE_SECONDS = 20
"""The timeout for the first response of the daemon on the forwarded port."""
_POLL_SECONDS = 0.05


def open_session(kubectl: Kubectl, name: str, user: str) -> Session:
    """Open a session, verify that the daemon responds, and add ``user`` to its users. Raises CliError.

    ``user`` is a PID, or ``pending_user()`` for a shell whose PID is not known yet. Until the session is open, its user is this
    process: if it is killed, the forwarder deletes the session. The certificates are written when the forwarder serves the session.
    """
    environment = kubectl.environment(name)
    state.check_endpoint(environment)
    secret = _secret(kubectl, name)
    files = client_files(secret)
    session = session_of(kubectl.cluster_user_namespace(), name)
    with runtime_dir.locked():
        remove_dead()
        same_uid = session.state().get("uid") == environment["metadata"]["uid"]
        if session.directory.exists() and same_uid and "problem" not in session.state():
            session.add_user(str(os.getpid()))
        else:
            _remove(session)
            _start(session, kubectl, environment)
    _wait_for_port(session)
    _write_certificates(session, files)
    _wait_for_response(session, name)
    with runtime_dir.locked():
        if not session.directory.exists():
            raise _not_started()
        session.add_user(user)
    return session


def pending_user() -> str:
    """The user that represents the shell that runs the output of this process, until the shell has added its PID."""
    return f"{PENDING}{os.getpid()}"


def find_session(kubectl: Kubectl, name: str) -> Session:
    """The session of an environment. Neither the session nor the environment need exist."""
    return session_of(kubectl.cluster_user_namespace(), name)


def _secret(kubectl: Kubectl, name: str) -> dict[str, Any]:
    secret = client_secret_name(name)
    try:
        return kubectl.json("get", "secrets", secret)
    except NotFoundError as error:
        raise CliError(
            f"the Secret {secret} does not exist yet. The operator creates it within two minutes. Wait with: kubectl dind wait "
            f"{name} --for endpoint",
            Exit.NOT_READY,
        ) from error
    except CliError as error:
        if error.code is not Exit.FORBIDDEN:
            raise
        raise CliError(
            f"{error.message} The Secret {secret} contains the private key of the client; docs/endpoint.md documents the role that "
            f"permits reading it. `kubectl dind shell {name}` does not need the Secret.",
            Exit.FORBIDDEN,
        ) from error


def _remove(session: Session) -> None:
    """Remove the session of a deleted environment with the same name, without waiting until its forwarder exits."""
    if session.directory.exists():
        pid = session.forwarder_pid()
        if pid is not None:
            os.kill(pid, signal.SIGTERM)
        session.remove()


def _start(session: Session, kubectl: Kubectl, environment: dict[str, Any]) -> None:
    session.make()
    session.add_user(str(os.getpid()))
    uid, name = environment["metadata"]["uid"], environment["metadata"]["name"]
    session.write_state(uid=uid, starting=time.time())
    target = kubectl.target
    # -P: do not import modules from the working directory of the user, which may be untrusted.
    command = [sys.executable, "-P", "-m", "dind_operator.plugin.session.forwarder", str(session.directory), name, uid]
    command += [target.kubeconfig or "", target.context or "", target.namespace or ""]
    # The forwarder imports the package of this process. It inherits no pipes, because a caller may wait until they are closed.
    inherited = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if os.path.isabs(entry)]
    path = os.pathsep.join([str(Path(dind_operator.__file__).resolve().parents[1]), *inherited])
    subprocess.Popen(
        command,
        env=os.environ | {"PYTHONPATH": path},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _wait_for_port(session: Session) -> None:
    end = time.monotonic() + _PORT_SECONDS
    while not session.state().get("port"):
        failed = problem(session)
        if failed is not None:
            session.stop()
            raise failed
        if time.monotonic() > end or not session.directory.exists():
            raise _not_started()
        time.sleep(_POLL_SECONDS)


def _write_certificates(session: Session, files: dict[str, bytes]) -> None:
    """Write the key only while the forwarder is running, which deletes it. The forwarder deletes it under the same lock."""
    with runtime_dir.locked():
        if session.forwarder_pid() is None:
            raise _not_started()
        session.write_certificates(files)


def _not_started() -> CliError:
    return CliError("the background process that forwards the port did not start. Try again.", Exit.NOT_READY)


def _wait_for_response(session: Session, name: str) -> None:
    end = time.monotonic() + _RESPONSE_SECONDS
    while True:
        try:
            return ping(session)
        except (OSError, http.client.HTTPException) as error:
            if time.monotonic() > end:
                raise CliError(
                    f"the daemon of {name} does not respond on the forwarded port ({error}). Read its log: kubectl dind logs {name}",
                    Exit.NOT_READY,
                ) from error
        time.sleep(0.2)


def ping(session: Session) -> None:
    """Send a ping to the daemon on the forwarded port, with the client certificate. Raises OSError or HTTPException."""
    certificates = session.certificates
    tls = ssl.create_default_context(cafile=str(certificates / "ca.pem"))
    tls.load_cert_chain(certificates / "cert.pem", certificates / "key.pem")
    connection = http.client.HTTPSConnection("127.0.0.1", session.state().get("port", 0), context=tls, timeout=5)
    try:
        connection.request("GET", "/_ping")
        response = connection.getresponse()
        if response.status != http.HTTPStatus.OK:
            raise http.client.HTTPException(f"HTTP status {response.status}")
    finally:
        connection.close()


def exports(session: Session, shell: str) -> str:
    """Commands with which a shell adds its PID to the users, in place of ``pending_user()``, and sets the variables."""
    quote = _fish if shell == "fish" else shlex.quote
    users, pending = quote(str(session.users)), quote(str(session.users / pending_user()))
    # Appending works with the shell option noclobber, too.
    add = f"touch {users}/$fish_pid;" if shell == "fish" else f": >>{users}/$$;"
    export = "set -gx {} {};" if shell == "fish" else "export {}={};"
    lines = [add, f"command rm -f {pending};"]
    return "\n".join([*lines, *(export.format(key, quote(value)) for key, value in session.variables().items()), ""])


def unsets(shell: str) -> str:
    """Commands that unset the variables."""
    command = "set -e" if shell == "fish" else "unset"
    return "".join(f"{command} {key};\n" for key in VARIABLES)


def _fish(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
