"""`python -m tests.matrix [--only NAME…] [--list] [--page FILE]`: runs the matrix and writes its table into docs/versions.md."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from tests.cluster import current, machine, nodes, teardown
from tests.cluster.instance import Instance
from tests.cluster.progress import ClusterError, say, step
from tests.cluster.record import checkout
from tests.matrix import page
from tests.matrix.page import PageError, Row
from tests.matrix.parts import PARTS, Condition, wanted
from tests.matrix.run import InterruptedRunError, Runner


def _run(parts: list[Condition], file: Path, rows: dict[str, Row]) -> None:
    """Runs the parts and puts their rows into `rows` and, after each part, into the page: what has ended is kept."""
    runner = Runner(Instance.from_environment())
    for number, part in enumerate(parts, 1):
        try:
            with step(f"Part {number} of {len(parts)}: {part.title}", usual=part.usual):
                rows[part.title] = runner.run(part)
        except InterruptedRunError as ended:
            rows[part.title] = ended.row
            raise
        finally:
            if part.title in rows:
                _write(file, rows)
        say(f"    {part.title}: {rows[part.title].result}")


def _write(file: Path, rows: dict[str, Row]) -> None:
    file.write_text(page.updated(file.read_text(), [part.title for part in PARTS], rows))


def _summary(parts: list[Condition], rows: dict[str, Row], file: Path) -> int:
    """Prints all results. 0 when every part ran and passed."""
    say("")
    for part in parts:
        row = rows.get(part.title)
        seconds = "" if row is None or row.seconds is None else f", {page.duration(row.seconds)}"
        say(f"    {part.title}: {row.result if row else page.NOT_RUN}{seconds}")
    say(f"\nThe table in {file} says so, too.")
    return 0 if all(part.title in rows and rows[part.title].passed for part in parts) else 1


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.matrix", description=__doc__)
    names = [part.name for part in PARTS]
    parser.add_argument("--only", nargs="+", choices=names, metavar="NAME", help=f"of {', '.join(names)}")
    parser.add_argument("--list", action="store_true", help="print the parts and run nothing")
    parser.add_argument(
        "--page", type=Path, default=Path(checkout()) / "docs" / "versions.md", help="where the table goes"
    )
    options = parser.parse_args(arguments)
    if options.list:
        for part in PARTS:
            print(f"{part.name:<12} {part.title} (about {page.duration(part.usual)})")
        return 0
    try:
        if current.chosen():
            raise ClusterError(
                "The matrix runs only on the embedded cluster, and CLUSTER=current selects yours. Unset CLUSTER."
            )
        parts = wanted(options.only, with_vm=nodes.vm_wanted())
        page.updated(options.page.read_text(), [], {})  # before an hour of tests, not after it
        machine.setup(vm=any(part.node == nodes.VM for part in parts))
    except (ClusterError, PageError) as error:
        say(f"error: {error}")
        return 1
    instance = Instance.from_environment()
    running = instance.record_file.exists()
    rows: dict[str, Row] = {}
    try:
        _run(parts, options.page, rows)
    except (InterruptedRunError, KeyboardInterrupt):
        say('\nInterrupted. `make matrix ONLY="NAME…"` runs single parts; `make cluster-down` removes the cluster.')
        _summary(parts, rows, options.page)
        return 130
    # As it was before.
    if not running and not os.environ.get("KEEP_CLUSTER") and instance.record_file.exists():
        teardown.down(instance)
    return _summary(parts, rows, options.page)


if __name__ == "__main__":
    sys.exit(main())
