"""Kopf's settings and handlers: nothing that writes to objects."""

import kopf
from tests.unit.objects import environment

from dind_operator.manager.watches import POD_SELECTOR, kopf_settings, slim


def test_kopf_posts_nothing_and_waits_for_no_peers() -> None:
    settings = kopf_settings()
    assert settings.posting.enabled is False
    assert settings.peering.standalone is True


def test_pods_are_filtered_by_the_server() -> None:
    assert POD_SELECTOR == "app.kubernetes.io/managed-by=dind-operator"
    assert kopf_settings().watching.label_selectors["pods"] == POD_SELECTOR


def test_managed_fields_are_not_kept() -> None:
    body = kopf.Body(environment(managedFields=[{"manager": "kubectl"}]))  # type: ignore[arg-type]
    kept = slim(body)
    assert kept == environment()
    assert type(kept) is dict
