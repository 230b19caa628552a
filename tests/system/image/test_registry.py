"""The registries' files: what the check says of those that are missing or wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from tests.sandbox import Sandbox

MakeSandbox = Callable[..., Sandbox]
Preflight = Callable[..., tuple[int, dict[str, Any], str]]

REGISTRY = "r.example.com:5000"
AUTHORITY = {"registry": REGISTRY, "source": {"kind": "ConfigMap", "name": "corporate-ca", "key": "ca.crt"}}
CREDENTIALS = {"kind": "Secret", "name": "login", "key": ".dockerconfigjson"}
CERTIFICATE = "-----BEGIN CERTIFICATE----- A -----END CERTIFICATE-----"
ASKED = {"registry": {"authorities": [AUTHORITY], "credentials": CREDENTIALS}}
TRUST = {"registry": {"trust": {"kind": "ConfigMap", "name": "everything", "key": "tls.crt"}}}


def files(authority: str | None = CERTIFICATE, credentials: str | None = '{"auths":{}}') -> str:
    """Shell that makes them, as the kubelet would."""
    lines = [f"mkdir -p /run/dind-registry/certs.d/{REGISTRY} /run/dind-registry/auth"]
    if authority is not None:
        lines.append(f"printf %s '{authority}' >/run/dind-registry/certs.d/{REGISTRY}/ca.crt")
    if credentials is not None:
        lines.append(f"printf %s '{credentials}' >/run/dind-registry/auth/config.json")
    return "; ".join(lines)


@pytest.mark.parametrize(
    "credentials",
    [
        '{"auths":{"r":{"auth":"eDp5"}},"credHelpers":{"gcr.io":"gcloud"}}',
        '{"auths":{"r":{"auth":"eDp5"}},"credsStore":""}',
        '{"auths":{"r":{"username":"x","password":"y"}},\n\t"credsStore" :\n ""\n}',
    ],
)
def test_programs_that_concern_other_registries_or_none_do_no_harm(
    make_sandbox: MakeSandbox, preflight: Preflight, credentials: str
) -> None:
    assert preflight(make_sandbox(more=files(credentials=credentials)), config=ASKED)[0] == 0


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (
            files(authority=None),
            "The key ca.crt of the ConfigMap corporate-ca in the environment's namespace is not there",
        ),
        (files(authority=""), "The key ca.crt of the ConfigMap corporate-ca"),
        (files(authority="a key"), "ConfigMap corporate-ca has no certificate"),
        (
            files(credentials=None),
            "The key .dockerconfigjson of the Secret login in the environment's namespace is not there",
        ),
        (files(credentials="user:password"), "of the Secret login names no registry"),
        (files(credentials='{"auths":{"r":{}},"credsStore":"desktop"}'), 'of the Secret login has "credsStore"'),
        (
            files(credentials='{"credHelpers":{"gcr.io":"gcloud"},"auths":{}}'),
            'The key .dockerconfigjson of the Secret login has "credHelpers"',
        ),
        (
            files(credentials='{"auths":{"gcr.io":{"auth": ""}},"credHelpers":{"gcr.io":"gcloud"}}'),
            'of the Secret login has "credHelpers"',
        ),
    ],
)
def test_what_is_missing_or_wrong_is_named(
    make_sandbox: MakeSandbox, preflight: Preflight, made: str, said: str
) -> None:
    assert preflight(make_sandbox(more=files()), config=ASKED)[0] == 0
    status, report, _ = preflight(make_sandbox(more=made), config=ASKED)
    assert status == 1
    assert (report["error"]["check"], report["error"]["reason"]) == ("Registry", "RegistryFilesMissing")
    assert said in report["error"]["message"]
    assert "password" not in json.dumps(report)
    # What was found before is told all the same.
    assert report["storage"]["overlay"] is True


def trust(text: str) -> str:
    """Shell that makes the environment's bundle."""
    return f"mkdir -p /run/dind-registry/trust; printf %s '{text}' >/run/dind-registry/trust/ca.crt"


@pytest.mark.parametrize("text", ["", "a key", "-----BEGIN CERTIFICATE----- cut off"])
def test_the_environments_bundle_is_checked_as_those_of_registries(
    make_sandbox: MakeSandbox, preflight: Preflight, text: str
) -> None:
    assert preflight(make_sandbox(more=trust(CERTIFICATE)), config=TRUST)[0] == 0
    status, report, _ = preflight(make_sandbox(more=trust(text)), config=TRUST)
    assert (status, report["error"]["reason"]) == (1, "RegistryFilesMissing")
    assert "The key tls.crt of the ConfigMap everything" in report["error"]["message"]
    assert "the certificates that the environment trusts" in report["error"]["message"]


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        (
            {},
            "The Secret login in the environment's namespace is not there, or has neither of the keys httpProxy and httpsProxy",
        ),
        ({"HTTP_PROXY": "p.example.com:3128"}, "A key of the Secret login is no URL of a proxy"),
        ({"HTTPS_PROXY": "http://p.example.com:3128\n"}, "A key of the Secret login is no URL of a proxy"),
        ({"HTTPS_PROXY": "http://p.example.com:3128"}, ""),
    ],
)
def test_the_secret_of_a_proxy_is_checked(
    make_sandbox: MakeSandbox, preflight: Preflight, variables: dict[str, str], said: str
) -> None:
    status, report, _ = preflight(make_sandbox(), config={"proxy": {"secret": "login"}}, **variables)
    assert status == (1 if said else 0)
    if said:
        assert report["error"]["reason"] == "RegistryFilesMissing"
        assert said in report["error"]["message"]
        assert "p.example.com" not in json.dumps(report), "it may have a password"


def test_nothing_asked_for_needs_nothing(make_sandbox: MakeSandbox, preflight: Preflight) -> None:
    assert preflight(make_sandbox())[0] == 0
