"""The installation's policy on a real API server: each rule refuses, with the sentence that the operator has, and only it.

The admission policy is the chart's, bound to the test's namespace only. Its parameters are changed under it, as an upgrade does.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.cluster.tools import tool
from tests.helm import NAMESPACE, Helm, Manifests, merged
from tests.integration.environments.conftest import Operators, open_space
from tests.integration.harness.api import Api, ApiError, Object, environments
from tests.integration.harness.kubelet import Kubelet
from tests.integration.harness.running import OFTEN
from tests.integration.harness.space import Space
from tests.integration.harness.waiting import until
from tests.policy_cases import CASES, HIGHEST, Case

from dind_operator.api.environment import DindEnvironment
from dind_operator.build.guardrails import GuardRails, violations

ADMISSION = "/apis/admissionregistration.k8s.io/v1"
CONFIG_MAPS = f"/api/v1/namespaces/{NAMESPACE}/configmaps"
NAME = "dind-operator-policy"
KIND = {"apiVersion": "dind.dev/v1alpha1", "kind": "DindEnvironment"}


class Policy:
    """The chart's policy, in force in one namespace."""

    def __init__(self, helm: Helm, space: Space) -> None:
        self.api = space.api
        self.space = space
        self._helm = helm

    def rendered(self, rules: Object, **values: Any) -> Manifests:
        return self._helm.template({"policy": {"enabled": True, "rules": rules}, **values})

    def install(self) -> None:
        manifests = self.rendered({})
        binding = manifests.one("ValidatingAdmissionPolicyBinding")
        here = {"matchLabels": {"kubernetes.io/metadata.name": self.space.name}}
        binding["spec"]["matchResources"] = {"namespaceSelector": here}
        self.api.create(CONFIG_MAPS, manifests.one("ConfigMap"))
        self.api.create(f"{ADMISSION}/validatingadmissionpolicies", manifests.one("ValidatingAdmissionPolicy"))
        self.api.create(f"{ADMISSION}/validatingadmissionpolicybindings", binding)

    def remove(self) -> None:
        self.api.delete(f"{ADMISSION}/validatingadmissionpolicybindings/{NAME}")
        self.api.delete(f"{ADMISSION}/validatingadmissionpolicies/{NAME}")
        self.api.delete(f"{CONFIG_MAPS}/{NAME}")

    def set(self, rules: Object, **values: Any) -> None:
        """New parameters, as an upgrade writes them; nulls take away what was there."""
        data = self.rendered(rules, **values).one("ConfigMap")["data"]
        old = (self.api.get(f"{CONFIG_MAPS}/{NAME}") or {}).get("data") or {}
        self.api.patch(f"{CONFIG_MAPS}/{NAME}", {"data": dict.fromkeys(old) | data})

    def refusal(self, spec: Object) -> str:
        """The policy's sentence on a new environment; empty if it is accepted. Nothing is made."""
        try:
            self.api.create(f"{environments(self.space.name)}?dryRun=All", manifest(spec))
        except ApiError as error:
            return sentence(error)
        return ""

    def wait_refusal(self, spec: Object) -> str:
        """Parameters reach the API server a moment after they are written."""
        return until(lambda: self.refusal(spec), f"the refusal of {spec}")

    def wait_acceptance(self, spec: Object) -> None:
        until(lambda: not self.refusal(spec), f"{spec} being accepted", instead=lambda: self.refusal(spec))


def manifest(spec: Object, name: str = "probe") -> Object:
    return {**KIND, "metadata": {"name": name}, "spec": spec}


def sentence(error: ApiError) -> str:
    said: str = json.loads(error.text)["message"]
    assert error.code == 403, said
    assert NAME in said
    return said.partition("denied request: ")[2]


def of_the_operator(space: Space, spec: Object, rules: Object) -> list[str]:
    """What the operator's own rules say."""
    metadata = {"name": "probe", "namespace": space.name, "uid": "u"}
    environment = DindEnvironment.from_dict({**KIND, "metadata": metadata, "spec": spec})
    return violations(environment, GuardRails.model_validate(rules), "dind")


@pytest.fixture(scope="module")
def policy(api: Api, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Policy]:
    with open_space(api) as space:
        made = Policy(Helm(tool("helm3"), 3, tmp_path_factory.mktemp("helm")), space)
        made.install()
        yield made
        made.remove()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_rule_refuses_in_the_operators_words_and_nothing_else(policy: Policy, case: Case) -> None:
    rules = {case.rule: case.allowed}
    policy.set({})
    policy.wait_acceptance(case.bad)
    before = policy.space.create("before", case.bad)
    policy.set(rules)
    told = policy.wait_refusal(case.bad)
    assert [told] == of_the_operator(policy.space, case.bad, rules)
    assert policy.refusal(case.good) == ""
    # Made before the policy: nobody is locked out of it.
    policy.space.change({"operatingMode": "Suspended", "updatePolicy": "OnDelete"}, "before")
    policy.space.remove("before")
    until(lambda: policy.space.environment("before") is None, f"{before['metadata']['name']} being deleted")


def test_the_namespaces_that_may(policy: Policy) -> None:
    policy.set({"namespaces": ["builds", "ci-*"]})
    told = policy.wait_refusal({})
    assert [told] == of_the_operator(policy.space, {}, {"namespaces": ["builds", "ci-*"]})
    for fine in (policy.space.name, f"{policy.space.name[:1]}*"):
        policy.set({"namespaces": ["builds", fine]})
        policy.wait_acceptance({})


def test_folders_of_nodes_are_refused_when_they_are_written(policy: Policy) -> None:
    def folder(path: str) -> Object:
        return {"storage": {"hostPath": {"path": path}}}

    policy.set({})
    told = policy.wait_refusal(folder("/srv/dind/a"))
    assert told.startswith(
        "spec.storage.hostPath.path is /srv/dind/a, and this installation allows no folders of nodes."
    )
    policy.set({}, hostPath={"allowedPrefixes": ["/mnt/x", "/srv/dind"]})
    policy.wait_acceptance(folder("/srv/dind/a"))
    for elsewhere in ("/etc/a", "/srv/dind/a/b", "/srv/dind", "/srv/dind-2/a"):
        assert "Choose a folder directly below one of: /mnt/x, /srv/dind" in policy.refusal(folder(elsewhere))


def test_without_its_parameters_nothing_is_let_through(policy: Policy) -> None:
    policy.set({})
    policy.wait_acceptance({})
    kept = policy.api.call("GET", f"{CONFIG_MAPS}/{NAME}")
    policy.api.delete(f"{CONFIG_MAPS}/{NAME}")

    def denied() -> bool:
        try:
            policy.api.create(f"{environments(policy.space.name)}?dryRun=All", manifest({}))
        except ApiError as error:
            return error.code in (403, 422) and NAME in error.text
        return False

    until(denied, "everything being denied")
    policy.api.create(CONFIG_MAPS, {"metadata": {"name": NAME}, "data": kept["data"]})
    policy.wait_acceptance({})


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
    }
    policy.set(rules)
    told = until(lambda: policy.refusal(spec), "the one rule that it breaks")
    assert told.startswith("spec.daemon.resources.limits.example.com/1 is not set")
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
    first.stop()
    start().wait_ready()
    kubelet.run(space.wait_pod())
    space.wait_reason("Ready")


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
