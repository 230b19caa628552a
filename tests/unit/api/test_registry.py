"""Registries: what is accepted, what is refused and with which words."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from dind_operator.api.registry import RegistrySpec

REF = {"name": "corporate-ca"}


def bundle(**fields: Any) -> dict[str, Any]:
    return {"caBundles": [{"registry": "r.example.com:5000", **fields}]}


def test_left_out_it_is_empty() -> None:
    assert RegistrySpec().to_dict() == {"mirrors": [], "mirrorsFor": [], "insecureRegistries": [], "caBundles": []}


@pytest.mark.parametrize(
    "fields",
    [
        {"mirrors": ["https://m.example.com", "http://10.0.0.5:5000", "http://[fd00::5]:5000/path/"]},
        {"insecureRegistries": ["10.0.0.0/8", "r.example.com", "[fd00::5]:5000", "localhost:5000"]},
        bundle(configMapRef=REF),
        bundle(secretRef={**REF, "key": "tls.crt"}),
        {"pullSecret": {"name": "login"}},
        {
            "mirrorsFor": [
                {"registry": "ghcr.io", "mirrors": ["http://m"]},
                {"registry": "r:5000", "mirrors": ["http://m"]},
            ]
        },
    ],
)
def test_what_is_accepted(fields: dict[str, Any]) -> None:
    RegistrySpec.model_validate(fields)


@pytest.mark.parametrize(
    "fields",
    [
        {"mirrors": ["m.example.com"]},
        # A password would be seen by whoever may read the environment.
        {"mirrors": ["https://user:password@m.example.com"]},
        {"mirrors": ["https://m.example.com?x=1"]},
        {"mirrors": ["ftp://m.example.com"]},
        {"mirrors": ["https://m.example.com"] * 9},
        {"insecureRegistries": ["http://r.example.com"]},
        {"insecureRegistries": ["r.example.com/path"]},
        {"caBundles": [{"registry": "../../etc", "configMapRef": REF}]},
        {"caBundles": [{"registry": "r.example.com/a", "configMapRef": REF}]},
        {"caBundles": [{"registry": "r one", "configMapRef": REF}]},
        bundle(configMapRef={"name": "a", "key": "../ca.crt"}),
        bundle(configMapRef={"name": "other/a"}),
        {"pullSecret": {"name": "a", "namespace": "kube-system"}},
        {"mirrorsFor": [{"registry": "docker.io", "mirrors": ["http://m"]}]},
        {"mirrorsFor": [{"registry": "ghcr.io", "mirrors": []}]},
        {"mirrorsFor": [{"registry": "ghcr.io"}]},
        {"mirrorsFor": [{"registry": "ghcr.io", "mirrors": ["http://m"]}] * 2},
        {"mirrorsFor": [{"registry": "../ghcr.io", "mirrors": ["http://m"]}]},
    ],
)
def test_what_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        RegistrySpec.model_validate(fields)


@pytest.mark.parametrize("fields", [{}, {"configMapRef": REF, "secretRef": REF}])
def test_a_bundle_has_exactly_one_source(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="exactly one source: set configMapRef or secretRef"):
        RegistrySpec.model_validate(bundle(**fields))


def test_a_registry_has_one_bundle() -> None:
    one = {"registry": "r.example.com:5000", "configMapRef": REF}
    RegistrySpec.model_validate({"caBundles": [one, one | {"registry": "r.example.com:5001"}]})
    with pytest.raises(
        ValidationError, match=r"r\.example\.com:5000 more than once: put all its certificates into one"
    ):
        RegistrySpec.model_validate({"caBundles": [one, one]})
