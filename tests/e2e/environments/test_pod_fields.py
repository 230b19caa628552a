"""Fields of the pod, all in one environment: what the daemon, its nested containers and workloads have of them."""

from __future__ import annotations

from tests.cluster.own_images import BUSYBOX_IMAGE
from tests.e2e.environments.conftest import Environments, load_images
from tests.e2e.environments.test_workloads import AWAIT_IMAGE, LONG, workload
from tests.environment import eventually
from tests.live import Cluster, Object, condition

ACCOUNT = "e2e-identity"
WORKSPACE = "/home/runner/_work"
PORTS = "/proc/sys/net/ipv4/ip_local_port_range"
# What nested containers make of the working directory of a workload.
LOOK = f"{AWAIT_IMAGE}echo mine >file; docker run --rm --volume \"$PWD:/x\" {BUSYBOX_IMAGE} sh -c 'echo found: $(ls /x).'; {LONG}"
SPEC: Object = {
    "security": {
        "serviceAccountName": ACCOUNT,
        "sysctls": [{"name": "net.ipv4.ip_local_port_range", "value": "20000 30000"}],
    },
    "network": {
        "hostAliases": [{"ip": "127.0.0.1", "hostnames": ["registry.example.test"]}],
        "dnsPolicy": "None",
        "dnsConfig": {
            "nameservers": ["192.0.2.53"],
            "searches": ["builds.example.test"],
            "options": [{"name": "ndots", "value": "3"}],
        },
    },
    "workloads": {
        "dockerCli": True,
        "workspace": {"path": WORKSPACE},
        "containers": [
            workload(LOOK, name="inside", workingDir=f"{WORKSPACE}/app"),
            workload(LOOK, name="outside", workingDir="/src"),
        ],
    },
}


def test_all_fields_of_the_pod_together(kube: Cluster, environments: Environments) -> None:
    environment = environments("fields")
    account = {"name": ACCOUNT, "namespace": environment.namespace}
    kube.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": account})
    environment.apply(SPEC)
    environment.wait(lambda it: condition(it, "DaemonReady").get("status") == "True", "the daemon answers")
    pod = environment.pod() or {}
    assert pod["spec"]["serviceAccountName"] == ACCOUNT
    for container in ("daemon", "inside"):
        assert environment.attempt("ls", "/var/run/secrets/kubernetes.io", container=container).returncode != 0

    # The daemon's own network, and by its name what dockerd itself looks up.
    assert environment.run("cat", PORTS).split() == ["20000", "30000"]
    pull = environment.attempt("docker", "pull", "registry.example.test:9/image")
    assert "dial tcp 127.0.0.1:9: connect: connection refused" in pull.stderr, pull.stderr

    # Nested containers have the pod's DNS, and neither its /etc/hosts nor the parameters of its network.
    load_images(environment)
    resolver = environment.docker("run", "--rm", BUSYBOX_IMAGE, "cat", "/etc/resolv.conf").splitlines()
    assert {"nameserver 192.0.2.53", "search builds.example.test", "options ndots:3"} <= set(resolver)
    assert environment.docker("run", "--rm", BUSYBOX_IMAGE, "cat", PORTS).split() != ["20000", "30000"]
    assert "registry.example.test" not in environment.docker("run", "--rm", BUSYBOX_IMAGE, "cat", "/etc/hosts")
    hosts = ["--add-host=registry.example.test:127.0.0.1", BUSYBOX_IMAGE, "cat", "/etc/hosts"]
    assert "registry.example.test" in environment.docker("run", "--rm", *hosts)

    # What a workload has in its working directory, nested containers see below the workspace only, and the condition says so.
    for name, found in (("inside", "found: file."), ("outside", "found: .")):
        said = eventually(lambda name=name: environment.log(name), f"the end of {name}")
        assert said.strip() == found
    told = environment.condition("WorkloadsSucceeded")
    assert told["reason"] == "WorkloadsRunning"
    assert f"The working directory /src of outside is outside of the workspace {WORKSPACE}" in told["message"]
    assert environment.run("cat", f"{WORKSPACE}/app/file") == "mine"


def test_a_kernel_parameter_that_the_kubelet_does_not_allow(environments: Environments) -> None:
    """No pod after pod: another would be refused, too. Without the parameter there is one that runs."""
    environment = environments("unsafe")
    environment.apply({"security": {"sysctls": [{"name": "net.core.somaxconn", "value": "1024"}]}})
    told = environment.wait_reason("SysctlForbidden")
    assert told["message"].startswith(
        "The kubelet does not allow a kernel parameter in spec.security.sysctls. Remove the"
    )
    assert "net.core.somaxconn" in told["message"]
    refused = environment.pod_uid()
    environment.wait_event("SysctlForbidden")
    assert environment.pod_uid() == refused
    environment.patch({"security": {"sysctls": [{"name": "net.ipv4.tcp_syncookies", "value": "2"}]}})
    environment.ready()
    assert environment.run("cat", "/proc/sys/net/ipv4/tcp_syncookies") == "2"
