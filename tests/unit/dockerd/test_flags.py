"""No spelling of an owned flag gets through, and no other flag is refused."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dind_operator.dockerd.flags import (
    OWNED_FLAGS,
    OWNED_KEYS,
    OWNED_SHORT_FLAGS,
    argument_remedy,
    long_pattern,
    owned_argument,
    owned_config_key,
    owned_exec_opt,
    short_pattern,
)

VALUES = st.text(alphabet="abzH-=/:.0", max_size=8)


@pytest.mark.parametrize(
    ("argument", "flag"),
    [
        ("--host", "--host"),
        ("--host=tcp://0.0.0.0:2375", "--host"),
        ("-H", "--host"),
        ("-Htcp://0.0.0.0:2375", "--host"),
        ("-H=tcp://0.0.0.0:2375", "--host"),
        ("-DH", "--host"),
        ("-DHtcp://0.0.0.0:2375", "--host"),
        ("-xyzH", "--host"),
        ("-lerror", "--log-level"),
        ("-l", "--log-level"),
        ("-p/var/run/x.pid", "--pidfile"),
        ("-g", "--graph"),
        ("-v", "--version"),
        ("-Dh", "--help"),
        ("--tls", "--tls"),
        ("--tls=false", "--tls"),
        ("--tlsverify=true", "--tlsverify"),
        ("-tlsverify", "--tlsverify"),
        ("--exec-opt", "--exec-opt"),
        ("--containerd=/run/x.sock", "--containerd"),
        ("--containerd-namespace=x", "--containerd-namespace"),
        ("--validate", "--validate"),
        ("--live-restore", "--live-restore"),
        ("--live-restore=true", "--live-restore"),
        ("--", "--"),
    ],
)
def test_owned(argument: str, flag: str) -> None:
    assert owned_argument(argument) == flag
    assert argument_remedy(flag)


@pytest.mark.parametrize(
    "argument",
    [
        "-D",
        "--debug",
        "-s=overlay2",
        "-soverlay2",
        "-bH",  # -b takes a value: the bridge is called H
        "-GHl",
        "-D=true",
        "--storage-driver=overlay2",
        "--hostname-like",
        "--tlsx",
        "--label=host=x",
        "--registry-mirror=https://mirror.example.com/--host",
        "--log-driver=json-file",
        "--containerd-other=1",
        "overlay2",
        "host",
        "=-H",
        "-",
        "",
    ],
)
def test_not_owned(argument: str) -> None:
    assert owned_argument(argument) is None


@given(st.sampled_from(sorted(OWNED_FLAGS)), st.sampled_from(["--", "-"]), VALUES)
def test_every_long_flag_in_every_spelling(flag: str, dashes: str, value: str) -> None:
    assert owned_argument(f"{dashes}{flag}") == f"--{flag}"
    assert owned_argument(f"{dashes}{flag}={value}") == f"--{flag}"


@given(st.sampled_from(sorted(OWNED_SHORT_FLAGS)), st.text(alphabet="Dxyz", max_size=3), VALUES)
def test_every_short_flag_in_every_spelling(letter: str, before: str, value: str) -> None:
    assert owned_argument(f"-{before}{letter}{value}") is not None


def pflag_reads(argument: str) -> set[str]:
    """The owned flags that pflag would set from one argument: its parser, written down from its documentation."""
    if argument.startswith("--"):
        name = argument[2:].partition("=")[0]
        return {name} & OWNED_FLAGS.keys()
    found, rest = set(), argument[1:] if argument.startswith("-") else ""
    while rest:
        letter, rest = rest[0], rest[1:]
        if letter in "=-":  # no flag has such a name, so pflag gives the argument up: nothing is set, dockerd ends
            break
        if letter in OWNED_SHORT_FLAGS:
            found.add(OWNED_SHORT_FLAGS[letter])
        takes_value = letter in "HlpgbGs"
        if takes_value or rest[:1] == "=":
            break
    return found


@given(st.text(alphabet="-=DHlpgbGsvht", max_size=6) | st.sampled_from(["--host", "--hosts", "--tls", "--graph=x"]))
def test_whatever_pflag_would_set_is_refused(argument: str) -> None:
    assert not pflag_reads(argument) or owned_argument(argument) is not None


@given(st.text(alphabet="-=DHlpgbGsvhtx/\n", max_size=8))
def test_the_patterns_of_the_crd_and_the_function_agree(argument: str) -> None:
    by_rules = (
        re.search(long_pattern(OWNED_FLAGS), argument) or re.search(short_pattern(OWNED_SHORT_FLAGS), argument)
    ) is not None or argument == "--"
    assert by_rules == (owned_argument(argument) is not None)


def test_the_patterns_are_words_that_re2_knows_too() -> None:
    for pattern in (long_pattern(OWNED_FLAGS), short_pattern(OWNED_SHORT_FLAGS)):
        assert not re.search(r"\(\?|\\[1-9]", pattern)


@pytest.mark.parametrize("key", sorted(OWNED_KEYS))
def test_owned_keys_are_owned_in_any_case(key: str) -> None:
    assert owned_config_key(key) == key
    assert owned_config_key(key.upper()) == key
    # Letters that Go's JSON reader takes for an s and a k.
    assert owned_config_key(key.replace("s", "\u017f").replace("k", "\u212a")) == key
    assert owned_config_key(f"{key}x") is None


@pytest.mark.parametrize("option", ["native.cgroupdriver=systemd", " Native.CgroupDriver = systemd"])
def test_the_cgroup_driver_is_owned(option: str) -> None:
    assert owned_exec_opt(option)
    assert not owned_exec_opt("isolation=process")
