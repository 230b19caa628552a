"""The installation's policy on a real API server: each rule refuses, with the sentence that the operator has, and only it.

The admission policy is the chart's, bound to a test's namespace only.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from tests.helm import Helm, merged
from tests.integration.environments.conftest import Operators
from tests.integration.harness.kubelet import Kubelet
from tests.integration.harness.policy import KIND, Policy, put_all, sentence
from tests.integration.harness.running import OFTEN
from tests.integration.harness.space import Space, open_space
from tests.kube.api import Api
from tests.kube.client import ApiError, Object
from tests.policy_cases import CASES, HIGHEST, Case

from dind_operator.api.environment import DindEnvironment
from dind_operator.features.policy.rules import PolicyRules, violations

# The policies of all cases are made once, by the one worker that runs this file.
pytestmark = pytest.mark.xdist_group("policy")


def of_the_operator(space: Space, spec: Object, rules: Object) -> list[str]:
    """What the operator's own rules say."""
    metadata = {"name": "probe", "namespace": space.name, "uid": "u"}
    environment = DindEnvironment.from_dict({**KIND, "metadata": metadata, "spec": spec})
    return violations(environment, PolicyRules.model_validate(rules), "dind")


@dataclass(frozen=True)
class Ruled:
    """A policy for each set of rules that a case has, and one without rules."""

    free: Policy
    by_case: dict[str, Policy]
    # Environments with what each case refuses, made before there was a policy: names by the case's.
    before: dict[str, str]


@pytest.fixture(scope="module")
def ruled(served: Api, helm: Helm) -> Iterator[Ruled]:
    """All at once, in a namespace each: how long the API server takes for a policy does not depend on how many there are."""
    with ExitStack() as stack:

        def policy(rules: Object) -> Policy:
            made = Policy(helm, stack.enter_context(open_space(served)), rules)
            stack.callback(made.take_away)
            return made

        by_rules: dict[str, Policy] = {}
        by_case = {}
        before = {}
        for number, case in enumerate(CASES):
            rules = {case.rule: case.allowed}
            key = json.dumps(rules)
            by_rules[key] = by_case[case.name] = by_rules.get(key) or policy(rules)
            before[case.name] = f"before-{number}"
            by_case[case.name].space.create(before[case.name], case.bad)
        free = policy({})
        put_all([free, *by_rules.values()])
        yield Ruled(free, by_case, before)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_rule_refuses_in_the_operators_words_and_nothing_else(ruled: Ruled, case: Case) -> None:
    policy = ruled.by_case[case.name]
    (told,) = of_the_operator(policy.space, case.bad, {case.rule: case.allowed})
    assert policy.refusal(case.bad) == told
    assert policy.refusal(case.good) == ""
    assert ruled.free.refusal(case.bad) == "", "it is refused without the rule, too"
    # Made before the policy: nobody is locked out of it.
    name = ruled.before[case.name]
    policy.space.change({"operatingMode": "Suspended", "updatePolicy": "OnDelete"}, name)
    policy.space.remove(name)
    assert policy.space.environment(name) is None


def test_the_namespaces_that_may(served: Api, helm: Helm) -> None:
    with open_space(served) as one, open_space(served) as two, open_space(served) as three:
        refused = Policy(helm, one, {"namespaces": ["builds", "ci-*"]})
        fine = [
            Policy(helm, two, {"namespaces": ["builds", two.name]}),
            Policy(helm, three, {"namespaces": ["builds", f"{three.name[:1]}*"]}),
        ]
        put_all([refused, *fine])
        assert [refused.refusal({})] == of_the_operator(one, {}, refused.rules)
        assert [policy.refusal({}) for policy in fine] == ["", ""]
        for policy in (refused, *fine):
            policy.take_away()


def test_folders_of_nodes_are_refused_when_they_are_written(served: Api, helm: Helm) -> None:
    def folder(path: str) -> Object:
        return {"storage": {"hostPath": {"path": path}}}

    with open_space(served) as one, open_space(served) as two:
        none = Policy(helm, one)
        some = Policy(helm, two, hostPath={"allowedPrefixes": ["/mnt/x", "/srv/dind"]})
        put_all([none, some])
        assert none.refusal({}) == ""
        assert none.refusal(folder("/srv/dind/a")).startswith(
            "spec.storage.hostPath.path /srv/dind/a is not allowed: this installation does not allow directories of nodes."
        )
        assert some.refusal(folder("/srv/dind/a")) == ""
        for elsewhere in ("/etc/a", "/srv/dind/a/b", "/srv/dind", "/srv/dind-2/a"):
            assert "this installation allows only directories directly below /mnt/x, /srv/dind." in some.refusal(
                folder(elsewhere)
            )
        none.take_away()
        some.take_away()


def test_service_accounts_are_refused_when_they_are_written(served: Api, helm: Helm) -> None:
    def of(account: str) -> Object:
        return {"security": {"serviceAccountName": account}}

    with open_space(served) as one, open_space(served) as two:
        none = Policy(helm, one)
        some = Policy(helm, two, allowedServiceAccounts=["pusher", "ci-*"])
        put_all([none, some])
        told = "spec.security.serviceAccountName deployer is not allowed: this installation allows "
        assert none.refusal(of("default")) == ""
        assert none.refusal(of("deployer")).startswith(f"{told}no service account other than default. Ask an")
        for account in ("default", "pusher", "ci-a"):
            assert some.refusal(of(account)) == ""
        assert some.refusal(of("deployer")).startswith(f"{told}only pusher, ci-*. Choose such a service account")
        for account in ("pusher-2", "ci"):
            assert f"serviceAccountName {account} is not allowed" in some.refusal(of(account))
        none.take_away()
        some.take_away()


def later(**units: int) -> str:
    return (datetime.now(UTC) + timedelta(**units)).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.fixture
def policy(space: Space, helm: Helm) -> Iterator[Policy]:
    """Not there before `put`."""
    made = Policy(helm, space)
    yield made
    made.take_away()


def put(policy: Policy, rules: Object) -> None:
    policy.rules = rules
    put_all([policy])


def test_an_extension_ends_where_the_longest_time_to_live_does(policy: Policy) -> None:
    """On a new environment, by its owner later, and in forms that only the operator would understand."""
    spec: Object = {"lifetime": {"ttl": "1h"}}
    made = policy.space.create("extended", spec)
    old = policy.space.create("old", spec)
    policy.space.extend(later(days=400), "extended")
    policy.space.extend(later(days=400), "old")
    put(policy, {"maxTtl": "7d"})
    assert policy.refusal({"lifetime": {"ttl": "8d"}}) != ""
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
        rules = PolicyRules.model_validate({"maxTtl": "7d"})
        assert [sentence(error.value)] == violations(DindEnvironment.from_dict(asked), rules, "dind")
    policy.space.extend(latest.strftime("%Y-%m-%dT%H:%M:%SZ"), "extended")
    with pytest.raises(ApiError):
        policy.space.extend((latest + timedelta(seconds=1)).strftime("%Y-%m-%dT%H:%M:%SZ"), "extended")
    # What stood there before stays, and can be taken away.
    assert policy.space.change({"operatingMode": "Suspended"}, "old")["metadata"]["uid"] == old["metadata"]["uid"]
    policy.space.extend(None, "old")


def test_a_demanded_time_to_live_cannot_be_taken_away(policy: Policy) -> None:
    policy.space.create("lasting")
    policy.space.create("ending", {"lifetime": {"ttl": "1h", "idleTimeout": "1h"}})
    put(policy, {"requireTtl": True})
    assert policy.refusal({}) != ""
    policy.space.change({"operatingMode": "Suspended"}, "lasting")
    policy.space.change({"lifetime": {"ttl": "2h"}}, "ending")
    with pytest.raises(ApiError) as refused:
        policy.space.change({"lifetime": {"ttl": None}}, "ending")
    assert sentence(refused.value).startswith(
        "spec.lifetime.ttl is not set, but the policy of this installation requires it"
    )


def test_taken_away_and_brought_back_it_has_the_new_rules(policy: Policy) -> None:
    """As uninstalling and installing does. With a ConfigMap for its parameters the API server would not see them again."""
    docker, own = ({"daemon": {"image": image}} for image in ("docker:28", "registry.test/own:1"))
    put(policy, {"images": ["docker:28"]})
    assert policy.refusal(own) != ""
    policy.take_away()
    policy.wait_acceptance(own)
    put(policy, {"images": ["registry.test/own:1"]})
    assert policy.refusal(docker) != ""
    assert policy.refusal(own) == ""


def test_an_upgrade_changes_the_rules(policy: Policy) -> None:
    docker, own = ({"daemon": {"image": image}} for image in ("docker:28", "registry.test/own:1"))
    put(policy, {"images": ["docker:28"]})
    assert policy.refusal(own) != ""
    policy.set({"images": ["registry.test/own:1"]})
    policy.wait_refusal(docker)
    assert policy.refusal(own) == ""
    policy.set({})
    policy.wait_acceptance(docker)


def test_what_was_there_before_may_stay_and_grow_no_worse(policy: Policy) -> None:
    toleration = {"key": "old", "operator": "Exists"}
    made_before = {
        "daemon": {"image": "docker:28", "args": ["--mtu=1"], "config": {"mtu": 1, "debug": True}},
        "scheduling": {"tolerations": [toleration]},
    }
    policy.space.create("before", made_before)
    put(policy, {"images": [], "daemonArgs": [], "daemonConfig": [], "tolerations": [], "maxResources": HIGHEST})
    assert policy.refusal({"daemon": {"image": "docker:28"}}) != ""
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


def test_the_largest_policy_and_the_largest_environment_are_within_the_budget_of_cost(
    policy: Policy, served: Api, helm: Helm
) -> None:
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
        "podMetadata": entries("d", "/*"),
        "sysctls": [f"net.{entry}.*" for entry in (f"s{n:02}{'x' * 119}" for n in range(24))],
        "nameResolution": ["hostAliases", "dnsPolicy", "dnsConfig"],
        "disruptionPolicies": ["Allow"],
        "cloudMetadata": ["Closed"],
        "maxGracePeriod": "2h",
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
        "security": {
            "sysctls": [{"name": f"{rules['sysctls'][-1][:-1]}n{number}", "value": "1"} for number in range(16)],
        },
        "network": {
            "hostAliases": [{"ip": f"10.0.0.{number}", "hostnames": ["a"] * 16} for number in range(32)],
            "dnsPolicy": "None",
            "dnsConfig": {"nameservers": ["10.0.0.1"], "searches": ["s" * 253] * 32},
        },
        "podMetadata": {
            "labels": {f"{rules['podMetadata'][-1][:-1]}l{number}": "v" * 63 for number in range(32)},
            "annotations": {f"{rules['podMetadata'][-1][:-1]}a{number}": "v" * 4096 for number in range(32)},
        },
    }
    policy.rules = rules
    with open_space(served) as space:
        kept = Policy(helm, space, {**rules, "namespaces": [*rules["namespaces"][:-1], space.name]})
        kept.rules["maxResources"] = {"example.com/0": "9"}
        put_all([policy, kept])
        assert policy.refusal(spec).startswith("spec.daemon.resources.limits.example.com/1 is not set")
        assert kept.refusal(spec) == ""
        long = merged(spec, {"daemon": {"image": "i" * 512}})
        assert [kept.refusal(long)] == of_the_operator(space, long, kept.rules | {"maxResources": {}})
        kept.take_away()


FORBIDDING = {"modes": ["UserNamespace"]}


def test_the_operator_makes_no_pod_for_what_was_made_before_the_policy(
    start: Operators, space: Space, kubelet: Kubelet
) -> None:
    """There is no admission policy in this namespace. The same environment has its pod without the operator's rules."""
    first = start(policy_rules=FORBIDDING, resync_seconds=OFTEN).wait_ready()
    space.create()
    told = space.wait_told("PolicyViolation")
    assert [told["message"]] == of_the_operator(space, {}, FORBIDDING)

    def written() -> list[tuple[str, str]]:
        # There are environments of other tests that these rules forbid, too.
        return [(call.verb, call.resource) for call in first.proxy.writes() if call.namespace == space.name]

    before = written()
    first.wait_resyncs(2)
    assert written() == before, "it is told once"
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
    start(policy_rules=FORBIDDING).wait_ready()
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
