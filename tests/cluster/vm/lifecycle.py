"""The guest's life: started beside the node, waited for, its power taken away. It ends with the node, by itself."""

from __future__ import annotations

import hashlib
import json
import shutil
import signal
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.cluster import node, own_images, readiness, tools
from tests.cluster.components import ControlPlaneLayout
from tests.cluster.instance import Instance
from tests.cluster.locks import exclusive
from tests.cluster.pki import Authority, kubeconfig, write_private
from tests.cluster.process import ProcessRecord, wait_until
from tests.cluster.progress import ClusterError, say, step
from tests.cluster.store import Image
from tests.cluster.vm import guest, image, link, qemu, shell, stock

# The name that every program here knows the guest's server by; its messages go to a log of that name.
_SERVER = "vm-qemu"

# Images that a new guest starts with.
Images = Callable[[], Sequence[Image]]

# A boot takes a minute or two on two idle cores. Beside tests that use both, several times that.
WAIT_SECONDS = 600.0
USUAL_BOOT = 75.0


def _mark(instance: Instance) -> Path:
    """The file that says what the guest's disk and configuration were made of; the first to be written."""
    return instance.vm / "made-of"


def present(instance: Instance) -> bool:
    """Whether the cluster was started with a virtual node, running or not."""
    return _mark(instance).exists()


def running(instance: Instance) -> ProcessRecord | None:
    return qemu.find(instance)


def key(instance: Instance, files: guest.Files, command: list[str]) -> str:
    """Changes when a running guest is no longer the one this code would start."""
    programs = [str(tools.TOOLS[name].path) for name in ("kubenode", "containerd", "runc")]
    parts = [image.planned().folder.name, *programs, own_images.pause().name, command]
    parts += [[name, repr(file)] for name, file in sorted(files.items())]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def _wanted(instance: Instance) -> tuple[guest.Files, list[str]]:
    files = guest.system(instance, link.mtu(instance), (instance.state / "resolv.conf").read_text())
    return files, qemu.command(instance, link.TAP)


def fits(instance: Instance) -> bool:
    """Whether the guest was started with what this code would start."""
    try:
        files, command = _wanted(instance)
        return _mark(instance).read_text() == key(instance, files, command)
    except FileNotFoundError:
        return False


def start(instance: Instance, layout: ControlPlaneLayout, init: ProcessRecord, images: Images) -> None:
    """Starts the guest if it does not run, from whatever an earlier start left, and returns while it boots."""
    found = running(instance)
    if found is not None and fits(instance):
        return
    if found is not None:
        say("==> The virtual node was started with another configuration: replacing it")
        found.send(signal.SIGKILL)
        wait_until(lambda: running(instance) is None, 20)
    made = image.image()
    if not fits(instance) and instance.vm.exists():
        shutil.rmtree(instance.vm)
    files, command = _wanted(instance)
    instance.vm.mkdir(exist_ok=True, mode=0o700)
    _mark(instance).write_text(key(instance, files, command))
    _fill(instance, layout, made, files)
    _stock(instance, images)
    link.connect(instance, init)
    shell.forget_connection(instance)
    if node.launch(instance, init, _SERVER, command):
        say(f"    started {_SERVER}; `python -m tests.cluster wait --on vm` waits until it can run pods")


def _fill(instance: Instance, layout: ControlPlaneLayout, made: image.GuestImage, files: guest.Files) -> None:
    """The guest's disks in the instance's folder. A disk that is there stays: a crash is a loss of power, no more."""
    folder = instance.vm
    for source in (made.kernel, made.ramdisk, made.disk):
        if not (folder / source.name).exists():
            _copy(source, folder / source.name)
    shell.prepare(instance)
    _credentials(instance, layout)
    machine_id = hashlib.sha256(f"{instance.vm_node_name} {layout.pki}".encode()).hexdigest()[:32]
    guest.pack(folder / "configuration.tar", files | guest.secrets(folder, layout.pki, machine_id))
    if not (folder / "programs.tar").exists():
        programs = guest.programs(layout.kubenode, tools.tool("containerd"), tools.tool("runc"), own_images.pause())
        guest.pack_programs(folder / "programs.tar", programs)


def _stock(instance: Instance, images: Images) -> None:
    """The disk with images. One that is there stays, as the other does: the guest has written to both."""
    target = instance.vm / "stock.img"
    if not target.exists():
        wanted = images()
        # The record first: a disk without a record would be taken for an empty one.
        record = {image.name: image.archive.name for image in wanted}
        (instance.vm / "images.json").write_text(json.dumps(record, indent=1))
        _copy(stock.disk(wanted), target)


def _copy(source: Path, target: Path) -> None:
    temporary = target.with_name(target.name + ".new")
    done = subprocess.run(
        ["cp", "--sparse=always", "--reflink=auto", str(source), str(temporary)],
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise ClusterError(f"The virtual node's disk could not be copied to {target}: {done.stderr.strip()}")
    temporary.replace(target)


def _credentials(instance: Instance, layout: ControlPlaneLayout) -> None:
    authority = Authority(layout.pki)
    name = instance.vm_node_name
    serves = [f"DNS:{name}", f"IP:{instance.vm_address}"]
    pair = authority.issue("kubelet-vm", f"/O=system:nodes/CN=system:node:{name}", serves)
    text = kubeconfig(layout.url, authority.certificate, *pair, layout.context)
    write_private(instance.vm / "kubelet.kubeconfig", text)


def boot_id(instance: Instance) -> str:
    """The id of the boot the guest is in, or nothing while it cannot be asked."""
    try:
        done = shell.run(instance, ["cat", "/proc/sys/kernel/random/boot_id"], timeout=30)
    except subprocess.TimeoutExpired:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def ready_boot_id(instance: Instance) -> str:
    """The boot id the kubelet reported while it says Ready and nothing but our taint keeps pods away, or nothing."""
    try:
        found = json.loads(readiness.kubectl(instance, "get", "node", instance.vm_node_name, "--output=json"))
    except ClusterError:
        return ""
    taints = {taint["key"] for taint in found["spec"].get("taints", [])} - {guest.TAINT["key"]}
    ready = readiness.node_is_ready(found, 0) and not taints
    return str(found["status"]["nodeInfo"]["bootID"]) if ready else ""


def ready(instance: Instance, not_boot: str = "") -> bool:
    """Whether the guest runs pods now, in the boot it is in, which is another than `not_boot`."""
    reported = ready_boot_id(instance)
    return reported not in ("", not_boot) and reported == boot_id(instance)


def wait(instance: Instance, seconds: float = WAIT_SECONDS, *, not_boot: str = "") -> None:
    """Returns when the guest is Ready, or says what is known about why it is not."""
    if running(instance) is None:
        raise ClusterError(
            f"The cluster {instance.name} has no running virtual node. Start it with `make cluster NODES=host,vm`."
            f"\n{_last_words(instance)}"
        )
    if ready(instance, not_boot):
        return
    with step(f"Waiting for the node {instance.vm_node_name}", usual=USUAL_BOOT):
        wait_until(lambda: running(instance) is None or ready(instance, not_boot), seconds, interval=1)
        if not ready(instance, not_boot):
            state = "QEMU ended" if running(instance) is None else f"it is not Ready after {seconds:.0f} s"
            raise ClusterError(
                f"The virtual node {instance.vm_node_name} did not start: {state}.\n{_last_words(instance)}\n"
                "`python -m tests.cluster node --on vm journalctl --boot` shows more, if the node responds."
            )


def _last_words(instance: Instance) -> str:
    logs = [qemu.console_log(instance), instance.logs / f"{_SERVER}.log"]
    return "\n".join(f"  The last lines of {log}:\n{node.tail(log)}" for log in logs)


def reboot(instance: Instance) -> None:
    """The guest as after a loss of power, and Ready again, in another boot."""
    with exclusive(instance.lock_file, f"the cluster {instance.name}"):
        if running(instance) is None:
            raise ClusterError(
                f"The cluster {instance.name} has no running virtual node. Start it with `make cluster NODES=host,vm`."
            )
        before = boot_id(instance)
        qemu.reset(instance)
        shell.forget_connection(instance)
    wait(instance, not_boot=before)
