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


def test_several_questions_to_a_silent_nameserver_are_one_reason_to_ask_the_next(helper: Path, tmp_path: Path) -> None:
    (tmp_path / "resolv.conf").write_text("nameserver 127.0.1.1\nnameserver 127.0.1.2\n")
    (tmp_path / "play.py").write_text(PLAY)
    script = [
        "set -e; ip link set lo up; ip addr add 172.17.0.1/32 dev lo",
        f"mount --bind {tmp_path}/resolv.conf $(readlink -f /etc/resolv.conf)",
        f"{shlex.quote(str(helper))} init --dns 172.17.0.1 -- {sys.executable} {tmp_path}/play.py",
    ]
    done = subprocess.run(
        ["unshare", "--net", "--mount", "sh", "-c", "\n".join(script)],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.stdout.strip() == "three", done.stderr
