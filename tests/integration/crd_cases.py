"""Specs that the API server refuses, with the sentences it must say; specs it accepts; a status with every field."""

from __future__ import annotations

from typing import Any

MEMORY = {"medium": "Memory", "sizeLimit": "1Gi"}
NODES = "requiredDuringSchedulingIgnoredDuringExecution"


def node_affinity(**requirement: Any) -> dict[str, Any]:
    terms = {"nodeSelectorTerms": [{"matchExpressions": [{"key": "a", **requirement}]}]}
    return {"scheduling": {"affinity": {"nodeAffinity": {NODES: terms}}}}


def resources(limits: dict[str, Any] | None = None, requests: dict[str, Any] | None = None) -> dict[str, Any]:
    given = {"limits": limits, "requests": requests}
    return {"daemon": {"resources": {key: value for key, value in given.items() if value is not None}}}


def with_memory(limit: str, **daemon: Any) -> dict[str, Any]:
    return {"daemon": {"resources": {"limits": {"memory": limit}}, **daemon}}


def claim(**fields: Any) -> dict[str, Any]:
    requests = {"resources": {"requests": {"storage": "1Gi"}}}
    return {"storage": {"ephemeral": {"volumeClaimTemplate": {"spec": {**requests, **fields}}}}}


NOT_A_QUANTITY = "must be a quantity: write a number without a sign and a suffix, as in 500m, 2, 512Mi or 10G"
TOO_LARGE = "must be less than 2^63-1, the largest quantity of Kubernetes: write a smaller one"
NOT_A_NAME = "must be a DNS name or an IP address: write a DNS name in lower case"
NOT_A_RANGE = "must be an address range in CIDR notation: write it as 10.0.0.0/8 or fd00::/8"
VOLUME = {"name": "v", "emptyDir": {}}


def workload(_more: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    """``fields`` of the one container, ``_more`` of the workloads."""
    return {"workloads": {"containers": [{"name": "work", "image": "ci:1", **fields}], **(_more or {})}}


def mounted(name: str = "v", path: str = "/v", volume: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return workload({"volumes": [volume or VOLUME], **more}, volumeMounts=[{"name": name, "mountPath": path}])


WORK = "spec.workloads.containers[0]"
# A field of the networks, and dockerd's own word for the same.
NETWORK_TWICE: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("mtu", {"mtu": 1400}, {"config": {"mtu": 1400}}),
    ("mtu", {"mtu": 1400}, {"args": ["--debug", "--mtu=1400"]}),
    ("bridgeAddress", {"bridgeAddress": "172.30.0.1/24"}, {"config": {"bip": "172.30.0.1/24"}}),
    ("bridgeAddress", {"bridgeAddress": "172.30.0.1/24"}, {"config": {"bridge": "none"}}),
    (
        "addressPools",
        {"addressPools": [{"base": "172.31.0.0/16", "size": 24}]},
        {"config": {"default-address-pools": [{"base": "172.31.0.0/16", "size": 24}]}},
    ),
    ("dns.nameservers", {"dns": {"nameservers": ["10.0.0.1"]}}, {"config": {"dns": ["10.0.0.1"]}}),
    ("dns.searches", {"dns": {"searches": ["a"]}}, {"args": ["--dns-search", "a"]}),
    ("dns.options", {"dns": {"options": [{"name": "rotate"}]}}, {"config": {"dns-opts": ["rotate"]}}),
    ("ipv6", {"ipv6": "Enabled"}, {"config": {"fixed-cidr-v6": "2001:db8::/64"}}),
    ("ipv6", {"ipv6": "Disabled"}, {"config": {"ipv6": True}}),
]

CA = {"registry": "r.example.com:5000", "configMapRef": {"name": "a"}}
MIRRORS = {"mirrors": ["https://m.example.com"]}
REFUSED: list[tuple[str, dict[str, Any], list[str]]] = [
    # Of daemon.json the keys that rules name have the type that dockerd gives them.
    *(
        (f"config-type-{key}", {"daemon": {"config": {key: value}}}, [f"spec.daemon.config.{key}", words])
        for key, value, words in (
            ("mtu", "1400", "must be of type integer"),
            ("mtu", 65536, "less than or equal to 65535"),
            ("ip6tables", "no", "must be of type boolean"),
            ("bip", ["172.30.0.1/24"], "must be of type string"),
            ("bridge", "b" * 4097, "may not be more than 4096"),
            ("registry-mirrors", {}, "must be of type array"),
            ("insecure-registries", [None], "must be of type string"),
            ("dns", ["10.0.0.1"] * 65, "must have at most 64 items"),
            ("default-address-pools", [7], "must be of type object"),
            ("exec-opts", [1], "must be of type string"),
        )
    ),
    (
        "config-many",
        {"daemon": {"config": {f"k{number}": 1 for number in range(129)}}},
        ["spec.daemon.config", "must have at most 128 items"],
    ),
    # Only true and false are booleans, whatever YAML or a form makes of them.
    ("workload-cli-as-text", workload({"dockerCli": "true"}), ["spec.workloads.dockerCli", "must be of type boolean"]),
    (
        "workload-non-root-as-number",
        workload(securityContext={"runAsNonRoot": 1}),
        [f"{WORK}.securityContext.runAsNonRoot", "must be of type boolean"],
    ),
    (
        "workload-read-only-as-text",
        workload({"volumes": [VOLUME]}, volumeMounts=[{"name": "v", "mountPath": "/v", "readOnly": "yes"}]),
        [f"{WORK}.volumeMounts[0].readOnly", "must be of type boolean"],
    ),
    ("workloads-none", {"workloads": {"containers": []}}, ["spec.workloads.containers", "at least 1 items"]),
    ("workloads-empty", {"workloads": {}}, ["spec.workloads.containers: Required"]),
    (
        "workloads-many",
        {"workloads": {"containers": [{"name": f"w{number}", "image": "i"} for number in range(9)]}},
        ["spec.workloads.containers", "must have at most 8 items"],
    ),
    (
        "workload-twice",
        {"workloads": {"containers": [{"name": "w", "image": "i"}] * 2}},
        ["spec.workloads.containers[1]: Duplicate value"],
    ),
    *(
        (
            f"workload-{name}",
            workload(name=name),
            [
                f"{WORK}.name: Forbidden",
                f"the name {name} must not be that of an operator's container: choose another name",
            ],
        )
        for name in ("daemon", "mount-cgroups", "dind-x")
    ),
    (
        "workload-docker-host",
        workload(env=[{"name": "DOCKER_HOST", "value": "tcp://a:2375"}]),
        [f"{WORK}.env[0].name: Forbidden", "env DOCKER_HOST is set by the operator", "remove it"],
    ),
    (
        "workload-two-values",
        workload(env=[{"name": "A", "value": "b", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]),
        [f"{WORK}.env[0]", "must have exactly one source: keep value or one part of valueFrom"],
    ),
    ("workload-no-source", workload(env=[{"name": "A", "valueFrom": {}}]), ["must have exactly one source"]),
    (
        "workload-field",
        workload(env=[{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "spec.serviceAccountName"}}}]),
        [f"{WORK}.env[0].valueFrom.fieldRef.fieldPath", '"metadata.name"'],
    ),
    ("workload-from-none", workload(envFrom=[{}]), [f"{WORK}.envFrom[0]", "set configMapRef or secretRef"]),
    ("workload-mount-undeclared", mounted("other"), ["spec.workloads.volumes", "declare the volume there"]),
    *(
        (
            f"workload-mount-{path.rpartition('/')[2]}",
            mounted(path=path),
            [
                f"{WORK}.volumeMounts[0].mountPath: Forbidden",
                f"mountPath {path} must not be a path that the operator uses",
            ],
        )
        for path in ("/run/dind", "/run/dind/docker.sock", "/run/dind-cli")
    ),
    (
        "workload-mount-workspace",
        mounted(path="/workspace"),
        ["spec.workloads.containers", "the path of the workspace"],
    ),
    (
        "workload-mount-own-workspace",
        mounted(path="/builds", volume=VOLUME, workspace={"path": "/builds"}),
        ["spec.workloads.containers", "must not have the path of the workspace", "set workloads.workspace.path"],
    ),
    *(
        (
            f"workspace{path}",
            workload({"workspace": {"path": path}}),
            ["spec.workloads.workspace.path: Forbidden", f"path {path} must not be a directory of the system"],
        )
        for path in (
            "/proc",
            "/sys/fs",
            "/dev",
            "/etc/docker",
            "/lib64",
            "/usr",
            "/usr/local/bin",
            "/home",
            "/var",
            "/var/lib",
            "/var/lib/docker",
            "/var/lib/docker/volumes",
            "/var/run/docker",
            "/run/dind",
            "/dind",
        )
    ),
    *(
        (
            f"workspace-{path}",
            workload({"workspace": {"path": path}}),
            ["spec.workloads.workspace.path", "must be an absolute path without '.' and '..'"],
        )
        for path in ("work", "/builds/", "/builds/../etc", "/./builds", "/a b", "/a:b", "//etc")
    ),
    ("workload-mount-relative", mounted(path="v"), ["must be an absolute path: use letters"]),
    (
        "workload-volume-name",
        mounted("dind-socket", volume={"name": "dind-socket", "emptyDir": {}}),
        [
            "spec.workloads.volumes[0].name: Forbidden",
            "volume dind-socket has one of the names of the operator's volumes",
        ],
    ),
    ("workload-volume-docker", mounted("docker-data", volume={"name": "docker-data", "emptyDir": {}}), ["docker-data"]),
    (
        "workload-volume-kinds",
        mounted(volume={**VOLUME, "configMap": {"name": "c"}}),
        ["must have exactly one kind: keep one of"],
    ),
    ("workload-volume-none", mounted(volume={"name": "v"}), ["must have exactly one kind: keep one of"]),
    ("workload-volume-size", mounted(volume={"name": "v", "emptyDir": {"sizeLimit": "0"}}), ["must be more than zero"]),
    ("workload-image", workload(image="a b"), [f"{WORK}.image", "write it as registry/name:tag"]),
    (
        "workload-resource",
        workload(resources={"limits": {"example.com/gpu": "1"}}),
        [f"{WORK}.resources.limits", "a workload cannot use this resource: use cpu, memory"],
    ),
    ("workload-restart", workload({"restartPolicy": "Sometimes"}), ['"Never", "OnFailure", "Always"']),
    # What would widen a container's privileges is no part of the API: strict validation, as kubectl asks for it, refuses it by name,
    # and without it the field is dropped.
    *(
        (f"workload-{field}", workload(**{field: value}), [f'unknown field "{WORK}.{field}'])
        for field, value in (
            ("lifecycle", {}),
            ("livenessProbe", {}),
            ("ports", []),
            ("volumeDevices", []),
            ("restartPolicy", "Always"),
        )
    ),
    *(
        (
            f"workload-{field}",
            workload(securityContext={field: value}),
            [f'unknown field "{WORK}.securityContext.{field}'],
        )
        for field, value in (
            ("privileged", True),
            ("capabilities", {"add": ["SYS_ADMIN"]}),
            ("procMount", "Unmasked"),
            ("seccompProfile", {"type": "Unconfined"}),
            ("appArmorProfile", {"type": "Unconfined"}),
            ("allowPrivilegeEscalation", True),
        )
    ),
    *(
        (
            f"workload-volume-{kind}",
            mounted(volume={"name": "v", kind: value}),
            [f'unknown field "spec.workloads.volumes[0].{kind}'],
        )
        for kind, value in (
            ("hostPath", {"path": "/"}),
            ("projected", {"sources": [{"serviceAccountToken": {"path": "token"}}]}),
            ("persistentVolumeClaim", {"claimName": "c"}),
            ("csi", {"driver": "d"}),
        )
    ),
    *(
        (f"workloads-{field}", workload({field: value}), [f'unknown field "spec.workloads.{field}'])
        for field, value in (("serviceAccountName", "default"), ("hostNetwork", True), ("hostPID", True))
    ),
    ("endpoint-name", {"endpoint": {"extraNames": ["A.example.com"]}}, ["spec.endpoint.extraNames[0]", NOT_A_NAME]),
    ("endpoint-port", {"endpoint": {"extraNames": ["a.example.com:2376"]}}, [NOT_A_NAME]),
    ("endpoint-address", {"endpoint": {"extraNames": ["256.0.0.1"]}}, [NOT_A_NAME]),
    (
        "endpoint-long-label",
        {"endpoint": {"extraNames": [f"a.{'b' * 64}.example.com"]}},
        ["spec.endpoint.extraNames[0]", "has a part of more than 63 characters, which no DNS name has: shorten it"],
    ),
    ("endpoint-twice", {"endpoint": {"extraNames": ["a", "a"]}}, ["spec.endpoint.extraNames[1]", "Duplicate value"]),
    ("endpoint-generation", {"endpoint": {"credentialsGeneration": 0}}, ["spec.endpoint.credentialsGeneration"]),
    (
        "endpoint-nobody",
        {"endpoint": {"allowFrom": [{}]}},
        ["spec.endpoint.allowFrom[0]", "must select somebody: set podSelector"],
    ),
    (
        "published-nobody",
        {"publishedPorts": {"allowFrom": [{}]}},
        ["spec.publishedPorts.allowFrom[0]", "must select somebody: set podSelector"],
    ),
    (
        "published-backwards",
        {"publishedPorts": {"ports": [{"port": 9010, "endPort": 9000}]}},
        ["spec.publishedPorts.ports[0].endPort", "write the lower end of the range as port"],
    ),
    (
        "published-daemon",
        {"publishedPorts": {"ports": [{"port": 2376}]}},
        ["spec.publishedPorts.ports[0].port", "name who may reach it in endpoint.allowFrom"],
    ),
    (
        "published-daemon-in-a-range",
        {"publishedPorts": {"ports": [{"port": 2000, "endPort": 3000}]}},
        ["spec.publishedPorts.ports[0].port", "name who may reach it in endpoint.allowFrom"],
    ),
    (
        "endpoint-two-kinds",
        {"endpoint": {"allowFrom": [{"ipBlock": {"cidr": "10.0.0.0/8"}, "podSelector": {}}]}},
        ["spec.endpoint.allowFrom[0].ipBlock", "ipBlock must be the only field"],
    ),
    (
        "endpoint-range",
        {"endpoint": {"allowFrom": [{"ipBlock": {"cidr": "10.0.0.0/33"}}]}},
        ["spec.endpoint.allowFrom[0].ipBlock.cidr", NOT_A_RANGE],
    ),
    (
        "mirror-user",
        {"registry": {"mirrors": ["https://a:b@m.example.com"]}},
        ["spec.registry.mirrors[0]", "must be the URL of a mirror"],
    ),
    (
        "registry-url",
        {"registry": {"caBundles": [CA | {"registry": "https://r.example.com"}]}},
        ["must be a registry: write it as"],
    ),
    ("authority-none", {"registry": {"caBundles": [{"registry": "r.example.com"}]}}, ["must have exactly one source"]),
    (
        "authority-both",
        {"registry": {"caBundles": [CA | {"secretRef": {"name": "b"}}]}},
        ["must have exactly one source"],
    ),
    ("authority-twice", {"registry": {"caBundles": [CA, CA]}}, ["spec.registry.caBundles[1]", "Duplicate value"]),
    *(
        (
            f"mirrors-for-{hub}",
            {"registry": {"mirrorsFor": [{"registry": hub, "mirrors": ["https://m.example.com"]}]}},
            ["spec.registry.mirrorsFor[0].registry", "write the mirrors of docker.io into registry.mirrors"],
        )
        for hub in ("docker.io", "index.docker.io", "registry-1.docker.io")
    ),
    (
        "mirrors-for-none",
        {"registry": {"mirrorsFor": [{"registry": "ghcr.io", "mirrors": []}]}},
        ["spec.registry.mirrorsFor[0].mirrors"],
    ),
    (
        "mirrors-for-user",
        {"registry": {"mirrorsFor": [{"registry": "ghcr.io", "mirrors": ["https://a:b@m"]}]}},
        ["spec.registry.mirrorsFor[0].mirrors[0]", "must be the URL of a mirror"],
    ),
    (
        "mirrors-for-twice",
        {"registry": {"mirrorsFor": [{"registry": "ghcr.io", "mirrors": ["https://m"]}] * 2}},
        ["spec.registry.mirrorsFor[1]", "Duplicate value"],
    ),
    ("bundle-none", {"caBundle": {}}, ["spec.caBundle", "caBundle must have exactly one source"]),
    (
        "bundle-both",
        {"caBundle": {"configMapRef": {"name": "a"}, "secretRef": {"name": "b"}}},
        ["spec.caBundle", "caBundle must have exactly one source"],
    ),
    (
        "proxy-password",
        {"network": {"proxy": {"httpProxy": "http://user:password@p.example.com:3128"}}},
        ["spec.network.proxy.httpProxy", "without user and password", "name the Secret in network.proxy.secretRef"],
    ),
    (
        "proxy-none",
        {"network": {"proxy": {"noProxy": ["a"]}}},
        ["spec.network.proxy", "must have httpProxy or httpsProxy"],
    ),
    (
        "proxy-two-sources",
        {"network": {"proxy": {"httpProxy": "http://p", "secretRef": {"name": "p"}}}},
        ["spec.network.proxy", "or else secretRef"],
    ),
    (
        "proxy-list",
        {"network": {"proxy": {"httpProxy": "http://p", "noProxy": ["a.example.com,b.example.com"]}}},
        ["spec.network.proxy.noProxy[0]", "write one entry for each"],
    ),
    (
        "proxy-and-env",
        {"network": {"proxy": {"httpProxy": "http://p"}}, "daemon": {"env": [{"name": "no_proxy", "value": "a"}]}},
        ["spec.network.proxy", "is mutually exclusive with HTTP_PROXY, HTTPS_PROXY, NO_PROXY in daemon.env"],
    ),
    (
        "proxy-and-key",
        {
            "network": {"proxy": {"httpProxy": "http://p"}},
            "daemon": {"config": {"proxies": {"http-proxy": "http://q"}}},
        },
        ["spec.network.proxy", "network.proxy is mutually exclusive with proxies in daemon.config and --http-proxy"],
    ),
    (
        "proxy-and-flag",
        {"network": {"proxy": {"httpProxy": "http://p"}}, "daemon": {"args": ["--no-proxy=a"]}},
        ["spec.network.proxy", "is mutually exclusive with proxies"],
    ),
    (
        "env-owned",
        {"daemon": {"env": [{"name": "DIND_NODE_CONFIG"}]}},
        ["spec.daemon.env[0].name", "must not be one of the operator's"],
    ),
    (
        "env-path",
        {"daemon": {"env": [{"name": "PATH", "value": "/"}]}},
        ["spec.daemon.env[0].name", "remove the entry"],
    ),
    ("env-name", {"daemon": {"env": [{"name": "A=B"}]}}, ["spec.daemon.env[0].name"]),
    ("env-twice", {"daemon": {"env": [{"name": "A"}, {"name": "A"}]}}, ["spec.daemon.env[1]", "Duplicate value"]),
    (
        "metadata-owned-label",
        {"podMetadata": {"labels": {"app.kubernetes.io/managed-by": "me"}}},
        ["spec.podMetadata.labels", "must not contain keys that the operator sets", "remove the entry"],
    ),
    (
        "metadata-own-domain",
        {"podMetadata": {"annotations": {"policy.dind.dev/x": "y"}}},
        ["spec.podMetadata.annotations", "must not contain keys that the operator sets"],
    ),
    (
        "metadata-apparmor",
        {"podMetadata": {"annotations": {"container.apparmor.security.beta.kubernetes.io/daemon": "unconfined"}}},
        ["spec.podMetadata.annotations", "must not contain keys that the operator sets"],
    ),
    ("metadata-key", {"podMetadata": {"labels": {"-a": ""}}}, ["spec.podMetadata.labels", "keys must be label keys"]),
    ("metadata-long-key", {"podMetadata": {"labels": {"a" * 64: ""}}}, ["spec.podMetadata.labels"]),
    ("selector-long-key", {"scheduling": {"nodeSelector": {f"a/{'b' * 64}": ""}}}, ["spec.scheduling.nodeSelector"]),
    ("metadata-value", {"podMetadata": {"labels": {"a": "b c"}}}, ["spec.podMetadata.labels.a"]),
    ("preload-name", {"daemon": {"preload": ["Upper:1"]}}, ["spec.daemon.preload[0]", "must be an image reference"]),
    (
        "mirrors-twice",
        {"registry": MIRRORS, "daemon": {"config": {"registry-mirrors": ["https://n.example.com"]}}},
        [
            "spec.registry.mirrors",
            "registry.mirrors is mutually exclusive with registry-mirrors in daemon.config and --registry-mirror in daemon.args",
        ],
    ),
    (
        "mirrors-flag",
        {"registry": MIRRORS, "daemon": {"args": ["--registry-mirror=https://n.example.com"]}},
        ["spec.registry.mirrors", "is mutually exclusive with", "remove one of them"],
    ),
    (
        "insecure-twice",
        {"registry": {"insecureRegistries": ["a:5000"]}, "daemon": {"config": {"insecure-registries": ["b:5000"]}}},
        ["spec.registry.insecureRegistries", "is mutually exclusive with insecure-registries in daemon.config"],
    ),
    (
        "reserve-no-limit",
        {"daemon": {"reserve": {"memory": "1Gi"}}},
        [
            "spec.daemon.resources: Required",
            "requires a memory limit: set resources.limits.memory, or remove reserve.memory",
        ],
    ),
    (
        "reserve-too-large",
        with_memory("1024Mi", reserve={"memory": "1Gi"}),
        ["spec.daemon.reserve.memory", "reserve.memory 1Gi must be less than resources.limits.memory 1024Mi: lower"],
    ),
    ("quantity", {"daemon": {"reserve": {"memory": "lots"}}}, ["spec.daemon.reserve.memory", '"lots"', NOT_A_QUANTITY]),
    *(
        (f"quantity-{text}", resources({"memory": text}), ["spec.daemon.resources.limits[memory]", TOO_LARGE])
        for text in ("9223372036854775807", "8Ei", "1e99")
    ),
    ("quantity-of-a-workload", workload(resources={"requests": {"cpu": "8E3"}, "limits": {"cpu": "10E"}}), [TOO_LARGE]),
    ("quantity-in-map", resources({"memory": "-1Gi"}), ["spec.daemon.resources.limits[memory]", NOT_A_QUANTITY]),
    (
        "quantity-fraction",
        resources({"cpu": 0.5}),
        ["spec.daemon.resources.limits.cpu", "must be of type integer,string"],
    ),
    (
        "limit-zero",
        resources({"memory": "0"}),
        ["limits.memory: must be greater than zero: write a quantity above zero"],
    ),
    ("limit-zero-integer", resources({"cpu": 0}), ["limits.cpu: must be greater than zero"]),
    (
        "request-above-limit",
        resources({"cpu": "1"}, {"cpu": "1001m"}),
        ["requests.cpu 1001m must not exceed limits.cpu 1: lower the request or raise the limit"],
    ),
    (
        "extended-request-alone",
        resources(requests={"example.com/gpu": 1}),
        ["set limits, and leave requests out or make"],
    ),
    (
        "extended-request-other",
        resources({"example.com/gpu": 2}, {"example.com/gpu": 1}),
        ["must be requested in the amount of their limit"],
    ),
    ("hugepages-alone", resources({"hugepages-2Mi": "4Mi"}), ["hugepages require cpu or memory"]),
    ("resource-unknown", resources({"gpu": 1}), ["spec.daemon.resources.limits", "use cpu, memory, ephemeral-storage"]),
    (
        "resources-too-many",
        resources({f"example.com/x{index}": 1 for index in range(17)}),
        ["spec.daemon.resources.limits", "must have at most 16 items"],
    ),
    ("image-blank", {"daemon": {"image": "a b"}}, ["spec.daemon.image", "write it as registry/name:tag"]),
    ("image-empty", {"daemon": {"image": ""}}, ["spec.daemon.image"]),
    (
        "log-level",
        {"daemon": {"logLevel": "debug"}},
        ["spec.daemon.logLevel", '"Debug", "Info", "Warn", "Error", "Fatal"'],
    ),
    (
        "pull-secret-twice",
        {"daemon": {"imagePullSecrets": [{"name": "a"}, {"name": "a"}]}},
        ["spec.daemon.imagePullSecrets[1]: Duplicate value"],
    ),
    (
        "config-hosts",
        {"daemon": {"config": {"hosts": ["tcp://0.0.0.0:2375"]}}},
        ["spec.daemon.config.hosts: Forbidden", "config.hosts is set by the operator: remove it"],
    ),
    (
        "config-data-root",
        {"daemon": {"config": {"data-root": "/data"}}},
        [
            "spec.daemon.config",
            "Forbidden",
            "config.data-root is set by the operator",
            "choose the volume with spec.storage",
        ],
    ),
    ("config-tls", {"daemon": {"config": {"tls": False}}}, ["config.tls is set by the operator"]),
    (
        "config-live-restore",
        {"daemon": {"config": {"live-restore": True}}},
        ["config.live-restore is set by the operator: remove it, nested containers end with the daemon's container"],
    ),
    ("config-live-restore-type", {"daemon": {"config": {"live-restore": "yes"}}}, ["live-restore", "of type boolean"]),
    (
        "args-live-restore",
        {"daemon": {"args": ["--live-restore"]}},
        ["argument --live-restore is set", "remove it, nested"],
    ),
    ("config-log-level", {"daemon": {"config": {"log-level": "debug"}}}, ["use spec.daemon.logLevel"]),
    ("config-runtimes", {"daemon": {"config": {"runtimes": {"x": {"path": "y"}}}}}, ["config.runtimes is set"]),
    ("config-wrong-type", {"daemon": {"config": {"hosts": "tcp://x"}}}, ["spec.daemon.config.hosts", "of type array"]),
    (
        "config-cgroup-driver",
        {"daemon": {"config": {"exec-opts": [" Native.CgroupDriver=systemd"]}}},
        ["config.exec-opts must not contain native.cgroupdriver: remove it"],
    ),
    (
        "args-host",
        {"daemon": {"args": ["--debug", "--host=tcp://x"]}},
        ["spec.daemon.args[1]: Forbidden: argument --host=tcp://x is set by the operator: remove it"],
    ),
    (
        "args-combined",
        {"daemon": {"args": ["-DHtcp://x"]}},
        ["argument -DHtcp://x is set", "remove it and configure spec.endpoint"],
    ),
    ("args-log-level", {"daemon": {"args": ["-ldebug"]}}, ["argument -ldebug is set", "use spec.daemon.logLevel"]),
    ("args-single-dash", {"daemon": {"args": ["-tlsverify"]}}, ["argument -tlsverify is set"]),
    ("args-exec-opt", {"daemon": {"args": ["--exec-opt=a=b"]}}, ["write it into spec.daemon.config as exec-opts"]),
    ("args-end", {"daemon": {"args": ["--"]}}, ["argument -- is set by the operator", "no arguments besides flags"]),
    ("args-newline", {"daemon": {"args": ["--host=a\nb"]}}, ["spec.daemon.args[0]: Forbidden: this argument is set"]),
    ("args-too-many", {"daemon": {"args": ["-D"] * 65}}, ["spec.daemon.args", "must have at most 64 items"]),
    ("args-too-long", {"daemon": {"args": ["x" * 1025]}}, ["spec.daemon.args[0]", "1024"]),
    (
        "storage-empty",
        {"storage": {}},
        ["spec.storage: Required", "set emptyDir: {}, ephemeral or hostPath, or leave storage out"],
    ),
    ("storage-two", {"storage": {"emptyDir": {}, "hostPath": {"path": "/srv/a"}}}, ["spec.storage", "keep one of"]),
    (
        "host-path-dots",
        {"storage": {"hostPath": {"path": "/srv/../etc"}}},
        ["spec.storage.hostPath.path", "hostPath.path /srv/../etc cannot be used", "without '..'"],
    ),
    ("host-path-relative", {"storage": {"hostPath": {"path": "srv/a"}}}, ["hostPath.path srv/a cannot be used"]),
    ("host-path-slash", {"storage": {"hostPath": {"path": "/srv/a/"}}}, ["hostPath.path /srv/a/ cannot be used"]),
    ("host-path-newline", {"storage": {"hostPath": {"path": "/srv/a\n"}}}, ["cannot be used"]),
    (
        "claim-zero",
        claim(resources={"requests": {"storage": "0"}}),
        ["spec.storage.ephemeral.volumeClaimTemplate.spec.resources.requests.storage", "must be more than zero"],
    ),
    ("claim-no-size", claim(resources={"requests": {}}), ["resources.requests.storage: Required"]),
    ("claim-many", claim(accessModes=["ReadWriteMany"]), ["accessModes[0]", '"ReadWriteOncePod"']),
    ("claim-class", claim(storageClassName="Fast!"), ["storageClassName must be the name of a StorageClass"]),
    ("claim-block", claim(volumeMode="Block"), ["unknown field", "volumeMode"]),
    ("storage-null", {"storage": {"emptyDir": None}}, ["spec.storage: Required", "exactly one kind of volume"]),
    (
        "memory-no-size",
        {"storage": {"emptyDir": {"medium": "Memory"}}},
        ["spec.storage.emptyDir: Required", "medium Memory needs a sizeLimit", "leave medium out"],
    ),
    ("medium", {"storage": {"emptyDir": {"medium": "HugePages"}}}, ["spec.storage.emptyDir.medium", '"Memory"']),
    (
        "size-zero",
        {"storage": {"emptyDir": {"sizeLimit": "0"}}},
        ["sizeLimit must be more than zero: write a quantity"],
    ),
    (
        "memory-fills-the-limit",
        {**with_memory("1Gi"), "storage": {"emptyDir": MEMORY}},
        ["spec.storage.emptyDir.sizeLimit", "sizeLimit 1Gi (in memory)", "raise the limit", "the limit is 1Gi"],
    ),
    (
        "memory-and-reserve-fill-the-limit",
        {**with_memory("2Gi", reserve={"memory": "1Gi"}), "storage": {"emptyDir": MEMORY}},
        ["spec.storage.emptyDir.sizeLimit", "leave nothing of daemon.resources.limits.memory", "the limit is 2Gi"],
    ),
    (
        "mode",
        {"security": {"mode": "Rootless"}},
        ["spec.security.mode", '"Rootless"', '"Privileged", "Capabilities", "UserNamespace"'],
    ),
    (
        "runtime-class-name",
        {"security": {"runtimeClassName": "My_Class"}},
        [
            "spec.security.runtimeClassName",
            "must be the name of a RuntimeClass: use lower-case letters",
            "or leave it out",
        ],
    ),
    ("runtime-class-empty", {"security": {"runtimeClassName": ""}}, ["spec.security.runtimeClassName"]),
    (
        "localhost-without-profile",
        {"security": {"appArmorProfile": {"type": "Localhost"}}},
        ["spec.security.appArmorProfile.localhostProfile: Required", "set it to the name of a profile"],
    ),
    (
        "profile-without-localhost",
        {"security": {"appArmorProfile": {"localhostProfile": "x"}}},
        [
            "spec.security.appArmorProfile.localhostProfile: Forbidden",
            "set type to Localhost, or remove localhostProfile",
        ],
    ),
    (
        "profile-characters",
        {"security": {"appArmorProfile": {"type": "Localhost", "localhostProfile": "a b"}}},
        ["localhostProfile must be the name of a profile: use letters"],
    ),
    ("toleration-keyless", {"scheduling": {"tolerations": [{"effect": "NoExecute"}]}}, ["set operator to Exists"]),
    (
        "toleration-value",
        {"scheduling": {"tolerations": [{"key": "a", "operator": "Exists", "value": "b"}]}},
        ["spec.scheduling.tolerations[0].value: Forbidden", "remove value, or set operator to Equal"],
    ),
    (
        "toleration-seconds",
        {"scheduling": {"tolerations": [{"key": "a", "tolerationSeconds": 5}]}},
        ["tolerationSeconds is only for effect NoExecute"],
    ),
    ("toleration-operator", {"scheduling": {"tolerations": [{"key": "a", "operator": "Gt"}]}}, ['"Exists", "Equal"']),
    ("toleration-effect", {"scheduling": {"tolerations": [{"key": "a", "effect": "No"}]}}, ['"NoExecute"']),
    (
        "selector-key",
        {"scheduling": {"nodeSelector": {"a b": "c"}}},
        ["spec.scheduling.nodeSelector", "keys must be label keys"],
    ),
    (
        "selector-value",
        {"scheduling": {"nodeSelector": {"a": "b c"}}},
        ["spec.scheduling.nodeSelector.a", "should match"],
    ),
    ("affinity-in", node_affinity(operator="In"), ["operators In and NotIn need values"]),
    ("affinity-exists", node_affinity(operator="Exists", values=["a"]), ["Exists and DoesNotExist take none"]),
    ("affinity-gt", node_affinity(operator="Gt", values=["many"]), ["compare with one whole number: set values"]),
    ("affinity-unknown", {"scheduling": {"affinity": {"nodeAffinty": {}}}}, ["unknown field", "nodeAffinty"]),
    (
        "spread-min-domains",
        {
            "scheduling": {
                "topologySpreadConstraints": [
                    {"maxSkew": 1, "topologyKey": "a", "whenUnsatisfiable": "ScheduleAnyway", "minDomains": 2}
                ]
            }
        },
        ["minDomains needs whenUnsatisfiable DoNotSchedule: set it so, or remove minDomains"],
    ),
    (
        "probe-zero",
        {"probes": {"liveness": {"periodSeconds": 0}}},
        ["spec.probes.liveness.periodSeconds", "equal to 1"],
    ),
    ("probe-type", {"probes": {"liveness": {"periodSeconds": "1"}}}, ["spec.probes.liveness.periodSeconds", "integer"]),
    ("mode-word", {"operatingMode": "Paused"}, ["spec.operatingMode", '"Running", "Suspended"']),
    ("policy-word", {"updatePolicy": "Always"}, ["spec.updatePolicy", '"Recreate", "OnDelete"']),
    ("disruption-word", {"disruptionPolicy": "Never"}, ["spec.disruptionPolicy", '"Allow", "Protect"']),
    (
        "ttl-words",
        {"lifetime": {"ttl": "1h30m"}},
        ["spec.lifetime.ttl", "write a whole number above zero and m, h or d"],
    ),
    ("ttl-zero", {"lifetime": {"ttl": "0h"}}, ["spec.lifetime.ttl", "must be a duration", "as in 30m, 8h or 7d"]),
    ("ttl-number", {"lifetime": {"ttl": 30}}, ["spec.lifetime.ttl", "string"]),
    (
        "ttl-long",
        {"lifetime": {"ttl": "366d"}},
        ["spec.lifetime.ttl", "must be at most 365d: write a shorter duration"],
    ),
    ("ttl-long-hours", {"lifetime": {"ttl": "8761h"}}, ["spec.lifetime.ttl", "must be at most 365d"]),
    ("idle-seconds", {"lifetime": {"idleTimeout": "90s"}}, ["spec.lifetime.idleTimeout", "must be a duration"]),
    ("idle-long", {"lifetime": {"idleTimeout": "525601m"}}, ["spec.lifetime.idleTimeout", "must be at most 365d"]),
    (
        "lifetime-without-end",
        {"lifetime": {"expire": "Delete"}},
        [
            "spec.lifetime: Required",
            "must have an end: set lifetime.ttl, lifetime.idleTimeout or both, or leave lifetime out",
        ],
    ),
    ("lifetime-empty", {"lifetime": {}}, ["lifetime must have an end"]),
    ("expire-word", {"lifetime": {"ttl": "8h", "expire": "Stop"}}, ["spec.lifetime.expire", '"Suspend", "Delete"']),
    ("network-mtu", {"network": {"mtu": 100}}, ["spec.network.mtu", "greater than or equal to 576"]),
    (
        "network-bridge",
        {"network": {"bridgeAddress": "172.30.0.1"}},
        ["spec.network.bridgeAddress", "write the bridge's own address, such as 172.30.0.1/24"],
    ),
    (
        "network-pool-size",
        {"network": {"addressPools": [{"base": "172.31.0.0/16", "size": 8}]}},
        ["spec.network.addressPools[0].size", "must be the base's length or more"],
    ),
    (
        "network-pool-many",
        {"network": {"addressPools": [{"base": "10.0.0.0/8", "size": 19}]}},
        ["spec.network.addressPools[0].size", "at most 10 more"],
    ),
    (
        "network-pool-base",
        {"network": {"addressPools": [{"base": "pool", "size": 24}]}},
        ["must be an IPv4 range"],
    ),
    (
        "network-avoid",
        {"network": {"avoid": ["10.0.0.0"]}},
        ["spec.network.avoid[0]", "must be an address range in CIDR notation"],
    ),
    ("network-dns-empty", {"network": {"dns": {}}}, ["spec.network.dns", "dns must not be empty"]),
    (
        "network-dns-loopback",
        {"network": {"dns": {"nameservers": ["127.0.0.53"]}}},
        ["spec.network.dns.nameservers[0]", "a loopback or link-local address"],
    ),
    ("network-avoid-number", {"network": {"avoid": ["999.0.0.0/8"]}}, ["spec.network.avoid[0]", "in CIDR notation"]),
    ("network-avoid-length", {"network": {"avoid": ["fd00::/129"]}}, ["spec.network.avoid[0]", "in CIDR notation"]),
    (
        "network-avoid-mapped",
        {"network": {"avoid": ["::ffff:10.0.0.0/104"]}},
        ["spec.network.avoid[0]", "in CIDR notation"],
    ),
    ("network-bridge-number", {"network": {"bridgeAddress": "172.300.0.1/24"}}, ["spec.network.bridgeAddress"]),
    (
        "network-pool-number",
        {"network": {"addressPools": [{"base": "256.0.0.0/16", "size": 24}]}},
        ["must be an IPv4 range"],
    ),
    ("network-dns-number", {"network": {"dns": {"nameservers": ["10.0.0.256"]}}}, ["must be an IP address"]),
    ("network-dns-groups", {"network": {"dns": {"nameservers": ["1:2:3:4:5:6:7"]}}}, ["must be an IP address"]),
    (
        "network-dns-long-loopback",
        {"network": {"dns": {"nameservers": ["0:0:0:0:0:0:0:1"]}}},
        ["a loopback or link-local"],
    ),
    (
        "network-bridge-short",
        {"network": {"bridgeAddress": "172.30.0.1/24"}, "daemon": {"args": ["-b", "none"]}},
        ["is mutually exclusive with"],
    ),
    ("network-dns-link", {"network": {"dns": {"nameservers": ["fe80::1"]}}}, ["a loopback or link-local address"]),
    (
        "network-dns-search",
        {"network": {"dns": {"searches": ["a b"]}}},
        ["spec.network.dns.searches[0]", "must be a domain name"],
    ),
    ("network-dns-option", {"network": {"dns": {"options": [{"name": "N"}]}}}, ["must be an option of resolv.conf"]),
    (
        "alias-ip",
        {"network": {"hostAliases": [{"ip": "10.0.0.256", "hostnames": ["a"]}]}},
        ["spec.network.hostAliases[0].ip", "must be an IP address: write one such as 10.96.0.10"],
    ),
    (
        "alias-name",
        {"network": {"hostAliases": [{"ip": "10.0.0.1", "hostnames": ["a", "A_b"]}]}},
        ["spec.network.hostAliases[0].hostnames[1]", "must be a host name: use lower-case letters"],
    ),
    (
        "alias-no-name",
        {"network": {"hostAliases": [{"ip": "10.0.0.1", "hostnames": []}]}},
        ["hostAliases[0].hostnames"],
    ),
    (
        "alias-twice",
        {"network": {"hostAliases": [{"ip": "::1", "hostnames": ["a"]}, {"ip": "::1", "hostnames": ["b"]}]}},
        ["spec.network.hostAliases[1]", "Duplicate value"],
    ),
    (
        "dns-policy",
        {"network": {"dnsPolicy": "ClusterFirstWithHostNet"}},
        ["spec.network.dnsPolicy", '"ClusterFirst", "Default", "None"'],
    ),
    *(
        (
            f"dns-policy-none-{number}",
            {"network": {"dnsPolicy": "None", **config}},
            ["spec.network.dnsConfig", "leaves the pod without nameservers: set network.dnsConfig.nameservers"],
        )
        for number, config in enumerate(({}, {"dnsConfig": {}}, {"dnsConfig": {"nameservers": []}}))
    ),
    (
        "dns-config-number",
        {"network": {"dnsConfig": {"nameservers": ["1.2.3"]}}},
        ["spec.network.dnsConfig.nameservers[0]", "must be an IP address"],
    ),
    (
        "dns-config-many",
        {"network": {"dnsConfig": {"nameservers": ["10.0.0.1"] * 4}}},
        ["spec.network.dnsConfig.nameservers", "must have at most 3 items"],
    ),
    (
        "dns-config-search",
        {"network": {"dnsConfig": {"searches": ["Example.com"]}}},
        ["spec.network.dnsConfig.searches[0]", "must be a domain name"],
    ),
    (
        "dns-config-option",
        {"network": {"dnsConfig": {"options": [{"value": "1"}]}}},
        ["spec.network.dnsConfig.options[0].name", "Required"],
    ),
    (
        "account-name",
        {"security": {"serviceAccountName": "Image_Pusher"}},
        ["spec.security.serviceAccountName", "must be the name of a ServiceAccount"],
    ),
    *(
        (
            f"sysctl-{name}",
            {"security": {"sysctls": [{"name": name, "value": "1"}]}},
            ["spec.security.sysctls[0].name", "must be a kernel parameter that each pod has of its own"],
        )
        for name in ("vm.swappiness", "kernel.domainname", "fs.file-max", "net", "net.ipv4.", "net/core/somaxconn")
    ),
    ("sysctl-value", {"security": {"sysctls": [{"name": "net.a"}]}}, ["spec.security.sysctls[0].value", "Required"]),
    (
        "sysctl-twice",
        {"security": {"sysctls": [{"name": "net.a", "value": "1"}, {"name": "net.a", "value": "2"}]}},
        ["spec.security.sysctls[1]", "Duplicate value"],
    ),
    ("network-firewall", {"network": {"firewallBackend": "nft"}}, ["spec.network.firewallBackend", '"Nft", "Legacy"']),
    ("network-ipv6", {"network": {"ipv6": "On"}}, ["spec.network.ipv6", '"Enabled", "Disabled"']),
    *(
        (
            f"network-twice-{name}",
            {"network": network, "daemon": daemon},
            [f"spec.network.{name}", "is mutually exclusive with"],
        )
        for name, network, daemon in NETWORK_TWICE
    ),
    ("unknown-field", {"daemon": {"imagePolicy": "Always"}}, ['unknown field "spec.daemon.imagePolicy"']),
]

ACCEPTED: list[tuple[str, dict[str, Any]]] = [
    ("workload", workload()),
    (
        "workload-whole",
        workload(
            {
                "restartPolicy": "OnFailure",
                "run": 2,
                "workspace": {"sizeLimit": "5Gi"},
                "dockerCli": True,
                "terminationGracePeriodSeconds": 60,
                "volumes": [
                    {"name": "source", "configMap": {"name": "ci", "defaultMode": 493}},
                    {"name": "keys", "secret": {"secretName": "keys"}},
                    VOLUME,
                ],
            },
            imagePullPolicy="Never",
            command=["sh", "-c"],
            args=["true"],
            workingDir="/workspace",
            env=[
                {"name": "A", "value": "$(B)"},
                {"name": "C", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
                {"name": "D", "valueFrom": {"configMapKeyRef": {"name": "s", "key": "k"}}},
                {"name": "E", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            ],
            envFrom=[{"secretRef": {"name": "s"}}, {"configMapRef": {"name": "c"}}],
            resources={"limits": {"memory": "1Gi"}, "requests": {"cpu": "100m", "ephemeral-storage": "1Gi"}},
            volumeMounts=[{"name": "v", "mountPath": "/v"}, {"name": "source", "mountPath": "/s", "readOnly": True}],
            securityContext={"runAsUser": 1, "runAsGroup": 1, "runAsNonRoot": True, "readOnlyRootFilesystem": True},
        ),
    ),
    *(
        (f"workspace{path}", workload({"workspace": {"path": path}}))
        for path in ("/builds", "/home/runner/_work", "/usr/src/app", "/var/lib/jenkins", "/__w", "/tmp", "/a..b/.c")
    ),
    ("mount-below-workspace", mounted(path="/workspace/cache")),
    ("mount-where-the-workspace-is-not", mounted(path="/workspace", workspace={"path": "/builds"})),
    (
        "name-resolution",
        {
            "network": {
                "hostAliases": [
                    {"ip": "127.0.0.1", "hostnames": ["a"]},
                    {"ip": "fd00::1", "hostnames": ["b.example.com"]},
                ],
                "dnsPolicy": "None",
                "dnsConfig": {
                    "nameservers": ["127.0.0.53", "fd00::53"],
                    "searches": ["example.com.", "_tcp.example.com"],
                    "options": [{"name": "ndots", "value": "2"}, {"name": "rotate"}],
                },
            }
        },
    ),
    ("dns-config-empty", {"network": {"dnsConfig": {}, "hostAliases": []}}),
    (
        "sysctls",
        {
            "security": {
                "serviceAccountName": "image-pusher.v1",
                "sysctls": [
                    {"name": name, "value": "1 2"}
                    for name in (
                        "net.ipv4.conf.eth0.rp_filter",
                        "kernel.shm_rmid_forced",
                        "kernel.sem",
                        "fs.mqueue.msg_max",
                    )
                ],
            }
        },
    ),
    ("registry", {"registry": {**MIRRORS, "insecureRegistries": ["10.0.0.0/8", "a:5000"], "caBundles": [CA]}}),
    (
        "mirrors-for",
        {
            "registry": {
                "mirrorsFor": [
                    {"registry": "ghcr.io", "mirrors": ["https://m.example.com/ghcr", "http://10.0.0.5:5000"]},
                    {"registry": "r.example.com:5000", "mirrors": ["https://m.example.com"]},
                ]
            }
        },
    ),
    ("bundle", {"caBundle": {"configMapRef": {"name": "a"}}}),
    ("bundle-secret", {"caBundle": {"secretRef": {"name": "a", "key": "tls.crt"}}}),
    (
        "proxy",
        {
            "network": {
                "proxy": {
                    "httpProxy": "http://p.example.com:3128/",
                    "httpsProxy": "https://[fd00::1]:3128",
                    "noProxy": [
                        ".example.com",
                        "*.example.org",
                        "a:8080",
                        "10.0.0.0/8",
                        "fd00::/8",
                        "::1",
                        "192.0.2.1",
                    ],
                }
            },
            "daemon": {"env": [{"name": "ALL_PROXY", "value": "x"}]},
        },
    ),
    ("proxy-secret", {"network": {"proxy": {"secretRef": {"name": "p"}}}}),
    ("no-mirrors", {"registry": {"mirrors": []}, "daemon": {"config": {"registry-mirrors": []}}}),
    ("mirror-in-config", {"daemon": {"config": {"registry-mirrors": ["https://m.example.com"]}}}),
    ("env", {"daemon": {"env": [{"name": "HTTPS_PROXY", "value": "http://p:3128"}, {"name": "EMPTY"}]}}),
    ("preload", {"daemon": {"preload": ["golang", "r.example.com:5000/a/b__c:1.2", f"a/b@sha256:{'0' * 64}"]}}),
    (
        "metadata",
        {"podMetadata": {"labels": {"team": "a"}, "annotations": {"example.com/dind.dev": "", "adind.dev/x": "a b"}}},
    ),
    ("reserve", with_memory("1Gi", reserve={"memory": "256Mi"})),
    ("reserve-in-another-unit", with_memory("1Gi", reserve={"memory": "1073741823"})),
    ("host-path", {"storage": {"hostPath": {"path": "/srv/dind/a..b/.c"}}}),
    ("claim", claim()),
    (
        "claim-whole",
        claim(accessModes=["ReadWriteOncePod"], storageClassName="fast", selector={"matchLabels": {"a": "b"}}),
    ),
    ("claim-and-memory", {**with_memory("1Gi"), **claim()}),
    ("memory-without-limit", {"storage": {"emptyDir": MEMORY}}),
    ("memory-within-limit", {**with_memory("1025Mi"), "storage": {"emptyDir": MEMORY}}),
    ("memory-and-reserve", {**with_memory("2Gi", reserve={"memory": "1023Mi"}), "storage": {"emptyDir": MEMORY}}),
    ("integers-and-fractions", resources({"cpu": "0.5", "memory": 1073741824}, {"cpu": "500m", "memory": "1Gi"})),
    ("exponents", resources({"cpu": "1e0", "memory": "1E9"})),
    ("every-resource", resources({"cpu": 1, "ephemeral-storage": "1Gi", "hugepages-2Mi": "4Mi", "example.com/gpu": 1})),
    ("extended-equal", resources({"example.com/gpu": "1"}, {"example.com/gpu": 1})),
    ("request-alone", resources(requests={"cpu": "4", "memory": "1Gi"})),
    (
        "config",
        {"daemon": {"config": {"debug": True, "log-opts": {"max-size": "10m"}, "mtu": 1400, "dns": ["10.0.0.1"]}}},
    ),
    ("config-exec-opts", {"daemon": {"config": {"exec-opts": ["isolation=process"]}}}),
    ("args", {"daemon": {"args": ["-D", "--storage-driver=overlay2", "-soverlay2", "--bip", "172.30.0.1/16", "-bH"]}}),
    ("localhost", {"security": {"appArmorProfile": {"type": "Localhost", "localhostProfile": "dind-fine.grained/1"}}}),
    ("runtime-default", {"security": {"appArmorProfile": {"type": "RuntimeDefault"}}}),
    ("capabilities", {"security": {"mode": "Capabilities"}}),
    ("user-namespace", {"security": {"mode": "UserNamespace", "runtimeClassName": "dind.example"}}),
    ("runtime-class-of-any-mode", {"security": {"runtimeClassName": "kata"}}),
    ("toleration-all", {"scheduling": {"tolerations": [{"operator": "Exists"}]}}),
    ("affinity-gt", node_affinity(operator="Gt", values=["4"])),
    ("affinity-exists", node_affinity(operator="Exists")),
    ("labels", {"scheduling": {"nodeSelector": {"kubernetes.io/arch": "amd64", "a": ""}}}),
    (
        "probes",
        {"probes": {"startup": {"periodSeconds": 1, "failureThreshold": 600}, "liveness": {"timeoutSeconds": 60}}},
    ),
    ("lifetime", {"lifetime": {"ttl": "365d", "idleTimeout": "1m", "expire": "Delete"}}),
    ("lifetime-longest", {"lifetime": {"ttl": "525600m", "idleTimeout": "8760h"}}),
    ("suspended", {"operatingMode": "Suspended", "updatePolicy": "OnDelete"}),
    (
        "network",
        {
            "network": {
                "mtu": 1400,
                "bridgeAddress": "172.30.0.1/24",
                "addressPools": [{"base": "172.31.0.0/16", "size": 26}, {"base": "10.128.0.0/9", "size": 19}],
                "avoid": ["10.0.0.0/8", "fd00::/8"],
                "dns": {
                    "nameservers": ["169.254.20.10", "fd00::10"],
                    "searches": ["team-a.svc.cluster.local"],
                    "options": [{"name": "ndots", "value": "2"}, {"name": "rotate"}],
                },
                "firewallBackend": "Legacy",
                "ipv6": "Disabled",
            }
        },
    ),
    *((f"network-once-{name}", {"daemon": daemon}) for name, _, daemon in NETWORK_TWICE),
    ("network-beside", {"network": {"mtu": 1400}, "daemon": {"config": {"bip": "172.30.0.1/24"}, "args": ["--ipv6"]}}),
    ("protected", {"disruptionPolicy": "Protect"}),
    ("endpoint-off", {"endpoint": {"enabled": False}}),
    (
        "endpoint",
        {
            "endpoint": {
                "extraNames": ["docker.example.com", "*.example.com", "192.0.2.10", "fd00::10"],
                "credentialsGeneration": 2147483647,
                "allowFrom": [
                    {"podSelector": {}},
                    {"podSelector": {"matchLabels": {"app": "ci"}}, "namespaceSelector": {}},
                    {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}},
                    {"ipBlock": {"cidr": "fd00::/8"}},
                ],
            }
        },
    ),
]

FULL_STATUS = {
    "observedGeneration": 1,
    "phase": "Recovering",
    "conditions": [
        {
            "type": "Ready",
            "status": "False",
            "reason": "BackingOff",
            "message": "m",
            "lastTransitionTime": "2026-01-02T12:00:00Z",
            "observedGeneration": 1,
        }
    ],
    "podName": "stored",
    "podUID": "0001",
    "nodeName": "node-1",
    "daemonImage": "example.com/daemon:1",
    "nodeToolImage": "example.com/tool:1",
    "reserveMemory": "256Mi",
    "registryMirrors": ["https://mirror.example.com"],
    "endpoint": "tcp://stored.team-a.svc:2376",
    "credentials": {
        "clientSecretName": "stored-client",
        "generation": 1,
        "authority": "0123456789abcdef",
        "serverCertificate": "fedcba9876543210",
        "serverNotBefore": "2026-01-02T12:00:00Z",
        "serverNotAfter": "2027-01-02T12:00:00Z",
        "clientNotAfter": "2027-01-02T12:00:00Z",
    },
    "docker": {
        "serverVersion": "26.1.5",
        "storageDriver": "overlay2",
        "cgroupVersion": "1",
        "cgroupDriver": "cgroupfs",
    },
    "node": {
        "osImage": "Debian",
        "kernelVersion": "6.12",
        "containerRuntimeVersion": "containerd://1.7",
        "kubeletVersion": "v1.34.1",
        "architecture": "amd64",
        "appArmor": "unconfined",
    },
    "workloads": {
        "containers": [
            {
                "name": "work",
                "startedAt": "2026-01-02T12:00:00Z",
                "finishedAt": "2026-01-02T12:01:00Z",
                "exitCode": 3,
                "reason": "Error",
                "restarts": 1,
            }
        ],
        "result": "WorkloadsFailed",
        "finishedAt": "2026-01-02T12:01:00Z",
        "podUID": "0001",
        "intent": "0123456789abcdef",
    },
    "restarts": 2,
    "recreations": 3,
    "lastFailure": {
        "reason": "DaemonFailed",
        "message": "m",
        "exitCode": 1,
        "time": "2026-01-02T12:00:00Z",
        "podName": "stored",
        "podUID": "0000",
        "nodeName": "node-1",
        "nodeBootID": "0002",
    },
    "recreateAfter": "2026-01-02T12:01:00Z",
    "lifetime": {
        "expiresAt": "2026-01-02T12:00:00Z",
        "idleSince": "2026-01-02T11:00:00Z",
        "ttlWarnedAt": "2026-01-02T11:50:00Z",
        "idleWarnedAt": "2026-01-02T11:50:00Z",
        "expired": {"reason": "TTLExpired", "time": "2026-01-02T12:00:00Z"},
    },
}
