"""Options that commands share."""

from __future__ import annotations

import pytest
from tests.unit.plugin.conftest import FakeKubectl

from dind_operator.plugin.main import main
from dind_operator.plugin.options import Seconds


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("90s", 90), ("5m", 300), ("1h", 3600), ("0s", 0)])
def test_times_to_wait(text: str, seconds: float) -> None:
    assert Seconds().convert(text, None, None) == seconds


@pytest.mark.parametrize("text", ["soon", "-1s", "25h", "1.5h", ""])
def test_what_is_no_time_is_refused_with_how_to_write_it(text: str) -> None:
    with pytest.raises(Exception, match="such as 90s, 5m or 1h"):
        Seconds().convert(text, None, None)


@pytest.mark.parametrize(
    ("line", "flags"),
    [
        (["list"], ""),
        (["-n", "a", "list"], " --namespace=a"),
        (["list", "-n", "a"], " --namespace=a"),
        (["-n", "a", "--context=c", "list", "-n", "b"], " --context=c --namespace=b"),
        (["list", "--kubeconfig=/k"], " --kubeconfig=/k"),
    ],
)
def test_the_target_stands_before_or_behind_the_command_and_the_latter_wins(
    line: list[str], flags: str, kubectl: FakeKubectl
) -> None:
    kubectl.answers("get", {"items": []})
    kubectl.fails("config", "no context")
    assert main(line) == 0
    assert kubectl.calls()[0] == f"get dindenvironments.dind.dev --output=json{flags}"
