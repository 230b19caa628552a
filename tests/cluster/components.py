"""The command lines of Kubernetes' servers, shared by the node cluster and by the lone control plane.

Pure: paths and addresses in, lists of arguments out. kubenode is all servers in one binary.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.cluster.pki import Authority, kubeconfig, write_private

# By which a test chooses its node: `host` or `vm`.
NODE_LABEL = "dind.dev/test-node"

ISSUER = "https://kubernetes.default.svc"


@dataclass(frozen=True)
class ControlPlaneLayout:
    """Where a control plane keeps its things and listens."""

    kubenode: Path
    folder: Path
    address: str
    port: int = 6443
    etcd_port: int = 2379
    etcd_peer_port: int = 2380
    service_range: str = "10.96.0.0/16"
    api_service_address: str = "10.96.0.1"
    pod_range: str = ""
    disable_admission: Sequence[str] = field(default_factory=tuple)
    context: str = "dind"
    # Controllers that are left out of kube-controller-manager.
    disable_controllers: Sequence[str] = field(default_factory=tuple)

    @property
    def pki(self) -> Path:
        return self.folder / "pki"

    @property
    def url(self) -> str:
        return f"https://{self.address}:{self.port}"


def etcd(layout: ControlPlaneLayout) -> list[str]:
    client = f"http://127.0.0.1:{layout.etcd_port}"
    peer = f"http://127.0.0.1:{layout.etcd_peer_port}"
    return [
        *(str(layout.kubenode), "etcd", f"--data-dir={layout.folder / 'etcd'}", "--name=default"),
        *(f"--listen-client-urls={client}", f"--advertise-client-urls={client}"),
        *(f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}", f"--initial-cluster=default={peer}"),
        # A crash of the machine loses the cluster, and nobody minds; every write is faster for it.
        "--unsafe-no-fsync",
        "--log-level=warn",
    ]


def api_server(layout: ControlPlaneLayout) -> list[str]:
    pki = layout.pki
    disabled = [f"--disable-admission-plugins={','.join(layout.disable_admission)}"] if layout.disable_admission else []
    # Pods could not reach it there, and from Kubernetes 1.37 it refuses to say otherwise.
    alone = ["--endpoint-reconciler-type=none"] if ipaddress.ip_address(layout.address).is_loopback else []
    return [
        *(str(layout.kubenode), "kube-apiserver", f"--etcd-servers=http://127.0.0.1:{layout.etcd_port}"),
        *(f"--bind-address={layout.address}", f"--secure-port={layout.port}", f"--advertise-address={layout.address}"),
        f"--service-cluster-ip-range={layout.service_range}",
        *(f"--tls-cert-file={pki / 'apiserver.crt'}", f"--tls-private-key-file={pki / 'apiserver.key'}"),
        f"--client-ca-file={pki / 'ca.crt'}",
        *(f"--service-account-key-file={pki / 'sa.key'}", f"--service-account-signing-key-file={pki / 'sa.key'}"),
        f"--service-account-issuer={ISSUER}",
        *("--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction", "--allow-privileged=true"),
        *disabled,
        *alone,
        *(f"--kubelet-client-certificate={pki / 'apiserver.crt'}", f"--kubelet-client-key={pki / 'apiserver.key'}"),
        f"--kubelet-certificate-authority={pki / 'ca.crt'}",
        "--kubelet-preferred-address-types=InternalIP",
        "--profiling=false",
    ]


def controller_manager(layout: ControlPlaneLayout) -> list[str]:
    ranges = [f"--cluster-cidr={layout.pod_range}"] if layout.pod_range else []
    without = [f"--controllers={','.join(['*', *(f'-{name}' for name in layout.disable_controllers)])}"]
    return [
        *(str(layout.kubenode), "kube-controller-manager"),
        f"--kubeconfig={layout.folder / 'controller-manager.kubeconfig'}",
        *(f"--service-account-private-key-file={layout.pki / 'sa.key'}", f"--root-ca-file={layout.pki / 'ca.crt'}"),
        *("--use-service-account-credentials", "--leader-elect=false"),
        # Nobody asks it for metrics, and a second control plane on the machine would want the same port.
        "--secure-port=0",
        *ranges,
        *(without if layout.disable_controllers else []),
    ]


def scheduler(layout: ControlPlaneLayout) -> list[str]:
    return [
        *(str(layout.kubenode), "kube-scheduler", f"--kubeconfig={layout.folder / 'scheduler.kubeconfig'}"),
        *("--leader-elect=false", "--bind-address=127.0.0.1"),
    ]


def kubelet(layout: ControlPlaneLayout, node_name: str, node_address: str, config: Path) -> list[str]:
    return [
        *(str(layout.kubenode), "kubelet", f"--config={config}"),
        f"--kubeconfig={layout.folder / 'kubelet.kubeconfig'}",
        *(f"--hostname-override={node_name}", f"--node-ip={node_address}"),
        f"--node-labels={NODE_LABEL}=host",
    ]


def proxy(layout: ControlPlaneLayout, node_name: str, config: Path) -> list[str]:
    return [str(layout.kubenode), "kube-proxy", f"--config={config}", f"--hostname-override={node_name}"]


def credentials(layout: ControlPlaneLayout, node_name: str | None = None) -> Path:
    """Makes the certificates and kubeconfigs of every server. Returns the administrator's kubeconfig."""
    authority = Authority(layout.pki)
    authority.prepare()
    names = ["localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"]
    addresses = sorted({"127.0.0.1", layout.address, layout.api_service_address})
    alternatives = [f"DNS:{name}" for name in names] + [f"IP:{address}" for address in addresses]
    # system:masters, because the API server uses its own certificate to call the kubelet for exec and logs.
    authority.issue("apiserver", "/O=system:masters/CN=kube-apiserver", alternatives)
    clients = {
        "admin": "/O=system:masters/CN=admin",
        "controller-manager": "/CN=system:kube-controller-manager",
        "scheduler": "/CN=system:kube-scheduler",
    }
    if node_name is not None:
        clients["proxy"] = "/CN=system:kube-proxy"
        clients["kubelet"] = f"/O=system:nodes/CN=system:node:{node_name}"
    for name, subject in clients.items():
        serves = [f"DNS:{node_name}", f"IP:{layout.address}"] if name == "kubelet" else []
        certificate, key = authority.issue(name, subject, serves)
        target = layout.folder / f"{name}.kubeconfig"
        write_private(target, kubeconfig(layout.url, authority.certificate, certificate, key, layout.context))
    return layout.folder / "admin.kubeconfig"
