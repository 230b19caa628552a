"""A program `kubectl` that notes how it was called and answers as it was told: what calls it is tested as it is."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

_PROGRAM = """#!/bin/sh
here={folder}
printf '%s\\n' "$*" >>"$here/calls"
verb=$1
for word in "$@"; do
  [ -e "$here/$verb-${{word%%/*}}.out" ] && verb=$verb-${{word%%/*}} && break
done
[ -x "$here/$verb.run" ] && exec "$here/$verb.run" "$@"
cat >"$here/$verb.in"
[ -e "$here/$verb.err" ] && cat "$here/$verb.err" >&2
[ -e "$here/$verb.out" ] && cat "$here/$verb.out"
exit "$(cat "$here/$verb.code" 2>/dev/null || echo 0)"
"""


class FakeKubectl:
    """``answers`` and the like are by the verb, or by "verb-kind" where a word of the call is the kind."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        program = folder / "kubectl"
        program.write_text(_PROGRAM.format(folder=folder))
        program.chmod(0o755)

    def answers(self, verb: str, answer: Any) -> None:
        """It prints this: text, or an object as JSON."""
        (self.folder / f"{verb}.err").unlink(missing_ok=True)
        (self.folder / f"{verb}.code").unlink(missing_ok=True)
        (self.folder / f"{verb}.out").write_text(answer if isinstance(answer, str) else json.dumps(answer))

    def fails(self, verb: str, said: str, code: int = 1) -> None:
        """It says this and ends with that code."""
        (self.folder / f"{verb}.out").write_text("")
        (self.folder / f"{verb}.err").write_text(said)
        (self.folder / f"{verb}.code").write_text(str(code))

    def runs(self, verb: str, script: str) -> None:
        """It goes on as this shell script."""
        (self.folder / f"{verb}.run").write_text(f"#!/bin/sh\n{script}\n")
        (self.folder / f"{verb}.run").chmod(0o755)

    def given(self, verb: str) -> str:
        """What it read last."""
        return (self.folder / f"{verb}.in").read_text()

    def calls(self) -> list[str]:
        """How it was called."""
        path = self.folder / "calls"
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def kubectl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeKubectl:
    """The only kubectl on PATH; sessions are below the test's own folder."""
    made = FakeKubectl(tmp_path / "kubectl")
    monkeypatch.setenv("PATH", f"{made.folder}{os.pathsep}{os.environ['PATH']}")
    (tmp_path / "runtime").mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "runtime"))
    return made
