"""The daemon's image, unpacked and run in a sandbox of namespaces: a real dockerd under the real wrapper.

No container runtime is between the test and the wrapper, so a test can shape what a container starts with. The image
is the project's own target, built once and cached; `alpine` is the same with every program that busybox knows
replaced by busybox, as in an image without dash, bash, coreutils and util-linux.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.cluster import images
from tests.cluster.instance import cache_root
from tests.cluster.locks import exclusive
from tests.sandbox import Sandbox, applets, install_tool, sandbox, told

# A start takes about two seconds alone on two cores; the bound is for a machine that does other things too.
START_SECONDS = 60

# $LAYERS is the image, the last first. The root becomes an overlay with an upper layer in memory, as containers have.
_PIVOT = """
root=/run/root; mkdir -p /run/upper $root
mount -t tmpfs tmpfs /run/upper; mkdir /run/upper/u /run/upper/w
mount -t overlay -o "lowerdir=$LAYERS,upperdir=/run/upper/u,workdir=/run/upper/w" overlay $root
for d in /proc /dev /sys; do mount --rbind $d $root$d; done
mkdir -p $root/var/lib/docker $root/run/dind $root/dind $root/old
mount --bind "$volume" $root/var/lib/docker
mount --bind "$TOOL" $root/dind; mount -o remount,bind,ro $root/dind
mount --bind "$SOCKETS" $root/run/dind
touch $root/log; mount --bind "$LOG" $root/log
cd $root; pivot_root . old; umount -l /old; rmdir /old; cd /
hash -r; export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin; unset LAYERS TOOL SOCKETS LOG
eval "${INSIDE-}"; unset INSIDE
"""


@pytest.fixture(scope="session")
def daemon_root() -> Path:
    """The daemon image's root file system, unpacked once per image into the cache, by whoever comes first."""
    archive = images.build("daemon").archive
    with exclusive(cache_root() / "locks" / "unpacked.lock", "unpacking the daemon's image"):
        return _unpacked(archive)


def _unpacked(archive: Path) -> Path:
    target = cache_root() / "unpacked" / hashlib.sha256(archive.name.encode()).hexdigest()[:16]
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        for old in target.parent.iterdir():
            shutil.rmtree(old)
        with tempfile.TemporaryDirectory(dir=target.parent) as folder, tarfile.open(archive) as outer:
            manifest = json.load(outer.extractfile("manifest.json"))  # type: ignore[arg-type]
            (root := Path(folder) / "root").mkdir()
            for layer in manifest[0]["Layers"]:
                with subprocess.Popen(["tar", "-C", root, "-x", "--numeric-owner"], stdin=subprocess.PIPE) as tar:
                    shutil.copyfileobj(outer.extractfile(layer), tar.stdin)  # type: ignore[arg-type]
                assert tar.returncode == 0
            root.rename(target)
    return target


@pytest.fixture(scope="session")
def busybox_layer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Laid over the image: busybox under all its names."""
    layer = tmp_path_factory.mktemp("busybox")
    for folder in ("usr/bin", "usr/sbin"):
        applets(layer / folder, target="/usr/bin/busybox")
    (layer / "usr/bin/busybox").unlink()
    shutil.copy2(shutil.which("busybox") or "/bin/busybox", layer / "usr/bin/busybox")
    return layer


@pytest.fixture(scope="session")
def tool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install_tool(tmp_path_factory.mktemp("tool"))


@dataclass
class Daemon:
    """One run of the wrapper. `inside` is shell that runs in the container's root before it."""

    box: Sandbox
    environment: dict[str, str]
    arguments: tuple[str, ...] = ()
    entrypoint: str = "/dind/entrypoint"
    log: Path = field(init=False)
    process: subprocess.Popen[str] = field(init=False)

    def __post_init__(self) -> None:
        self.log = Path(self.environment["LOG"]).with_name("daemon.log")
        with self.log.open("w") as output:
            self.process = self.box.start(
                self.entrypoint, *self.arguments, env=self.environment, stdout=output, stderr=subprocess.STDOUT
            )

    @property
    def pid(self) -> int:
        """The machine's number of the sandbox's PID 1."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return int(children[0])

    def run(self, *command: str, check: bool = True) -> str:
        """A command in the container, as `kubectl exec` would run it; its output."""
        enter = ["nsenter", f"--target={self.pid}", "--mount", "--pid", "--net", "--cgroup", "--root", "--wd"]
        done = subprocess.run([*enter, "--", *command], capture_output=True, text=True, check=False, timeout=60)
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return (done.stdout + done.stderr if not check else done.stdout).strip()

    def wait_ready(self) -> None:
        self.wait_logged("dind-report ")

    def wait_checked(self) -> None:
        """Ready, and the container that is started to see where nested ones are is gone again."""
        self.wait_logged("dind-isolation ")

    def wait_logged(self, text: str) -> None:
        deadline = time.monotonic() + START_SECONDS
        while text not in self.log.read_text():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)

    def report(self) -> Any:
        lines = [line for line in self.log.read_text().splitlines() if line.startswith("dind-report ")]
        assert len(lines) == 1
        return json.loads(lines[0].removeprefix("dind-report "))

    def message(self) -> Any:
        """The termination message."""
        return json.loads(Path(self.environment["LOG"]).read_text())

    def wait(self) -> int:
        return self.process.wait(START_SECONDS)

    def signal_daemon(self, name: str) -> None:
        # The command may be gone with the container before it ends.
        self.run("sh", "-c", f"kill -{name} $(cat /var/run/docker.pid)", check=False)

    def load(self, image: Path) -> None:
        """Loads an image's archive into the nested daemon."""
        shutil.copy2(image, Path(self.environment["SOCKETS"]) / "image.tar")
        self.run("docker", "load", "--quiet", "--input", "/run/dind/image.tar")


StartDaemon = Callable[..., Daemon]


@pytest.fixture(params=["debian", "alpine"])
def userland(request: pytest.FixtureRequest) -> str:
    """Tests that ask for it run with dash and coreutils, and with nothing but busybox."""
    return str(request.param)


@pytest.fixture
def start_daemon(daemon_root: Path, busybox_layer: Path, tool: Path, tmp_path: Path) -> Iterator[StartDaemon]:
    """Starts the wrapper as the pod does; the volume and the network outlive the container, as in a pod."""
    with ExitStack() as stack:
        hold = ["unshare", "--net", "sh", "-c", "ip link set lo up; echo ready; exec sleep 600"]
        network = stack.enter_context(subprocess.Popen(hold, stdout=subprocess.PIPE))
        stack.callback(network.kill)
        # Not before: until then the process is still in the machine's own network.
        assert network.stdout
        assert network.stdout.readline() == b"ready\n"
        (tmp_path / "sockets").mkdir()
        (tmp_path / "log").touch()

        def start(
            *arguments: str,
            userland: str = "debian",
            memory: int | None = None,
            inside: str = "",
            config: dict[str, Any] | None = None,
            **env: str,
        ) -> Daemon:
            layers = [str(daemon_root)] if userland == "debian" else [str(busybox_layer), str(daemon_root)]
            environment = {
                "LAYERS": ":".join(layers),
                "TOOL": str(tool),
                "SOCKETS": str(tmp_path / "sockets"),
                "LOG": str(tmp_path / "log"),
                "INSIDE": inside,
                "DIND_TERMINATION_LOG": "/log",
                **told(**{"socket": "/run/dind/docker.sock"} | (config or {})),
            } | env
            box = stack.enter_context(sandbox(tmp_path / "volume", memory=memory, more=_PIVOT, network_of=network.pid))
            daemon = Daemon(box, {name: value for name, value in environment.items() if value}, arguments)
            stack.callback(daemon.process.wait)
            stack.callback(daemon.process.kill)
            return daemon

        yield start


Beside = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def beside() -> Iterator[Beside]:
    """Starts a program in the network namespace of a process, and waits for its first line."""
    with ExitStack() as stack:

        def start(pid: int, *command: str) -> subprocess.Popen[str]:
            line = ["nsenter", f"--net=/proc/{pid}/ns/net", "--", *command]
            process = stack.enter_context(subprocess.Popen(line, stdout=subprocess.PIPE, text=True))
            stack.callback(process.kill)
            assert process.stdout
            assert process.stdout.readline() == "ready\n"
            return process

        yield start


def within(pid: int, script: str) -> None:
    subprocess.run(["nsenter", f"--net=/proc/{pid}/ns/net", "--", "sh", "-ec", script], check=True, timeout=30)


def attach(daemon: Daemon, beside: Beside) -> int:
    """Gives the pod an interface; the process whose namespace is at its other end."""
    node = beside(daemon.pid, "unshare", "--net", "sh", "-c", "ip link set lo up; echo ready; exec sleep 600").pid
    within(
        daemon.pid,
        f"ip link add eth0 type veth peer name pod netns {node}; ip addr add 10.244.3.4/24 dev eth0; "
        "ip addr add fd00:1::4/64 dev eth0 nodad; ip link set eth0 up; ip route add default via 10.244.3.1",
    )
    within(node, "ip addr add 10.244.3.1/24 dev pod; ip addr add fd00:1::1/64 dev pod nodad; ip link set pod up")
    return node
