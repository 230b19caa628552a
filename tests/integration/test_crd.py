"""The API server is the judge of the CRD: what it accepts, what it refuses, and with which sentence.

kubectl is asked only for what it shows itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from tests.integration.crd_cases import ACCEPTED, FULL_STATUS, REFUSED
from tests.integration.harness.paths import environments
from tests.kube.api import Api
from tests.kube.client import ApiError, Object
from tests.kube.kinds import Kinds
from tests.kubectl import Kubectl

from dind_operator.api.environment import DindEnvironment, InvalidEnvironment
from dind_operator.api.status import DindEnvironmentStatus

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.yaml"))


def environment(spec: Object, name: str = "a") -> Object:
    return {"apiVersion": "dind.dev/v1alpha1", "kind": "DindEnvironment", "metadata": {"name": name}, "spec": spec}


class Definition:
    """What the API server makes of environments. They are of the namespace default."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self._kinds = Kinds(api)

    def __call__(self, obj: Object) -> Object:
        """The object as it would be stored; nothing is made. Raises ApiError, also for a field that is not known."""
        collection = self._kinds(obj["kind"]).collection("default")
        return self.api.create(f"{collection}?dryRun=All&fieldValidation=Strict", obj)

    def refusal(self, obj: Object) -> str:
        """The sentences of the API server on an object that it must not take."""
        with pytest.raises(ApiError) as refused:
            self(obj)
        assert refused.value.code in (400, 422)
        return refused.value.message

    def patch(self, change: Object, subresource: str = "") -> Object:
        return self.api.patch(f"{environments('default')}/stored{subresource}", change)

    def read(self, name: str = "stored") -> Object:
        return self.api.get(f"{environments('default')}/{name}") or {}


@pytest.fixture(scope="module")
def definition(served: Api) -> Definition:
    return Definition(served)


@pytest.fixture
def stored(definition: Definition) -> Iterator[Object]:
    """An environment with an empty spec, as it reads back."""
    definition.api.create(environments("default"), environment({}, "stored"))
    yield definition.read()
    definition.api.delete(f"{environments('default')}/stored")


def test_the_definition_is_established_and_structural(served: Api) -> None:
    crd = served.call("GET", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/dindenvironments.dind.dev")
    conditions = {condition["type"]: condition for condition in crd["status"]["conditions"]}
    assert conditions["Established"]["status"] == "True"
    assert conditions["NamesAccepted"]["status"] == "True"
    assert "NonStructuralSchema" not in conditions


def test_an_empty_spec_gets_the_defaults_and_nothing_that_may_change(stored: Object) -> None:
    """A field that is added later has none here: the API server adds a default to stored objects, too, and during an upgrade
    the operator of the version before rejects it as unknown."""
    assert stored["spec"] == {
        "operatingMode": "Running",
        "daemon": {"logLevel": "Info"},
        "security": {
            "mode": "Privileged",
            "appArmorProfile": {"type": "Unconfined"},
            "cloudMetadata": "Closed",
        },
        "network": {"firewallBackend": "Auto", "ipv6": "Auto"},
        "endpoint": {"enabled": True, "credentialsGeneration": 1},
        "updatePolicy": "Recreate",
        "disruptionPolicy": "Allow",
    }
    assert DindEnvironment.from_dict(stored).uid == stored["metadata"]["uid"]


def test_ready_is_unknown_before_the_operator_has_looked(kubectl: Kubectl, stored: Object) -> None:
    (ready,) = stored["status"]["conditions"]
    assert (ready["type"], ready["status"], ready["reason"]) == ("Ready", "Unknown", "Pending")
    done = kubectl.run("wait", "--for=condition=Ready", "--timeout=1s", "dind/stored")
    assert "timed out" in done.stderr


def test_status_is_a_subresource_of_its_own(definition: Definition, stored: Object) -> None:
    change = {"status": {"phase": "Running"}}
    definition.patch(change)
    assert "phase" not in definition.read()["status"]
    definition.patch(change, "/status")
    after = definition.read()
    assert after["status"]["phase"] == "Running"
    assert after["metadata"]["generation"] == stored["metadata"]["generation"]


def test_a_nested_object_left_partly_out_gets_its_defaults(definition: Definition) -> None:
    spec = {
        "daemon": {"image": "docker:dind"},
        "storage": {"emptyDir": {"sizeLimit": "1Gi"}},
        "security": {},
        "workloads": {"containers": [{"name": "work", "image": "i"}], "workspace": {"sizeLimit": "1Gi"}},
    }
    found = definition(environment(spec))["spec"]
    assert found["workloads"]["workspace"] == {"sizeLimit": "1Gi"}, "a later default is none of an older operator"
    assert found["daemon"] == {"image": "docker:dind", "logLevel": "Info"}
    assert found["storage"] == {"emptyDir": {"medium": "", "sizeLimit": "1Gi"}}
    apparmor = {"type": "Unconfined"}
    assert found["security"] == {"mode": "Privileged", "appArmorProfile": apparmor, "cloudMetadata": "Closed"}


def test_another_kind_of_volume_is_applied_over_none(kubectl: Kubectl) -> None:
    """A default in the object would stand beside it, and `kubectl apply` takes off only what it has brought."""
    claim = {"volumeClaimTemplate": {"spec": {"resources": {"requests": {"storage": "1Gi"}}}}}
    for storage in ({}, {"storage": {"ephemeral": claim}}, {"storage": {"hostPath": {"path": "/srv/dind/a"}}}, {}):
        kubectl("apply", "-f", "-", stdin=json.dumps(environment(storage, "applied")))
        assert (
            kubectl.json("get", "dind", "applied")["spec"].get("storage", {}).keys()
            == storage.get("storage", {}).keys()
        )
    kubectl("delete", "dind", "applied")


def test_an_environment_without_a_spec_is_accepted(definition: Definition) -> None:
    obj = environment({})
    del obj["spec"]
    assert definition(obj)["spec"]["operatingMode"] == "Running"


# What the models read as what was meant: naming a Secret twice is naming it, and no storage is the default.
READ_AS_MEANT = {"pull-secret-twice", "endpoint-twice", "storage-empty", "storage-null"}


@pytest.mark.parametrize(("case", "spec", "sentences"), REFUSED, ids=[case[0] for case in REFUSED])
def test_refused_with_a_sentence(definition: Definition, case: str, spec: Object, sentences: list[str]) -> None:
    answer = definition.refusal(environment(spec))
    for sentence in sentences:
        assert sentence in answer
    assert "rule evaluation error" not in answer
    # The models refuse the same, for objects that were written under an older definition.
    if case in READ_AS_MEANT:
        DindEnvironment.from_dict(environment(spec))
    else:
        with pytest.raises(InvalidEnvironment):
            DindEnvironment.from_dict(environment(spec))


@pytest.mark.parametrize("spec", [case[1] for case in ACCEPTED], ids=[case[0] for case in ACCEPTED])
def test_accepted(definition: Definition, spec: Object) -> None:
    DindEnvironment.from_dict(definition(environment(spec)))


@pytest.mark.parametrize("name", ["a" * 57, "1a", "a.b"])
def test_a_name_that_cannot_name_a_service_is_refused(definition: Definition, name: str) -> None:
    answer = definition.refusal(environment({}, name))
    assert f"metadata.name {name} is invalid: must have at most 56 lower-case letters" in answer


def test_the_longest_name_is_accepted(definition: Definition) -> None:
    assert definition(environment({}, "a" * 56))


@pytest.mark.parametrize("path", EXAMPLES, ids=[path.name for path in EXAMPLES])
def test_examples_are_accepted(definition: Definition, path: Path) -> None:
    made = list(yaml.safe_load_all(path.read_text()))
    for obj in made:
        definition(obj)
    # What an environment needs beside it may stand in the same file.
    assert [DindEnvironment.from_dict(obj) for obj in made if obj["kind"] == "DindEnvironment"]


def test_there_are_examples() -> None:
    assert {"minimal.yaml", "memory-backed.yaml", "suspended.yaml"} <= {path.name for path in EXAMPLES}


@pytest.mark.parametrize(
    "path",
    [
        "spec.daemon",
        "spec.storage.emptyDir",
        "spec.endpoint.allowFrom.ipBlock",
        "status.credentials",
        "spec.storage.ephemeral.volumeClaimTemplate.spec",
        "spec.scheduling.affinity",
        "status.conditions",
    ],
)
def test_explain_reads(kubectl: Kubectl, path: str) -> None:
    text = kubectl("explain", f"dindenvironment.{path}")
    assert "FIELDS:" in text
    assert "<no description>" not in text


def test_the_columns_people_see(kubectl: Kubectl, definition: Definition, stored: Object) -> None:
    status = {
        "phase": "Running",
        "nodeName": "node-1",
        "daemonImage": "example.com/daemon:1",
        "endpoint": "unix:///run/dind/docker.sock",
        "docker": {"serverVersion": "26.1.5", "storageDriver": "overlay2"},
    }
    definition.patch({"status": status}, "/status")
    head, row = kubectl("get", "dind", "stored").splitlines()
    assert head.split() == ["NAME", "PHASE", "READY", "DOCKER", "ENDPOINT", "NODE", "AGE"]
    assert row.split()[:6] == ["stored", "Running", "Unknown", "26.1.5", "unix:///run/dind/docker.sock", "node-1"]
    head, row = kubectl("get", "dind", "stored", "-o", "wide").splitlines()
    assert head.split()[-3:] == ["REASON", "IMAGE", "DRIVER"]
    assert row.split()[-3:] == ["Pending", "example.com/daemon:1", "overlay2"]


def test_an_update_is_checked_too(definition: Definition, stored: Object) -> None:
    change = {"spec": {"storage": {"emptyDir": {"medium": "Memory"}}}}
    with pytest.raises(ApiError, match="medium Memory needs a sizeLimit"):
        definition.patch(change)
    change["spec"]["storage"]["emptyDir"]["sizeLimit"] = "1Gi"
    definition.patch(change)


def test_the_whole_of_status_is_stored(definition: Definition, stored: Object) -> None:
    assert DindEnvironmentStatus.model_validate(FULL_STATUS).to_dict() == FULL_STATUS
    assert {field.alias for field in DindEnvironmentStatus.model_fields.values()} == FULL_STATUS.keys()
    definition.patch({"status": FULL_STATUS}, "/status")
    assert definition.read()["status"] == FULL_STATUS
