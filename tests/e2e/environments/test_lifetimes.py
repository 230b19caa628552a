"""Lifetimes on a real node: a real kubelet probes all the time, real containers and the real CLI are the use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from tests.cluster.own_images import BUSYBOX_IMAGE
from tests.e2e.environments.conftest import Environments, load_images
from tests.environment import KIND, Environment, eventually, ready
from tests.live import Object

# The helper tells of a minute, the operator looks once in one, and the warning comes a minute before the end.
IDLE = {"lifetime": {"idleTimeout": "1m"}}
EXPIRES_SECONDS = 360


def events(environment: Environment, reason: str) -> list[Object]:
    selector = f"involvedObject.kind=DindEnvironment,involvedObject.name={environment.name},reason={reason}"
    where = f"--namespace={environment.namespace}"
    items: list[Object] = environment.cluster.json("get", "events", where, f"--field-selector={selector}")["items"]
    return items


ALL = ["NetworkPolicy", "PodDisruptionBudget", "Secret", "Secret", "Secret", "Service"]


def belongings(environment: Environment) -> list[str]:
    """Kinds of what the environment owns beside its pod."""
    kinds = "secrets,services,networkpolicies,poddisruptionbudgets"
    where = (f"--namespace={environment.namespace}", f"--selector=dind.dev/environment={environment.name}")
    return sorted(item["kind"] for item in environment.cluster.json("get", kinds, *where)["items"])


def extend(environment: Environment, until: datetime) -> None:
    text = f"dind.dev/extend-until={until.strftime('%Y-%m-%dT%H:%M:%SZ')}"
    where = f"--namespace={environment.namespace}"
    environment.cluster("annotate", KIND, environment.name, where, "--overwrite", text)


@contextmanager
def nested(environment: Environment) -> Iterator[None]:
    container = environment.docker("run", "--detach", "--rm", BUSYBOX_IMAGE, "sleep", "3600")
    try:
        yield
    finally:
        environment.docker("kill", container)


def test_a_minute_to_live_ends_with_a_warning_and_nothing_is_left(environments: Environments) -> None:
    brief = environments("brief").apply({"lifetime": {"ttl": "1m", "expire": "Delete"}, "disruptionPolicy": "Protect"})
    eventually(lambda: belongings(brief) == ALL, "all that belongs to it", 30, lambda: str(belongings(brief)))
    eventually(lambda: events(brief, "ExpiresSoon"), "the warning", 30, brief.story)
    created = datetime.fromisoformat((brief.get() or {})["metadata"]["creationTimestamp"])
    brief.gone(180)
    assert datetime.now(UTC) - created >= timedelta(minutes=1)
    assert len(events(brief, "ExpiresSoon")) == 1
    assert len(events(brief, "TimeToLiveOver")) == 1
    eventually(lambda: belongings(brief) == [], "nothing being left", 60, lambda: str(belongings(brief)))


def test_containers_and_calls_keep_an_environment_and_probes_do_not(environments: Environments) -> None:
    """Three at once, because each takes minutes: one is left alone, one has a container, one is asked now and then."""
    idle, kept, asked = (environments(name).apply(IDLE) for name in ("idle", "kept", "asked"))
    ready([idle, kept, asked])
    load_images(kept)
    spec = (idle.get() or {})["spec"]

    def expired_while_others_are_used() -> bool:
        asked.docker("version")  # over long before the helper looks
        return idle.condition("Ready")["reason"] == "IdleTooLong"

    with nested(kept):
        eventually(expired_while_others_are_used, "the end of the unused one", EXPIRES_SECONDS, idle.story, pause=15)
        for used in (kept, asked):
            assert used.condition("Ready")["status"] == "True"
            assert used.condition("ActivityKnown")["status"] == "True"
            assert "idleSince" not in used.status().get("lifetime", {})
    told = idle.wait_reason("IdleTooLong")
    assert "dind.dev/extend-until" in told["message"]
    idle.wait(lambda found: found["status"]["phase"] == "Suspended" and idle.pod() is None, "no pod", 90)
    assert (idle.get() or {})["spec"] == spec
    assert len(events(idle, "ExpiresSoon")) == 1
    extend(idle, datetime.now(UTC) + timedelta(hours=1))
    idle.ready()
    assert "expired" not in idle.status().get("lifetime", {})
    # What kept the others is over: so are they, soon.
    for unused in (kept, asked):
        unused.wait_reason("IdleTooLong", EXPIRES_SECONDS)
