"""The installation's defaults: what they are when nobody says otherwise."""

from dind_operator.api.quantity import parse_bytes
from dind_operator.pod.defaults import DEFAULT_RESERVE_MEMORY, DEFAULT_RUNTIME_CLASS, BuildSettings


def test_the_default_reserve_is_a_quantity_that_a_small_daemon_can_hold_back() -> None:
    settings = BuildSettings(daemon_image="d", node_tool_image="t")
    assert settings.default_reserve_memory == DEFAULT_RESERVE_MEMORY
    assert 64 * 2**20 <= parse_bytes(DEFAULT_RESERVE_MEMORY) <= 512 * 2**20


def test_the_node_tool_is_not_pulled_anew_for_every_pod() -> None:
    assert BuildSettings(daemon_image="d", node_tool_image="t").node_tool_pull_policy == "IfNotPresent"


def test_the_runtime_class_has_the_name_that_is_documented() -> None:
    assert BuildSettings(daemon_image="d", node_tool_image="t").default_runtime_class == DEFAULT_RUNTIME_CLASS == "dind"
