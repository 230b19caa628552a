"""`make test`: every part of the gate, one after another, and a table at the end of what each took and which tests were slowest.

Nothing is tried twice. A part that fails does not hide the others: all run, and the exit code says whether one failed. A test that
is skipped is a failure, because nobody would notice it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.cluster import current, nodes
from tests.gate.results import Results, read, table

ROOT = Path(__file__).parents[2]


@dataclass
class Gate:
    """Runs make targets. `folder` takes the results of their tests."""

    folder: Path
    parts: list[Results] = field(default_factory=list)

    def run(self, name: str, *targets: str, **variables: str) -> bool:
        """One part: targets of the Makefile that run in order. Their output goes to the terminal as it comes."""
        print(f"\n==> {name}", flush=True)
        file = self.folder / f"{name}.xml"
        begin = time.monotonic()
        options = f"{os.environ.get('PYTEST_ADDOPTS', '')} --junitxml={file}"
        done = subprocess.run(
            [
                "make",
                "--no-print-directory",
                *(targets or (name,)),
                *(f"{key}={value}" for key, value in variables.items()),
            ],
            cwd=ROOT,
            env={**os.environ, "PYTEST_ADDOPTS": options},
            check=False,
        )
        self.parts.append(read(name, file, time.monotonic() - begin, done.returncode))
        return done.returncode == 0


def harness_is_due() -> bool:
    """Whether the embedded cluster's own tests have to run; says why, or why not."""
    return subprocess.run([sys.executable, "-m", "tests.harness", "due"], cwd=ROOT, check=False).returncode != 1


def play(gate: Gate) -> None:
    """All parts, the cheapest first. The virtual node comes last: whatever disturbs the first node would end it."""
    embedded = not current.chosen()
    virtual = embedded and nodes.vm_wanted()
    gate.run("setup", NODES="host,vm" if virtual else "host")
    gate.run("lint")
    gate.run("unit")
    gate.run("node")
    gate.run("tools")
    gate.run("system")
    gate.run("integration")
    if gate.run("cluster", "cluster", "images", NODES="host"):
        gate.run("e2e", NODES="host")
        gate.run("e2e-serial", NODES="host")
        if virtual:
            gate.run("e2e-vm-short", NODES="host,vm")
    if embedded:
        if not os.environ.get("KEEP_CLUSTER"):
            gate.run("cluster-down")
        if harness_is_due():
            gate.run("test-harness")


def main(arguments: Sequence[str] = ()) -> int:
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="dind-gate-") as folder:
        gate = Gate(Path(folder))
        try:
            play(gate)
        except KeyboardInterrupt:
            print("\nInterrupted: the parts below ran.")
            gate.parts.append(Results("interrupted", 0.0, 130))
    text, passed = table(gate.parts, time.monotonic() - begin)
    print(text, flush=True)
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
