"""Argo CD's view of an object: the health check of docs/waiting.md, run by an interpreter of Lua 5.1, the language of Argo CD."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import yaml

PAGE = Path(__file__).parents[1] / "docs" / "waiting.md"
KEY = "resource.customizations.health.dind.dev_DindEnvironment"


def check() -> str:
    """The Lua code, as users copy it."""
    blocks = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (found,) = [block for block in blocks if KEY in block]
    text: str = yaml.safe_load(found)["data"][KEY]
    return text


def health(found: object) -> tuple[str, str]:
    """The status and the message. Argo CD gives the object as `obj` and takes the table that the code returns."""
    program = f"obj = {_literal(found)}\nlocal health = (function()\n{check()}\nend)()\nprint(health.status)\nprint(health.message)"
    done = subprocess.run(["lua5.1", "-"], input=program, check=True, capture_output=True, text=True, timeout=30)
    status, _, message = done.stdout.partition("\n")
    return status, message.strip()


def _literal(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"[{_literal(key)}] = {_literal(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "{" + ", ".join(map(_literal, value)) + "}"
    return "nil" if value is None else json.dumps(value, ensure_ascii=False)
