"""The installation's policy on a real API server: each rule refuses, with the sentence that the operator has, and only it.

The admission policy is the chart's, bound to the tests' namespace only. Its rules are changed under it, as an upgrade does.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from tests.cluster.tools import tool
from tests.helm import Helm, merged
from tests.integration.environments.conftest import Operators, open_space
from tests.integration.harness.api import Api, ApiError, Object
from tests.integration.harness.kubelet import Kubelet
from tests.integration.harness.policy import KIND, Policy, sentence
from tests.integration.harness.running import OFTEN
from tests.integration.harness.space import Space
from tests.integration.harness.waiting import until
from tests.policy_cases import CASES, HIGHEST, Case

from dind_operator.api.environment import DindEnvironment
from dind_operator.build.guardrails import GuardRails, violations


def of_the_operator(space: Space, spec: Object, rules: Object) -> list[str]:
    """What the operator's own rules say."""
    metadata = {"name": "probe", "namespace": space.name, "uid": "u"}
    environment = DindEnvironment.from_dict({**KIND, "metadata": metadata, "spec": spec})
    return violations(environment, GuardRails.model_validate(rules), "dind")


@pytest.fixture(scope="module")
def policy(api: Api, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Policy]:
    with open_space(api) as space, Policy(Helm(tool("helm3"), 3, tmp_path_factory.mktemp("helm")), space) as made:
        yield made


@pytest.fixture(scope="module")
def before(policy: Policy) -> dict[str, str]:
    """What each case refuses, accepted and made while there are no rules: names by the case's."""
    policy.set({})
    made = {case.name: f"before-{number}" for number, case in enumerate(CASES)}
    for case in CASES:
        policy.wait_acceptance(case.bad)
        policy.space.create(made[case.name], case.bad)
    return made


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_rule_refuses_in_the_operators_words_and_nothing_else(
    policy: Policy, before: dict[str, str], case: Case
) -> None:
    rules = {case.rule: case.allowed}
    (told,) = of_the_operator(policy.space, case.bad, rules)
    policy.set(rules)
    until(lambda: policy.refusal(case.bad) == told, told, instead=lambda: policy.refusal(case.bad))
    assert policy.refusal(case.good) == ""
    # Made before the policy: nobody is locked out of it.
    name = before[case.name]
    policy.space.change({"operatingMode": "Suspended", "updatePolicy": "OnDelete"}, name)
    policy.space.remove(name)
    until(lambda: policy.space.environment(name) is None, f"{name} being deleted")


def test_the_namespaces_that_may(policy: Policy) -> None:
    policy.set({"namespaces": ["builds", "ci-*"]})
    (told,) = of_the_operator(policy.space, {}, {"namespaces": ["builds", "ci-*"]})
    until(lambda: policy.refusal({}) == told, told, instead=lambda: policy.refusal({}))
    for fine in (policy.space.name, f"{policy.space.name[:1]}*"):
        policy.set({"namespaces": ["builds", fine]})
        policy.wait_acceptance({})


def test_folders_of_nodes_are_refused_when_they_are_written(policy: Policy) -> None:
    def folder(path: str) -> Object:
        return {"storage": {"hostPath": {"path": path}}}

    policy.set({})
    policy.wait_acceptance({})
    told = policy.wait_refusal(folder("/srv/dind/a"))
    assert told.startswith(
        "spec.storage.hostPath.path is /srv/dind/a, and this installation allows no folders of nodes."
    )
    policy.set({}, hostPath={"allowedPrefixes": ["/mnt/x", "/srv/dind"]})
    policy.wait_acceptance(folder("/srv/dind/a"))
    for elsewhere in ("/etc/a", "/srv/dind/a/b", "/srv/dind", "/srv/dind-2/a"):
        assert "Choose a folder directly below one of: /mnt/x, /srv/dind" in policy.refusal(folder(elsewhere))


def later(**units: int) -> str:
    return (datetime.now(UTC) + timedelta(**units)).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_an_extension_ends_where_the_longest_time_to_live_does(policy: Policy) -> None:
    """On a new environment, by its owner later, and in forms that only the operator would understand."""
    spec: Object = {"lifetime": {"ttl": "1h"}}
    policy.set({})
    policy.wait_acceptance(spec)
    made = policy.space.create("extended", spec)
    old = policy.space.create("old", spec)
    policy.space.extend(later(days=400), "extended")
    policy.space.extend(later(days=400), "old")
    policy.set({"maxTtl": "7d"})
    policy.wait_refusal({"lifetime": {"ttl": "8d"}})
    assert policy.refusal(spec, extend_until=later(days=6)) == ""
    assert "extend-until 9999-12-31T23:59:59Z is later than " in policy.refusal(
        spec, extend_until="9999-12-31T23:59:59Z"
    )
    # The environment's own creation counts, and the operator says the same of it.
    latest = datetime.fromisoformat(made["metadata"]["creationTimestamp"]) + timedelta(days=7)
    for refused in (later(days=8), "20300101T000000Z", "2030-01-01T00:00:00+00:00", "x" * 300):
        with pytest.raises(ApiError) as error:
            policy.space.extend(refused, "extended")
        asked = {**made, "metadata": {**made["metadata"], "annotations": {"dind.dev/extend-until": refused}}}
        rails = GuardRails.model_validate({"maxTtl": "7d"})
        assert [sentence(error.value)] == violations(DindEnvironment.from_dict(asked), rails, "dind")
    policy.space.extend(latest.strftime("%Y-%m-%dT%H:%M:%SZ"), "extended")
    with pytest.raises(ApiError):
        policy.space.extend((latest + timedelta(seconds=1)).strftime("%Y-%m-%dT%H:%M:%SZ"), "extended")
    # What stood there before stays, and can be taken away.
    assert policy.space.change({"operatingMode": "Suspended"}, "old")["metadata"]["uid"] == old["metadata"]["uid"]
    policy.space.extend(None, "old")
    for name in ("extended", "old"):
        policy.space.remove(name)


def test_a_demanded_time_to_live_cannot_be_taken_away(policy: Policy) -> None:
    policy.set({})
    policy.wait_acceptance({})
    policy.space.create("lasting")
    policy.space.create("ending", {"lifetime": {"ttl": "1h", "idleTimeout": "1h"}})
    policy.set({"requireTtl": True})
    policy.wait_refusal({})
    policy.space.change({"operatingMode": "Suspended"}, "lasting")
    policy.space.change({"lifetime": {"ttl": "2h"}}, "ending")
    with pytest.raises(ApiError) as refused:
        policy.space.change({"lifetime": {"ttl": None}}, "ending")
    assert sentence(refused.value).startswith("spec.lifetime.ttl is not set, which this installation's policy demands")
    for name in ("lasting", "ending"):
        policy.space.remove(name)


def test_taken_away_and_brought_back_it_has_the_new_rules(policy: Policy) -> None:
    """As uninstalling and installing does. With a ConfigMap for its parameters the API server would not see them again."""
    docker, own = ({"daemon": {"image": image}} for image in ("docker:28", "registry.test/own:1"))
    policy.set({"images": ["docker:28"]})
    policy.wait_refusal(own)
    policy.__exit__()
    policy.wait_acceptance(own)
    policy.__enter__()
    policy.set({"images": ["registry.test/own:1"]})
    policy.wait_refusal(docker)
    assert policy.refusal(own) == ""


def test_what_was_there_before_may_stay_and_grow_no_worse(policy: Policy) -> None:
    toleration = {"key": "old", "operator": "Exists"}
    made_before = {
        "daemon": {"image": "docker:28", "args": ["--mtu=1"], "config": {"mtu": 1, "debug": True}},
        "scheduling": {"tolerations": [toleration]},
    }
    policy.set({})
    policy.wait_acceptance(made_before)
    policy.space.create("before", made_before)
    policy.set({"images": [], "daemonArgs": [], "daemonConfig": [], "tolerations": [], "maxResources": HIGHEST})
    policy.wait_refusal({"daemon": {"image": "docker:28"}})
    fine: list[Object] = [
        {"operatingMode": "Suspended"},
        {"daemon": {"config": {"debug": None}}},
        {"daemon": {"resources": {"requests": {"cpu": "1"}}}},
        {"operatingMode": "Running"},
    ]
    worse: list[Object] = [
        {"daemon": {"image": "docker:27"}},
        {"daemon": {"args": ["--mtu=1", "--icc=true"]}},
        {"daemon": {"config": {"mtu": 2}}},
        {"scheduling": {"tolerations": [toleration, {"operator": "Exists"}]}},
        {"daemon": {"resources": {"limits": {"cpu": "9"}}}},
    ]
    for change in fine:
        policy.space.change(change, "before")
    for change in worse:
        with pytest.raises(ApiError) as refused:
            policy.space.change(change, "before")
        assert "is not allowed" in sentence(refused.value) or "is above" in sentence(refused.value)
    better = {"daemon": {"image": None, "args": []}, "scheduling": {"tolerations": []}}
    policy.space.change(better, "before")
    with pytest.raises(ApiError):
        policy.space.change({"daemon": {"image": "docker:28"}}, "before")
    policy.space.remove("before")


def test_the_largest_policy_and_the_largest_environment_are_within_the_budget_of_cost(policy: Policy) -> None:
    def entries(start: str, rest: str = "") -> list[str]:
        return [f"{start}{number:02}{'x' * (128 - len(start) - 2 - len(rest))}{rest}" for number in range(24)]

    rules: Object = {
        "images": entries("registry.test/", "/*"),
        "runtimeClasses": ["", *entries("r")[1:]],
        "tolerations": entries("k", ":NoSchedule")[:1] + ["a=b"] + [f"k{n}={'v' * 63}:NoExecute" for n in range(22)],
        "priorityClasses": entries("p"),
        "daemonArgs": entries("--f"),
        "daemonConfig": entries("k"),
        "nodeSelector": {f"label-{number}": "v" * 63 for number in range(24)},
        "maxResources": {f"example.com/{number}": "9" for number in range(24)},
        "modes": ["Privileged"],
        "disruptionPolicies": ["Allow"],
        "cloudMetadata": ["Closed"],
        "maxTtl": "365d",
        "requireTtl": True,
        "namespaces": [*entries("n", "*")[1:], policy.space.name],
    }
    spec: Object = {
        "daemon": {
            "image": f"{rules['images'][-1][:-1]}{'i' * 380}",
            "args": [f"{rules['daemonArgs'][-1]}={'v' * 800}"] * 64,
            "config": dict.fromkeys(rules["daemonConfig"], "v" * 100),
            "resources": {"limits": {"example.com/0": "9"}},
        },
        "scheduling": {
            "nodeSelector": rules["nodeSelector"],
            "tolerations": [{"key": "a", "value": "b", "effect": "NoExecute"}] * 32,
            "priorityClassName": rules["priorityClasses"][-1],
        },
        "lifetime": {"ttl": "525600m"},
    }
    policy.set(rules)
    broken = "spec.daemon.resources.limits.example.com/1 is not set"
    until(lambda: policy.refusal(spec).startswith(broken), broken, instead=lambda: policy.refusal(spec))
    policy.set({**rules, "maxResources": {"example.com/0": "9"}})
    policy.wait_acceptance(spec)
    long = merged(spec, {"daemon": {"image": "i" * 512}})
    assert [policy.wait_refusal(long)] == of_the_operator(policy.space, long, rules | {"maxResources": {}})


FORBIDDING = {"modes": ["UserNamespace"]}


def test_the_operator_makes_no_pod_for_what_was_made_before_the_policy(
    start: Operators, space: Space, kubelet: Kubelet
) -> None:
    """There is no admission policy in this namespace. The same environment has its pod without the operator's rules."""
    first = start(guard_rails=FORBIDDING, resync_seconds=OFTEN).wait_ready()
    space.create()
    told = space.wait_told("PolicyViolation")
    assert [told["message"]] == of_the_operator(space, {}, FORBIDDING)
    patches = len(first.proxy.writes())
    first.wait_resyncs(2)
    assert len(first.proxy.writes()) == patches, "it is told once"
    assert space.pod() is None
    assert space.api.get(f"{space.path}/secrets/one-ca") is None, "nor anything else"
    first.stop()
    start().wait_ready()
    kubelet.run(space.wait_pod())
    space.wait_reason("Ready")
    assert space.api.get(f"{space.path}/secrets/one-ca") is not None


def test_a_daemon_that_runs_when_the_policy_comes_runs_on_and_is_not_made_again(
    start: Operators, space: Space, kubelet: Kubelet
) -> None:
    first = start().wait_ready()
    space.create()
    pod = kubelet.run(space.wait_pod())
    space.wait_reason("Ready")
    first.stop()
    start(guard_rails=FORBIDDING).wait_ready()
    space.wait_reason("PolicyViolation", kind="UpToDate")
    assert space.condition()["status"] == "True"
    same = space.pod()
    assert same is not None
    assert (same["metadata"]["uid"], same["metadata"].get("deletionTimestamp")) == (pod["metadata"]["uid"], None)
    space.delete_pod()
    kubelet.finish(space.wait_going())
    space.wait_reason("PolicyViolation")
    assert space.pod() is None
    space.change({"operatingMode": "Suspended"})
    space.wait_reason("Suspended")
    space.change({"operatingMode": "Running"})
    space.wait_reason("PolicyViolation")
