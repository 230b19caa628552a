"""Fields of the pod that the API server checks itself, and the service account, which somebody has to allow."""

from __future__ import annotations

from tests.cluster.controlplane import ControlPlane
from tests.helm import Helm
from tests.integration.environments.conftest import Operators
from tests.integration.harness import account
from tests.integration.harness.calls import on
from tests.integration.harness.running import OFTEN, RunningOperator
from tests.integration.harness.space import Space
from tests.kube.api import Api
from tests.kube.client import Object

WHOLE: Object = {
    "network": {
        "hostAliases": [{"ip": "10.1.2.3", "hostnames": ["registry.example.com", "r"]}],
        "dnsPolicy": "None",
        "dnsConfig": {
            "nameservers": ["10.0.0.53", "fd00::53"],
            "searches": ["example.com."],
            "options": [{"name": "ndots", "value": "2"}],
        },
    },
    "security": {"sysctls": [{"name": "kernel.sem", "value": "250 32000 32 128"}]},
    "workloads": {
        "containers": [{"name": "work", "image": "i", "workingDir": "/src"}],
        "workspace": {"path": "/builds", "sizeLimit": "1Gi"},
    },
}


def test_the_api_server_stores_what_the_spec_says_of_the_pod(operator: RunningOperator, space: Space) -> None:
    space.create(spec=WHOLE)
    pod = space.wait_pod()["spec"]
    network = WHOLE["network"]
    assert {key: pod[key] for key in network} == network
    assert pod["securityContext"] == WHOLE["security"] | {"supplementalGroups": [2375]}
    daemon, work = pod["initContainers"][1], pod["containers"][0]
    for container in (daemon, work):
        assert {"name": "dind-workspace", "mountPath": "/builds"} in container["volumeMounts"]
    assert {"name": "dind-workspace", "emptyDir": {"sizeLimit": "1Gi"}} in pod["volumes"]
    assert (pod["serviceAccountName"], pod["automountServiceAccountToken"]) == ("default", False)


def test_what_only_the_api_server_knows_of_a_pod_is_told_and_the_next_spec_is_tried(
    operator: RunningOperator, space: Space
) -> None:
    """Together the domains are longer than a pod may have."""
    space.create(spec={"network": {"dnsConfig": {"searches": [f"{'s' * 60}.{'t' * 60}"] * 20}}})
    told = space.wait_told("InvalidPod")
    assert "spec.dnsConfig.searches" in told["message"]
    assert space.pod() is None
    space.change({"network": {"dnsConfig": {"searches": ["example.com"]}}})
    assert space.wait_pod()["spec"]["dnsConfig"] == {"searches": ["example.com"]}


def test_an_account_is_used_where_the_installation_allows_it_and_waited_for_where_it_is_missing(
    plane: ControlPlane, api: Api, start: Operators, helm: Helm, space: Space
) -> None:
    spec = {"security": {"serviceAccountName": "ci-pusher"}}
    first = start(resync_seconds=OFTEN).wait_ready()
    space.create(spec=spec)
    told = space.wait_told("ServiceAccountNotAllowed")
    assert "Ask an administrator to add it to allowedServiceAccounts of the chart" in told["message"]
    assert first.proxy.count(on("create", "pods")) == 0
    first.stop()
    with account.installed(plane, api, helm, "accounts", allowedServiceAccounts=["ci-*"]) as token:
        start(token=token, allowed_service_accounts=("ci-*",), resync_seconds=OFTEN).wait_ready()
        told = space.wait_reason("ServiceAccountMissing")
        assert told["message"].startswith("The service account ci-pusher does not exist. Create it, or correct spec.")
        assert space.wait_status(phase="Recovering")
        api.create(f"{space.path}/serviceaccounts", {"metadata": {"name": "ci-pusher"}})
        pod = space.wait_pod()["spec"]
        assert (pod["serviceAccountName"], pod["automountServiceAccountToken"]) == ("ci-pusher", False)
        mounted = [volume for volume in pod["volumes"] if "projected" in volume]
        assert mounted == [], "no token"
