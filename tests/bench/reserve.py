"""What the default of `daemon.reserve.memory` must hold: dockerd, containerd and their shims at hard work.

First what they use when nothing presses them, then how small a reserve may be before they break: nested containers fill
their share of the limit to the brim, and the daemon pulls 2 GiB and builds four images at once with what is left.
"""

from __future__ import annotations

import json
import random
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench import own_memory, registry
from tests.bench.own_memory import MIB, Sample
from tests.cluster import images
from tests.cluster.own_images import BUSYBOX_IMAGE
from tests.cluster.progress import ClusterError, say
from tests.demo.place import Place

BUILDS = 4
LIMIT = 1024
"""MiB of the daemon's container: small, so that the page cache of the machine does not hide a want of memory."""
FREE = 32
"""MiB of the nested share that the hog leaves to the four builds' own processes; less, and they would not start."""
_CONTEXT_BYTES = 64 * MIB
_DOCKERFILE = f"""FROM {BUSYBOX_IMAGE}
COPY payload /payload
RUN cp /payload /copy && sha256sum /copy
RUN for i in 1 2 3 4 5 6 7 8; do cp /payload /copy$i; done
"""


@dataclass
class Load:
    """Peaks while one thing was done, and how long it took in seconds."""

    what: str
    peak: Sample
    seconds: float


@dataclass
class Pressed:
    """One size of the reserve in MiB under full pressure."""

    reserve: int
    kills: int
    restarts: int
    failures: int
    seconds: float
    peak: Sample


@dataclass
class Reserve:
    """All that was measured."""

    image_mib: int
    loads: list[Load] = field(default_factory=list)
    pressed: list[Pressed] = field(default_factory=list)


class Daemon:
    """An environment of this benchmark."""

    def __init__(self, place: Place, name: str, reserve: int, registry_host: str, limit: int = LIMIT) -> None:
        self._place, self._name = place, name
        spec = {
            "daemon": {
                "resources": {"limits": {"memory": f"{limit}Mi"}, "requests": {"cpu": "10m", "memory": "64Mi"}},
                "reserve": {"memory": f"{reserve}Mi"},
                "config": {"insecure-registries": [registry_host]},
            }
        }
        manifest = {
            "apiVersion": "dind.dev/v1alpha1",
            "kind": "DindEnvironment",
            "metadata": {"name": name},
            "spec": spec,
        }
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(manifest, file)
            file.flush()
            self._kubectl("apply", "--filename", file.name)
        self._kubectl("wait", "--for=condition=Ready", f"dind/{name}", "--timeout=120s")
        self.group = own_memory.container_group(self._status()["containerID"])

    def _kubectl(self, *arguments: str, timeout: float = 150) -> str:
        return self._place.kubectl("--namespace", NAMESPACE, *arguments, timeout=timeout)

    def _status(self) -> dict[str, object]:
        pod = json.loads(self._kubectl("get", "pod", self._name, "--output=json"))
        found: dict[str, object] = pod["status"]["containerStatuses"][0]
        return found

    def restarts(self) -> int:
        """Of the daemon's container."""
        return int(str(self._status()["restartCount"]))

    def docker(self, *arguments: str, stdin: Path | None = None, timeout: float = 600) -> bool:
        """`docker ARGUMENTS` through `kubectl exec`, as a user does it; whether it worked."""
        given = ["--stdin"] if stdin else []
        kubectl = ["kubectl", f"--kubeconfig={self._place.kubeconfig}", "--namespace", NAMESPACE, "exec", *given]
        with (stdin or Path("/dev/null")).open("rb") as source:
            done = subprocess.run(
                [*kubectl, self._name, "--", "docker", *arguments],
                stdin=source, capture_output=True, text=True, errors="replace", timeout=timeout, check=False,
            )  # fmt: skip
        if done.returncode:
            say(f"    docker {arguments[0]}: {(done.stderr or done.stdout).strip().splitlines()[-1:]}")
        return done.returncode == 0

    def pull(self, image: str) -> bool:
        return self.docker("pull", "--quiet", image)

    def build(self, context: Path, number: int) -> bool:
        arguments = ("build", "--no-cache", "--quiet", "--tag", f"built{number}", "-")
        return self.docker(*arguments, stdin=context)

    def fill(self, mebibytes: int) -> None:
        """A nested container holds that much memory that cannot be taken back: files on a tmpfs, without swap."""
        write = f"dd if=/dev/zero of=/hog/file bs=1M count={mebibytes} && sleep 100000"
        started = self.docker(
            *("run", "--detach", "--name=hog", f"--mount=type=tmpfs,target=/hog,tmpfs-size={mebibytes + 1}m"),
            *(BUSYBOX_IMAGE, "sh", "-c", write),
        )
        nested = self.group / "docker" / "memory.usage_in_bytes"
        until = time.monotonic() + 60
        while started and int(nested.read_text()) < mebibytes * MIB and time.monotonic() < until:
            time.sleep(0.2)
        if int(nested.read_text()) < mebibytes * MIB:
            raise ClusterError(
                "The nested container `hog` did not fill the memory. Read its log with `docker logs hog`."
            )

    def delete(self) -> None:
        self._kubectl("delete", "dind", self._name, "--wait=true")
        self._kubectl("wait", "--for=delete", f"pod/{self._name}", "--timeout=90s")


NAMESPACE = "dind-reserve"


def run(place: Place, address: str, reserves: list[int], layers: int = registry.LAYERS) -> Reserve:
    """`address`: one of the machine's that pods reach. `reserves`: MiB to try under pressure."""
    result = Reserve(image_mib=layers * registry.LAYER_BYTES >> 20)
    if not place.kubectl("get", "namespace", NAMESPACE, "--ignore-not-found"):
        place.kubectl("create", "namespace", NAMESPACE)
    place.kubectl("label", "namespace", NAMESPACE, "dind.dev/environments=enabled", "--overwrite")
    with registry.serving(address, layers) as image, tempfile.TemporaryDirectory(prefix="dind-bench-") as folder:
        contexts = [_context(Path(folder), number) for number in range(BUILDS)]
        result.loads = _unpressed(place, image, contexts)
        for reserve in reserves:
            result.pressed.append(_pressed(place, image, contexts, reserve))
    place.kubectl("delete", "namespace", NAMESPACE, timeout=120)
    return result


def _unpressed(place: Place, image: str, contexts: list[Path]) -> list[Load]:
    # Room enough that nothing is taken back: the peaks are what the programs would like to have.
    daemon = Daemon(place, "roomy", 256, image.partition("/")[0], limit=8 * LIMIT)
    daemon.docker("load", "--quiet", stdin=images.nested_busybox_tar())
    loads = []

    def measure(what: str, *works: object) -> None:
        begin = time.monotonic()
        with own_memory.watched(daemon.group) as peak:
            if not works:
                time.sleep(10)
            if not all(_together(*works)):
                raise ClusterError(f"The reserve cannot be measured: {what} failed. See the messages above.")
        loads.append(Load(what, peak, time.monotonic() - begin))
        say(f"    {what}: {peak.needed:.0f} MiB and {peak.kernel:.0f} MiB of the kernel")

    builds = [lambda c=context, n=number: daemon.build(c, n) for number, context in enumerate(contexts)]
    pull = lambda: daemon.pull(image)  # noqa: E731 - a name for the table's order
    measure("at rest")
    measure("pull", pull)
    daemon.docker("rmi", image)
    measure("four builds at once", *builds)
    measure("pull and four builds at once", pull, *builds)
    daemon.delete()
    return loads


def _pressed(place: Place, image: str, contexts: list[Path], reserve: int) -> Pressed:
    daemon = Daemon(place, f"pressed-{reserve}", reserve, image.partition("/")[0])
    daemon.docker("load", "--quiet", stdin=images.nested_busybox_tar())
    daemon.fill(LIMIT - reserve - FREE)
    before, begin = own_memory.oom_kills(daemon.group), time.monotonic()
    builds = [lambda c=context, n=number: daemon.build(c, n) for number, context in enumerate(contexts)]
    with own_memory.watched(daemon.group) as peak:
        outcomes = _together(lambda: daemon.pull(image), *builds)
    seconds = time.monotonic() - begin
    # A container that was killed and started again has another group.
    kills = own_memory.oom_kills(daemon.group) - before if daemon.group.exists() else 1
    pressed = Pressed(reserve, kills, daemon.restarts(), outcomes.count(False), seconds, peak)
    say(
        f"    reserve {reserve} MiB: {kills} kills, {pressed.restarts} restarts, {pressed.failures} failures, {seconds:.0f} s"
    )
    daemon.delete()
    return pressed


def _together(*works: object) -> list[bool]:
    with ThreadPoolExecutor(max(1, len(works))) as pool:
        return [bool(each.result()) for each in [pool.submit(work) for work in works]]  # type: ignore[arg-type]


def _context(folder: Path, number: int) -> Path:
    """A build context with a random payload, packed by tar as `docker build -` takes it."""
    root = folder / f"context{number}"
    root.mkdir()
    (root / "Dockerfile").write_text(_DOCKERFILE)
    (root / "payload").write_bytes(random.Random(number).randbytes(_CONTEXT_BYTES))
    packed = folder / f"context{number}.tar"
    subprocess.run(["tar", "-C", str(root), "-cf", str(packed), "."], check=True)
    return packed
