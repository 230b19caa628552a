"""The log formats JSON and text. A line about an environment contains its namespace and name."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Literal

_EXTRA = ("namespace", "environment", "phase", "seconds", "error_class", "retry_in")


class JsonFormatter(logging.Formatter):
    """One JSON object per line: time, level, logger, message, and the extra fields that are set."""

    def format(self, record: logging.LogRecord) -> str:
        """See ``logging.Formatter``."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {name: getattr(record, name) for name in _EXTRA if hasattr(record, name)}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


class TextFormatter(logging.Formatter):
    """For terminals."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(where)s%(message)s", datefmt="%H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        """See ``logging.Formatter``."""
        name = getattr(record, "environment", None)
        record.where = f"{getattr(record, 'namespace', '?')}/{name}: " if name else ""
        return super().format(record)


def configure(style: Literal["json", "text"], level: str) -> None:
    """Log everything to standard error in one format."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if style == "json" else TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # Kopf logs a line for every event of every object, which takes a tenth of the CPU time in a burst and has no use.
    logging.getLogger("kopf.objects").setLevel(logging.WARNING)
    logging.getLogger("kopf").setLevel(logging.DEBUG if level == "debug" else logging.WARNING)
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)
