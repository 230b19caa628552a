"""The lone control plane: comes whole, goes without a trace, also when whoever started it is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.cluster.controlplane import ControlPlane
from tests.cluster.process import ProcessRecord, start_time, wait_until
from tests.cluster.progress import ClusterError
from tests.cluster.record import checkout
from tests.kube.api import Api

MAPS = "/api/v1/namespaces/default/configmaps"
ACCOUNT = "/api/v1/namespaces/default/serviceaccounts/default"


def kubectl(plane: ControlPlane, *arguments: str) -> subprocess.CompletedProcess[str]:
    words = ["kubectl", f"--kubeconfig={plane.kubeconfig}", *arguments]
    return subprocess.run(words, check=False, capture_output=True, text=True)


@pytest.fixture(scope="module")
def without_controllers() -> Iterator[ControlPlane]:
    with ControlPlane() as plane:
        yield plane


def test_pods_are_admitted_without_controllers(without_controllers: ControlPlane) -> None:
    done = kubectl(without_controllers, "run", "pod", "--image=none")
    assert done.returncode == 0, done.stderr


def test_objects_outlive_a_restart_of_the_api_server(without_controllers: ControlPlane) -> None:
    plane, url = without_controllers, without_controllers.url
    assert kubectl(plane, "create", "configmap", "kept").returncode == 0
    plane.stop_api_server()
    assert "refused" in kubectl(plane, "get", "configmap", "kept").stderr
    plane.start_api_server()
    assert plane.url == url
    assert kubectl(plane, "get", "configmap", "kept").returncode == 0


def test_with_controllers_pods_are_admitted_and_namespaces_end_and_stopping_leaves_no_process_and_no_folder() -> None:
    with ControlPlane(controllers=True) as plane:
        folder = plane.folder
        servers = [plane.record(name) for name in ("etcd", "kube-apiserver", "kube-controller-manager")]
        assert all(server.alive() for server in servers)
        assert folder.is_dir()
        assert kubectl(plane, "run", "pod", "--image=none").returncode == 0
        assert kubectl(plane, "create", "namespace", "short").returncode == 0
        done = kubectl(plane, "delete", "namespace", "short", "--timeout=60s")
        assert done.returncode == 0, done.stderr
    assert not any(server.alive() for server in servers)
    assert not folder.exists()
    plane.stop()  # once more does nothing


def test_the_servers_die_with_a_test_run_that_is_killed() -> None:
    program = (
        "import time; from tests.cluster.controlplane import ControlPlane\n"
        "plane = ControlPlane().start()\n"
        "print(plane.folder, plane.record('etcd').pid, plane.record('kube-apiserver').pid, flush=True)\n"
        "time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", program], cwd=checkout(), stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        folder, *pids = owner.stdout.readline().split()
        servers = [ProcessRecord.of(int(pid)) for pid in pids]
        os.kill(owner.pid, signal.SIGKILL)
    assert wait_until(lambda: not any(start_time(server.pid) == server.started for server in servers), 10)
    subprocess.run(["rm", "-r", "--", str(Path(folder))], check=True)


def test_a_server_that_does_not_start_is_quoted() -> None:
    plane = ControlPlane(disable_admission=["NoSuchPlugin"])
    with pytest.raises(ClusterError, match="NoSuchPlugin"):
        plane.start()


def test_what_is_prepared_is_there_before_the_controllers_are() -> None:
    def prepare(plane: ControlPlane) -> None:
        with closing(Api(plane.kubeconfig)) as api:
            assert api.get(ACCOUNT) is None
            api.create(MAPS, {"metadata": {"name": "prepared"}})

    with ControlPlane(controllers=True, prepare=prepare) as plane, closing(Api(plane.kubeconfig)) as api:
        assert api.get(f"{MAPS}/prepared") is not None
        assert api.get(ACCOUNT) is not None
