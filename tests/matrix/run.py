"""Runs a part: prepares the cluster it needs, runs pytest with its output on the terminal, and makes a row of the result."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from tests.cluster import nodes
from tests.cluster.instance import Instance
from tests.cluster.progress import ClusterError, say
from tests.cluster.record import checkout
from tests.matrix import in_use, junit, page
from tests.matrix.page import NOT_RUN, Row
from tests.matrix.parts import Condition

_INTERRUPTED = 2


class InterruptedRunError(Exception):
    """A person ended the run. `row` says how far the part came."""

    def __init__(self, row: Row) -> None:
        super().__init__(row.result)
        self.row = row


class Runner:
    """Runs parts of one matrix. The cluster stays from one part to the next if both need the same."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self._commit = commit()
        self._prepared: tuple[str, str] | None = None

    def run(self, part: Condition) -> Row:
        """The row of a part: also of one that failed or could not be run. Raises InterruptedRunError when a person ends it."""
        started = datetime.now(UTC)
        try:
            self._prepare(part)
        except ClusterError as error:
            say(f"error: {error}")
            return Row({}, f"{NOT_RUN}: {error}", started, self._commit)
        except KeyboardInterrupt:
            raise InterruptedRunError(Row({}, f"{NOT_RUN}: interrupted", started, self._commit)) from None
        begin = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="dind-matrix-") as folder:
            report = Path(folder) / "junit.xml"
            code, interrupted = _pytest(part, report)
            counts = junit.read(report)
        seconds = time.monotonic() - begin
        row = Row(self._versions(part, counts), page.result(code, counts), started, self._commit, seconds)
        if interrupted:
            raise InterruptedRunError(row)
        return row

    def _prepare(self, part: Condition) -> None:
        environment = os.environ | dict(part.environment)
        if part.tools:
            # Here and not in the first test that needs them: a build may take ten minutes.
            _cluster(environment, "tool", *part.tools)
        if part.node is None or self._prepared == (part.node, part.kubernetes):
            return
        environment["NODES"] = nodes.HOST if part.node == nodes.HOST else f"{nodes.HOST},{nodes.VM}"
        for verb in ("up", "images"):
            _cluster(environment, verb)
        self._prepared = (part.node, part.kubernetes)

    def _versions(self, part: Condition, counts: junit.Counts) -> in_use.Versions:
        try:
            found = in_use.versions(self.instance, part)
        except ClusterError as error:  # the tests left no cluster that answers: their result counts all the same
            say(f"    the versions in use are not known: {error}")
            found = {}
        for name, values in counts.versions.items():
            in_use.add(found, name, *sorted(values))
        return found


def _cluster(environment: Mapping[str, str], *words: str) -> None:
    command = [sys.executable, "-m", "tests.cluster", *words]
    if subprocess.run(command, check=False, cwd=checkout(), env=environment).returncode != 0:
        raise ClusterError(f"`{' '.join(words)}` of the embedded cluster failed")


def _pytest(part: Condition, report: Path) -> tuple[int, bool]:
    """(exit code, whether a person interrupted it)."""
    command = [sys.executable, "-m", "pytest", *part.paths, *part.options, "-v", f"--junitxml={report}"]
    command += ["-o", f"cache_dir=.pytest_cache/matrix-{part.name}", "--durations=8", "--durations-min=2"]
    # Without the options of the person's own environment, which could leave tests out.
    environment = {name: value for name, value in os.environ.items() if name != "PYTEST_ADDOPTS"}
    process = subprocess.Popen(command, cwd=checkout(), env=environment | dict(part.environment))
    try:
        return process.wait(), False
    except KeyboardInterrupt:  # pytest gets it from the terminal, too, and removes what its tests started
        process.wait()
        return _INTERRUPTED, True


def commit() -> str:
    """The commit that is tested, in short, "" where there is no git. A changed page of versions is no change of the code."""

    def git(*words: str) -> str:
        done = subprocess.run(["git", *words], check=False, cwd=checkout(), capture_output=True, text=True)
        return done.stdout.strip() if done.returncode == 0 else ""

    try:
        head = git("rev-parse", "--short", "HEAD")
        changed = git("status", "--porcelain", "--", ".", ":!docs/versions.md")
    except FileNotFoundError:
        return ""
    return f"{head} with changes" if head and changed else head
