"""The PodDisruptionBudget: it selects the environment's pod and no other, and needs no scale of its owner."""

from tests.unit.objects import UID, model

from dind_operator.features.disruption.desired import disruption_budget
from dind_operator.pod.metadata import object_labels


def test_it_is_the_environments_own_and_goes_with_it() -> None:
    metadata = disruption_budget(model({}))["metadata"]
    assert (metadata["name"], metadata["namespace"]) == ("builder", "team-a")
    (owner,) = metadata["ownerReferences"]
    assert (owner["kind"], owner["uid"], owner["controller"]) == ("DindEnvironment", UID, True)


def test_it_selects_the_pod_and_no_other_environments() -> None:
    selector = disruption_budget(model({}))["spec"]["selector"]["matchLabels"]
    assert selector.items() <= object_labels("builder").items()
    assert not selector.items() <= object_labels("another").items()


def test_no_eviction_is_ever_within_it() -> None:
    spec = disruption_budget(model({}))["spec"]
    assert spec["minAvailable"] == 1
    assert "maxUnavailable" not in spec
    assert spec["unhealthyPodEvictionPolicy"] == "IfHealthyBudget"
