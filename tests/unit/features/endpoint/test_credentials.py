"""What is known of certificates goes the same way through status and the pod's variable."""

from datetime import UTC, datetime

import pytest
from tests.unit.objects import CREDENTIALS, UID, pod, running_pod

from dind_operator.features.endpoint.credentials import Credentials, made_with, reported_credentials
from dind_operator.features.endpoint.x509 import Facts, facts, issue_authority, issue_client, issue_server, new_key

NOW = datetime(2025, 6, 1, 12, 0, 0, 123456, tzinfo=UTC)


def test_what_status_tells_is_what_was_known() -> None:
    told = CREDENTIALS.status("builder")
    assert told["clientSecretName"] == "builder-client"
    assert reported_credentials({"credentials": told}) == CREDENTIALS


def test_real_certificates_lose_nothing_on_the_way() -> None:
    authority = issue_authority(UID, "builder", 3, NOW, new_key())
    server = issue_server(authority, "builder", ["builder"], NOW, new_key())
    client = issue_client(authority, "builder client", NOW, new_key())
    read = [facts(issued.certificate) for issued in (authority, server, client)]
    known = [item for item in read if isinstance(item, Facts)]
    found = Credentials.of(*known)
    assert found.generation == 3
    assert found.issued == NOW.replace(microsecond=0)
    assert reported_credentials({"credentials": found.status("builder")}) == found
    assert made_with(pod(credentials=found)) == found.server


@pytest.mark.parametrize(
    "told", [None, {}, {"generation": 1}, {**CREDENTIALS.status("builder"), "serverNotAfter": "soon"}]
)
def test_what_nobody_can_read_is_nothing(told: object) -> None:
    assert reported_credentials({"credentials": told}) is None


def test_a_pod_without_an_endpoint_was_made_with_none() -> None:
    assert made_with(running_pod()) is None
    assert made_with(running_pod(credentials=CREDENTIALS)) == CREDENTIALS.server
