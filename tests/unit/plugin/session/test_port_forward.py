"""The forwarded port: found out from what kubectl says, kept over restarts."""

from __future__ import annotations

import pytest
from tests.unit.plugin.conftest import FakeKubectl

from dind_operator.plugin.errors import CliError, Exit
from dind_operator.plugin.kubectl import Kubectl
from dind_operator.plugin.session import port_forward as module
from dind_operator.plugin.session.port_forward import PortForward

FORWARDING = "echo 'Forwarding from 127.0.0.1:40001 -> 2376'\nexec sleep 60"


def test_the_port_is_kubectls_choice_and_is_asked_for_again(kubectl: FakeKubectl) -> None:
    kubectl.runs("port-forward", FORWARDING)
    forward = PortForward(Kubectl(), "one")
    assert not forward.is_running()
    forward.start()
    first = forward.pid
    assert forward.is_running()
    forward.start()
    assert forward.pid != first
    forward.stop()
    assert not forward.is_running()
    assert kubectl.calls() == [
        "port-forward --address=127.0.0.1 pods/one :2376",
        "port-forward --address=127.0.0.1 pods/one 40001:2376",
    ]


def test_a_forward_that_ends_is_seen(kubectl: FakeKubectl) -> None:
    kubectl.runs("port-forward", "echo 'Forwarding from 127.0.0.1:40001 -> 2376'\nexec sleep 0.3")
    forward = PortForward(Kubectl(), "one")
    forward.start()
    assert forward.is_running()
    assert forward._process is not None
    forward._process.wait(10)
    assert not forward.is_running()


def test_words_instead_of_a_port_are_told(kubectl: FakeKubectl) -> None:
    kubectl.runs("port-forward", "echo 'error: unable to forward port because pod is not running' >&2; exit 1")
    with pytest.raises(CliError, match="pod is not running") as caught:
        PortForward(Kubectl(), "one").start()
    assert caught.value.code is Exit.NOT_READY


def test_silence_has_an_end(kubectl: FakeKubectl, monkeypatch: pytest.MonkeyPatch) -> None:
    kubectl.runs("port-forward", "exec sleep 60")
    monkeypatch.setattr(module, "_START_SECONDS", 0.2)
    forward = PortForward(Kubectl(), "one")
    with pytest.raises(CliError, match="no output"):
        forward.start()
    assert forward.pid == 0, "nothing is left running"
