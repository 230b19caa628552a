"""The endpoint's Secrets, Service and NetworkPolicy on a real API server, through the life of an environment.

What TLS makes of the certificates is tested in tests/unit/features/endpoint/test_x509.py; what dockerd does, in tests/e2e.
"""

from __future__ import annotations

import base64
import time

import pytest
from tests.integration.environments.conftest import Operators
from tests.integration.harness.calls import Answer, Do, on
from tests.integration.harness.kubelet import Kubelet
from tests.integration.harness.running import OFTEN, RunningOperator
from tests.integration.harness.space import Space
from tests.kube.api import Api
from tests.kube.client import Object
from tests.kube.eventually import eventually

SECRETS = ("one-ca", "one-server", "one-client")
KINDS = ("secrets", "services", "networkpolicies")
POLICY = "environments.dind.dev"
SHARED = {"services/dind", f"networkpolicies/{POLICY}"}
OPEN = {"endpoint": {"allowFrom": [{"podSelector": {"matchLabels": {"app": "ci"}}}]}}


def path(space: Space, kind: str, name: str = "") -> str:
    group = "/apis/networking.k8s.io/v1" if kind == "networkpolicies" else "/api/v1"
    return f"{group}/namespaces/{space.name}/{kind}" + (f"/{name}" if name else "")


def get(space: Space, kind: str, name: str) -> Object | None:
    return space.api.get(path(space, kind, name))


def secret(space: Space, name: str) -> dict[str, bytes]:
    """A Secret's content, {} while there is none."""
    return content(get(space, "secrets", name))


def content(found: Object | None) -> dict[str, bytes]:
    return {key: base64.b64decode(value) for key, value in ((found or {}).get("data") or {}).items()}


def wait_secret(space: Space, name: str, other_than: bytes | None = None) -> dict[str, bytes]:
    """Wait until it is there, with another certificate than that one."""
    key = "ca.pem" if name.endswith("-ca") else "cert.pem"

    def other(found: Object | None) -> bool:
        return bool(content(found)) and content(found).get(key) != other_than

    return content(space.wait(path(space, "secrets"), name, other, "there, and another one"))


def ready(space: Space, kubelet: Kubelet) -> Object:
    pod = kubelet.run(space.wait_pod())
    space.wait_reason("EndpointReady", "EndpointReady")
    return pod


def objects(space: Space) -> set[str]:
    """Those of the environment and of its namespace."""
    names = ("one", *SECRETS, "dind", POLICY)
    return {f"{kind}/{name}" for kind in KINDS for name in names if get(space, kind, name) is not None}


OWN = {f"secrets/{name}" for name in SECRETS}
ALL = OWN | SHARED


def wait_no_objects(space: Space) -> None:
    for kind, name in (entry.split("/") for entry in OWN):
        space.wait(path(space, kind), name, lambda found: found is None, "gone")


@pytest.fixture
def looking(start: Operators, space: Space) -> RunningOperator:
    """An operator that looks at endpoints as often as the settings allow."""
    return start(endpoint_check_seconds=1).wait_ready()


def test_all_is_there_before_the_pod_is(operator: RunningOperator, space: Space, kubelet: Kubelet) -> None:
    made = space.create(spec={"endpoint": {"extraNames": ["docker.example.com"]}})
    pod = ready(space, kubelet)
    assert objects(space) == ALL
    calls = [call for call in operator.proxy.calls if call.verb == "create" and call.namespace == space.name]
    kinds = [call.resource for call in calls if call.resource != "events"]
    assert sorted(kinds[:2]) == ["networkpolicies", "services"], "what closes the pod is first"
    assert kinds[2:] == ["secrets", "secrets", "secrets", "pods"]
    assert operator.proxy.count(on("get", "secrets")) == 0, "a start waits for no read"
    for name in SECRETS:
        (owner,) = (get(space, "secrets", name) or {})["metadata"]["ownerReferences"]
        assert (owner["uid"], owner["controller"]) == (made["metadata"]["uid"], True)
    status = space.status()
    assert (pod["spec"]["hostname"], pod["spec"]["subdomain"]) == ("one", "dind")
    assert status["endpoint"] == f"tcp://one.dind.{space.name}.svc:2376"
    assert (status["credentials"]["clientSecretName"], status["credentials"]["generation"]) == ("one-client", 1)
    client = secret(space, "one-client")
    assert client["DOCKER_HOST"].decode() == status["endpoint"]
    mounted = [volume["secret"]["secretName"] for volume in pod["spec"]["volumes"] if "secret" in volume]
    assert mounted == ["one-server"]


def test_nothing_secret_gets_anywhere_else(operator: RunningOperator, space: Space, kubelet: Kubelet) -> None:
    space.create()
    ready(space, kubelet)
    keys = [secret(space, name)["key.pem"].decode() for name in SECRETS]
    texts = [str(space.environment()), str(space.pod()), str(space.events()), *operator.lines]
    # Nor into what a test that fails shows.
    texts += [repr(call) for call in operator.proxy.calls]
    made = [call.body for call in operator.proxy.calls if on("create", "secrets")(call) and call.body]
    assert [body["data"]["key.pem"] for body in made] == ["(masked)"] * 3
    for key in keys:
        middle = key.splitlines()[1]
        for text in texts:
            assert middle not in text
            assert base64.b64encode(key.encode()).decode() not in text


def test_at_rest_nothing_is_written_and_little_is_read(
    looking: RunningOperator, space: Space, kubelet: Kubelet
) -> None:
    space.create()
    ready(space, kubelet)
    space.wait_told("Ready")
    eventually(lambda: looking.proxy.count(on("get", "networkpolicies")) >= 1, "the first look")
    before = len(looking.proxy.writes())
    looks = looking.proxy.count(on("get", "networkpolicies"))
    eventually(lambda: looking.proxy.count(on("get", "networkpolicies")) >= looks + 2, "two more looks")
    assert [str(call) for call in looking.proxy.writes()[before:]] == []


@pytest.mark.parametrize("name", ["one-client", "one-server"])
def test_a_deleted_secret_comes_back_from_the_same_authority(
    looking: RunningOperator, space: Space, kubelet: Kubelet, name: str
) -> None:
    space.create()
    pod = ready(space, kubelet)
    before, authority = secret(space, name), secret(space, "one-ca")
    space.api.delete(path(space, "secrets", name))
    after = wait_secret(space, name, before["cert.pem"])
    assert after["ca.pem"] == before["ca.pem"] == authority["ca.pem"]
    assert secret(space, "one-ca") == authority
    now = space.pod()
    assert now is not None
    assert now["metadata"]["uid"] == pod["metadata"]["uid"], "nobody is restarted for it"
    assert "deletionTimestamp" not in now["metadata"]


def test_service_and_policy_are_put_back(looking: RunningOperator, space: Space, kubelet: Kubelet) -> None:
    space.create(spec=OPEN)
    ready(space, kubelet)
    places = (("services", "dind"), ("networkpolicies", POLICY), ("networkpolicies", "one"))
    before = {place: (get(space, *place) or {})["spec"] for place in places}
    space.api.patch(path(space, "services", "dind"), {"spec": {"externalIPs": ["192.0.2.1"]}})
    space.api.patch(path(space, "networkpolicies", POLICY), {"spec": {"ingress": [{}], "egress": [{}]}})
    space.api.patch(path(space, "networkpolicies", "one"), {"spec": {"ingress": [{}]}})

    for (kind, name), spec in before.items():

        def restored(found: Object | None, spec: Object = spec) -> bool:
            return found is not None and found["spec"] == spec

        space.wait(path(space, kind), name, restored, "as it was")
    for place in places:
        space.api.delete(path(space, *place))
    for kind, name in places:
        space.wait(path(space, kind), name, bool, "made again")
    assert objects(space) == ALL | {"networkpolicies/one"}


def test_what_closes_a_pod_outlives_it(operator: RunningOperator, space: Space, kubelet: Kubelet) -> None:
    """With the environment goes what it opened. What closes its pod stays until the pod has stopped, however long that takes."""
    space.create(spec=OPEN)
    space.create("two", OPEN)
    pods = [ready(space, kubelet), kubelet.run(space.wait_pod("two"))]
    space.remove()
    space.remove("two")
    going = [space.wait_going(), space.wait_going("two")]
    for name in ("one", "two"):
        space.wait(path(space, "networkpolicies"), name, lambda found: found is None, "gone with its environment")
    kubelet.finish(going[0])
    space.wait_no_pod()
    assert objects(space) == SHARED, "another pod is left"
    labels = (get(space, "networkpolicies", POLICY) or {})["spec"]["podSelector"]["matchLabels"]
    assert all(labels.items() <= pod["metadata"]["labels"].items() for pod in pods)
    kubelet.finish(going[1])
    for kind, name in (entry.split("/") for entry in SHARED):
        space.wait(path(space, kind), name, lambda found: found is None, "gone with the last pod")
    space.create()
    space.wait_pod()
    assert objects(space) == ALL


def test_without_an_endpoint_a_pod_is_closed_too(operator: RunningOperator, space: Space) -> None:
    space.create(spec={"endpoint": {"enabled": False}})
    space.wait_pod()
    assert objects(space) == SHARED


def test_who_is_let_in_changes_without_a_restart(operator: RunningOperator, space: Space, kubelet: Kubelet) -> None:
    space.create()
    pod = ready(space, kubelet)
    assert get(space, "networkpolicies", "one") is None
    space.change(OPEN)
    policy = space.wait(
        path(space, "networkpolicies"), "one", lambda found: found and found["spec"].get("ingress"), "open"
    )
    (rule,) = (policy or {})["spec"]["ingress"]
    assert rule["from"] == [{"podSelector": {"matchLabels": {"app": "ci"}}}]
    assert [port["port"] for port in rule["ports"]] == [2376]
    space.change({"endpoint": {"allowFrom": []}})
    space.wait(path(space, "networkpolicies"), "one", lambda found: found is None, "closed")
    space.wait_reason("UpToDate", "UpToDate")
    assert (space.pod() or {})["metadata"]["uid"] == pod["metadata"]["uid"]


def test_a_higher_generation_is_another_authority_and_another_pod(
    operator: RunningOperator, space: Space, kubelet: Kubelet
) -> None:
    space.create()
    pod = ready(space, kubelet)
    before = {name: secret(space, name) for name in SECRETS}
    space.change({"endpoint": {"credentialsGeneration": 2}})
    going = space.wait_going()
    assert space.wait_reason("CredentialsPending", "EndpointReady")["status"] == "False"
    for name in SECRETS:
        assert secret(space, name)["ca.pem"] != before[name]["ca.pem"]
    kubelet.finish(going)
    kubelet.run(space.wait_pod(other_than=pod))
    space.wait_reason("EndpointReady", "EndpointReady")
    assert space.status()["credentials"]["generation"] == 2


def test_under_on_delete_it_is_pending_until_the_pod_is_made_again(
    operator: RunningOperator, space: Space, kubelet: Kubelet
) -> None:
    space.create(spec={"updatePolicy": "OnDelete"})
    pod = ready(space, kubelet)
    space.change({"endpoint": {"credentialsGeneration": 2}})
    told = space.wait_reason("CredentialsPending", "EndpointReady")
    assert told["status"] == "False"
    assert space.condition("Ready")["status"] == "True"
    space.wait_event("CredentialsPending")
    space.delete_pod()
    kubelet.finish(space.wait_going())
    kubelet.run(space.wait_pod(other_than=pod))
    space.wait_reason("EndpointReady", "EndpointReady")


def test_a_deleted_authority_is_a_revocation(looking: RunningOperator, space: Space, kubelet: Kubelet) -> None:
    space.create()
    pod = ready(space, kubelet)
    before = secret(space, "one-client")
    space.api.delete(path(space, "secrets", "one-ca"))
    kubelet.finish(space.wait_going())
    kubelet.run(space.wait_pod(other_than=pod))
    space.wait_reason("EndpointReady", "EndpointReady")
    assert secret(space, "one-client")["ca.pem"] != before["ca.pem"]
    assert "lastFailure" not in space.status()


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("secrets", "one-client"),
        ("secrets", "one-ca"),
        ("services", "dind"),
        ("networkpolicies", "one"),
        ("networkpolicies", POLICY),
    ],
)
def test_what_belongs_to_somebody_else_is_told_and_not_touched(
    operator: RunningOperator, space: Space, kind: str, name: str
) -> None:
    specs: dict[str, Object] = {
        "secrets": {"data": {"mine": "eA=="}},
        "services": {"spec": {"ports": [{"port": 80}], "selector": {"app": "x"}}},
        "networkpolicies": {"spec": {"podSelector": {"matchLabels": {"app": "x"}}}},
    }
    conflict = space.api.create(path(space, kind), {"metadata": {"name": name}, **specs[kind]})
    space.create(spec=OPEN)
    told = space.wait_reason("EndpointConflict")
    why = "(controlled by no owner)" if "one" in name else ", but the existing one was not created by the operator"
    assert f" {name}{' ' if 'one' in name else ''}{why}" in told["message"]
    assert space.name in told["message"]
    assert space.condition("EndpointReady")["reason"] == "EndpointConflict"
    assert space.pod() is None, "it would have no certificate, or no guard"
    assert (get(space, kind, name) or {})["metadata"]["resourceVersion"] == conflict["metadata"]["resourceVersion"]
    space.api.delete(path(space, kind, name))
    space.change({"endpoint": {"extraNames": ["a.example.com"]}})
    space.wait_pod()
    assert objects(space) == ALL | {"networkpolicies/one"}


@pytest.mark.parametrize("kind", ["secrets", "networkpolicies"])
def test_what_somebody_put_into_an_object_of_ours_is_told_and_kept(
    looking: RunningOperator, space: Space, kubelet: Kubelet, kind: str
) -> None:
    """A key in a Secret, or another selector: it is never mounted, overwritten or taken back."""
    space.create(spec=OPEN)
    pod = ready(space, kubelet)
    name = "one-server" if kind == "secrets" else "one"
    change = (
        {"data": {"more.pem": "eA=="}} if kind == "secrets" else {"spec": {"podSelector": {"matchLabels": {"a": "b"}}}}
    )
    changed = space.api.patch(path(space, kind, name), change)
    told = space.wait_reason("EndpointConflict", "EndpointReady")["message"]
    assert (
        f" {name} ({'contains keys that the operator did not write: more.pem' if kind == 'secrets' else 'selects'}"
        in told
    )
    looks = looking.proxy.count(on("get", kind))
    eventually(lambda: looking.proxy.count(on("get", kind)) > looks + 8, "more looks")
    assert (get(space, kind, name) or {})["metadata"]["resourceVersion"] == changed["metadata"]["resourceVersion"]
    assert (space.pod() or {})["metadata"]["uid"] == pod["metadata"]["uid"]
    (mounted,) = [volume["secret"] for volume in pod["spec"]["volumes"] if "secret" in volume]
    assert [item["key"] for item in mounted["items"]] == ["ca.pem", "cert.pem", "key.pem"]


def test_an_environment_made_again_has_credentials_of_its_own(
    operator: RunningOperator, space: Space, kubelet: Kubelet
) -> None:
    """The earlier one's objects are waited for, as its pod is."""
    space.create()
    ready(space, kubelet)
    before = secret(space, "one-ca")
    space.remove()
    kubelet.finish(space.wait_going())
    made = space.create()
    pod = space.wait_pod()
    assert pod["metadata"]["ownerReferences"][0]["uid"] == made["metadata"]["uid"]
    assert secret(space, "one-ca")["ca.pem"] != before["ca.pem"]
    for name in SECRETS:
        (owner,) = (get(space, "secrets", name) or {})["metadata"]["ownerReferences"]
        assert owner["uid"] == made["metadata"]["uid"]


def test_turned_off_all_goes_and_on_again_all_comes(operator: RunningOperator, space: Space, kubelet: Kubelet) -> None:
    space.create()
    pod = ready(space, kubelet)
    space.change({"endpoint": {"enabled": False}})
    kubelet.finish(space.wait_going())
    second = kubelet.run(space.wait_pod(other_than=pod))
    assert space.wait_reason("EndpointDisabled", "EndpointReady")["status"] == "False"
    wait_no_objects(space)
    # The first pod's last status names the socket, too, and has credentials for as long as that pod is there.
    status = space.wait_status(endpoint="unix:///run/dind/docker.sock", podUID=second["metadata"]["uid"])
    assert "credentials" not in status
    space.change({"endpoint": {"enabled": True}})
    kubelet.finish(space.wait_going())
    kubelet.run(space.wait_pod(other_than=second))
    space.wait_reason("EndpointReady", "EndpointReady")
    assert objects(space) == ALL


def test_suspended_the_endpoint_and_its_certificates_are_kept(
    operator: RunningOperator, space: Space, kubelet: Kubelet
) -> None:
    space.create()
    pod = ready(space, kubelet)
    before = {name: secret(space, name) for name in SECRETS}
    space.change({"operatingMode": "Suspended"})
    kubelet.finish(space.wait_going())
    space.wait_reason("Suspended")
    assert objects(space) == ALL
    assert "endpoint" not in space.status()
    space.change({"operatingMode": "Running"})
    kubelet.run(space.wait_pod(other_than=pod))
    space.wait_reason("EndpointReady", "EndpointReady")
    assert {name: secret(space, name) for name in SECRETS} == before


def test_a_pod_of_before_is_not_restarted(start: Operators, space: Space, kubelet: Kubelet) -> None:
    """As an operator without endpoints made it: the same intent, no certificate, no status about one."""
    first = start().wait_ready()
    space.create()
    kubelet.run(space.wait_pod())
    space.wait_told("Ready")
    first.stop()
    # Such a pod: what the earlier operator would have stored. Its containers cannot be edited, so it is made anew by hand.
    pod = space.pod() or {}
    space.api.delete(f"{space.path}/pods/one", gracePeriodSeconds=0)
    spec = {key: value for key, value in pod["spec"].items() if key != "nodeName"}
    spec["volumes"] = [volume for volume in spec["volumes"] if volume["name"] != "dind-endpoint"]
    for container in spec["containers"]:
        container["volumeMounts"] = [item for item in container["volumeMounts"] if item["name"] != "dind-endpoint"]
        container["env"] = [item for item in container["env"] if item["name"] != "DIND_CREDENTIALS"]
        for item in container["env"]:
            if item["name"] == "DIND_BUILD_HASH":
                item["value"] = "0123456789abcdef"
    kept = {key: pod["metadata"][key] for key in ("name", "labels", "annotations", "ownerReferences")}
    old = kubelet.run(space.api.create(f"{space.path}/pods", {"metadata": kept, "spec": spec}))
    for kind, name in [entry.split("/") for entry in ALL]:
        space.api.delete(path(space, kind, name))
    space.api.patch(
        f"/apis/dind.dev/v1alpha1/namespaces/{space.name}/dindenvironments/one/status",
        {"status": {"credentials": None}},
    )

    start().wait_ready()
    assert space.wait_reason("EndpointNotInPod", "EndpointReady")["status"] == "False"
    assert space.wait_reason("OperatorChanged", "UpToDate")
    assert objects(space) == ALL
    now = space.pod() or {}
    assert now["metadata"]["uid"] == old["metadata"]["uid"]
    assert "deletionTimestamp" not in now["metadata"]


def test_a_missing_right_is_told_and_the_daemon_goes_on(start: Operators, space: Space, kubelet: Kubelet) -> None:
    operator = start(endpoint_check_seconds=1, resync_seconds=OFTEN).wait_ready()
    space.create()
    pod = ready(space, kubelet)
    words = 'secrets "one-ca" is forbidden: User "x" cannot get resource "secrets" in API group "" in the namespace'
    operator.proxy.fault(on("get", "secrets"), Answer(403, "Forbidden", words), times=None)
    told = space.wait_reason("EndpointObjectRejected", "EndpointReady")
    assert words in told["message"]
    assert space.condition("Ready")["status"] == "True"
    operator.wait_resyncs(1)
    before = len(operator.proxy.writes())
    operator.wait_resyncs(3)
    assert [str(call) for call in operator.proxy.writes()[before:]] == []
    operator.proxy.heal()
    space.wait_reason("EndpointReady", "EndpointReady")
    assert (space.pod() or {})["metadata"]["uid"] == pod["metadata"]["uid"]


def test_an_answer_that_was_lost_is_found_out(operator: RunningOperator, space: Space, kubelet: Kubelet) -> None:
    """The Secret was created and the operator does not know: the next try finds it and uses it."""
    operator.proxy.fault(on("create", "secrets"), Do.DROP_AFTER)
    space.create()
    ready(space, kubelet)
    assert objects(space) == ALL
    authority = secret(space, "one-ca")["ca.pem"]
    assert all(secret(space, name)["ca.pem"] == authority for name in SECRETS)


def test_the_api_server_checks_what_the_models_check(api: Api, space: Space) -> None:
    for fields, words in (
        ({"extraNames": ["Not.A.Name"]}, "write a DNS name in lower case"),
        ({"allowFrom": [{}]}, "must select somebody"),
        ({"allowFrom": [{"ipBlock": {"cidr": "10.0.0.0/8"}, "podSelector": {}}]}, "ipBlock must be the only field"),
        ({"allowFrom": [{"ipBlock": {"cidr": "10.0.0.0"}}]}, "write it as 10.0.0.0/8"),
        ({"credentialsGeneration": 0}, "greater than or equal to 1"),
    ):
        with pytest.raises(Exception, match=words):
            space.create(f"refused-{time.monotonic_ns()}", spec={"endpoint": fields})
