"""How much longer than on the first node things may take on the emulated one: about ten times."""

from __future__ import annotations

PATIENCE = 10
# Until an environment is ready.
START_SECONDS = 600
