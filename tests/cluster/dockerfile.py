"""What a Dockerfile's target is made from: its stages' text and the files they copy out of the build context.

Pure but for reading files. Only as much of the format as decides whether an image has to be built again.
"""

from __future__ import annotations

import errno
import hashlib
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Stage:
    """One FROM and what follows it. `parents` are names of other stages or of images."""

    name: str
    text: list[str] = field(default_factory=list)
    parents: list[str] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)


def instructions(text: str) -> Iterator[str]:
    """The instructions, each with its continuation lines joined and without comments."""
    joined = ""
    for line in text.splitlines():
        if line.lstrip().startswith("#"):
            continue
        joined += line.strip()
        if joined.endswith("\\"):
            joined = joined[:-1] + " "
            continue
        if joined:
            yield joined
        joined = ""


def stages(text: str) -> dict[str, Stage]:
    """The stages by name, or by number where they have none. ARGs before the first FROM belong to every stage."""
    found: dict[str, Stage] = {}
    before: list[str] = []
    stage: Stage | None = None
    for instruction in instructions(text):
        word, _, rest = instruction.partition(" ")
        if word.upper() == "FROM":
            words = [w for w in rest.split() if not w.startswith("--")]
            name = words[2] if len(words) > 2 else str(len(found))
            stage = found[name] = Stage(name, [*before], [words[0]])
        if stage is None:
            before.append(instruction)
            continue
        stage.text.append(instruction)
        if word.upper() in ("COPY", "ADD"):
            _read_copy(stage, rest)
        elif word.upper() == "RUN" and "from=" in rest:
            stage.parents += [
                part.partition("=")[2] for part in rest.replace(",", " ").split() if part.startswith("from=")
            ]
    return found


def _read_copy(stage: Stage, rest: str) -> None:
    words = shlex.split(rest)
    options = [word for word in words if word.startswith("--")]
    paths = [word for word in words if not word.startswith("--")]
    origin = next((option.partition("=")[2] for option in options if option.startswith("--from=")), None)
    if origin is None:
        stage.sources += paths[:-1]
    else:
        stage.parents.append(origin)


def closure(text: str, target: str) -> list[Stage]:
    """The stages that `target` needs, in the order of the file."""
    known = stages(text)
    wanted, pending = set(), [target]
    while pending:
        name = pending.pop()
        if name in known and name not in wanted:
            wanted.add(name)
            pending += known[name].parents
    if target not in wanted:
        raise KeyError(target)
    return [stage for stage in known.values() if stage.name in wanted]


def bases(text: str, target: str) -> list[str]:
    """The images that `target` starts from, sorted: what its stages name and no stage makes."""
    known = stages(text)
    named = {parent for stage in closure(text, target) for parent in stage.parents}
    return sorted(named - set(known) - {"scratch"})


def context_files(root: Path, sources: list[str], ignored: list[str]) -> list[Path]:
    """The files below `root` that `sources` (files, folders, patterns) name, sorted, without what is ignored.

    Raises FileNotFoundError for a source that names nothing, as the build itself would after minutes.
    """
    found: set[Path] = set()
    for source in sources:
        matches = list(root.glob(source.rstrip("/"))) if source.strip("./") else [root]
        if not matches:
            raise FileNotFoundError(errno.ENOENT, "copied by the Dockerfile", str(root / source))
        for match in matches:
            found.update(match.rglob("*") if match.is_dir() else [match])
    return sorted(
        file
        for file in found
        if file.is_file() and not any(file.relative_to(root).match(pattern) for pattern in ignored)
    )


def ignore_patterns(text: str) -> list[str]:
    """The patterns of a .dockerignore that leave files out of folders that are let in."""
    patterns = []
    for line in text.splitlines():
        pattern = line.strip()
        if pattern in ("", "*") or pattern.startswith(("#", "!")):
            continue
        bare = pattern.removeprefix("**/")
        # A folder's name leaves out all that is in it.
        patterns += [bare, f"{bare}/*"] if bare != pattern else [pattern]
    return patterns


def inputs_key(root: Path, target: str, extra: str = "") -> str:
    """Changes exactly when building `target` of the Dockerfile in `root` may give another image."""
    needed = closure((root / "Dockerfile").read_text(), target)
    ignore_file = root / ".dockerignore"
    ignored = ignore_patterns(ignore_file.read_text()) if ignore_file.exists() else []
    digest = hashlib.sha256(extra.encode())
    for stage in needed:
        digest.update("\n".join(stage.text).encode())
        for file in context_files(root, stage.sources, ignored):
            # Of the mode, what git keeps: whether it is executable.
            mode = "x" if file.stat().st_mode & 0o100 else "-"
            digest.update(f"\0{file.relative_to(root)}\0{mode}\0".encode())
            digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:16]
