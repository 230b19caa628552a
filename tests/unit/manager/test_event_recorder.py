"""The Event of a note, as the API server takes it."""

from tests.unit.objects import NOW, UID, environment

from dind_operator.manager.event_recorder import event_of
from dind_operator.state.cluster import Note


def test_an_event_is_about_the_environment_and_by_the_operator() -> None:
    event = event_of(environment(), Note("ExpiresSoon", "m", warning=True), NOW)
    assert event["metadata"] == {"generateName": "builder-", "namespace": "team-a"}
    about = event["involvedObject"]
    assert (about["kind"], about["name"], about["uid"], about["resourceVersion"]) == (
        *("DindEnvironment", "builder", UID, "100"),
    )
    assert (event["type"], event["reason"], event["message"]) == ("Warning", "ExpiresSoon", "m")
    assert event["reportingComponent"] == event["source"]["component"] == "dind-operator"
    assert event["firstTimestamp"] == event["lastTimestamp"] == "2025-06-01T12:00:00Z"


def test_a_message_is_cut_to_what_an_event_may_hold() -> None:
    event = event_of(environment(), Note("Ready", "x" * 2000, warning=False), NOW)
    assert (event["type"], len(event["message"])) == ("Normal", 1024)
