"""Opens sessions: finds the living one of an environment or starts a minder for a new one, and sees that the daemon answers."""

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
from dind_operator.plugin.session import runtime_dir as places
from dind_operator.plugin.session.record import PENDING, VARIABLES, Session, problem, remove_dead, session_of

_PORT_SECONDS = 40
"""Longer than the minder itself tries."""
_ANSWER_SECONDS = 20
"""For the daemon to answer through a forward that was just made."""
_STEP = 0.05


def open_session(kubectl: Kubectl, name: str, user: str) -> Session:
    """A session that works, with ``user`` among its users. Raises CliError.

    ``user`` is the number of a process, or ``pending()`` for a shell that is yet to name itself.
    """
    environment = kubectl.environment(name)
    state.check_reachable(environment)
    secret = _secret(kubectl, name)
    session = session_of(kubectl.where(), name)
    with places.locked():
        remove_dead()
        known = session.state().get("uid") == environment["metadata"]["uid"]
        if session.folder.exists() and known and "problem" not in session.state():
            session.add_user(user)
            session.write_certificates(secret)
        else:
            _end(session)
            _start(session, kubectl, environment, secret, user)
    _wait_for_port(session)
    _wait_for_answer(session, name)
    return session


def pending() -> str:
    """Stands for the shell that is to run what this process prints."""
    return f"{PENDING}{os.getpid()}"


def find_session(kubectl: Kubectl, name: str) -> Session:
    """The environment's session, whether or not it lives; the environment need not exist."""
    return session_of(kubectl.where(), name)


def _secret(kubectl: Kubectl, name: str) -> dict[str, Any]:
    secret = client_secret_name(name)
    try:
        return kubectl.json("get", "secrets", secret)
    except NotFoundError as error:
        raise CliError(
            f"there is no Secret {secret} yet. The operator makes it within a minute or two; see `kubectl dind wait {name} "
            "--for=endpoint`.",
            Exit.NOT_READY,
        ) from error
    except CliError as error:
        if error.code is not Exit.FORBIDDEN:
            raise
        raise CliError(
            f"you may not read the Secret {secret}, which holds the client's key: {error.message} docs/endpoint.md shows the role. "
            f"Without it `kubectl dind shell {name}` may be open to you.",
            Exit.FORBIDDEN,
        ) from error


def _end(session: Session) -> None:
    """Of an earlier environment of the name: its minder would find out itself, but only after a while."""
    if session.folder.exists():
        pid = session.minder()
        if pid is not None:
            os.kill(pid, signal.SIGTERM)
        session.remove()


def _start(session: Session, kubectl: Kubectl, environment: dict[str, Any], secret: dict[str, Any], user: str) -> None:
    session.make()
    session.write_certificates(secret)
    session.add_user(user)
    uid, name = environment["metadata"]["uid"], environment["metadata"]["name"]
    session.write_state(uid=uid, starting=time.time())
    target = kubectl.target
    # -P: not from the folder the user stands in, which may be anybody's checkout.
    line = [sys.executable, "-P", "-m", "dind_operator.plugin.session.forwarder", str(session.folder), name, uid]
    line += [target.kubeconfig or "", target.context or "", target.namespace or ""]
    # The sources of this program, wherever they are, before all others; and no pipe of the caller's, who waits for its end.
    given = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if os.path.isabs(entry)]
    path = os.pathsep.join([str(Path(dind_operator.__file__).resolve().parents[1]), *given])
    subprocess.Popen(
        line,
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
        if time.monotonic() > end or not session.folder.exists():
            raise CliError("the background process that forwards the port did not come up. Try again.", Exit.NOT_READY)
        time.sleep(_STEP)


def _wait_for_answer(session: Session, name: str) -> None:
    end = time.monotonic() + _ANSWER_SECONDS
    while True:
        try:
            return ping(session)
        except (OSError, http.client.HTTPException) as error:
            if time.monotonic() > end:
                raise CliError(
                    f"the daemon of {name} does not answer through the forwarded port ({error}). See `kubectl dind logs {name}`.",
                    Exit.NOT_READY,
                ) from error
        time.sleep(0.2)


def ping(session: Session) -> None:
    """Asks the daemon through the forward, with the client's certificate. Raises OSError or HTTPException if it does not answer."""
    folder = session.certificates
    tls = ssl.create_default_context(cafile=str(folder / "ca.pem"))
    tls.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    connection = http.client.HTTPSConnection("127.0.0.1", session.state()["port"], context=tls, timeout=5)
    try:
        connection.request("GET", "/_ping")
        answer = connection.getresponse()
        if answer.status != http.HTTPStatus.OK:
            raise http.client.HTTPException(f"it answered {answer.status}")
    finally:
        connection.close()


def exports(session: Session, shell: str) -> str:
    """What a shell is to run: it names itself as a user of the session in place of ``pending()``, and sets what docker needs."""
    quote = _fish if shell == "fish" else shlex.quote
    users, stand_in = quote(str(session.users)), quote(str(session.users / pending()))
    # Appending: a shell that is told not to overwrite files (noclobber) does it, too.
    own = f"touch {users}/$fish_pid;" if shell == "fish" else f": >>{users}/$$;"
    word = "set -gx {} {};" if shell == "fish" else "export {}={};"
    lines = [own, f"command rm -f {stand_in};"]
    return "\n".join([*lines, *(word.format(key, quote(value)) for key, value in session.variables().items()), ""])


def unsets(shell: str) -> str:
    """The same, taken back."""
    word = "set -e" if shell == "fish" else "unset"
    return "".join(f"{word} {key};\n" for key in VARIABLES)


def _fish(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
