"""What ends the wrapper before a daemon runs: at once, with a sentence, in the shape the operator reads."""

from __future__ import annotations

from typing import Any

import pytest
from tests.integration.image.conftest import Daemon, StartDaemon
from tests.integration.image.test_daemon import CONFIG
from tests.sandbox import MIB


def refused(daemon: Daemon) -> dict[str, Any]:
    assert daemon.wait() == 1
    message = daemon.message()
    assert list(message) == ["version", "docker", "exitCode", "error"]
    assert (message["version"], message["exitCode"]) == (1, 1)
    assert list(message["error"]) == ["check", "reason", "message"]
    assert f"dind: {message['error']['message']}\n" in daemon.log.read_text(errors="replace")
    # No daemon was started.
    assert "Starting up" not in daemon.log.read_text(errors="replace")
    error: dict[str, Any] = message["error"]
    return error | {"docker": message["docker"]}


def test_an_unknown_key_in_the_configuration(start_daemon: StartDaemon, userland: str) -> None:
    config = {"daemonConfig": CONFIG | {"no-such-key": True}}
    error = refused(start_daemon(userland=userland, config=config))
    assert (error["check"], error["reason"]) == ("Daemon", "ConfigInvalid")
    assert "directives don't match any configuration option: no-such-key" in error["message"]
    assert error["message"].endswith("Correct daemon.config or daemon.args.")
    assert error["docker"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--no-such-flag",), "unknown flag: --no-such-flag"),
        (("--exec-root=/x",), "specified both as a flag and in the configuration file: exec-root"),
        (("--host=tcp://0.0.0.0:2375",), "specified both as a flag and in the configuration file: hosts"),
        (("--mtu", "many"), 'invalid argument "many" for "--mtu" flag'),
    ],
)
def test_an_argument_that_dockerd_does_not_take(
    start_daemon: StartDaemon, arguments: tuple[str, ...], said: str
) -> None:
    error = refused(start_daemon(*arguments, config={"daemonConfig": CONFIG}))
    assert error["reason"] == "ConfigInvalid"
    assert said in error["message"]


def test_a_configuration_of_other_types(start_daemon: StartDaemon) -> None:
    config = {"daemonConfig": {"hosts": "x"}}
    assert refused(start_daemon(config=config))["reason"] == "ConfigInvalid"


@pytest.mark.parametrize("text", ["{", "[]", '{"daemonConfig": "x"}', "no", '{"unknown": 1}'])
def test_a_configuration_of_ours_that_is_none(start_daemon: StartDaemon, text: str) -> None:
    error = refused(start_daemon(DIND_NODE_CONFIG=text))
    assert error["reason"] == "NodeConfigInvalid"
    assert error["message"].startswith("The variable DIND_NODE_CONFIG cannot be read: ")
    assert error["docker"]


def test_a_reserve_as_large_as_the_limit(start_daemon: StartDaemon, userland: str) -> None:
    error = refused(start_daemon(userland=userland, memory=256 * MIB, config={"reserveBytes": 256 * MIB}))
    assert (error["check"], error["reason"]) == ("Memory", "MemoryLimitTooLow")


def test_an_image_without_a_daemon(start_daemon: StartDaemon, userland: str) -> None:
    error = refused(start_daemon(userland=userland, inside="rm /usr/local/bin/dockerd"))
    assert (error["check"], error["reason"], error["docker"]) == ("Daemon", "DaemonNotFound", None)
    assert "Set daemon.image to an image with the Docker daemon" in error["message"]


def test_a_daemon_for_another_machine(start_daemon: StartDaemon, userland: str) -> None:
    # An ELF header of an architecture that no machine has.
    inside = "printf '\\177ELF\\2\\1\\1\\0\\0\\0\\0\\0\\0\\0\\0\\0\\2\\0\\377\\377' >/usr/local/bin/dockerd"
    error = refused(start_daemon(userland=userland, inside=inside))
    assert (error["check"], error["reason"]) == ("Daemon", "DaemonNotRunnable")


def test_without_privilege(start_daemon: StartDaemon) -> None:
    inside = 'set -- setpriv --bounding-set=-sys_admin --inh-caps=-sys_admin "$@"'
    error = refused(start_daemon(inside=inside))
    assert (error["check"], error["reason"]) == ("Cgroups", "CgroupsNotMountable")
    assert error["docker"]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (
            {"proxy": {"secret": "login"}},
            "The Secret login in the environment's namespace is not there",
        ),
        (
            {"registry": {"trust": {"kind": "ConfigMap", "name": "everything", "key": "ca.crt"}}},
            "The key ca.crt of the ConfigMap everything in the environment's namespace is not there",
        ),
    ],
)
def test_what_was_deleted_while_the_pod_ran_is_missed_by_a_container_that_starts_again(
    start_daemon: StartDaemon, asked: dict[str, Any], said: str
) -> None:
    """The init container does not run again. Without a proxy or its authorities dockerd would run, and fail later."""
    error = refused(start_daemon(config=asked))
    assert (error["check"], error["reason"]) == ("Registry", "RegistryFilesMissing")
    assert said in error["message"]
