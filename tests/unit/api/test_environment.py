"""An object written under an older definition is refused with a sentence, word for word."""

from typing import Any

import pytest

from dind_operator.api.environment import CACHED_SPECS_BYTES, DindEnvironment, InvalidEnvironment


def environment(spec: dict[str, Any] | None = None, **metadata: Any) -> dict[str, Any]:
    return {"metadata": {"name": "a", "namespace": "b", "uid": "c", "generation": 3, **metadata}, "spec": spec}


def test_reads_what_identifies_it() -> None:
    raw = environment({}, labels={"x": "y"}, annotations={"p": "q"}, deletionTimestamp="2026-01-01T00:00:00Z")
    found = DindEnvironment.from_dict({**raw, "status": {"phase": "Running"}})
    assert (found.name, found.namespace, found.uid, found.generation) == ("a", "b", "c", 3)
    assert found.deletion_timestamp == "2026-01-01T00:00:00Z"
    assert found.labels == {"x": "y"}
    assert found.annotations == {"p": "q"}
    assert found.status == {"phase": "Running"}


def test_a_spec_that_is_absent_is_empty() -> None:
    assert DindEnvironment.from_dict(environment(None)).spec.operating_mode == "Running"
    assert DindEnvironment.from_dict(environment(None)).deletion_timestamp is None


@pytest.mark.parametrize("spec", [[], "", 0, False, ["a"]])
def test_what_is_no_object_is_no_empty_spec(spec: Any) -> None:
    with pytest.raises(InvalidEnvironment, match="spec: invalid value"):
        DindEnvironment.from_dict(environment(spec))


GOLDEN = [
    ({"operatingMode": "On"}, "spec.operatingMode: invalid value 'On': must be 'Running' or 'Suspended'"),
    ({"foo": 1}, "spec.foo is not a field of this version: remove it, or correct its name"),
    (
        {"daemon": {"reserve": {"memory": "lots"}}},
        "spec.daemon.reserve.memory: 'lots' is invalid: must be a quantity: write a number without a sign and a suffix, as in "
        "500m, 2, 512Mi or 10G",
    ),
    (
        {"daemon": {"reserve": {"memory": True}}},
        "spec.daemon.reserve.memory: True is invalid: must be a quantity, written as text, such as '512Mi', or as a whole number",
    ),
    (
        {"daemon": {"reserve": {"memory": "1Gi"}}},
        "spec.daemon: reserve.memory requires a memory limit: set resources.limits.memory, or remove reserve.memory",
    ),
    (
        {"daemon": {"reserve": {"memory": "1Gi"}, "resources": {"limits": {"memory": "1Gi"}}}},
        "spec.daemon: reserve.memory 1Gi must be less than resources.limits.memory 1Gi: lower reserve.memory or raise "
        "resources.limits.memory, nested containers get the difference",
    ),
    (
        {"daemon": {"config": {"Hosts": []}, "args": ["-DHx", "--"]}},
        "spec.daemon: config.hosts is set by the operator: remove it and configure spec.endpoint; "
        "args[0] '-DHx' is set by the operator: remove it and configure spec.endpoint; "
        "args[1] '--' is set by the operator: remove it, dockerd takes no arguments besides flags",
    ),
    (
        {"daemon": {"config": {"exec-opts": ["native.cgroupdriver=systemd"]}}},
        "spec.daemon: config.exec-opts must not contain native.cgroupdriver: remove it, the operator sets it to cgroupfs",
    ),
    (
        {"daemon": {"resources": {"limits": {"cpu": "1"}, "requests": {"cpu": "1001m"}}}},
        "spec.daemon.resources: requests.cpu must not exceed limits.cpu: lower the request or raise the limit",
    ),
    (
        {"daemon": {"resources": {"limits": {"memory": 0}}}},
        "spec.daemon.resources: limits.memory: must be greater than zero: write a quantity above zero, or leave it out",
    ),
    (
        {"storage": {"emptyDir": {"medium": "Memory"}}},
        "spec.storage.emptyDir: emptyDir.medium Memory needs a sizeLimit, because the volume is taken from the memory limit: "
        "set sizeLimit, or leave medium out to use the node's disk",
    ),
    (
        {
            "storage": {"emptyDir": {"medium": "Memory", "sizeLimit": "1Gi"}},
            "daemon": {"resources": {"limits": {"memory": "2Gi"}}, "reserve": {"memory": "1Gi"}},
        },
        "spec: storage.emptyDir.sizeLimit 1Gi (in memory) and the daemon reserve leave nothing of "
        "daemon.resources.limits.memory to nested containers: raise the limit, or lower sizeLimit or "
        "daemon.reserve.memory; the limit is 2Gi",
    ),
    (
        {"security": {"appArmorProfile": {"type": "Localhost"}}},
        "spec.security.appArmorProfile: appArmorProfile.type Localhost needs localhostProfile: set it to the name of a "
        "profile that is loaded on the node",
    ),
    (
        {"security": {"appArmorProfile": {"localhostProfile": "x"}}},
        "spec.security.appArmorProfile: appArmorProfile.localhostProfile is only for type Localhost: set type to Localhost, "
        "or remove localhostProfile",
    ),
    (
        {"security": {"mode": "Root"}},
        "spec.security.mode: invalid value 'Root': must be 'Privileged', 'Capabilities' or 'UserNamespace'",
    ),
    (
        {"probes": {"startup": {"periodSeconds": 0}}},
        "spec.probes.startup.periodSeconds: invalid value 0: must be at least 1",
    ),
    (
        {"scheduling": {"tolerations": [{"key": "a", "operator": "Exists", "value": "b"}]}},
        "spec.scheduling.tolerations[0]: a toleration with operator Exists takes no value: remove value, or set operator to "
        "Equal",
    ),
    (
        {"scheduling": {"topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "a"}]}},
        "spec.scheduling.topologySpreadConstraints[0].whenUnsatisfiable is required",
    ),
]


@pytest.mark.parametrize(("spec", "message"), GOLDEN)
def test_the_message_names_field_value_and_remedy(spec: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidEnvironment) as caught:
        DindEnvironment.from_dict(environment(spec))
    assert caught.value.message == message


def test_only_the_first_errors_are_spelled_out() -> None:
    with pytest.raises(InvalidEnvironment) as caught:
        DindEnvironment.from_dict(environment(dict.fromkeys("abcde", 1)))
    assert caught.value.message.endswith("; and 2 more")


def test_a_long_value_is_cut() -> None:
    with pytest.raises(InvalidEnvironment) as caught:
        DindEnvironment.from_dict(environment({"operatingMode": "x" * 10000}))
    assert len(caught.value.message) < 200


@pytest.mark.parametrize("name", ["", "A", "1a", "a.b", "a-", "a_b", "a" * 57, "a\n"])
def test_a_name_that_fits_nothing_is_refused(name: str) -> None:
    with pytest.raises(InvalidEnvironment, match=r"metadata\.name .* is invalid: must have at most 56"):
        DindEnvironment.from_dict(environment({}, name=name))


@pytest.mark.parametrize("name", ["a", "a" * 56, "a-1", "build-7f9c"])
def test_a_name_that_fits_is_accepted(name: str) -> None:
    assert DindEnvironment.from_dict(environment({}, name=name)).name == name


@pytest.mark.parametrize("spec", [["x"], "x", 7])
def test_a_spec_that_is_no_map_is_refused(spec: Any) -> None:
    with pytest.raises(InvalidEnvironment, match="spec"):
        DindEnvironment.from_dict(environment(spec))


def test_a_spec_is_remembered_unless_it_is_long() -> None:
    """What is remembered is bounded in number and in size: no tenant fills the operator's memory."""

    def parsed(length: int) -> tuple[DindEnvironment, DindEnvironment]:
        fields = {"daemon": {"config": {"labels": ["x" * length]}}}
        return DindEnvironment.from_dict(environment(fields)), DindEnvironment.from_dict(environment(fields))

    short, again = parsed(100)
    assert short.spec is again.spec
    long, again = parsed(CACHED_SPECS_BYTES)
    assert long.spec == again.spec
    assert long.spec is not again.spec
    assert not long.spec_text
