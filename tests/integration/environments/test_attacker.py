"""Somebody who may create environments in one namespace and nothing else: what he reaches for, and what stops him.

He has a real token and the chart's role dind-environment-edit. What is refused is shown to be possible without its guard.
Root on the node, in mode Privileged, is not among it: whoever may create environments has that (docs/policy.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.cluster.controlplane import ControlPlane
from tests.helm import NAMESPACE, RELEASE, Helm, Manifests
from tests.integration.environments.conftest import Operators
from tests.integration.harness.paths import RBAC, environments, pods
from tests.integration.harness.policy import BINDINGS, KIND, POLICIES, Policy, put_all, sentence
from tests.integration.harness.running import RunningOperator, kubeconfig
from tests.integration.harness.space import Space, open_space
from tests.kube.api import Api
from tests.kube.client import ApiError, Object
from tests.kube.eventually import eventually

EDIT = "dind-environment-edit"
CONTROL_PLANE = "node-role.kubernetes.io/control-plane"
TOLERATING = {"scheduling": {"tolerations": [{"key": CONTROL_PLANE, "operator": "Exists"}]}}


class Attacker:
    """A service account of a space, with the role that makes environments."""

    def __init__(self, plane: ControlPlane, space: Space) -> None:
        accounts = f"{space.path}/serviceaccounts"
        space.api.create(accounts, {"metadata": {"name": "attacker"}})
        self.bind(space, EDIT)
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
        token = space.api.create(f"{accounts}/attacker/token", request)["status"]["token"]
        self.api = Api(kubeconfig(plane.url, plane.ca, token))
        self.space = space
        eventually(lambda: self.code("GET", environments(space.name)) == 200, "the role being in force")

    @staticmethod
    def bind(space: Space, role: str) -> None:
        subject = {"kind": "ServiceAccount", "name": "attacker", "namespace": space.name}
        reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role}
        body = {"metadata": {"generateName": "attacker-"}, "roleRef": reference, "subjects": [subject]}
        space.api.create(f"{RBAC}/namespaces/{space.name}/rolebindings", body)

    def code(self, method: str, path: str, body: Object | None = None) -> int:
        """The HTTP code of an attempt; 200 for whatever succeeds."""
        try:
            self.api.call(method, path, body)
        except ApiError as error:
            return error.code
        return 200

    def create(self, spec: Object, name: str = "one", namespace: str | None = None, *, query: str = "") -> Object:
        """An environment. Raises ApiError."""
        body = {**KIND, "metadata": {"name": name}, "spec": spec}
        return self.api.create(environments(namespace or self.space.name) + query, body)

    def refused(self, spec: Object) -> str:
        """The API server's answer to an environment that must not be."""
        with pytest.raises(ApiError) as error:
            self.create(spec, query="?fieldValidation=Strict")
        return error.value.text


@pytest.fixture(scope="module", autouse=True)
def _role(api: Api, manifests: Manifests) -> Iterator[None]:
    api.create(f"{RBAC}/clusterroles", manifests.one("ClusterRole", EDIT))
    yield
    api.delete(f"{RBAC}/clusterroles/{EDIT}")


@pytest.fixture
def attacker(plane: ControlPlane, space: Space) -> Iterator[Attacker]:
    made = Attacker(plane, space)
    yield made
    made.api.close()


@pytest.fixture
def policy(space: Space, helm: Helm) -> Iterator[Policy]:
    """Of the attacker's namespace, and not there before it is put."""
    made = Policy(helm, space)
    yield made
    made.take_away()


# Another namespace's Secrets


def test_secrets_of_other_namespaces(operator: RunningOperator, attacker: Attacker, api: Api, space: Space) -> None:
    with open_space(api) as victim:
        secret = f"{victim.path}/secrets/login"
        api.create(f"{victim.path}/secrets", {"metadata": {"name": "login"}, "stringData": {"password": "p"}})
        assert attacker.code("GET", secret) == 403
        for elsewhere in (f"{victim.name}/login", f"../{victim.name}/login"):
            told = attacker.refused({"daemon": {"imagePullSecrets": [{"name": elsewhere}]}})
            assert "imagePullSecrets[0].name" in told
        told = attacker.refused({"daemon": {"imagePullSecrets": [{"name": "login", "namespace": victim.name}]}})
        assert 'unknown field \\"spec.daemon.imagePullSecrets[0].namespace\\"' in told
        # The same name means his own namespace, and no Secret is mounted but the environment's own certificate.
        attacker.create({"daemon": {"imagePullSecrets": [{"name": "login"}]}})
        pod = space.wait_pod()
        assert pod["metadata"]["namespace"] == space.name
        assert pod["spec"]["imagePullSecrets"] == [{"name": "login"}]
        kinds = sorted(next(iter(volume.keys() - {"name"})) for volume in pod["spec"]["volumes"])
        assert kinds == ["emptyDir"] * 3 + ["secret"]
        (mounted,) = (volume["secret"]["secretName"] for volume in pod["spec"]["volumes"] if "secret" in volume)
        owner = (api.get(f"{space.path}/secrets/{mounted}") or {})["metadata"]["ownerReferences"][0]
        assert (mounted, owner["kind"], owner["name"]) == ("one-server", "DindEnvironment", "one")
        assert "secretKeyRef" not in str(pod["spec"])
        # Without the guard, which is RBAC: a role that somebody binds to him there.
        rule = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}
        api.create(f"{RBAC}/namespaces/{victim.name}/roles", {"metadata": {"name": "leak"}, "rules": [rule]})
        subject = {"kind": "ServiceAccount", "name": "attacker", "namespace": space.name}
        reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "leak"}
        body = {"metadata": {"name": "leak"}, "roleRef": reference, "subjects": [subject]}
        api.create(f"{RBAC}/namespaces/{victim.name}/rolebindings", body)
        eventually(lambda: attacker.code("GET", secret) == 200, "the Secret being read")


def test_a_secret_of_his_own_namespace_by_the_name_of_an_environment(
    start: Operators, attacker: Attacker, api: Api, space: Space
) -> None:
    """He may not read it; a pod would mount a Secret of that name."""
    start(blocked_check_seconds=1).wait_ready()
    secret = f"{space.path}/secrets/vault-server"
    made = api.create(f"{space.path}/secrets", {"metadata": {"name": "vault-server"}, "stringData": {"key.pem": "k"}})
    assert attacker.code("GET", secret) == 403
    attacker.create({}, "vault")
    assert "Secret vault-server" in space.wait_reason("EndpointConflict", name="vault")["message"]
    assert space.pod("vault") is None
    assert api.get(secret) == made
    # Without what guards it, which is that it is there and not the environment's: a pod, with its own.
    api.delete(secret)
    space.wait_pod("vault")
    assert (api.get(secret) or {})["metadata"]["ownerReferences"][0]["kind"] == "DindEnvironment"


def test_an_extension_beyond_what_the_policy_allows(
    operator: RunningOperator, attacker: Attacker, policy: Policy, space: Space
) -> None:
    """The annotation is his to set: it is no part of the spec."""
    made = attacker.create({"lifetime": {"ttl": "1h"}})
    path = f"{environments(space.name)}/one"
    attacker.api.patch(path, {"metadata": {"annotations": {"dind.dev/extend-until": "2999-01-01T00:00:00Z"}}})
    attacker.api.patch(path, {"metadata": {"annotations": {"dind.dev/extend-until": None}}})
    policy.rules = {"maxTtl": "2h", "requireTtl": True}
    put_all([policy])
    with pytest.raises(ApiError) as refused:
        attacker.api.patch(path, {"metadata": {"annotations": {"dind.dev/extend-until": "2999-01-01T00:00:00Z"}}})
    assert "is later than" in sentence(refused.value)
    for spec in ({"lifetime": None}, {"lifetime": {"ttl": "365d"}}):
        with pytest.raises(ApiError):
            attacker.api.patch(path, {"spec": spec})
    assert (space.environment() or {})["spec"]["lifetime"] == made["spec"]["lifetime"]


# The nodes of the control plane


def test_the_control_planes_nodes_by_a_toleration(
    operator: RunningOperator, attacker: Attacker, policy: Policy, space: Space
) -> None:
    attacker.create(TOLERATING, "without")
    pod = space.wait_pod("without")
    assert CONTROL_PLANE in [item.get("key") for item in pod["spec"]["tolerations"]]
    policy.rules = {"tolerations": ["dind.dev/pool"], "nodeSelector": {"dind.dev/pool": "builders"}}
    put_all([policy])
    assert policy.refusal(TOLERATING) != ""
    builders = {"nodeSelector": {"dind.dev/pool": "builders"}}
    for toleration in ({"key": CONTROL_PLANE, "operator": "Exists"}, {"operator": "Exists"}):
        with pytest.raises(ApiError) as refused:
            attacker.create({"scheduling": {**builders, "tolerations": [toleration]}}, "with")
        assert "spec.scheduling.tolerations" in sentence(refused.value)
    with pytest.raises(ApiError) as refused:
        attacker.create({"scheduling": {"nodeSelector": {CONTROL_PLANE: ""}}}, "with")
    assert "spec.scheduling.nodeSelector lacks dind.dev/pool=builders" in sentence(refused.value)
    attacker.create({"scheduling": builders}, "with")
    assert space.wait_pod("with")["spec"]["nodeSelector"] == builders["nodeSelector"]


@pytest.fixture
def tolerating_class(api: Api, space: Space) -> Iterator[str]:
    """A RuntimeClass for the nodes of the control plane, which the administrator has made for somebody else."""
    classes, name = "/apis/node.k8s.io/v1/runtimeclasses", f"class-{space.name}"
    tolerations = {"tolerations": [{"key": CONTROL_PLANE, "operator": "Exists"}]}
    api.create(classes, {"metadata": {"name": name}, "handler": "h", "scheduling": tolerations})
    yield name
    api.delete(f"{classes}/{name}")


def test_the_control_planes_nodes_by_the_toleration_of_a_class(
    operator: RunningOperator, attacker: Attacker, policy: Policy, space: Space, tolerating_class: str
) -> None:
    """Kubernetes adds it to the pod, which a rule for the tolerations of the environment does not see."""
    spec = {"security": {"runtimeClassName": tolerating_class}}
    attacker.create(spec, "without")
    assert CONTROL_PLANE in [item.get("key") for item in space.wait_pod("without")["spec"]["tolerations"]]
    policy.rules = {"tolerations": ["dind.dev/pool"]}
    put_all([policy])
    with pytest.raises(ApiError) as refused:
        attacker.create(spec, "with")
    assert f"spec.security.runtimeClassName {tolerating_class} is not allowed" in sentence(refused.value)
    assert policy.refusal({}) == ""
    assert policy.refusal({"security": {"mode": "UserNamespace"}}) == ""


def test_a_node_by_its_name(operator: RunningOperator, attacker: Attacker, api: Api, space: Space) -> None:
    """A pod that names its node passes the scheduler and its taints by. An environment cannot."""
    pod = {"metadata": {"name": "direct"}, "spec": {"nodeName": "control", "containers": [{"name": "c", "image": "i"}]}}
    assert attacker.code("POST", pods(space.name), pod) == 403
    assert api.create(f"{pods(space.name)}?dryRun=All", pod)["spec"]["nodeName"] == "control"
    for spec in ({"nodeName": "control"}, {"scheduling": {"nodeName": "control"}}):
        assert "unknown field" in attacker.refused(spec)
        attacker.create(spec, query="?fieldValidation=Ignore")
        assert "nodeName" not in space.wait_pod()["spec"]
        space.remove()
        space.wait_no_pod()
        assert space.environment() is None


# Folders of the nodes


def test_folders_of_the_nodes(start: Operators, attacker: Attacker, policy: Policy, space: Space) -> None:
    def folder(path: str) -> Object:
        return {"storage": {"hostPath": {"path": path}}}

    put_all([policy])
    assert "does not allow directories of nodes" in attacker.refused(folder("/etc/kubernetes"))
    for trick in ("/srv/dind/../../etc", "/srv/dind/./x", "//etc", "/srv/dind/$(HOME)", "srv"):
        assert "hostPath.path" in attacker.refused(folder(trick))
    # Where the admission policy is off, the operator still makes no pod.
    policy.take_away()
    policy.wait_acceptance(folder("/etc/kubernetes"))
    first = start().wait_ready()
    attacker.create(folder("/etc/kubernetes"))
    space.wait_told("HostPathNotAllowed")
    assert space.pod() is None
    first.stop()
    # Without the guard: an installation that allows the folder above it.
    start(host_path_prefixes=("/etc",)).wait_ready()
    volumes = space.wait_pod()["spec"]["volumes"]
    assert [volume["hostPath"]["path"] for volume in volumes if "hostPath" in volume] == ["/etc"]


# The operator's own service account


def test_the_operators_service_account(operator: RunningOperator, attacker: Attacker, api: Api, space: Space) -> None:
    accounts = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts"
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    pod = {
        "metadata": {"name": "thief"},
        "spec": {
            "serviceAccountName": RELEASE,
            "automountServiceAccountToken": True,
            "containers": [{"name": "c", "image": "i"}],
        },
    }
    assert attacker.code("POST", f"{accounts}/{RELEASE}/token", request) == 403
    assert attacker.code("POST", pods(NAMESPACE), pod) == 403
    with pytest.raises(ApiError) as elsewhere:
        attacker.create({}, namespace=NAMESPACE)
    assert elsewhere.value.code == 403
    # Without the guard: whoever may make a pod there has its token.
    stolen = api.create(f"{pods(NAMESPACE)}?dryRun=All", pod)
    assert "serviceAccountToken" in str(stolen["spec"]["volumes"])
    for field in ("serviceAccountName", "serviceAccount", "automountServiceAccountToken"):
        value: Any = True if field.startswith("automount") else RELEASE
        assert "unknown field" in attacker.refused({field: value})
    attacker.create(
        {"serviceAccountName": RELEASE, "automountServiceAccountToken": True}, query="?fieldValidation=Ignore"
    )
    made = space.wait_pod()
    assert made["spec"]["serviceAccountName"] == "default"
    assert made["spec"]["automountServiceAccountToken"] is False
    assert "serviceAccountToken" not in str(made["spec"]["volumes"])


def test_an_environment_beside_the_operator_gets_no_pod(operator: RunningOperator, api: Api) -> None:
    """Made by an administrator: the namespace is not open. Another, which is, has its pod."""
    beside = Space(api, NAMESPACE)
    beside.create("beside")
    beside.wait_told("NamespaceNotEnabled", "beside")
    assert beside.pod("beside") is None
    beside.remove("beside")
    with open_space(api) as opened:
        opened.create()
        opened.wait_pod()


# The guards themselves


def test_the_guards_cannot_be_moved(attacker: Attacker, api: Api, space: Space, policy: Policy) -> None:
    put_all([policy])
    attacker.create({})
    attempts: list[tuple[str, str, Object]] = [
        ("PUT", f"{POLICIES}/{policy.name}", {"metadata": {"name": policy.name}}),
        ("DELETE", f"{POLICIES}/{policy.name}", {}),
        ("DELETE", f"{BINDINGS}/{policy.name}", {}),
        ("PUT", space.path, {"metadata": {"name": space.name, "labels": {"dind.dev/environments": "enabled"}}}),
        ("PUT", f"{environments(space.name)}/one/status", {**KIND, "metadata": {"name": "one"}, "status": {}}),
        ("DELETE", f"{pods(space.name)}/one", {}),
        ("POST", f"/apis/policy/v1/namespaces/{space.name}/poddisruptionbudgets", {"metadata": {"name": "x"}}),
        ("POST", f"{RBAC}/namespaces/{space.name}/rolebindings", {"metadata": {"name": "x"}}),
        ("DELETE", environments(space.name), {}),  # all of them at once is for dind-environment-admin
    ]
    assert [(method, path) for method, path, body in attempts if attacker.code(method, path, body) != 403] == []
    assert attacker.code("DELETE", f"{environments(space.name)}/one", {}) == 200
    assert api.get(f"{POLICIES}/{policy.name}") is not None


def test_holding_up_drains(operator: RunningOperator, attacker: Attacker, policy: Policy, space: Space) -> None:
    held = {"disruptionPolicy": "Protect"}
    budgets = f"/apis/policy/v1/namespaces/{space.name}/poddisruptionbudgets"
    attacker.create(held, "without")
    space.wait(budgets, "without", bool, "there")
    policy.rules = {"disruptionPolicies": ["Allow"]}
    put_all([policy])
    with pytest.raises(ApiError) as refused:
        attacker.create(held, "with")
    assert "spec.disruptionPolicy Protect" in sentence(refused.value)


# How many


def test_a_quota_counts_environments(operator: RunningOperator, attacker: Attacker, api: Api, space: Space) -> None:
    quotas = f"{space.path}/resourcequotas"
    hard = {"count/dindenvironments.dind.dev": "2"}
    attacker.create({}, "zero")
    api.create(quotas, {"metadata": {"name": "environments"}, "spec": {"hard": hard}})

    def used(quota: Object | None) -> str:
        counted = ((quota or {}).get("status") or {}).get("used") or {}
        return str(counted.get("count/dindenvironments.dind.dev"))

    # Until the quota controller has counted, the API server lets nothing through.
    space.wait(quotas, "environments", lambda quota: used(quota) == "1", "with the environment of before")
    attacker.create({}, "one")
    with pytest.raises(ApiError) as refused:
        attacker.create({}, "two")
    assert refused.value.code == 403
    assert "exceeded quota: environments, requested: count/dindenvironments.dind.dev=1, used:" in refused.value.text
    space.change({"operatingMode": "Suspended"}, "one")
    with pytest.raises(ApiError):
        attacker.create({}, "two")
    space.remove("one")
    space.wait(quotas, "environments", lambda quota: used(quota) == "1", "without the deleted one")
    attacker.create({}, "two")
    space.wait_pod("two")


# Workloads beside the daemon


def beside(volumes: list[Object] | None = None, **container: Any) -> Object:
    more = {"volumes": volumes} if volumes else {}
    return {"workloads": {"containers": [{"name": "work", "image": "i", **container}], **more}}


def test_a_workload_reaches_for_tokens_the_node_and_privileges(
    operator: RunningOperator, attacker: Attacker, api: Api, space: Space
) -> None:
    token = {"name": "v", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}}
    for volume in (token, {"name": "v", "hostPath": {"path": "/"}}, {"name": "v", "csi": {"driver": "d"}}):
        kind = next(iter(volume.keys() - {"name"}))
        assert f'unknown field \\"spec.workloads.volumes[0].{kind}' in attacker.refused(beside([volume]))
    privileges = {"privileged": True, "capabilities": {"add": ["SYS_ADMIN"]}, "allowPrivilegeEscalation": True}
    assert "unknown field" in attacker.refused(beside(securityContext=privileges))
    for field, value in (("serviceAccountName", RELEASE), ("automountServiceAccountToken", True), ("hostPID", True)):
        spec = beside()
        spec["workloads"][field] = value
        assert f'unknown field \\"spec.workloads.{field}' in attacker.refused(spec)
    # What the API server drops without a word is not there either.
    asked = beside(securityContext=privileges, volumeDevices=[{"name": "d", "devicePath": "/dev/sda"}])
    asked["workloads"] |= {"serviceAccountName": RELEASE, "automountServiceAccountToken": True, "hostPID": True}
    attacker.create(asked, query="?fieldValidation=Ignore")
    made = space.wait_pod()["spec"]
    assert (made["serviceAccountName"], made["automountServiceAccountToken"]) == ("default", False)
    assert "hostPID" not in made
    (work,) = made["containers"]
    assert work["securityContext"] == {
        "privileged": False,
        "allowPrivilegeEscalation": False,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert "volumeDevices" not in work
    assert "serviceAccountToken" not in str(made["volumes"])
    # Without the guards: a pod of an administrator, with the very same fields, has it all.
    pod = {"metadata": {"name": "direct"}, "spec": {"containers": [{"name": "c", "image": "i"}], "hostPID": True}}
    pod["spec"]["containers"][0] |= {"securityContext": privileges}  # type: ignore[index]
    direct = api.create(f"{pods(space.name)}?dryRun=All", pod)["spec"]
    assert direct["hostPID"]
    assert direct["containers"][0]["securityContext"]["privileged"]
    assert "serviceAccountToken" in str(direct["volumes"])


def test_a_workload_reaches_for_secrets(
    operator: RunningOperator, attacker: Attacker, policy: Policy, api: Api, space: Space
) -> None:
    def reading(name: str) -> Object:
        return beside([{"name": "v", "secret": {"secretName": name}}])

    # Another namespace's: a name is one of his own.
    for elsewhere in ("victim/login", "../victim/login"):
        assert "secretName" in attacker.refused(reading(elsewhere))
        assert "envFrom[0].secretRef.name" in attacker.refused(beside(envFrom=[{"secretRef": {"name": elsewhere}}]))
    # The authority's key of his own environment: the operator makes no pod. The client's Secret is his to have.
    attacker.create(reading("one-ca"))
    told = space.wait_reason("InvalidSpec")
    assert "the Secret one-ca, which is reserved for the operator" in told["message"]
    assert space.pod() is None
    space.change(reading("one-client"))
    assert "one-client" in str(space.wait_pod()["spec"]["volumes"])
    # A token of another service account, in his own namespace: nothing but the policy is between.
    stealing = reading("builder-token")
    assert policy.refusal(stealing) == ""
    policy.rules = {"secrets": ["ci-*"]}
    put_all([policy])
    with pytest.raises(ApiError) as refused:
        attacker.create(stealing, "two")
    assert "spec.workloads Secret builder-token is not allowed" in sentence(refused.value)
    attacker.create(reading("ci-login"), "two")
    space.wait_pod("two")
