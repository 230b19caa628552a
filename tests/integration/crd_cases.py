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


NOT_A_QUANTITY = "not a quantity: write a number without a sign and a suffix, as in 500m, 2, 512Mi or 10G"
NOT_A_NAME = "not a name: write a DNS name in lower case"
NOT_A_RANGE = "not a range of addresses: write it as 10.0.0.0/8 or fd00::/8"
REFUSED: list[tuple[str, dict[str, Any], list[str]]] = [
    ("endpoint-name", {"endpoint": {"extraNames": ["A.example.com"]}}, ["spec.endpoint.extraNames[0]", NOT_A_NAME]),
    ("endpoint-port", {"endpoint": {"extraNames": ["a.example.com:2376"]}}, [NOT_A_NAME]),
    ("endpoint-address", {"endpoint": {"extraNames": ["256.0.0.1"]}}, [NOT_A_NAME]),
    ("endpoint-twice", {"endpoint": {"extraNames": ["a", "a"]}}, ["spec.endpoint.extraNames[1]", "Duplicate value"]),
    ("endpoint-generation", {"endpoint": {"credentialsGeneration": 0}}, ["spec.endpoint.credentialsGeneration"]),
    (
        "endpoint-nobody",
        {"endpoint": {"allowFrom": [{}]}},
        ["spec.endpoint.allowFrom[0]", "names nobody: set podSelector"],
    ),
    (
        "published-nobody",
        {"publishedPorts": {"allowFrom": [{}]}},
        ["spec.publishedPorts.allowFrom[0]", "names nobody: set podSelector"],
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
        ["spec.endpoint.allowFrom[0].ipBlock", "ipBlock stands alone"],
    ),
    (
        "endpoint-range",
        {"endpoint": {"allowFrom": [{"ipBlock": {"cidr": "10.0.0.0/33"}}]}},
        ["spec.endpoint.allowFrom[0].ipBlock.cidr", NOT_A_RANGE],
    ),
    (
        "reserve-no-limit",
        {"daemon": {"reserve": {"memory": "1Gi"}}},
        ["spec.daemon.resources: Required", "there is none: set resources.limits.memory, or remove reserve.memory"],
    ),
    (
        "reserve-too-large",
        with_memory("1024Mi", reserve={"memory": "1Gi"}),
        ["spec.daemon.reserve.memory", "reserve.memory 1Gi is not below resources.limits.memory 1024Mi: lower"],
    ),
    ("quantity", {"daemon": {"reserve": {"memory": "lots"}}}, ["spec.daemon.reserve.memory", '"lots"', NOT_A_QUANTITY]),
    ("quantity-in-map", resources({"memory": "-1Gi"}), ["spec.daemon.resources.limits[memory]", NOT_A_QUANTITY]),
    (
        "quantity-fraction",
        resources({"cpu": 0.5}),
        ["spec.daemon.resources.limits.cpu", "must be of type integer,string"],
    ),
    (
        "limit-zero",
        resources({"memory": "0"}),
        ["limits.memory: a limit of zero is no limit: write a quantity above zero"],
    ),
    ("limit-zero-integer", resources({"cpu": 0}), ["limits.cpu: a limit of zero is no limit"]),
    (
        "request-above-limit",
        resources({"cpu": "1"}, {"cpu": "1001m"}),
        ["requests.cpu 1001m is above limits.cpu 1: lower the request or raise the limit"],
    ),
    (
        "extended-request-alone",
        resources(requests={"example.com/gpu": 1}),
        ["set limits, and leave requests out or make"],
    ),
    (
        "extended-request-other",
        resources({"example.com/gpu": 2}, {"example.com/gpu": 1}),
        ["cannot be requested in another amount than their limit"],
    ),
    ("hugepages-alone", resources({"hugepages-2Mi": "4Mi"}), ["hugepages need cpu or memory beside them"]),
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
        ["spec.daemon.config.hosts: Forbidden", "config.hosts belongs to the operator: remove it"],
    ),
    (
        "config-data-root",
        {"daemon": {"config": {"data-root": "/data"}}},
        [
            "spec.daemon.config",
            "Forbidden",
            "config.data-root belongs to the operator",
            "choose the volume with spec.storage",
        ],
    ),
    ("config-tls", {"daemon": {"config": {"tls": False}}}, ["config.tls belongs to the operator"]),
    (
        "config-live-restore",
        {"daemon": {"config": {"live-restore": True}}},
        ["config.live-restore belongs to the operator: remove it, nested containers end with the daemon's container"],
    ),
    ("config-live-restore-type", {"daemon": {"config": {"live-restore": "yes"}}}, ["live-restore", "of type boolean"]),
    (
        "args-live-restore",
        {"daemon": {"args": ["--live-restore"]}},
        ["argument --live-restore belongs", "remove it, nested"],
    ),
    ("config-log-level", {"daemon": {"config": {"log-level": "debug"}}}, ["use spec.daemon.logLevel"]),
    ("config-runtimes", {"daemon": {"config": {"runtimes": {"x": {"path": "y"}}}}}, ["config.runtimes belongs"]),
    ("config-wrong-type", {"daemon": {"config": {"hosts": "tcp://x"}}}, ["spec.daemon.config.hosts", "of type array"]),
    (
        "config-cgroup-driver",
        {"daemon": {"config": {"exec-opts": [" Native.CgroupDriver=systemd"]}}},
        ["config.exec-opts must not hold native.cgroupdriver: remove it"],
    ),
    (
        "args-host",
        {"daemon": {"args": ["--debug", "--host=tcp://x"]}},
        ["spec.daemon.args[1]: Forbidden: argument --host=tcp://x belongs to the operator: remove it"],
    ),
    (
        "args-combined",
        {"daemon": {"args": ["-DHtcp://x"]}},
        ["argument -DHtcp://x belongs", "listens where spec.endpoint says"],
    ),
    ("args-log-level", {"daemon": {"args": ["-ldebug"]}}, ["argument -ldebug belongs", "use spec.daemon.logLevel"]),
    ("args-single-dash", {"daemon": {"args": ["-tlsverify"]}}, ["argument -tlsverify belongs"]),
    ("args-exec-opt", {"daemon": {"args": ["--exec-opt=a=b"]}}, ["write it into spec.daemon.config as exec-opts"]),
    ("args-end", {"daemon": {"args": ["--"]}}, ["argument -- belongs to the operator", "no arguments besides flags"]),
    ("args-newline", {"daemon": {"args": ["--host=a\nb"]}}, ["spec.daemon.args[0]: Forbidden: this argument belongs"]),
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
    ("claim-class", claim(storageClassName="Fast!"), ["storageClassName is no name of a StorageClass"]),
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
        ["spec.security.runtimeClassName", "is no name of a RuntimeClass: use lower-case letters", "or leave it out"],
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
        ["localhostProfile is no profile's name: use letters"],
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
        ["spec.scheduling.nodeSelector", "key is malformed"],
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
    ("ttl-zero", {"lifetime": {"ttl": "0h"}}, ["spec.lifetime.ttl", "not a duration", "as in 30m, 8h or 7d"]),
    ("ttl-number", {"lifetime": {"ttl": 30}}, ["spec.lifetime.ttl", "string"]),
    ("ttl-long", {"lifetime": {"ttl": "366d"}}, ["spec.lifetime.ttl", "more than 365d: write a shorter duration"]),
    ("ttl-long-hours", {"lifetime": {"ttl": "8761h"}}, ["spec.lifetime.ttl", "more than 365d"]),
    ("idle-seconds", {"lifetime": {"idleTimeout": "90s"}}, ["spec.lifetime.idleTimeout", "not a duration"]),
    ("idle-long", {"lifetime": {"idleTimeout": "525601m"}}, ["spec.lifetime.idleTimeout", "more than 365d"]),
    (
        "lifetime-without-end",
        {"lifetime": {"expire": "Delete"}},
        [
            "spec.lifetime: Required",
            "has no end: set lifetime.ttl, lifetime.idleTimeout or both, or leave lifetime out",
        ],
    ),
    ("lifetime-empty", {"lifetime": {}}, ["lifetime has no end"]),
    ("expire-word", {"lifetime": {"ttl": "8h", "expire": "Stop"}}, ["spec.lifetime.expire", '"Suspend", "Delete"']),
    ("unknown-field", {"daemon": {"imagePolicy": "Always"}}, ['unknown field "spec.daemon.imagePolicy"']),
]

ACCEPTED: list[tuple[str, dict[str, Any]]] = [
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
        "expired": {"reason": "TimeToLiveOver", "time": "2026-01-02T12:00:00Z"},
    },
}
