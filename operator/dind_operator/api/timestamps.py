"""Times as the API writes them (RFC 3339)."""

from datetime import datetime


def parse_time(text: str | None) -> datetime | None:
    """A time of the API; None for nothing or nonsense."""
    try:
        return datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
