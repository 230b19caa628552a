"""Rights are an exact list: a rule more is a hole, a rule less is an operator that waits for ever without a word."""

from collections.abc import Iterator
from typing import Any

from tests import rights
from tests.helm import NAMESPACE, RELEASE, Helm, Manifests

from dind_operator.manager.leader_election import LEASE_NAME

Rule = tuple[str, str, tuple[str, ...]]

OPERATOR: set[Rule] = {
    ("dind.dev", "dindenvironments", ("delete", "get", "list", "watch")),
    ("dind.dev", "dindenvironments/status", ("patch",)),
    ("dind.dev", "dindenvironments/finalizers", ("update",)),
    ("", "pods", ("create", "delete", "get", "list", "patch", "watch")),
    ("", "pods/log", ("get",)),
    ("", "secrets", ("create", "delete", "get", "update")),
    ("", "services", ("create", "delete", "get", "update")),
    ("networking.k8s.io", "networkpolicies", ("create", "delete", "get", "update")),
    ("", "events", ("create", "patch")),
    ("policy", "poddisruptionbudgets", ("create", "delete", "get", "update")),
    ("", "namespaces", ("list", "watch")),
    ("", "nodes", ("get",)),
    ("apiextensions.k8s.io", "customresourcedefinitions", ("list", "watch")),
}
LEASE: set[Rule] = {
    ("coordination.k8s.io", "leases", ("get", "patch", "update")),
    ("coordination.k8s.io", "leases", ("create",)),
}
READ = ("get", "list", "watch")
WRITE = ("create", "delete", "get", "list", "patch", "update", "watch")
USERS: dict[str, set[Rule]] = {
    "dind-environment-view": {
        ("dind.dev", "dindenvironments", READ),
        ("dind.dev", "dindenvironments/status", READ),
    },
    "dind-environment-use": {
        ("dind.dev", "dindenvironments", READ),
        ("", "pods", READ),
        ("", "pods/log", ("get",)),
        ("", "pods/exec", ("create", "get")),
        ("", "pods/portforward", ("create", "get")),
        ("", "events", READ),
        ("", "namespaces", ("get",)),
    },
    "dind-environment-edit": {
        ("dind.dev", "dindenvironments", WRITE),
        ("dind.dev", "dindenvironments/status", ("get",)),
    },
    "dind-environment-admin": {
        ("dind.dev", "dindenvironments", tuple(sorted((*WRITE, "deletecollection")))),
        ("dind.dev", "dindenvironments/status", ("get",)),
    },
}
ACCOUNT = f"{RELEASE}-account"
AGGREGATE = "rbac.authorization.k8s.io/aggregate-to-"


def rules(role: dict[str, Any]) -> list[Rule]:
    return [
        (group, resource, tuple(sorted(rule["verbs"])))
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    ]


def roles(manifests: Manifests) -> Iterator[dict[str, Any]]:
    yield from manifests.of("ClusterRole")
    yield from manifests.of("Role")


def aggregations(manifests: Manifests) -> set[tuple[str, str]]:
    return {
        (role["metadata"]["name"].removeprefix("dind-environment-"), label.removeprefix(AGGREGATE))
        for role in manifests.of("ClusterRole")
        for label, value in role["metadata"]["labels"].items()
        if label.startswith(AGGREGATE) and value == "true"
    }


def test_operator_has_exactly_these_rights_in_the_cluster(defaults: Manifests) -> None:
    found = rules(defaults.one("ClusterRole", RELEASE))
    assert len(found) == len(set(found))
    assert set(found) == OPERATOR


def test_operator_has_the_lease_in_its_own_namespace_only(defaults: Manifests) -> None:
    role = defaults.one("Role")
    assert role["metadata"]["namespace"] == NAMESPACE
    assert set(rules(role)) == LEASE
    assert [rule.get("resourceNames") for rule in role["rules"]] == [[LEASE_NAME], None]


def test_no_lease_rights_without_leader_election(helm: Helm) -> None:
    manifests = helm.template({"leaderElection": {"enabled": False}})
    assert not manifests.of("Role")
    assert not manifests.of("RoleBinding")


def test_pod_logs_are_not_granted_when_they_are_not_read(helm: Helm) -> None:
    found = set(rules(helm.template({"readPodLogs": False}).one("ClusterRole", RELEASE)))
    assert found == {rule for rule in OPERATOR if rule[1] != "pods/log"}


def test_without_endpoints_there_is_no_right_on_secrets_at_all(helm: Helm) -> None:
    manifests = helm.template({"endpoints": {"enabled": False}})
    assert set(rules(manifests.one("ClusterRole", RELEASE))) == {rule for rule in OPERATOR if rule[1] != "secrets"}
    assert [rule for role in roles(manifests) for rule in rules(role) if rule[1] == "secrets"] == []


WRITES = {"create": "CREATE", "update": "UPDATE", "patch": "UPDATE", "delete": "DELETE", "deletecollection": "DELETE"}
FREE = {
    # The status of every environment is the operator's to write.
    "dindenvironments/status",
    # No request is made with it: an admission plugin asks for it.
    "dindenvironments/finalizers",
}


def test_every_right_to_write_is_under_the_policy_for_the_account(defaults: Manifests) -> None:
    """What it refuses is in tests/integration/environments/test_account.py."""
    spec = defaults.one("ValidatingAdmissionPolicy", ACCOUNT)["spec"]
    covered = {
        (group, resource, operation)
        for rule in spec["matchConstraints"]["resourceRules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for operation in rule["operations"]
    }
    granted = rules(defaults.one("ClusterRole", RELEASE)) + rules(defaults.one("Role"))
    writes = {
        (group, resource, WRITES[verb])
        for group, resource, verbs in granted
        for verb in verbs
        if verb in WRITES and resource not in FREE
    }
    assert writes <= covered
    assert {entry[:2] for entry in covered} == {entry[:2] for entry in writes}


def test_the_policy_is_for_the_operators_account_alone_and_fails_closed(helm: Helm, defaults: Manifests) -> None:
    spec = defaults.one("ValidatingAdmissionPolicy", ACCOUNT)["spec"]
    assert spec["failurePolicy"] == "Fail"
    assert [condition["expression"] for condition in spec["matchConditions"]] == [
        f"request.userInfo.username == 'system:serviceaccount:{NAMESPACE}:{RELEASE}'"
    ]
    assert defaults.one("ValidatingAdmissionPolicyBinding", ACCOUNT)["spec"] == {
        "policyName": ACCOUNT,
        "validationActions": ["Deny"],
    }
    mine = helm.template({"serviceAccount": {"create": False, "name": "mine"}})
    assert f"system:serviceaccount:{NAMESPACE}:mine'" in str(mine.one("ValidatingAdmissionPolicy", ACCOUNT))


def test_the_namespaces_of_pods_are_restricted_as_the_operator_restricts_itself(
    helm: Helm, defaults: Manifests
) -> None:
    every = helm.template({"requireNamespaceLabel": False})
    assert "namespaceObject" in str(defaults.one("ValidatingAdmissionPolicy", ACCOUNT))
    assert "namespaceObject" not in str(every.one("ValidatingAdmissionPolicy", ACCOUNT))


def test_the_policy_for_the_account_can_be_left_out(helm: Helm, defaults: Manifests) -> None:
    off = helm.template({"serviceAccount": {"admissionPolicy": False}})
    assert [item for item in off if item["kind"].startswith("ValidatingAdmissionPolicy")] == []
    assert defaults.one("ValidatingAdmissionPolicy", ACCOUNT)


def test_user_roles_have_exactly_these_rights(defaults: Manifests) -> None:
    assert {name: set(rules(defaults.one("ClusterRole", name))) for name in USERS} == USERS


def test_no_rule_has_a_wildcard_nobody_lists_secrets_and_only_users_may_exec(helm: Helm) -> None:
    everything = helm.template(
        {
            "replicas": 2,
            "userRoles": {"aggregateToEdit": True, "aggregateToAdmin": True},
            "networkPolicy": {"enabled": True},
        }
    )
    found = [(role["metadata"]["name"], *rule) for role in roles(everything) for rule in rules(role)]
    assert len(found) > len(OPERATOR)
    for name, group, resource, verbs in found:
        assert "*" not in group + resource + "".join(verbs)
        assert resource not in {"pods/attach", "nodes/proxy", "pods/ephemeralcontainers"}
        assert resource not in {"pods/exec", "pods/portforward"} or name == "dind-environment-use"
        # Whoever may list or watch Secrets has all of the cluster's at once.
        assert resource != "secrets" or (name == RELEASE and not set(verbs) & {"list", "watch", "deletecollection"})
        assert not set(verbs) & {"bind", "escalate", "impersonate"}
    assert not [role for role in roles(everything) if "aggregationRule" in role]


def test_only_reading_joins_a_built_in_role_by_default(defaults: Manifests) -> None:
    assert aggregations(defaults) == {("view", "view")}


def test_writing_joins_edit_and_admin_when_asked(helm: Helm) -> None:
    asked = {"aggregateToView": False, "aggregateToEdit": True, "aggregateToAdmin": True}
    assert aggregations(helm.template({"userRoles": asked})) == {("edit", "edit"), ("admin", "admin")}


def test_user_roles_can_be_left_out(helm: Helm) -> None:
    names = {role["metadata"]["name"] for role in helm.template({"userRoles": {"create": False}}).of("ClusterRole")}
    assert names == {RELEASE}


def test_bindings_name_the_operators_account_and_nobody_else(defaults: Manifests) -> None:
    account = defaults.one("ServiceAccount", RELEASE)["metadata"]
    bindings = defaults.of("ClusterRoleBinding") + defaults.of("RoleBinding")
    assert len(bindings) == 2
    for binding in bindings:
        assert binding["subjects"] == [
            {"kind": "ServiceAccount", "name": account["name"], "namespace": account["namespace"]}
        ]
        assert defaults.one(binding["roleRef"]["kind"], binding["roleRef"]["name"])


def test_an_existing_account_is_used_and_bound(helm: Helm) -> None:
    manifests = helm.template({"serviceAccount": {"create": False, "name": "mine"}})
    assert [account["metadata"]["name"] for account in manifests.of("ServiceAccount")] == [f"{RELEASE}-test"]
    assert manifests.one("Deployment")["spec"]["template"]["spec"]["serviceAccountName"] == "mine"
    assert manifests.one("ClusterRoleBinding")["subjects"][0]["name"] == "mine"


def test_the_account_of_helm_test_is_bound_to_nothing(defaults: Manifests) -> None:
    name = defaults.one("Pod")["spec"]["serviceAccountName"]
    assert name == f"{RELEASE}-test"
    bound = [
        subject["name"]
        for binding in defaults.of("ClusterRoleBinding") + defaults.of("RoleBinding")
        for subject in binding["subjects"]
    ]
    assert name not in bound


def test_the_documented_rights_are_those_of_the_chart(helm4: Helm) -> None:
    text = rights.PAGE.read_text()
    assert rights.page(text, helm4.template()) == text, "`make docs` writes them"
    assert "| `secrets` | get, create, update, delete |" in text
