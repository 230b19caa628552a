"""The configuration files of the node's parts, as text. Pure: an instance and a few facts in, text out."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterable
from typing import Any

from tests.cluster.instance import Instance

PAUSE_IMAGE = "dind.local/pause:1"

# Where Debian's containernetworking-plugins puts its programs.
CNI_PROGRAMS = "/usr/lib/cni"


def containerd(
    *,
    address: str,
    networks: str,
    shim: str,
    runc: str,
    systemd: bool,
    restricted: bool = False,
    writable: bool = False,
) -> str:
    """Configuration of containerd 2, with the programs by their paths: a machine may have others in its PATH.

    `networks` is the folder of CNI configurations. `restricted`: runc cannot lower oom_score_adj, which takes CAP_SYS_RESOURCE, and
    every sandbox would fail for it. `writable`: a second runtime handler, `dind`, leaves a container its own cgroup to write.
    """
    runtime = 'plugins."io.containerd.cri.v1.runtime"'
    handlers = {"runc": "", **({"dind": "cgroup_writable = true\n"} if writable else {})}
    runtimes = "".join(
        f"""[{runtime}.containerd.runtimes.{name}]
runtime_type = "io.containerd.runc.v2"
runtime_path = "{shim}"
{extra}[{runtime}.containerd.runtimes.{name}.options]
BinaryName = "{runc}"
SystemdCgroup = {str(systemd).lower()}
"""
        for name, extra in handlers.items()
    )
    return f"""version = 3
[grpc]
address = "{address}"
[plugins."io.containerd.internal.v1.opt"]
path = "/var/lib/containerd/opt"
[plugins."io.containerd.cri.v1.images".pinned_images]
sandbox = "{PAUSE_IMAGE}"
[{runtime}]
restrict_oom_score_adj = {str(restricted).lower()}
[{runtime}.cni]
bin_dirs = ["{CNI_PROGRAMS}"]
conf_dir = "{networks}"
{runtimes}"""


def cni(instance: Instance, mtu: int) -> str:
    """A bridge with NAT. Its MTU is the machine's own: a larger one loses big packets silently."""
    return json.dumps(
        {
            "cniVersion": "0.4.0",
            "name": "dind",
            "plugins": [
                {
                    "type": "bridge",
                    "bridge": "cni0",
                    "isGateway": True,
                    "ipMasq": True,
                    "hairpinMode": True,
                    "mtu": mtu,
                    "ipam": {
                        "type": "host-local",
                        "ranges": [[{"subnet": instance.node_pod_range}]],
                        "routes": [{"dst": "0.0.0.0/0"}],
                    },
                },
                {"type": "portmap", "capabilities": {"portMappings": True}},
            ],
        },
        indent=1,
    )


def kubelet(instance: Instance) -> str:
    pki = instance.pki
    return json.dumps(
        {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "authentication": {
                "x509": {"clientCAFile": str(pki / "ca.crt")},
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
            },
            "authorization": {"mode": "Webhook"},
            "tlsCertFile": str(pki / "kubelet.crt"),
            "tlsPrivateKeyFile": str(pki / "kubelet.key"),
            "containerRuntimeEndpoint": f"unix://{instance.containerd_socket}",
            "cgroupDriver": "cgroupfs",
            # Pods stay below the cluster's own group, which `down` can then empty without knowing them.
            "cgroupRoot": f"/{instance.cgroup}",
            # Version 1 is one of the two this project supports; from 1.35 the kubelet wants to be told.
            "failCgroupV1": False,
            "failSwapOn": False,
            "clusterDNS": [instance.dns_address],
            "clusterDomain": "cluster.local",
            "resolvConf": str(instance.state / "resolv.conf"),
            "volumePluginDir": str(instance.state / "volume-plugins"),
            "podCIDR": instance.node_pod_range,
            # The pod network's /24 has room for 250 pods beside the gateway.
            "maxPods": 250,
            "serializeImagePulls": False,
            # Changed Secrets and full volumes are noticed within seconds instead of a minute or more: tests wait for both.
            "syncFrequency": "5s",
            "volumeStatsAggPeriod": "5s",
            # Imported images cannot be pulled again: never remove one to free space.
            "imageGCHighThresholdPercent": 100,
            "evictionHard": {
                "memory.available": "100Mi",
                "nodefs.available": "1%",
                "imagefs.available": "1%",
                "nodefs.inodesFree": "1%",
            },
        },
        indent=1,
    )


def proxy(instance: Instance) -> str:
    return json.dumps(
        {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "clientConnection": {"kubeconfig": str(instance.state / "proxy.kubeconfig")},
            "mode": "iptables",
            "clusterCIDR": instance.pod_range,
            "healthzBindAddress": "127.0.0.1:10256",
            "metricsBindAddress": "127.0.0.1:10249",
            # The connection table's settings belong to the machine: leave them as they are.
            "conntrack": {
                "maxPerCore": 0,
                "min": 0,
                "tcpEstablishedTimeout": "0s",
                "tcpCloseWaitTimeout": "0s",
            },
        },
        indent=1,
    )


def resolvers(texts: Iterable[str]) -> list[str]:
    """The name servers a pod can use: those of the first resolv.conf that names any beyond this machine's loopback."""
    for text in texts:
        found = []
        for line in text.splitlines():
            words = line.split()
            if len(words) < 2 or words[0] != "nameserver":
                continue
            try:
                address = ipaddress.ip_address(words[1].partition("%")[0])
            except ValueError:
                continue
            if not address.is_loopback:
                found.append(words[1])
        if found:
            return found
    return []


def resolv_conf(nameservers: Iterable[str]) -> str:
    return "".join(f"nameserver {address}\n" for address in nameservers)


def dns_objects(instance: Instance, image: str) -> list[dict[str, Any]]:
    """CoreDNS as a pod with the service address every pod is told to ask."""
    labels = {"k8s-app": "kube-dns"}
    metadata = {"name": "coredns", "namespace": "kube-system"}
    corefile = (
        ".:53 {\n  errors\n  health :8080\n  ready :8181\n"
        "  kubernetes cluster.local in-addr.arpa ip6.arpa {\n    pods insecure\n  }\n"
        "  forward . /etc/resolv.conf\n  cache 30\n  reload\n}\n"
    )
    container = {
        "name": "coredns",
        "image": image,
        "imagePullPolicy": "Never",
        "args": ["-conf", "/etc/coredns/Corefile"],
        "ports": [{"containerPort": 53, "protocol": "UDP"}, {"containerPort": 53, "protocol": "TCP"}],
        "readinessProbe": {"httpGet": {"path": "/ready", "port": 8181}, "periodSeconds": 1},
        # No cpu asked for: on two cores a test that asks for one twice has to fit.
        "resources": {"requests": {"memory": "32Mi"}},
        "volumeMounts": [{"name": "config", "mountPath": "/etc/coredns", "readOnly": True}],
    }
    rules = [
        {"apiGroups": [""], "resources": ["services", "pods", "namespaces"], "verbs": ["list", "watch"]},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
    ]
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "system:coredns"}
    subject = {"kind": "ServiceAccount", "name": "coredns", "namespace": "kube-system"}
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata},
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {"name": "system:coredns"},
            "rules": rules,
        },
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "system:coredns"},
            "roleRef": role,
            "subjects": [subject],
        },
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"Corefile": corefile}},
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": metadata | {"labels": labels},
            "spec": {
                "replicas": 1,
                "selector": {"matchLabels": labels},
                "template": {
                    "metadata": {"labels": labels},
                    "spec": {
                        "serviceAccountName": "coredns",
                        "dnsPolicy": "Default",
                        "priorityClassName": "system-cluster-critical",
                        "containers": [container],
                        "volumes": [{"name": "config", "configMap": {"name": "coredns"}}],
                    },
                },
            },
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "kube-dns", "namespace": "kube-system", "labels": labels},
            "spec": {
                "clusterIP": instance.dns_address,
                "selector": labels,
                "ports": [
                    {"name": "dns", "port": 53, "protocol": "UDP"},
                    {"name": "dns-tcp", "port": 53, "protocol": "TCP"},
                ],
            },
        },
    ]
