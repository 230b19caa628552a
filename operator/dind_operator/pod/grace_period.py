"""The grace period of the pod: the time for its workloads, and for the shutdown of dockerd."""

import re

from dind_operator.api.spec import DindEnvironmentSpec

DEFAULT_SHUTDOWN_SECONDS = 15
"""Default of dockerd for ``shutdown-timeout``: how long it waits for its containers. For a container with a stop timeout above
10 s, which is unknown here, dockerd waits 5 s longer than that (see Daemon.ShutdownTimeout of moby)."""
CONTAINERD_SHUTDOWN_SECONDS = 10
"""How long dockerd then waits for its containerd (see libcontainerd/supervisor of moby)."""
GRACE_MARGIN_SECONDS = 15
AFTER_SHUTDOWN_SECONDS = CONTAINERD_SHUTDOWN_SECONDS + GRACE_MARGIN_SECONDS
MAX_SHUTDOWN_SECONDS = 3600
"""Limits the grace period of the pod for any daemon.json."""
_SHUTDOWN_FLAG = re.compile(r"--shutdown-timeout(=|\Z)")
_PLAIN_FLAG = re.compile(r"--shutdown-timeout=(0|[1-9][0-9]{0,3})\Z")
_GO_OCTAL = re.compile(r"^([+-]?)0_?(?=[0-7])")


def grace_period_seconds(spec: DindEnvironmentSpec, before: int = 0) -> int:
    """The grace period of the pod: ``before`` for other containers, and the shutdown of dockerd according to ``shutdown-timeout``.

    A nested container with a longer stop timeout prolongs the shutdown and is unknown here. Users can raise ``shutdown-timeout``
    for it, which raises the grace period.
    """
    seconds = _shutdown_seconds(spec)
    if not 0 <= seconds <= MAX_SHUTDOWN_SECONDS:  # dockerd waits without a limit for a negative value
        seconds = MAX_SHUTDOWN_SECONDS
    return seconds + AFTER_SHUTDOWN_SECONDS + before


def most_grace_period_seconds(spec: DindEnvironmentSpec, before: int = 0) -> int:
    """An upper bound of ``grace_period_seconds`` that CEL can compute, too: for the policy, in the API server and here.

    Of several values of ``shutdown-timeout`` the highest counts, and one that is not a plain number of seconds counts as the maximum.
    """
    key = [spec.daemon.config["shutdown-timeout"]] if "shutdown-timeout" in spec.daemon.config else []
    values = [
        value if type(value) is int and 0 <= value <= MAX_SHUTDOWN_SECONDS else MAX_SHUTDOWN_SECONDS for value in key
    ]
    for argument in filter(_SHUTDOWN_FLAG.match, spec.daemon.args):
        plain = _PLAIN_FLAG.match(argument)
        values.append(min(int(plain[1]), MAX_SHUTDOWN_SECONDS) if plain else MAX_SHUTDOWN_SECONDS)
    return max(values, default=DEFAULT_SHUTDOWN_SECONDS) + AFTER_SHUTDOWN_SECONDS + before


def _shutdown_seconds(spec: DindEnvironmentSpec) -> int:
    """The value that dockerd uses: the last flag, or the key. The maximum for a value that dockerd may reject."""
    args = spec.daemon.args
    chosen = spec.daemon.config.get("shutdown-timeout", DEFAULT_SHUTDOWN_SECONDS)
    for argument, following in zip(args, [*args, ""][1:], strict=True):
        if match := _SHUTDOWN_FLAG.match(argument):
            chosen = _go_integer(argument[match.end() :] if match[1] else following)
    return chosen if isinstance(chosen, int) and not isinstance(chosen, bool) else MAX_SHUTDOWN_SECONDS


def _go_integer(text: str) -> int | None:
    """An integer in the syntax of Go flags (strconv.ParseInt with base 0): 600, 0x258, 0o1130, 01130, 6_00."""
    try:
        return int(_GO_OCTAL.sub(r"\g<1>0o", text), 0)
    except ValueError:
        return None
