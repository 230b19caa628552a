"""The lone control plane: comes whole, goes without a trace, also when whoever started it is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import aiohttp
import pytest
from tests.cluster.controlplane import ControlPlane
from tests.cluster.process import ProcessRecord, start_time, wait_until
from tests.cluster.progress import ClusterError
from tests.cluster.record import checkout
from tests.kube.api import Api
from tests.kube.client import Object

MAPS = "/api/v1/namespaces/default/configmaps"
PODS = "/api/v1/namespaces/default/pods"
NAMESPACES = "/api/v1/namespaces"
ACCOUNT = "/api/v1/namespaces/default/serviceaccounts/default"
POD: Object = {"metadata": {"name": "pod"}, "spec": {"containers": [{"name": "c", "image": "none"}]}}


@pytest.fixture(scope="module")
def without_controllers() -> Iterator[ControlPlane]:
    with ControlPlane() as plane:
        yield plane


@pytest.fixture
def api(without_controllers: ControlPlane) -> Iterator[Api]:
    with closing(Api(without_controllers.kubeconfig)) as client:
        yield client


def test_pods_are_admitted_without_controllers(api: Api) -> None:
    assert api.create(PODS, POD)["metadata"]["uid"]


def test_objects_outlive_a_restart_of_the_api_server(without_controllers: ControlPlane, api: Api) -> None:
    plane, url = without_controllers, without_controllers.url
    made = api.create(MAPS, {"metadata": {"name": "kept"}})
    plane.stop_api_server()
    with pytest.raises(aiohttp.ClientConnectorError):
        api.get(f"{MAPS}/kept")
    plane.start_api_server()
    assert plane.url == url
    assert api.get(f"{MAPS}/kept") == made


def test_with_controllers_pods_are_admitted_and_namespaces_end_and_stopping_leaves_no_process_and_no_folder() -> None:
    def prepare(plane: ControlPlane) -> None:
        """Before the controllers are there."""
        with closing(Api(plane.kubeconfig)) as api:
            assert api.get(ACCOUNT) is None
            api.create(MAPS, {"metadata": {"name": "prepared"}})

    with ControlPlane(controllers=True, prepare=prepare) as plane, closing(Api(plane.kubeconfig)) as api:
        folder = plane.folder
        servers = [plane.record(name) for name in ("etcd", "kube-apiserver", "kube-controller-manager")]
        assert all(server.alive() for server in servers)
        assert folder.is_dir()
        assert api.get(f"{MAPS}/prepared") is not None
        assert api.get(ACCOUNT) is not None
        assert api.create(PODS, POD)["spec"]["serviceAccountName"] == "default"
        api.create(NAMESPACES, {"metadata": {"name": "short"}})
        api.delete(f"{NAMESPACES}/short")
        api.wait(NAMESPACES, "short", lambda found: found is None, "gone", 60)
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
