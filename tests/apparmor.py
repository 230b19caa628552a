"""Evaluates compiled AppArmor profiles as the kernel does, so that tests need no kernel with AppArmor.

The output of the parser contains automata, which the kernel walks byte by byte (security/apparmor/match.c, mount.c). A rule can
compile and still allow or deny something else than intended. The layout is that of the tables of the ABI that AppArmor 3.0 writes.
"""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

PROFILES = Path(__file__).parents[1] / "image" / "apparmor"
COMPLAIN = PROFILES / "dind-complain.sed"
# What a kernel can do, as the parser's package has it in a file. Without it, on a machine without AppArmor, the parser
# leaves out all it thinks the kernel could not enforce: the mount rules among others.
FEATURES = Path("/etc/apparmor.d/abi/3.0")

_MAGIC = struct.pack(">I", 0x1B5E783D)
_ACCEPT, _BASE, _CHECK, _DEFAULT, _CLASSES, _NEXT = 1, 2, 3, 4, 5, 8
_START = 1
_CLASS_MOUNT, _CLASS_PTRACE, _CLASS_SIGNAL = 7, 9, 10
_DIFFERENCE = 0x80000000

# Bits of mount(2), as far as the tests use them.
RDONLY, NOSUID, NODEV, NOEXEC, REMOUNT, BIND, MOVE, REC, SILENT = 1, 2, 4, 8, 32, 4096, 8192, 16384, 32768
UNBINDABLE, PRIVATE, SLAVE, SHARED = 1 << 17, 1 << 18, 1 << 19, 1 << 20
_MAY_PIVOT, _MAY_MOUNT, _MAY_UMOUNT = 1, 2, 4
_FILE_BITS = {"x": 0x01, "w": 0x02, "r": 0x04, "a": 0x08, "l": 0x10, "k": 0x20, "m": 0x40}


def complain_text(text: str) -> str:
    """The text of dind-complain, made from that of dind as the loader makes it."""
    return subprocess.run(["sed", "-f", COMPLAIN], input=text, capture_output=True, text=True, check=True).stdout


def compiled(text: str, *options: str, parser: Sequence[str] = ("apparmor_parser",)) -> bytes:
    """What the kernel would be given. Raises AssertionError, with the parser's words, if it does not compile."""
    command = [*parser, "-QKS", f"--kernel-features={FEATURES}", *options]
    done = subprocess.run(command, input=text.encode(), capture_output=True, check=False)
    if done.returncode:
        raise AssertionError(f"apparmor_parser: exit {done.returncode}: {done.stderr.decode()}")
    return done.stdout


@dataclass(frozen=True)
class _Automaton:
    tables: dict[int, tuple[int, ...]]

    @classmethod
    def read(cls, data: bytes) -> _Automaton:
        _, header, size = struct.unpack_from(">III", data)
        tables, at = {}, header
        while at < size:
            number, width, _, count = struct.unpack_from(">HHII", data, at)
            tables[number] = struct.unpack_from(f">{count}{ {1: 'B', 2: 'H', 4: 'I'}[width] }", data, at + 12)
            at += (12 + count * width + 7) // 8 * 8
        return cls(tables)

    def step(self, state: int, byte: int) -> int:
        base, check = self.tables[_BASE], self.tables[_CHECK]
        column = self.tables[_CLASSES][byte] if _CLASSES in self.tables else byte
        while True:
            entry = base[state]
            place = (entry & 0xFFFFFF) + column
            if check[place] == state:
                return self.tables[_NEXT][place]
            state = self.tables[_DEFAULT][state]
            if not entry & _DIFFERENCE:
                return state

    def walk(self, data: bytes, state: int = _START) -> int:
        for byte in data:
            state = self.step(state, byte)
        return state

    def accepted(self, state: int) -> int:
        return self.tables[_ACCEPT][state]


@dataclass(frozen=True)
class Policy:
    """One compiled profile."""

    binary: bytes

    @cached_property
    def _automata(self) -> list[_Automaton]:
        places, at = [], self.binary.find(_MAGIC)
        while at >= 0:
            places.append(at)
            at = self.binary.find(_MAGIC, at + 1)
        found = [_Automaton.read(self.binary[place:]) for place in places]
        assert len(found) == 2, "one automaton of rules, one of files"
        return found

    def mount(self, target: str, source: str = "", fstype: str = "", flags: int = 0) -> bool:
        """Whether mount(2) may; a folder's target ends in a slash. A detached source shows as MOVE without a source."""
        rules = self._automata[0]
        state = rules.walk(bytes([_CLASS_MOUNT]) + b"\0".join(part.encode() for part in (target, source, fstype, "")))
        for bit in range(32):
            if flags & 1 << bit:
                state = rules.step(state, bit + 1)
        return bool(rules.accepted(state) & _MAY_MOUNT)

    def umount(self, target: str) -> bool:
        rules = self._automata[0]
        return bool(rules.accepted(rules.walk(bytes([_CLASS_MOUNT]) + target.encode())) & _MAY_UMOUNT)

    def pivot_root(self, new: str, old: str) -> bool:
        rules = self._automata[0]
        state = rules.walk(bytes([_CLASS_MOUNT]) + new.encode() + b"\0" + old.encode())
        return bool(rules.accepted(state) & _MAY_PIVOT)

    def signal(self, direction: str, peer: str, number: int = 9) -> bool:
        """`direction` is send or receive."""
        rules = self._automata[0]
        state = rules.walk(bytes([_CLASS_SIGNAL, number]) + peer.encode())
        return bool(rules.accepted(state) & {"send": 2, "receive": 4}[direction])

    def ptrace(self, access: str, peer: str) -> bool:
        """`access` is trace, read, tracedby or readby."""
        rules = self._automata[0]
        state = rules.walk(bytes([_CLASS_PTRACE]) + peer.encode())
        bits = {"trace": 2, "read": 4, "tracedby": 8, "readby": 16}
        return bool(rules.accepted(state) & bits[access])

    def file(self, path: str, access: str) -> bool:
        """Whether all letters of `access` (r, w, x, m, k, l) are granted on the path."""
        files = self._automata[1]
        granted = files.accepted(files.walk(path.encode()))
        return all(granted & _FILE_BITS[letter] for letter in access)
