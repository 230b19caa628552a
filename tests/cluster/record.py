"""What is remembered about a started cluster: what cannot be found by looking.

Processes, links, cgroups and rules are found by their derived names. This file, written before anything is
started, says whose cluster it is and how the machine was before it.
"""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from tests.cluster.instance import Instance
from tests.cluster.locks import exclusive


@dataclass
class Record:
    """`checkout` and `configuration` say what was started; the rest is how the machine was before."""

    checkout: str
    configuration: str
    made_folders: list[str] = field(default_factory=list)
    settings: dict[str, str] = field(default_factory=dict)

    def save(self, instance: Instance) -> None:
        instance.state.mkdir(parents=True, exist_ok=True)
        temporary = instance.record_file.with_suffix(".new")
        temporary.write_text(json.dumps(asdict(self), indent=1))
        temporary.replace(instance.record_file)

    @classmethod
    def load(cls, file: Path) -> Record | None:
        """The record in `file`, or None where there is none that can be read."""
        try:
            value = json.loads(file.read_text())
            # What a newer checkout wrote beside it is not for this one.
            return cls(**{name.name: value[name.name] for name in fields(cls)})
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None


def others(instance: Instance) -> list[Record]:
    """The records of other clusters on this machine: the first of them saw the machine as it was before any."""
    found = (
        Record.load(file)
        for file in sorted(instance.state.parent.glob("*/cluster.json"))
        if file != instance.record_file
    )
    return [record for record in found if record is not None]


def machine_lock(instance: Instance) -> AbstractContextManager[None]:
    """Held while looking at other clusters decides what is done to the machine they share."""
    return exclusive(instance.lock_file.with_name("machine.lock"), "another cluster on this machine")


def checkout() -> str:
    """The folder of the checkout this code runs from."""
    return str(Path(__file__).resolve().parents[2])
