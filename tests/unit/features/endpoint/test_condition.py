"""What is said of the endpoint: of the certificate that the daemon runs with, not of the one that lies ready."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.unit.objects import CREDENTIALS, ENDPOINT, NOW, POLICY, condition, environment, observed, pod, running_pod

from dind_operator.api.conditions import Reason, format_time
from dind_operator.controller.actions import CreatePod, DeletePod, Plan
from dind_operator.controller.decide import make_plan
from dind_operator.features.endpoint.condition import RESTARTED_BEFORE, SECRET_DELAY, address, in_use
from dind_operator.features.endpoint.credentials import Credentials, Running
from dind_operator.state.assessment import Condition
from dind_operator.state.observed import EndpointState, Observed

REVOKED = replace(CREDENTIALS, generation=2, server=Running("c" * 16, "d" * 16, NOW + timedelta(days=365)), issued=NOW)
ON_DELETE = {"updatePolicy": "OnDelete"}


def renewed(days_left: float) -> tuple[Credentials, Credentials]:
    """What the daemon runs with, with so many days to go, and what was issued a moment ago."""
    old = replace(CREDENTIALS, server=replace(CREDENTIALS.server, not_after=NOW + timedelta(days=days_left)))
    new = replace(CREDENTIALS, server=replace(CREDENTIALS.server, certificate="n" * 16), issued=NOW)
    return old, new


def seen(
    held: Credentials | None, made: Credentials | None, fields: dict[str, Any] | None = None, **more: Any
) -> Observed:
    state = EndpointState(held) if held is not None else None
    return observed(environment(fields or {}), running_pod(fields, credentials=made), endpoint=state, **more)


def told(plan: Plan) -> tuple[str, str, str]:
    item = condition(plan.status, "EndpointReady")
    return item["status"], item["reason"], item["message"]


def test_ready_with_the_certificate_of_the_secret() -> None:
    plan = make_plan(seen(CREDENTIALS, CREDENTIALS), POLICY)
    assert told(plan)[:2] == ("True", "EndpointReady")
    assert "tcp://builder.dind.team-a.svc:2376" in told(plan)[2]
    assert "builder-client" in told(plan)[2]
    assert plan.status is not None
    assert plan.status["endpoint"] == "tcp://builder.dind.team-a.svc:2376"
    assert plan.status["credentials"]["clientSecretName"] == "builder-client"
    assert plan.actions == ()


def test_not_looked_at_it_is_as_status_tells() -> None:
    first = make_plan(seen(CREDENTIALS, CREDENTIALS), POLICY)
    assert first.status is not None
    env = environment() | {"status": first.status}
    again = make_plan(observed(env, running_pod(credentials=CREDENTIALS)), POLICY)
    assert again.status == first.status


def test_nothing_secret_is_in_status() -> None:
    plan = make_plan(seen(CREDENTIALS, CREDENTIALS), POLICY)
    assert plan.status is not None
    assert plan.status["credentials"].keys() == {
        *("clientSecretName", "generation", "authority", "serverCertificate"),
        *("serverNotBefore", "serverNotAfter", "clientNotAfter"),
    }


def test_a_pod_of_before_is_left_alone_and_told() -> None:
    """Upgrading the operator restarts nobody."""
    plan = make_plan(seen(CREDENTIALS, None), POLICY)
    assert plan.actions == ()
    assert told(plan)[:2] == ("False", "EndpointNotInPod")
    assert condition(plan.status, "Ready")["status"] == "True"
    assert plan.status is not None
    assert plan.status["endpoint"] == "unix:///run/dind/docker.sock"


def test_while_the_daemon_does_not_answer_nobody_knows() -> None:
    plan = make_plan(observed(pod=pod(credentials=CREDENTIALS), endpoint=ENDPOINT), POLICY)
    item = condition(plan.status, "EndpointReady")
    assert (item["status"], item["reason"]) == ("Unknown", condition(plan.status, "Ready")["reason"])


def test_turned_off_it_is_false_as_was_asked_for() -> None:
    fields = {"endpoint": {"enabled": False}}
    plan = make_plan(observed(environment(fields), running_pod(fields), endpoint=EndpointState()), POLICY)
    assert told(plan)[:2] == ("False", "EndpointDisabled")
    assert plan.status is not None
    assert "credentials" not in plan.status
    assert plan.status["endpoint"] == "unix:///run/dind/docker.sock"
    assert condition(plan.status, "Ready")["status"] == "True"


def test_revoked_the_pod_is_made_again() -> None:
    plan = make_plan(seen(REVOKED, CREDENTIALS), POLICY)
    assert any(isinstance(action, DeletePod) for action in plan.actions)
    assert told(plan)[:2] == ("False", "CredentialsPending")
    assert condition(plan.status, "Ready")["reason"] == "CredentialsPending"


def test_revoked_under_on_delete_it_is_pending_until_somebody_deletes_the_pod() -> None:
    plan = make_plan(seen(REVOKED, CREDENTIALS, ON_DELETE), POLICY)
    assert plan.actions == ()
    assert told(plan)[:2] == ("False", "CredentialsPending")
    assert "Delete the pod" in told(plan)[2]
    assert [event.reason for event in plan.events if event.warning] == ["CredentialsPending"]
    assert condition(plan.status, "Ready")["status"] == "True", "the daemon works"
    after = make_plan(seen(REVOKED, REVOKED, ON_DELETE), POLICY)
    assert told(after)[:2] == ("True", "EndpointReady")


@pytest.mark.parametrize(
    ("later", "reason"), [(SECRET_DELAY, "EndpointReady"), (SECRET_DELAY - timedelta(seconds=1), "CredentialsPending")]
)
def test_a_container_that_was_started_later_has_read_the_new_one(later: timedelta, reason: str) -> None:
    found = seen(REVOKED, CREDENTIALS, ON_DELETE, now=NOW + timedelta(hours=1))
    assert found.pod is not None
    started = format_time(REVOKED.issued + later)
    found.pod["status"]["containerStatuses"][0]["state"] = {"running": {"startedAt": started}}
    assert told(make_plan(found, POLICY))[1] == reason


def test_a_renewal_is_told_in_time_and_restarts_nobody_yet() -> None:
    old, new = renewed(days_left=100)
    plan = make_plan(seen(new, old), POLICY)
    assert plan.actions == ()
    status, reason, message = told(plan)
    assert (status, reason) == ("True", "CertificateRenewed")
    assert format_time(old.server.not_after) in message
    assert format_time(old.server.not_after - RESTARTED_BEFORE) in message
    assert [event.reason for event in plan.events if event.reason != "Ready"] == ["CertificateRenewed"]


def test_a_renewal_that_nobody_has_taken_restarts_the_pod_at_last() -> None:
    old, new = renewed(days_left=RESTARTED_BEFORE.days)
    assert any(isinstance(action, DeletePod) for action in make_plan(seen(new, old), POLICY).actions)
    assert make_plan(seen(new, old, ON_DELETE), POLICY).actions == ()


def test_expired_under_on_delete() -> None:
    old, new = renewed(days_left=-1)
    plan = make_plan(seen(new, old, ON_DELETE), POLICY)
    assert plan.actions == ()
    assert told(plan)[:2] == ("False", "CertificateExpired")
    assert condition(plan.status, "Ready")["status"] == "True"


def test_a_problem_keeps_a_pod_from_being_made_and_no_pod_from_running() -> None:
    state = EndpointState(problem=Condition.false(Reason.ENDPOINT_CONFLICT, "A Secret is in the way."))
    none = make_plan(observed(endpoint=state), POLICY)
    assert none.actions == ()
    assert condition(none.status, "Ready")["reason"] == "EndpointConflict"
    running = make_plan(observed(pod=running_pod(credentials=CREDENTIALS), endpoint=state), POLICY)
    assert condition(running.status, "Ready")["status"] == "True"
    assert told(running)[:2] == ("False", "EndpointConflict")
    assert running.actions == ()
    # Not looked at the next time, it stays told.
    env = environment() | {"status": running.status}
    again = make_plan(observed(env, running_pod(credentials=CREDENTIALS)), POLICY)
    assert told(again) == told(running)


@pytest.mark.parametrize("fields", [{}, {"daemon": {"logLevel": "Debug"}}], ids=["revoked", "changed"])
def test_no_pod_is_taken_away_that_could_not_be_made_again(fields: dict[str, Any]) -> None:
    pod = running_pod(credentials=CREDENTIALS)
    state = EndpointState(REVOKED, Condition.false(Reason.ENDPOINT_CONFLICT, "A Service is in the way."))
    held = make_plan(observed(environment(fields), pod, endpoint=state), POLICY)
    assert held.actions == ()
    assert condition(held.status, "Ready")["status"] == "True"
    if fields:
        assert condition(held.status, "UpToDate")["reason"] == "EndpointConflict"
        assert [event.reason for event in held.events].count("EndpointConflict") == 1, "one Event for both conditions"
        assert held.requeue_after is not None
    # Without the problem it is.
    free = make_plan(observed(environment(fields), pod, endpoint=EndpointState(REVOKED)), POLICY)
    assert any(isinstance(action, DeletePod) for action in free.actions)


def test_a_problem_with_an_endpoint_that_is_off_keeps_no_pod_from_being_made() -> None:
    state = EndpointState(problem=Condition.false(Reason.ENDPOINT_OBJECT_REJECTED, "may not delete"), blocks=False)
    plan = make_plan(observed(environment({"endpoint": {"enabled": False}}), endpoint=state), POLICY)
    assert any(isinstance(action, CreatePod) for action in plan.actions)
    plan = make_plan(
        observed(environment({"endpoint": {"enabled": False}}), endpoint=replace(state, blocks=True)), POLICY
    )
    assert plan.actions == (), "a pod without what closes it"


def test_what_passes_by_itself_is_waited_for() -> None:
    state = EndpointState(problem=Condition.false(Reason.WAITING_FOR_PREVIOUS_POD, "soon"), passing=True)
    plan = make_plan(observed(endpoint=state), POLICY)
    assert condition(plan.status, "Ready")["reason"] == "WaitingForPreviousPod"
    assert plan.requeue_after is not None
    assert plan.requeue_after <= 1
    assert not [event for event in plan.events if event.warning]


def test_the_pod_is_told_of_the_certificate_that_it_will_find() -> None:
    (action,) = make_plan(observed(endpoint=ENDPOINT), POLICY).actions
    assert isinstance(action, CreatePod)
    env = {item["name"]: item.get("value") for item in action.manifest["spec"]["containers"][0]["env"]}
    assert env["DIND_CREDENTIALS"] == CREDENTIALS.server.text


def test_suspended_it_keeps_its_certificates() -> None:
    plan = make_plan(observed(environment({"operatingMode": "Suspended"}), endpoint=ENDPOINT), POLICY)
    assert plan.status is not None
    assert plan.status["credentials"]["generation"] == 1
    assert condition(plan.status, "EndpointReady")["reason"] == "Suspended"


def test_the_socket_is_the_address_of_a_pod_without_one() -> None:
    assert address(environment(), running_pod(credentials=CREDENTIALS), "/s") == "tcp://builder.dind.team-a.svc:2376"
    assert address(environment(), running_pod(), "/s") == "unix:///s"
    off = environment({"endpoint": {"enabled": False}})
    assert address(off, running_pod(credentials=CREDENTIALS), "/s") == "unix:///s"
    assert not in_use(None)
