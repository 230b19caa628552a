"""Settings: what is missing or wrong is told with the variable's name, on one line each."""

from datetime import timedelta

import pytest

from dind_operator.__main__ import main
from dind_operator.manager.manager import Operator
from dind_operator.manager.settings import Settings
from dind_operator.state.periods import Periods

MINUTE = timedelta(seconds=60)
NEEDED = {"DIND_DAEMON_IMAGE": "daemon:1", "DIND_NODE_TOOL_IMAGE": "node-tool:1"}


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in [name for name in os.environ if name.startswith("DIND_")]:
        monkeypatch.delenv(name)
    for name, value in NEEDED.items():
        monkeypatch.setenv(name, value)


def test_two_images_are_enough() -> None:
    settings = Settings()  # type: ignore[call-arg]
    assert settings.policy.build.daemon_image == "daemon:1"
    assert settings.policy.build.default_runtime_class == "dind"
    assert settings.policy.require_namespace_label is True
    assert (settings.workers, settings.resync_seconds, settings.listen_port) == (32, 300, 8080)


def test_the_real_periods() -> None:
    """What everybody waits for who sets nothing, in seconds. Tests change them; the product does not by chance."""
    settings = Settings()  # type: ignore[call-arg]
    names = ("minute", "blocked_check", "backoff", "volume_check", "endpoint_check", "resync")
    assert [getattr(settings, f"{name}_seconds") for name in names] == [60, 15, 1, 60, 60, 300]
    periods = settings.policy.periods
    assert (periods.minute, periods.blocked_check_seconds, periods.backoff) == (MINUTE, 15.0, MINUTE / 60)
    assert settings.policy.build.minute_seconds == 60


def test_tests_can_wait_for_less(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"MINUTE": "3", "BLOCKED_CHECK": "1.5", "BACKOFF": "30"}.items():
        monkeypatch.setenv(f"DIND_{name}_SECONDS", value)
    policy = Settings().policy  # type: ignore[call-arg]
    assert policy.periods == Periods(MINUTE / 20, 1.5, MINUTE / 2)
    assert policy.build.minute_seconds == 3


@pytest.mark.parametrize(("seconds", "warned"), [("60", False), ("3", True)])
def test_an_operator_whose_environments_expire_early_warns_of_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, seconds: str, warned: bool
) -> None:
    monkeypatch.setenv("DIND_MINUTE_SECONDS", seconds)
    Operator(Settings(), None)  # type: ignore[arg-type, call-arg]
    assert ("environments expire in 3/60 of the time" in caplog.text) is warned


def test_the_chart_can_turn_the_label_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIND_REQUIRE_NAMESPACE_LABEL", "false")
    assert Settings().policy.require_namespace_label is False  # type: ignore[call-arg]


def test_no_folder_of_a_node_is_allowed_unless_somebody_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings().policy.build.host_path_prefixes == ()  # type: ignore[call-arg]
    monkeypatch.setenv("DIND_HOST_PATH_PREFIXES", '["/srv/dind", "/srv/dind-2"]')
    assert Settings().policy.build.host_path_prefixes == ("/srv/dind", "/srv/dind-2")  # type: ignore[call-arg]


def test_no_service_account_is_allowed_unless_somebody_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings().policy.build.allowed_service_accounts == ()  # type: ignore[call-arg]
    monkeypatch.setenv("DIND_ALLOWED_SERVICE_ACCOUNTS", '["pusher", "ci-*"]')
    assert Settings().policy.build.allowed_service_accounts == ("pusher", "ci-*")  # type: ignore[call-arg]


def test_there_is_no_mirror_unless_somebody_names_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings().policy.build.default_registry_mirrors == ()  # type: ignore[call-arg]
    monkeypatch.setenv("DIND_DEFAULT_REGISTRY_MIRRORS", '["https://mirror.example.com"]')
    assert Settings().policy.build.default_registry_mirrors == ("https://mirror.example.com",)  # type: ignore[call-arg]


def test_there_is_no_policy_unless_somebody_gives_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings().policy.policy_rules is None  # type: ignore[call-arg]
    monkeypatch.setenv("DIND_POLICY_RULES", '{"images": ["registry.test/*"], "tolerations": []}')
    rules = Settings().policy.policy_rules  # type: ignore[call-arg]
    assert rules is not None
    assert (rules.images, rules.tolerations, rules.modes) == (("registry.test/*",), (), None)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("DIND_DAEMON_IMAGE", ""),
        ("DIND_DAEMON_IMAGE", None),
        ("DIND_NODE_TOOL_IMAGE", None),
        ("DIND_NODE_TOOL_PULL_POLICY", "Sometimes"),
        ("DIND_DEFAULT_RESERVE_MEMORY", "a lot"),
        ("DIND_DEFAULT_RESERVE_MEMORY", "-1Gi"),
        ("DIND_DEFAULT_RUNTIME_CLASS", ""),
        ("DIND_DEFAULT_RUNTIME_CLASS", "Not A Name"),
        ("DIND_REQUIRE_NAMESPACE_LABEL", "perhaps"),
        ("DIND_WORKERS", "0"),
        ("DIND_WORKERS", "many"),
        ("DIND_RESYNC_SECONDS", "0"),
        ("DIND_VOLUME_CHECK_SECONDS", "-1"),
        ("DIND_RESYNC_SECONDS", "nan"),
        ("DIND_MINUTE_SECONDS", "0"),
        ("DIND_MINUTE_SECONDS", "61"),
        ("DIND_MINUTE_SECONDS", "1.5"),
        ("DIND_MINUTE_SECONDS", "1m"),
        ("DIND_BLOCKED_CHECK_SECONDS", "0.9"),
        ("DIND_BLOCKED_CHECK_SECONDS", "301"),
        ("DIND_BLOCKED_CHECK_SECONDS", "nan"),
        ("DIND_BACKOFF_SECONDS", "0"),
        ("DIND_BACKOFF_SECONDS", "301"),
        ("DIND_BACKOFF_SECONDS", "0.5"),
        ("DIND_LISTEN_PORT", "70000"),
        ("DIND_LOG_FORMAT", "xml"),
        ("DIND_LOG_LEVEL", "loud"),
        ("DIND_HOST_PATH_PREFIXES", "/srv/dind"),
        ("DIND_HOST_PATH_PREFIXES", '{"/srv": 1}'),
        ("DIND_HOST_PATH_PREFIXES", '["srv"]'),
        ("DIND_HOST_PATH_PREFIXES", '["/"]'),
        ("DIND_HOST_PATH_PREFIXES", '["/srv/../etc"]'),
        ("DIND_HOST_PATH_PREFIXES", '["/srv/dind", "/srv"]'),
        ("DIND_ALLOWED_SERVICE_ACCOUNTS", '["*"]'),
        ("DIND_DEFAULT_REGISTRY_MIRRORS", "https://mirror.example.com"),
        ("DIND_DEFAULT_REGISTRY_MIRRORS", '["mirror.example.com"]'),
        ("DIND_DEFAULT_REGISTRY_MIRRORS", '["https://user:password@mirror.example.com"]'),
        ("DIND_POLICY_RULES", "no json"),
        ("DIND_POLICY_RULES", '{"imagse": []}'),
        ("DIND_POLICY_RULES", '{"images": ["registry.test*"]}'),
    ],
)
def test_a_wrong_value_ends_the_program_with_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], variable: str, value: str | None
) -> None:
    if value is None:
        monkeypatch.delenv(variable)
    else:
        monkeypatch.setenv(variable, value)
    assert main(["run"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith(f"dind-operator: the environment variable {variable}: ")


def test_the_default_proxy(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert Settings().policy.build.default_proxy is None  # type: ignore[call-arg]
    monkeypatch.setenv("DIND_DEFAULT_PROXY", '{"httpProxy": "http://p:3128", "noProxy": [".example.com"]}')
    found = Settings().policy.build.default_proxy  # type: ignore[call-arg]
    assert found is not None
    assert (found.http, found.https, found.direct) == ("http://p:3128", None, (".example.com",))
    monkeypatch.setenv("DIND_DEFAULT_PROXY", '{"secretRef": {"name": "a"}}')
    assert main(["run"]) != 0
    assert "secretRef is not allowed here" in capsys.readouterr().err
