"""The environment's own Secrets stay with the operator and the daemon."""

from __future__ import annotations

import pytest
from tests.unit.objects import environment

from dind_operator.api.environment import DindEnvironment
from dind_operator.pod.errors import UnbuildableError
from dind_operator.pod.reserved_secrets import check_secrets

MADE = DindEnvironment.from_dict(environment(name="one"))


@pytest.mark.parametrize("name", ["one-ca", "one-server"])
def test_its_own_are_refused(name: str) -> None:
    with pytest.raises(
        UnbuildableError, match=f"spec.registry refers to the Secret {name}, which is reserved for the operator"
    ):
        check_secrets(MADE, "spec.registry", ["login", name])


def test_the_clients_and_others_are_not() -> None:
    check_secrets(MADE, "spec.workloads", ["one-client", "two-ca", "ca"])
