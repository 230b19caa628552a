"""No secret and no control character reaches a report."""

import re
import time
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.texts import texts

from dind_operator.report.redact import MASK, masked, masked_text, visible

SECRET = "s3cr3t-VALUE"


@pytest.mark.parametrize(
    "value",
    [
        {"proxies": {"http-proxy": f"http://user:{SECRET}@proxy.example.com:3128"}},
        {"registry-mirrors": [f"https://{SECRET}@mirror.example.com"]},
        {"log-opts": {"splunk-token": SECRET}},
        {"log-opts": {"awslogs-credentials-endpoint": SECRET}},
        {"auths": {"registry.example.com": {"auth": SECRET}}},
        {"anything": {"nested": [{"Password": SECRET}]}},
        {"apiKey": SECRET, "api_key": SECRET},
        {"labels": [f"password={SECRET}"]},
        {"PASSWD": [SECRET, {"a": SECRET}]},
        [f"--log-opt=splunk-token={SECRET}"],
        f"Authorization: Bearer {SECRET}abc",
        f"authorization: Basic {SECRET}",
        f'{{"auth": "{SECRET}"}}',
        f"token: {SECRET}",
        f"db_password = '{SECRET}'",
        f"HTTP_PROXY=http://u:{SECRET}@h:1 and ftp://u:{SECRET}@h",
        f"SECRET_KEY={SECRET}",
        f'level=debug msg="body: {{\\"password\\":\\"{SECRET}\\"}}" more=1',
        f'msg="{{\\"a\\":\\"{{\\\\\\"password\\\\\\": \\\\\\"{SECRET}\\\\\\"}}\\"}}"',
        f'password="a \\" {SECRET}" next',
        f'"token": "\\\\" "secret": "{SECRET}"',
        f'password="{SECRET}',
        f"X-Registry-Auth: {SECRET}",
        f"X-Registry-Config: {SECRET}",
        f"private_key: {SECRET}",
        f"AWS_ACCESS_KEY={SECRET}",
        f"-----BEGIN EC PRIVATE KEY-----\n{SECRET.replace('-', '+')}\n-----END EC PRIVATE KEY-----".replace("+", "/"),
        f"docker login --password {SECRET} registry.example.com",
        f"[docker login --password {SECRET}]",
        f'["login", "--password", "{SECRET}"]',
        ["login", "--registry-token", SECRET, "x"],
        {"env": [{"name": "GH_PAT", "value": SECRET}]},
        {"secret": SECRET},
        {"pullSecret": SECRET},
        f"http://user:p@{SECRET}@proxy.example.com",
        f"http://user:p/{SECRET}@proxy.example.com",
        f"https://u:{SECRET}@ghcr.io/a/b@sha256:0123",
    ],
)
def test_what_looks_secret_is_masked(value: Any) -> None:
    assert SECRET not in str(masked(value))
    assert MASK in str(masked(value))


@pytest.mark.parametrize(
    "value",
    [
        {"registry-mirrors": ["https://mirror.example.com/path"], "mtu": 1400, "debug": True, "dns": []},
        "pull access denied for private, repository does not exist or may require 'docker login': denied: unauthorized",
        'failed to pull: unexpected status 401: unauthorized: authentication required',
        "user@example.com wrote to https://example.com",
        {"imagePullSecrets": [{"name": "registry-credentials"}]},
        {"pullSecret": {"name": "login"}, "secretRef": {"name": "corporate"}},
        {"volumes": [{"name": "keys", "secret": {"secretName": "keys"}}]},
        {"secret": ""},
        {"token": None},
        "https://registry.example.com:5000/team/image@sha256:0123",
        "authentication required: unauthorized: author=me",
        "compass: north, bypass=yes",
        ["--debug", "x", "--passive", "y"],
    ],
)  # fmt: skip
def test_what_a_reader_needs_stays(value: Any) -> None:
    assert masked(value) == value


def test_a_proxys_address_stays_without_its_user() -> None:
    assert masked_text("http://user:pw@proxy.example.com:3128/x") == f"http://{MASK}@proxy.example.com:3128/x"


def test_what_is_nested_too_deep_is_not_shown() -> None:
    value: Any = SECRET
    for _ in range(5000):
        value = [value]
    assert SECRET not in str(masked(value)) and MASK in str(masked(value))  # noqa: PT018 - one printing of a deep value


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain Text 123 äöü 漢字", "plain Text 123 äöü 漢字"),
        ("\x1b[2Jgone", "\\x1b[2Jgone"),
        ("a\r\nb\tc\x00", "a\\r\\nb\\tc\\x00"),
        ("\x9b31m", "\\x9b31m"),
        ("\u202egnirts", "\\u202egnirts"),
        ("a\u2028b\u200bc", "a\\u2028b\\u200bc"),
        ("\ud800", "\\ud800"),
    ],
)
def test_control_characters_are_shown_not_obeyed(text: str, shown: str) -> None:
    assert visible(text) == shown


@given(texts())
def test_nothing_that_a_terminal_obeys_gets_through(text: str) -> None:
    shown = visible(text)
    assert not re.search(r"[\x00-\x1f\x7f-\x9f]", shown)
    assert all(unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Zl", "Zp") for character in shown)
    shown.encode()


@pytest.mark.parametrize(
    "piece",
    [
        "x",
        "token",
        "x.",
        "a://",
        "token=",
        "token ",
        "Bearer ",
        "password:",
        "'auth'",
        " ",
        "--token ",
        "a:b@",
        'password="',
        'password=\\"',
        "\\",
        "-----BEGIN PRIVATE KEY-----",
        "token\\",
    ],
)
def test_a_megabyte_of_anything_is_masked_in_a_moment(piece: str) -> None:
    # The time of this process only: other work on the machine does not count.
    start = time.process_time()
    masked_text(piece * (2**20 // len(piece)))
    assert time.process_time() - start < 10


@given(st.text("pas=:@/ \"'\ntoken", max_size=200))
def test_masking_never_fails(text: str) -> None:
    masked_text(text)


def test_a_count_and_a_switch_are_shown_and_other_numbers_may_be_passwords() -> None:
    shown = {"endpoint": {"credentialsGeneration": 3}, "tokenRequired": True}
    assert masked(shown) == shown
    assert masked({"password": 1234, "credentialsGeneration": "text"}) == {
        "password": "***",
        "credentialsGeneration": "***",
    }
