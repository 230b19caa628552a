"""daemon.json: the user's keys survive, the operator's cannot be displaced."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.objects import daemon_json
from tests.unit.texts import CHARACTERS, texts

from dind_operator.api.environment import InvalidEnvironment
from dind_operator.dockerd.flags import OWNED_KEYS

OWNED = {
    "hosts": ["unix:///run/dind/docker.sock", "tcp://0.0.0.0:2376"],
    "tlsverify": True,
    "tlscacert": "/run/dind-endpoint/ca.pem",
    "tlscert": "/run/dind-endpoint/cert.pem",
    "tlskey": "/run/dind-endpoint/key.pem",
    "data-root": "/var/lib/docker",
    "exec-root": "/var/run/docker",
    "pidfile": "/var/run/docker.pid",
    "cgroup-parent": "/docker",
    "exec-opts": ["native.cgroupdriver=cgroupfs"],
    "log-level": "info",
}


def config(user: dict[str, Any] | None = None, **daemon: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(daemon_json({"daemon": {"config": user or {}, **daemon}}))
    return found


def test_without_a_user_it_is_what_the_operator_owns_and_nothing_else() -> None:
    assert config() == OWNED


def test_it_listens_on_tcp_only_with_the_demand_for_a_certificate() -> None:
    found = config({"debug": True})
    assert [host for host in found["hosts"] if host.startswith("tcp")] == ["tcp://0.0.0.0:2376"]
    assert found["tlsverify"] is True
    assert {key: value for key, value in found.items() if key.startswith("tls")}.keys() == {
        *("tlsverify", "tlscacert", "tlscert", "tlskey")
    }


def test_without_an_endpoint_it_listens_on_one_unix_socket() -> None:
    found = json.loads(daemon_json({"endpoint": {"enabled": False}}))
    assert found["hosts"] == ["unix:///run/dind/docker.sock"]
    assert not [key for key in found if key.startswith("tls")]


def test_the_users_keys_are_kept_as_they_are() -> None:
    user = {"registry-mirrors": ["https://mirror.example.com"], "mtu": 1400, "dns": [], "features": {"buildkit": None}}
    assert config(user) == OWNED | user


def test_exec_opts_are_merged_with_the_cgroup_driver() -> None:
    assert config({"exec-opts": ["isolation=process"]})["exec-opts"] == ["isolation=process", OWNED["exec-opts"][0]]


@pytest.mark.parametrize(("said", "written"), [("Debug", "debug"), ("Warn", "warn"), ("Fatal", "fatal")])
def test_the_log_level_is_in_dockerds_own_spelling(said: str, written: str) -> None:
    assert config(logLevel=said)["log-level"] == written


@pytest.mark.parametrize("key", sorted(OWNED_KEYS))
def test_every_owned_key_is_refused_by_name_before_it_gets_here(key: str) -> None:
    with pytest.raises(InvalidEnvironment, match=key):
        config({key: "mine"})


def test_a_key_that_is_not_ascii_is_refused() -> None:
    with pytest.raises(InvalidEnvironment, match="must be a key that dockerd knows"):
        config({"d\u00e9bug": True})


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | texts(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.dictionaries(
        st.from_regex(r"[a-z]{3,10}-[a-z]{3,10}", fullmatch=True, alphabet=CHARACTERS), JSON_VALUES, max_size=5
    )
)
def test_whatever_the_user_says_the_owned_keys_stand(user: dict[str, Any]) -> None:
    allowed = {key: value for key, value in user.items() if key not in OWNED_KEYS and key != "exec-opts"}
    found = config(allowed)
    assert {key: found[key] for key in OWNED} == OWNED
    assert {key: found[key] for key in allowed} == allowed
