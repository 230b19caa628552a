"""Times of the API (RFC 3339)."""

from datetime import datetime


def parse_time(text: str | None) -> datetime | None:
    """A time of the API; None for an absent or invalid one."""
    try:
        return datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
