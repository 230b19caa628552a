"""A saturated node makes a daemon slow. Slow is not dead: no probe may restart it.

The promise is five minutes of saturated cpu and disk without a restart, and the default liveness probe gives up after
five minutes without one answer (10 failures, 30 s apart, 25 s each). `make matrix ONLY=busy` (`--long`) keeps that up for the
whole five minutes. Without it everything is a tenth: 33 s against a probe that gives up after 30 s (10 failures, 3 s apart and
3 s each), which is harder to meet than the promise, because each single answer has 3 s instead of 25 s. A second environment
beside it has the default's 25 s for each answer and half a processor.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest
from tests.cluster.own_images import BUSYBOX_IMAGE
from tests.e2e.environments.conftest import Environments, load_images
from tests.environment import Environment, eventually, ready

TENTH = {"liveness": {"periodSeconds": 3, "timeoutSeconds": 3, "failureThreshold": 10}}
# Twice the processors of a small node, so that everything else on it waits in line too.
SPINNERS = 4
WRITERS = 2


@pytest.fixture
def seconds(request: pytest.FixtureRequest) -> int:
    """How long a daemon is kept busy."""
    return 300 if request.config.getoption("--long", default=False) else 33


def load(environment: Environment) -> list[str]:
    """Begins to saturate cpu and disk from inside; the names of the containers that do it."""
    load_images(environment)
    spin = ["sh", "-c", "while :; do :; done"]
    write = ["sh", "-c", "while :; do dd if=/dev/zero of=/file bs=1M count=256 conv=fsync; done"]
    names = [f"spin-{number}" for number in range(SPINNERS)] + [f"write-{number}" for number in range(WRITERS)]
    for name in names:
        command = spin if name.startswith("spin") else write
        environment.docker("run", "--detach", f"--name={name}", BUSYBOX_IMAGE, *command)
    return names


@pytest.mark.serial
@pytest.mark.timeout(600)
def test_saturated_cpu_and_disk_restart_nothing(environments: Environments, seconds: int) -> None:
    """Two at once: one has what the node has, one half a processor for all, where the probe's own process waits with the load.

    The second is asked often, with the default's patience.
    """
    free = environments("busy").apply({} if seconds == 300 else {"probes": TENTH})
    limited = {"daemon": {"resources": {"limits": {"cpu": "500m"}}}, "probes": {"liveness": {"periodSeconds": 3}}}
    throttled = environments("throttled").apply(limited)
    both = [free, throttled]
    ready(both)
    before = [environment.daemon_process() for environment in both]
    names = [load(environment) for environment in both]
    begin = time.monotonic()
    # The one place where a test waits for time to pass: that nothing happens is what is to be seen.
    while time.monotonic() - begin < seconds:
        for environment in both:
            assert environment.restarts() == 0, environment.story()
        time.sleep(5)
    for environment, busy in zip(both, names, strict=True):
        running = environment.docker("ps", "--quiet", "--filter=name=spin-", "--filter=name=write-", timeout=60)
        assert len(running.split()) == len(busy), "what saturates the node has stopped by itself"
        environment.docker("rm", "--force", *busy)
    assert [environment.daemon_process() for environment in both] == before
    assert [environment.restarts() for environment in both] == [0, 0]
    unhealthy = [event["message"] for event in throttled.events("Unhealthy", "Pod")]
    assert [message for message in unhealthy if message.startswith("Liveness")] == []


def test_a_daemon_that_hangs_is_restarted(environments: Environments) -> None:
    """The other side: the probe is there, and a daemon that never answers again does not stay."""
    quick = {"liveness": {"periodSeconds": 1, "timeoutSeconds": 1, "failureThreshold": 3}}
    environment = environments("hanging").apply({"probes": quick}).ready()
    before = environment.daemon_status()["containerID"]
    frozen = datetime.now(UTC)
    environment.run("sh", "-c", "kill -STOP $(cat /var/run/docker.pid)")

    def condemned() -> bool:
        since = frozen.replace(microsecond=0)
        return any(
            datetime.fromisoformat(item["lastTimestamp"]) >= since for item in environment.events("Killing", "Pod")
        )

    eventually(condemned, "the kubelet gives up on the daemon", 60, environment.story)
    # Woken up it obeys, so that the test need not wait for its whole grace period.
    environment.attempt("sh", "-c", "kill -CONT $(cat /var/run/docker.pid)")
    eventually(
        lambda: environment.daemon_status().get("containerID") != before, "another container", 60, environment.story
    )
    environment.ready()
