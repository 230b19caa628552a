"""Lifetimes on a real node: a real kubelet probes all the time, real containers and the real CLI are the use."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from tests.cluster.own_images import BUSYBOX_IMAGE
from tests.e2e.environments.conftest import Environments, load_images
from tests.environment import Environment, eventually, ready
from tests.installation import Installation

IDLE = {"lifetime": {"idleTimeout": "1m"}}
# What a busy machine needs for what takes no minute.
SPARE_SECONDS = 60
# To see all that belongs to an environment before it expires.
SEEN_SECONDS = 15
IN_USE = "/tmp/in-use"


@pytest.fixture(scope="session")
def minute(operator: Installation) -> float:
    """Seconds that a minute of a lifetime takes: the installation has shorter ones, so that nobody waits for the real ones."""
    (container,) = operator.deployment()["spec"]["template"]["spec"]["containers"]
    given = {item["name"]: item.get("value") for item in container["env"]}
    return float(given.get("DIND_MINUTE_SECONDS", "60"))


ALL = ["PodDisruptionBudget", "Secret", "Secret", "Secret"]


def belongings(environment: Environment) -> list[str]:
    """Kinds of what the environment owns beside its pod."""
    kinds = "secrets,services,networkpolicies,poddisruptionbudgets"
    found = environment.cluster.items(kinds, environment.namespace, f"dind.dev/environment={environment.name}")
    return sorted(item["kind"] for item in found)


def extend(environment: Environment, until: datetime) -> None:
    environment.annotate({"dind.dev/extend-until": until.strftime("%Y-%m-%dT%H:%M:%SZ")})


@contextmanager
def nested(environment: Environment) -> Iterator[None]:
    container = environment.docker("run", "--detach", "--rm", BUSYBOX_IMAGE, "sleep", "3600")
    try:
        yield
    finally:
        environment.docker("kill", container)


@contextmanager
def asked(environment: Environment) -> Iterator[None]:
    """Short calls of the Docker API, one after the other and each by itself over before the helper looks."""
    loop = f"touch {IN_USE}; while [ -e {IN_USE} ]; do docker version; sleep 0.3; done </dev/null >/dev/null 2>&1 &"
    environment.run("sh", "-c", loop)
    try:
        yield
    finally:
        environment.run("rm", IN_USE)


def test_some_minutes_to_live_end_with_a_warning_and_nothing_is_left(environments: Environments, minute: float) -> None:
    minutes = math.ceil(SEEN_SECONDS / minute)
    lifetime = {"ttl": f"{minutes}m", "expire": "Delete"}
    brief = environments("brief").apply({"lifetime": lifetime, "disruptionPolicy": "Protect"})
    created = datetime.fromisoformat((brief.get() or {})["metadata"]["creationTimestamp"])
    eventually(lambda: belongings(brief) == ALL, "all that belongs to it", 30, lambda: str(belongings(brief)))
    patience = minutes * minute + SPARE_SECONDS
    brief.wait_event("ExpiresSoon", patience)
    brief.gone(patience)
    assert datetime.now(UTC) - created >= timedelta(seconds=minutes * minute)
    brief.wait_event("TTLExpired")
    assert len(brief.events("ExpiresSoon")) == 1
    assert len(brief.events("TTLExpired")) == 1
    eventually(lambda: belongings(brief) == [], "nothing being left", 60, lambda: str(belongings(brief)))


def test_containers_and_calls_keep_an_environment_and_probes_do_not(environments: Environments, minute: float) -> None:
    """Three at once: one is left alone, one has a container, one is asked now and then."""
    idle, kept, called = (environments(name).apply() for name in ("idle", "kept", "called"))
    ready([idle, kept, called])
    load_images(kept)
    # The helper reports after a minute, the operator warns when it has seen that, and a minute later it is over.
    expires = 4 * minute + SPARE_SECONDS
    with nested(kept), asked(called):
        # Not before, or what is used would be idle while it waits for the others. The pods stay as they are.
        for environment in (idle, kept, called):
            environment.patch(IDLE)
        spec = (idle.get() or {})["spec"]
        told = idle.wait_reason("IdleTimeoutExceeded", expires)
        for used in (kept, called):
            assert used.condition("Ready")["status"] == "True"
            used.is_true("ActivityKnown")
            eventually(lambda used=used: "idleSince" not in used.status().get("lifetime", {}), "use", 10, used.story)
    assert "dind.dev/extend-until" in told["message"]
    idle.wait(lambda found: found["status"]["phase"] == "Suspended" and idle.pod() is None, "no pod", 90)
    assert (idle.get() or {})["spec"] == spec
    assert len(idle.events("ExpiresSoon")) == 1
    extend(idle, datetime.now(UTC) + timedelta(hours=1))
    idle.ready()
    assert "expired" not in idle.status().get("lifetime", {})
    # What kept the others is over: so are they, soon.
    for unused in (kept, called):
        unused.wait_reason("IdleTimeoutExceeded", expires)
