"""The process that serves a session: runs `kubectl port-forward`, makes it anew for a new pod, and ends with its last user.

Started by ``opening``, in a session of its own, so that no terminal ends it. It ends by itself when nobody uses it any
more, when the environment is gone, and on SIGTERM; each time it takes the session's files with it.
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
from dind_operator.plugin.session import runtime_dir as places
from dind_operator.plugin.session.port_forward import Forward
from dind_operator.plugin.session.record import PENDING, Session, identity
from dind_operator.state import pod_status as pods

STEP_SECONDS = 0.3
"""Between looks at users and at the forward: what a user waits for after a pod's end, and cheap."""
LOOK_SECONDS = 5.0
"""Between looks at the pod: one call of kubectl, about a tenth of a second of a core. `port-forward` itself does not notice
that its pod is gone before somebody uses it."""
LINGER_SECONDS = 5.0
"""Without any user: a script of several `kubectl dind docker` shares one forward."""
PENDING_SECONDS = 60.0
"""For a shell to run the exports that it was given."""
FIRST_SECONDS = 30.0
"""For the first forward."""


class Users:
    """The processes that use a session. A number that was given to another process since is no user."""

    def __init__(self, session: Session, clock: Callable[[], float] = time.time) -> None:
        self._session = session
        self._clock = clock
        self._known: dict[str, str] = {}

    def any(self) -> bool:
        """Whether one is left; files of others are removed."""
        with suppress(FileNotFoundError):
            for path in self._session.users.iterdir():
                if not self._lives(path):
                    path.unlink(missing_ok=True)
                    self._known.pop(path.name, None)
            return any(self._session.users.iterdir())
        return False

    def _lives(self, path: Path) -> bool:
        if path.name.startswith(PENDING):
            with suppress(FileNotFoundError):
                return self._clock() - path.stat().st_mtime < PENDING_SECONDS
            return False
        start = places.started(int(path.name)) if path.name.isdecimal() else None
        return start is not None and self._known.setdefault(path.name, start) == start


class Minder:
    """One session's life. ``uid`` is the environment's: one of the same name that comes later is another."""

    def __init__(self, session: Session, kubectl: Kubectl, name: str, uid: str) -> None:
        self._session = session
        self._kubectl = kubectl
        self._name = name
        self._uid = uid
        self._users = Users(session)
        self._forward = Forward(kubectl, name)
        self._pod = ""
        self._looked = 0.0
        self._stopped = False

    def stop(self, *_: object) -> None:
        """End soon: for signals."""
        self._stopped = True

    def run(self) -> int:
        """Serve until it is over; 0. Where nothing was ever served, the reason is left for who waits, and 1 returned."""
        self._session.write_state(minder=identity(os.getpid()))
        try:
            if not self._first():
                return Exit.FAILED
            self._serve()
        finally:
            self._forward.stop()
            self._clear()
        return Exit.DONE

    def _clear(self) -> None:
        """Take the files away, unless they are another minder's by now, or hold what somebody waits to read."""
        with places.locked():
            if self._session.minder() == os.getpid() and "problem" not in self._session.state():
                self._session.remove()

    def _first(self) -> bool:
        end = time.monotonic() + FIRST_SECONDS
        try:
            while not self._stopped:
                if not self._tend():
                    raise NotFoundError(f"the {self._kubectl.named(self._name)} is gone.")
                if self._forward.runs():
                    return True
                if time.monotonic() > end:
                    raise CliError(
                        f"no port can be forwarded to {self._name}: its daemon is not ready.", Exit.NOT_READY
                    )
                time.sleep(STEP_SECONDS)
        except CliError as error:
            self._session.write_state(problem={"message": error.message, "code": int(error.code)})
        return False

    def _serve(self) -> None:
        unused_since: float | None = None
        while not self._stopped:
            if self._users.any():
                unused_since = None
            elif unused_since is None:
                unused_since = time.monotonic()
            elif time.monotonic() - unused_since > LINGER_SECONDS and self._leave():
                return
            try:
                if not self._tend():
                    return
            except CliError:  # the cluster does not answer, or a right was taken: it may be back, and users still are
                pass
            time.sleep(STEP_SECONDS)

    def _leave(self) -> bool:
        """Whether still nobody uses it, now that nobody can begin to. Then it is taken away."""
        with places.locked():
            if self._users.any():
                return False
            self._session.remove()
            return True

    def _tend(self) -> bool:
        """Keep the forward going to the present pod. False if the environment is gone."""
        broken = not self._forward.runs()
        pause = STEP_SECONDS if broken else LOOK_SECONDS
        if time.monotonic() - self._looked < pause:
            return True
        self._looked = time.monotonic()
        environment, pod = self._kubectl.environment_and_pod(self._name)
        if environment is None or environment["metadata"]["uid"] != self._uid:
            return False
        if pod is None or not pods.daemon(pod).get("ready") or pod["metadata"].get("deletionTimestamp"):
            return True
        if broken or pod["metadata"]["uid"] != self._pod:
            self._renew(pod["metadata"]["uid"])
        return True

    def _renew(self, pod: str) -> None:
        """A new pod may have a new authority: its client's files first."""
        if self._pod and self._pod != pod:
            secret = client_secret_name(self._name)
            self._session.write_certificates(self._kubectl.json("get", "secrets", secret, what=f"Secret {secret}"))
        self._forward.start()
        self._pod = pod
        self._session.write_state(port=self._forward.port, forward=identity(self._forward.pid), pod=pod)


def main(arguments: list[str] | None = None) -> int:
    """FOLDER NAME UID and the target's three values, "" for none: for ``opening`` alone, no command of a user's."""
    folder, name, uid, kubeconfig, context, namespace = sys.argv[1:] if arguments is None else arguments
    os.umask(0o077)
    target = Target(kubeconfig or None, context or None, namespace or None)
    minder = Minder(Session(Path(folder)), Kubectl(target), name, uid)
    signal.signal(signal.SIGTERM, minder.stop)
    signal.signal(signal.SIGINT, minder.stop)
    return minder.run()


if __name__ == "__main__":
    sys.exit(main())
