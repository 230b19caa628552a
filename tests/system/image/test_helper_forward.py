"""The resolver for nested containers, beside one of the pod's nameservers that is silent and one that answers."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

# Whoever is asked at .1 says nothing, at .2 the same text back. Two questions together, as resolvers ask for both families; when
# both are given up, after five seconds each or at the next look after that, another.
PLAY = """
import select, socket, threading, time

def bound(address):
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind((address, 53))
    return made

def comes(end, seconds):
    return bool(select.select([end], [], [], seconds)[0])

silent, good = bound("127.0.1.1"), bound("127.0.1.2")

def answer():
    while True:
        text, who = good.recvfrom(512)
        good.sendto(text, who)

threading.Thread(target=answer, daemon=True).start()
asker = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
while True:  # it may not listen yet
    asker.sendto(b"one", ("172.17.0.1", 53))
    if comes(silent, 0.3):
        break
asker.sendto(b"two", ("172.17.0.1", 53))
time.sleep(11)
asker.sendto(b"three", ("172.17.0.1", 53))
print(asker.recv(512).decode() if comes(asker, 3) else "nothing")
"""


# Somebody's connection is being carried when the resolver is killed. The next one must find its ports free.
HELD = """
import os, signal, socket, threading
from pathlib import Path

def resolver():
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            pid, name, _, parent = status.read_text().split()[:4]
        except OSError:
            continue
        if (name, parent) == ("(dind-node)", str(os.getppid())):
            return int(pid)

def answer():
    while True:
        text, who = good.recvfrom(512)
        good.sendto(text, who)

good = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
good.bind(("127.0.1.2", 53))
threading.Thread(target=answer, daemon=True).start()
server = socket.create_server(("127.0.1.2", 53))
asker = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
asker.settimeout(0.3)

def asked(text, times):
    for _ in range(times):
        try:
            asker.sendto(text, ("172.17.0.1", 53))
            return asker.recv(512)
        except OSError:
            pass

assert asked(b"before", 30) == b"before"
held = socket.create_connection(("172.17.0.1", 53))
held.send(b"question")
carried, _ = server.accept()
assert carried.recv(512) == b"question"
os.kill(resolver(), signal.SIGKILL)
print("after" if b"after" in (asked(b"after", 40) or b"") else "nothing")
"""


def played(helper: Path, folder: Path, play: str, *nameservers: str) -> subprocess.CompletedProcess[str]:
    """What a daemon does, as a script in Python, beside a resolver at 172.17.0.1 in a network of its own."""
    (folder / "resolv.conf").write_text("".join(f"nameserver {address}\n" for address in nameservers))
    (folder / "play.py").write_text(play)
    script = [
        "set -e; ip link set lo up; ip addr add 172.17.0.1/32 dev lo",
        f"mount --bind {folder}/resolv.conf $(readlink -f /etc/resolv.conf)",
        f"{shlex.quote(str(helper))} init --dns 172.17.0.1 -- {sys.executable} {folder}/play.py",
    ]
    command = ["unshare", "--net", "--mount", "sh", "-c", "\n".join(script)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_several_questions_to_a_silent_nameserver_are_one_reason_to_ask_the_next(helper: Path, tmp_path: Path) -> None:
    done = played(helper, tmp_path, PLAY, "127.0.1.1", "127.0.1.2")
    assert done.stdout.strip() == "three", done.stderr


def test_a_resolver_that_is_killed_is_followed_by_another_while_a_connection_lasts(
    helper: Path, tmp_path: Path
) -> None:
    done = played(helper, tmp_path, HELD, "127.0.1.2")
    assert done.stdout.strip() == "after", done.stderr
