"""The background process of a session. Runs `kubectl port-forward`, restarts it for a new pod, and exits after the last user.

``open`` starts the forwarder in a process session of its own, so that closing a terminal does not end it. The forwarder exits
when no process uses the session any more, when the environment is deleted, and on SIGTERM. It then deletes the files of the
session.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from dind_operator.features.endpoint.service import client_secret_name
from dind_operator.plugin.errors import CliError, Exit, NotFoundError
from dind_operator.plugin.kubectl import Kubectl, Target
from dind_operator.plugin.session import runtime_dir
from dind_operator.plugin.session.port_forward import PortForward
from dind_operator.plugin.session.record import PENDING, Session, client_files, process_identity
from dind_operator.state import pod_status as pods

POLL_SECONDS = 0.3
"""The interval between two checks of the users and of kubectl. These checks are cheap, and users wait for the reconnection."""
POD_POLL_SECONDS = 5.0
"""The interval between two checks of the pod. Each check is one call of kubectl, about 0.1 s of CPU time. The check is
needed because `kubectl port-forward` notices only on the next connection that its pod is gone."""
UNUSED_SECONDS = 5.0
"""The time for which a session without users is kept, so that the commands of a script share one session."""
PENDING_SECONDS = 60.0
"""The time in which a shell must run the exports that it received."""
START_SECONDS = 30.0
"""The timeout for starting port forwarding."""
PROBLEM_SECONDS = 5.0
"""The time for which an error is kept for ``open``, which looks for it twenty times in a second."""


class Users:
    """The processes that use a session. A new process with the PID of an exited user does not count."""

    def __init__(self, session: Session, clock: Callable[[], float] = time.time) -> None:
        self._session = session
        self._clock = clock
        self._start_times: dict[str, str] = {}

    def any(self) -> bool:
        """Whether a user is running. The files of exited users are deleted."""
        with suppress(FileNotFoundError):
            for path in self._session.users.iterdir():
                if not self._is_running(path):
                    path.unlink(missing_ok=True)
                    self._start_times.pop(path.name, None)
            return any(self._session.users.iterdir())
        return False

    def _is_running(self, path: Path) -> bool:
        if path.name.startswith(PENDING):
            with suppress(FileNotFoundError):
                return self._clock() - path.stat().st_mtime < PENDING_SECONDS
            return False
        start = runtime_dir.start_time(int(path.name)) if path.name.isdecimal() else None
        return start is not None and self._start_times.setdefault(path.name, start) == start


class Forwarder:
    """Serves one session. ``uid`` is the UID of the environment; a new environment with the same name is not served."""

    def __init__(self, session: Session, kubectl: Kubectl, name: str, uid: str) -> None:
        self._session = session
        self._kubectl = kubectl
        self._name = name
        self._uid = uid
        self._users = Users(session)
        self._port_forward = PortForward(kubectl, name, self._abandoned)
        self._pod_uid = ""
        self._last_poll = 0.0
        self._stopped = False

    def stop(self, *_: object) -> None:
        """Make ``run`` return soon. Usable as a signal handler."""
        self._stopped = True

    def run(self) -> int:
        """Serve the session, and return 0 at its end. If it never starts, record the error for ``open``, and return 1."""
        self._session.write_state(forwarder=process_identity(os.getpid()))
        try:
            if not self._start():
                return Exit.FAILED
            self._serve()
        finally:
            self._port_forward.stop()
            self._delete_files()
        return Exit.DONE

    def _abandoned(self) -> bool:
        """Whether to give up starting: nobody waits for the session any more."""
        return self._stopped or (not self._pod_uid and not self._users.any())

    def _delete_files(self) -> None:
        """Delete the session, unless another forwarder serves it by now."""
        with runtime_dir.locked():
            if self._session.forwarder_pid() == os.getpid():
                self._session.remove()

    def _start(self) -> bool:
        end = time.monotonic() + START_SECONDS
        try:
            while not self._abandoned():
                if not self._reconnect():
                    raise NotFoundError(f"the {self._kubectl.describe(self._name)} was deleted.")
                if self._port_forward.is_running():
                    return True
                if time.monotonic() > end:
                    raise CliError(
                        f"no port can be forwarded to {self._name}: the daemon is not ready.", Exit.NOT_READY
                    )
                time.sleep(POLL_SECONDS)
        except CliError as error:
            self._session.write_state(problem={"message": error.message, "code": int(error.code)})
            end = time.monotonic() + PROBLEM_SECONDS
            while not self._abandoned() and time.monotonic() < end:
                time.sleep(POLL_SECONDS)
        return False

    def _serve(self) -> None:
        unused_since: float | None = None
        while not self._stopped:
            if self._users.any():
                unused_since = None
            elif unused_since is None:
                unused_since = time.monotonic()
            elif time.monotonic() - unused_since > UNUSED_SECONDS and self._remove_if_unused():
                return
            try:
                if not self._reconnect():
                    return
            except CliError:  # the cluster cannot be reached or a permission is missing: retry while there are users
                pass
            time.sleep(POLL_SECONDS)

    def _remove_if_unused(self) -> bool:
        """Remove the session if it still has no users. The lock prevents that a new user joins it meanwhile."""
        with runtime_dir.locked():
            if self._users.any():
                return False
            self._session.remove()
            return True

    def _reconnect(self) -> bool:
        """Restart port forwarding if it ended or the pod was replaced. False if the environment was deleted."""
        broken = not self._port_forward.is_running()
        interval = POLL_SECONDS if broken else POD_POLL_SECONDS
        if time.monotonic() - self._last_poll < interval:
            return True
        self._last_poll = time.monotonic()
        environment, pod = self._kubectl.environment_and_pod(self._name)
        if environment is None or environment["metadata"]["uid"] != self._uid:
            return False
        if pod is None or not pods.daemon(pod).get("ready") or pod["metadata"].get("deletionTimestamp"):
            return True
        if broken or pod["metadata"]["uid"] != self._pod_uid:
            self._connect(pod["metadata"]["uid"])
        return True

    def _connect(self, pod_uid: str) -> None:
        """Forward the port to this pod. The certificates are read again, because a new pod may have a new CA."""
        if self._pod_uid and self._pod_uid != pod_uid:
            secret = client_secret_name(self._name)
            files = client_files(self._kubectl.json("get", "secrets", secret, what=f"Secret {secret}"))
            with runtime_dir.locked():
                self._session.write_certificates(files)
        self._port_forward.start()
        self._pod_uid = pod_uid
        self._session.write_state(
            port=self._port_forward.port, port_forward=process_identity(self._port_forward.pid), pod=pod_uid
        )


def main(arguments: list[str] | None = None) -> int:
    """Arguments: DIRECTORY NAME UID KUBECONFIG CONTEXT NAMESPACE; the last three may be "". Only ``open`` calls this program."""
    directory, name, uid, kubeconfig, context, namespace = sys.argv[1:] if arguments is None else arguments
    os.umask(0o077)
    target = Target(kubeconfig or None, context or None, namespace or None)
    forwarder = Forwarder(Session(Path(directory)), Kubectl(target), name, uid)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, forwarder.stop)
    return forwarder.run()


if __name__ == "__main__":
    sys.exit(main())
