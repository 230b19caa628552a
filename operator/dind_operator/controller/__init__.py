"""One environment, level-triggered: observe, plan (pure), apply, status.

Decisions are pure functions of what was observed; the API client is behind the small protocol of ``cluster``.
"""
