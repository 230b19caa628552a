"""Loop devices of an environment: there are nodes for new ones, and none stays attached on the node. The devices are real."""

from __future__ import annotations

import fcntl
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest
from tests.kube.eventually import eventually
from tests.sandbox import Sandbox, sandbox

# A /dev as the runtime makes it for a privileged container: the nodes of the devices that there were.
_DEV = """
mount -t tmpfs -o mode=755 tmpfs /dev
mknod /dev/null c 1 3; mknod /dev/loop-control c 10 237
for n in 0 1 2 3 4 5 6 7; do mknod /dev/loop$n b 7 $n; done
"""
RECORD = "/var/lib/docker/.dind-loops"
# It looks every twelfth of a minute; here each quarter of a second.
FAST = {"DIND_MINUTE_SECONDS": "3"}
BLOCKS = Path("/sys/block")
SPARE = 64
LOOP_CTL_REMOVE = 0x4C81


def attached(folder: Path) -> list[str]:
    """The loop devices of the machine whose file is on the volume of that folder, wherever that is or was mounted."""
    inodes = {file.stat().st_ino for file in folder.parent.rglob("*") if file.is_file()}
    listed = subprocess.run(
        ["losetup", "--list", "--noheadings", "--output=NAME,BACK-INO"], check=True, capture_output=True, text=True
    )
    pairs = [line.split() for line in listed.stdout.splitlines()]
    return [Path(name).name for name, *inode in pairs if inode and int(inode[0]) in inodes]


@pytest.fixture
def mark(tmp_path: Path) -> Iterator[Path]:
    """A folder on the volume with a name of its own, by which its devices are known from outside. None of them stays."""
    folder = tmp_path / "volume" / f"loops-{tmp_path.parent.name}-{tmp_path.name}"
    folder.mkdir(parents=True)
    (folder / "disk").touch()
    with (folder / "disk").open("r+b") as disk:
        disk.truncate(1 << 20)
    before = {block.name for block in BLOCKS.glob("loop*")}
    yield folder
    for name in attached(folder):
        subprocess.run(["losetup", "--detach", f"/dev/{name}"], check=False)
    # A test that failed may have had it open until now.
    eventually(lambda: not attached(folder), "no loop device stays attached", 30)
    with Path("/dev/loop-control").open("rb") as control:
        for name in {block.name for block in BLOCKS.glob("loop*")} - before:
            with suppress(OSError):  # somebody else's by now
                fcntl.ioctl(control, LOOP_CTL_REMOVE, int(name.removeprefix("loop")))


@pytest.fixture
def box(mark: Path, hierarchies_stay: None) -> Iterator[Sandbox]:
    with sandbox(mark.parent, more=_DEV) as made:
        yield made


@contextmanager
def daemon(box: Sandbox, tool: Path, script: str) -> Iterator[subprocess.Popen[str]]:
    """The helper as PID 1, with a script in the place of dockerd."""
    command = [tool / "dind-node", "init", "--loops", RECORD, "--", "sh", "-euc", script]
    process = box.start(*command, env=FAST)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def record(mark: Path) -> list[str]:
    """The numbers of the devices that stand in the record."""
    file = mark.parent / ".dind-loops"
    return [f"loop{line.split()[0]}" for line in file.read_text().splitlines()[1:]] if file.exists() else []


def test_there_are_nodes_for_devices_that_the_kernel_makes_later(box: Sandbox, tool: Path) -> None:
    with daemon(box, tool, "stat -c '%n %F %t' /dev/loop[0-9]*") as process:
        lines = (process.communicate(timeout=60)[0]).splitlines()
    # More than the first eight, and more still for each that is in use: other tests use some.
    assert {f"/dev/loop{number} block special file 7" for number in range(SPARE)} <= set(lines)


def test_no_node_is_made_where_there_are_no_loop_devices(box: Sandbox, tool: Path) -> None:
    box.more += "rm /dev/loop*"
    with daemon(box, tool, "ls /dev") as process:
        assert process.communicate(timeout=60)[0].split() == ["null"]


def test_no_node_is_made_in_the_nodes_own_dev(box: Sandbox, tool: Path) -> None:
    """There the kernel makes them, and takes away what it has made."""
    mount = "mkdir /run/dev; mount -t devtmpfs devtmpfs /run/dev; mount --bind /run/dev /dev;"
    box.more = f"{mount} ls /dev/loop* >/var/lib/docker/before"
    with daemon(box, tool, "ls /dev/loop* | cmp /var/lib/docker/before") as process:
        assert process.communicate(timeout=60) == ("", "")
        assert process.returncode == 0


def test_more_devices_than_there_were_nodes_and_all_are_detached_at_the_end(
    box: Sandbox, tool: Path, mark: Path
) -> None:
    each = f"disk=/var/lib/docker/{mark.name}/disk$n; truncate -s 1M $disk; losetup -f $disk"
    script = f"for n in $(seq 11); do {each}; done; sleep 600"
    with daemon(box, tool, script) as process:
        eventually(lambda: len(attached(mark)) == 11 and set(record(mark)) == set(attached(mark)), "11 devices", 30)
        end(process)
    eventually(lambda: not attached(mark), "detached", 30)


def end(process: subprocess.Popen[str]) -> None:
    ask_to_end(process)
    process.wait(60)


def ask_to_end(process: subprocess.Popen[str]) -> None:
    """TERM for the sandbox's PID 1, as a kubelet sends it."""
    child = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()[0]
    subprocess.run(["kill", "-TERM", child], check=True)


def attach(mark: Path) -> str:
    return f"losetup -f /var/lib/docker/{mark.name}/disk; sleep 600"


def test_what_a_killed_container_left_is_detached_by_the_next(box: Sandbox, tool: Path, mark: Path) -> None:
    with daemon(box, tool, attach(mark)) as process:
        eventually(lambda: record(mark) != [], "in the record", 30)
        process.kill()
        process.wait()
    assert attached(mark)
    with daemon(box, tool, "sleep 600"):
        eventually(lambda: not attached(mark), "detached", 30)
        eventually(lambda: record(mark) == [], "gone from the record", 30)


def test_one_that_is_killed_after_it_was_asked_to_end_leaves_nothing(box: Sandbox, tool: Path, mark: Path) -> None:
    """The grace period is over: nothing of the container runs any more."""
    with daemon(box, tool, "trap '' TERM; " + attach(mark)) as process:
        eventually(lambda: record(mark) != [], "in the record", 30)
        ask_to_end(process)
        (name,) = attached(mark)
        eventually(lambda: (BLOCKS / name / "loop/autoclear").read_text().strip() == "1", "held", 30)
        process.kill()
        process.wait()
    eventually(lambda: not attached(mark), "detached", 30)


@pytest.mark.parametrize("kind", ["pipe", "link"])
def test_what_a_user_puts_in_the_place_of_the_record_delays_nothing(
    box: Sandbox, tool: Path, mark: Path, kind: str
) -> None:
    """The record is on the volume, which a nested container may mount. Whoever opens a pipe waits for the other end."""
    make = {"pipe": f"mkfifo {RECORD}", "link": f"ln -s /run/other {RECORD}; mkfifo /run/other"}[kind]
    began = "touch /var/lib/docker/began; trap 'exit 7' TERM; sleep 600 & wait"
    box.more += f"{make};"
    with daemon(box, tool, began) as process:
        eventually((mark.parent / "began").exists, "the daemon begins", 30)
        end(process)
        assert process.returncode == 7


def test_the_daemon_is_asked_to_end_before_its_devices_are_looked_at(box: Sandbox, tool: Path, mark: Path) -> None:
    """Whatever that takes: here the node of the device is a pipe, on which who opens it waits."""
    wait = "until [ -e /var/lib/docker/now ]; do sleep 0.1; done"
    device = f"d=$(losetup --show -f /var/lib/docker/{mark.name}/disk); {wait}; rm $d; mkfifo $d"
    ends = "trap 'touch /var/lib/docker/ended; exit' TERM; touch /var/lib/docker/ready; sleep 600 & wait"
    with daemon(box, tool, f"{device}; {ends}") as process:
        eventually(lambda: record(mark) != [], "in the record", 30)
        (mark.parent / "now").touch()
        eventually((mark.parent / "ready").exists, "the pipe is there", 30)
        ask_to_end(process)
        eventually((mark.parent / "ended").exists, "the daemon was asked to end", 30)


def test_the_user_detaches_as_ever(box: Sandbox, tool: Path, mark: Path) -> None:
    wait = "until [ -e /var/lib/docker/now ]; do sleep 0.1; done"
    script = f"d=$(losetup --show -f /var/lib/docker/{mark.name}/disk); {wait}; losetup -d $d; sleep 600"
    with daemon(box, tool, script):
        eventually(lambda: record(mark) != [], "in the record", 30)
        (mark.parent / "now").touch()
        eventually(lambda: not attached(mark), "detached", 30)
        eventually(lambda: record(mark) == [], "gone from the record", 30)


def test_a_device_of_a_container_that_has_ended_with_its_layers(box: Sandbox, tool: Path, mark: Path) -> None:
    """The file is nowhere to be seen any more; it was in an overlay of the daemon, which was there at the look before."""
    layers = "cd /var/lib/docker; mkdir -p l u w m; mount -t overlay -o lowerdir=l,upperdir=u,workdir=w overlay m;"
    first, last = (
        f"truncate -s 1M m/{mark.name}/{name}; losetup -f m/{mark.name}/{name}" for name in ("first", "last")
    )
    wait = "until [ -e now ]; do sleep 0.1; done"
    with daemon(box, tool, f"{layers} mkdir m/{mark.name}; {first}; {wait}; {last}; umount -l m; sleep 600") as process:
        eventually(lambda: len(record(mark)) == 1, "the first in the record", 30)
        (mark.parent / "now").touch()
        eventually(lambda: len(record(mark)) == 2, "the last in the record", 30)
        end(process)
    eventually(lambda: not attached(mark), "detached", 30)


@pytest.mark.parametrize("place", ["volumes/v/_data", "100000.100000/volumes/v/_data", "folder"])
def test_a_device_of_a_volume_of_a_container_that_has_ended(box: Sandbox, tool: Path, mark: Path, place: str) -> None:
    """The file was at a path of that container alone; it has ended before anybody looked."""
    there = f"/var/lib/docker/{place}"
    (mark.parent / place).mkdir(parents=True)
    (mark / "disk").rename(mark.parent / place / "disk")
    ended = (
        f"mkdir -p /run/at/{mark.name}; mount --bind {there} /run/at/{mark.name}; losetup -f /run/at/{mark.name}/disk"
    )
    # It attaches before the helper has made nodes, and other tests use more devices than there are nodes.
    box.more += "for n in $(seq 8 99); do mknod /dev/loop$n b 7 $n; done; "
    # "folder" is mounted in the daemon's container itself, as a workspace is.
    box.more += f"mkdir -p /run/workspace {there}; mount --bind /var/lib/docker/folder /run/workspace || :; "
    box.more += f"unshare --mount sh -euc '{ended}'"
    with daemon(box, tool, "sleep 600") as process:
        eventually(lambda: record(mark) != [], "in the record", 30)
        end(process)
    eventually(lambda: not attached(mark), "detached", 30)


@contextmanager
def another_pod(script: str) -> Iterator[str]:
    """Runs a script in a mount namespace of its own, and gives the last line that it printed. No other test sees its mounts."""
    command = ["unshare", "--mount", "--propagation=private", "sh", "-euc", f"{script}; read end"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.communicate("\n", timeout=60)


def is_attached(device: str, file: str) -> bool:
    backing = BLOCKS / Path(device).name / "loop" / "backing_file"
    return backing.exists() and file in backing.read_text()


def test_those_of_others_are_left_alone(box: Sandbox, tool: Path, mark: Path, tmp_path: Path) -> None:
    """The same daemon sees both; one file is another pod's."""
    (other := tmp_path / "other").mkdir()
    file = f"{mark.name}-other"
    script = f"mount -t tmpfs tmpfs {other}; truncate -s 1M {other}/{file}; losetup --find --show {other}/{file}"
    with another_pod(script) as device:
        try:
            with daemon(box, tool, attach(mark)) as process:
                eventually(lambda: record(mark) != [], "in the record", 30)
                end(process)
            eventually(lambda: not attached(mark), "the own one is detached", 30)
            assert is_attached(device, file)
        finally:
            subprocess.run(["losetup", "--detach", device], check=True)


def test_a_device_in_the_layers_of_another_pod_with_the_number_of_old_ones(
    box: Sandbox, tool: Path, mark: Path, tmp_path: Path
) -> None:
    """The kernel gives a number of an overlay again when it is unmounted, to whoever is next."""
    volume, file = mark.parent, f"{mark.name}-other"
    mount = "mkdir -p l u$n w$n m/$n; mount -t overlay -o lowerdir=l,upperdir=u$n,workdir=w$n overlay m/$n"
    # Many: other tests are given such numbers, too.
    each = "for n in $(seq 40); do"
    script = f"""
cd /var/lib/docker
mkdir m; mount -t tmpfs tmpfs m
{each} {mount}; stat -c %d m/$n >>numbers; done
touch mounted; until [ -e ended ]; do sleep 0.1; done
umount -l m
touch unmounted; until [ -e now ]; do sleep 0.1; done
{attach(mark)}
"""
    with ExitStack() as pods, daemon(box, tool, script) as process:
        eventually((volume / "mounted").exists, "its overlays", 30)
        (volume / "ended").touch()
        eventually((volume / "unmounted").exists, "their end", 30)
        wanted = " ".join((volume / "numbers").read_text().split())
        # The kernel gives the lowest that is free, so this pod takes all below. An overlay takes two numbers and shows the first:
        # with one more between them, of a tmpfs, both odd and even ones are shown.
        script = (
            f"cd {tmp_path}; mkdir t; found=''; for n in $(seq 500); do mount -t tmpfs tmpfs t; {mount}; "
            f'case " {wanted} " in *" $(stat -c %d m/$n) "*) '
            f"truncate -s 1M m/$n/{file}; losetup --find --show m/$n/{file}; found=1; break ;; esac; done; "
            '[ -n "$found" ] || echo'
        )
        device = pods.enter_context(another_pod(script))
        assert device, "none of the numbers was given again"
        try:
            # One of its own after it: when that stands in the record, both were looked at.
            (volume / "now").touch()
            eventually(lambda: record(mark) != [], "its own in the record", 30)
            assert Path(device).name not in record(mark)
            end(process)
            assert is_attached(device, file)
        finally:
            subprocess.run(["losetup", "--detach", device], check=False)
