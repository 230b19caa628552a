"""An API server of one's own for tests: etcd and kube-apiserver as plain processes, ready in seconds.

No node, no namespaces, nothing on the machine but a temporary folder and two or three processes, which die with
the test process should that be killed.
"""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType

from tests.cluster import components, node, readiness, tools
from tests.cluster.components import ControlPlaneLayout
from tests.cluster.process import ProcessRecord, wait_until
from tests.cluster.progress import ClusterError

# The port found free may be taken before etcd binds it: another try finds others.
_ATTEMPTS = 3

# Ten times what the controllers take to make a namespace's service account after their start.
_CONTROLLER_SECONDS = 30


class ControlPlane:
    """A running API server. Use as a context manager, or call `start` and `stop`, from the main thread.

    `controllers` adds kube-controller-manager: garbage collection, namespace deletion, service accounts. It looks for new kinds
    every half a minute: `prepare` is called when the API server serves and before the controllers start, and what it defines
    they know from then on.
    `disable_admission` names admission plugins to leave out. Without controllers nothing makes the `default`
    service account, and no pod would be admitted, so ServiceAccount is left out then on its own.
    """

    def __init__(
        self,
        *,
        controllers: bool = False,
        disable_admission: Sequence[str] = (),
        prepare: Callable[[ControlPlane], None] | None = None,
    ) -> None:
        extra = [] if controllers else ["ServiceAccount"]
        self._controllers = controllers
        self._prepare = prepare
        self._disabled = tuple(dict.fromkeys([*disable_admission, *extra]))
        self._folder: Path | None = None
        self._layout: ControlPlaneLayout | None = None
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    # What a client needs

    @property
    def layout(self) -> ControlPlaneLayout:
        if self._layout is None:
            raise RuntimeError("the control plane is not started")
        return self._layout

    @property
    def folder(self) -> Path:
        return self.layout.folder

    @property
    def url(self) -> str:
        return self.layout.url

    @property
    def ca(self) -> Path:
        return self.layout.pki / "ca.crt"

    @property
    def client_certificate(self) -> Path:
        return self.layout.pki / "admin.crt"

    @property
    def client_key(self) -> Path:
        return self.layout.pki / "admin.key"

    @property
    def kubeconfig(self) -> Path:
        return self.layout.folder / "admin.kubeconfig"

    def log(self, server: str) -> str:
        """What a server wrote: etcd, kube-apiserver or kube-controller-manager."""
        return (self.folder / f"{server}.log").read_text(errors="replace")

    # Life

    def start(self) -> ControlPlane:
        kubenode = tools.tool("kubenode")
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                self._start(kubenode)
                return self
            except ClusterError:
                self.stop()
                if attempt == _ATTEMPTS:
                    raise
        raise AssertionError("unreachable")

    def _start(self, kubenode: Path) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="dind-control-plane-"))
        port, etcd_port, peer_port = free_ports(3)
        self._layout = layout = ControlPlaneLayout(
            kubenode=kubenode,
            folder=self._folder,
            address="127.0.0.1",
            port=port,
            etcd_port=etcd_port,
            etcd_peer_port=peer_port,
            disable_admission=self._disabled,
            context="control-plane",
            # Nobody renews the nodes of tests, which it would call lost after 40 seconds.
            disable_controllers=["node-lifecycle-controller"],
        )
        components.credentials(layout)
        self._spawn("etcd", components.etcd(layout))
        self._start_api_server()
        if self._prepare is not None:
            self._prepare(self)
        self._start_controllers()

    def _start_controllers(self) -> None:
        """Starts the controllers, if wanted, and waits for the first thing they make that pods need."""
        if not self._controllers:
            return
        self._spawn("kube-controller-manager", components.controller_manager(self.layout))
        path, client = "/api/v1/namespaces/default/serviceaccounts/default", (self.client_certificate, self.client_key)
        if not wait_until(lambda: readiness.api_status(self.url, self.ca, path, client) == 200, _CONTROLLER_SECONDS):
            log = self.folder / "kube-controller-manager.log"
            raise ClusterError(
                f"kube-controller-manager did not create the service account default. The last lines of {log}:\n{node.tail(log)}"
            )

    def _any_died(self) -> bool:
        return any(process.poll() is not None for process in self._processes.values())

    def _spawn(self, name: str, command: list[str]) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                # Nobody is left to stop the servers of a test run that was killed: the kernel does it.
                ["setpriv", "--pdeathsig", "KILL", "--", *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # A terminal's Ctrl-C is for the test run, which then stops the servers in order.
                start_new_session=True,
                env=node.server_environment(),
                cwd=self.folder,
            )

    def stop_api_server(self) -> None:
        """Takes the API server away; `start_api_server` brings it back. The controllers go too: they die without it."""
        for name in ("kube-controller-manager", "kube-apiserver"):
            if name in self._processes:
                self._end(name)

    def start_api_server(self) -> None:
        """Starts the API server again, on the same port and data, and the controllers if there were any."""
        self._start_api_server()
        self._start_controllers()

    def _start_api_server(self) -> None:
        self._spawn("kube-apiserver", components.api_server(self.layout))
        readiness.wait_for_api(self.url, self.ca, self.folder / "kube-apiserver.log", died=self._any_died)

    def record(self, server: str) -> ProcessRecord:
        """The process of a server, to look at or to signal."""
        return ProcessRecord.of(self._processes[server].pid)

    def _end(self, name: str) -> None:
        process = self._processes.pop(name)
        # A Popen still holds its child, so the pid is not anyone else's. Nothing here is worth a slow goodbye.
        process.send_signal(signal.SIGKILL)
        process.wait()

    def stop(self) -> None:
        """Ends the servers, last started first, and removes the folder. May be called again."""
        for name in reversed(list(self._processes)):
            self._end(name)
        if self._folder is not None:
            shutil.rmtree(self._folder)
        self._folder = self._layout = None

    def __enter__(self) -> ControlPlane:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody listens on, all different."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]
    finally:
        for one in sockets:
            one.close()
