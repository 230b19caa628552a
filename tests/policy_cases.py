"""Cases for each rule of the policy, for the rules of the operator and of the chart.

Each case sets one rule, so that only this rule can reject the environment. `good` is accepted with the rule, `bad` only without it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Spec = dict[str, Any]
LONG_FLAG = "--" + "a" * 200


@dataclass(frozen=True)
class Case:
    """`told` is how the sentence about `bad` begins, `remedy` the rule that it names, if that is not `rule`."""

    rule: str
    allowed: Any
    good: Spec
    bad: Spec
    told: str
    remedy: str = ""

    @property
    def name(self) -> str:
        return f"{self.rule}: {self.told}"


def scheduling(**fields: Any) -> Spec:
    return {"scheduling": fields}


def tolerating(**toleration: Any) -> Spec:
    return scheduling(tolerations=[toleration])


def daemon(**fields: Any) -> Spec:
    return {"daemon": fields}


def limits(**amounts: Any) -> Spec:
    return daemon(resources={"limits": amounts})


def living(**fields: str) -> Spec:
    return {"lifetime": fields}


def stopping(*arguments: str, **config: Any) -> Spec:
    return daemon(args=list(arguments), config={key.replace("_", "-"): value for key, value in config.items()})


def beside(*containers: Spec, **more: Any) -> Spec:
    named = [{"name": f"w{number}", "image": "i:1", **container} for number, container in enumerate(containers)]
    return {"workloads": {"containers": named, **more}}


def limited(**amounts: Any) -> Spec:
    return {"resources": {"limits": amounts}}


def sysctls(*named: str) -> Spec:
    return {"security": {"sysctls": [{"name": name, "value": "1"} for name in named]}}


IMAGES = ["registry.test/dind/*", "registry.test/own:1", "docker.io/library/docker:*"]
TAINTS = ["pool", "dedicated=builds", "spot:NoSchedule", "gpu=yes:NoExecute"]
HIGHEST = {"cpu": "8", "memory": "16Gi"}
INSECURE = {"insecureRegistries": ["r:5000"]}
DNS = {"dns": {"nameservers": ["10.0.0.1"]}}
MIRRORS_FOR = {"mirrorsFor": [{"registry": "ghcr.io", "mirrors": ["https://m"]}]}
PROXY = {"httpProxy": "http://p:3128"}
EIGHT = {"cpu": 8, "memory": "16Gi"}

RESOLUTION: Spec = {
    "hostAliases": [{"ip": "10.0.0.1", "hostnames": ["a"]}],
    "dnsPolicy": "Default",
    "dnsConfig": {"nameservers": ["10.0.0.1"]},
}

CASES = [
    Case(
        "images",
        IMAGES,
        daemon(image="registry.test/dind/daemon:1"),
        daemon(image="docker:28"),
        "spec.daemon.image docker:28",
    ),
    Case(
        "images",
        IMAGES,
        daemon(image="registry.test/own:1"),
        daemon(image="registry.test/own:12"),
        "spec.daemon.image registry.test/own:12",
    ),
    Case(
        "images",
        IMAGES,
        daemon(image="docker.io/library/docker:28-dind"),
        daemon(image="registry.test/dind"),
        "spec.daemon.image registry.test/dind ",
    ),
    Case(
        "images",
        IMAGES,
        {},
        daemon(image="registry.test.evil.test/dind/x"),
        "spec.daemon.image registry.test.evil.test/dind/x",
    ),
    Case(
        "images",
        [],
        {},
        daemon(image="docker:28"),
        "spec.daemon.image docker:28 is not allowed by the policy of this installation. Allowed: none. Remove the value,",
    ),
    Case("modes", ["UserNamespace"], {"security": {"mode": "UserNamespace"}}, {}, "spec.security.mode Privileged"),
    Case("modes", ["Privileged"], {}, {"security": {"mode": "Capabilities"}}, "spec.security.mode Capabilities"),
    Case(
        "runtimeClasses",
        ["kata"],
        {"security": {"runtimeClassName": "kata"}},
        {},
        "spec.security.runtimeClassName (none)",
    ),
    Case(
        "runtimeClasses",
        ["", "dind"],
        {"security": {"mode": "UserNamespace"}},
        {"security": {"runtimeClassName": "kata"}},
        "spec.security.runtimeClassName kata",
    ),
    Case("runtimeClasses", [""], {}, {"security": {"mode": "UserNamespace"}}, "spec.security.runtimeClassName dind"),
    Case(
        "nodeSelector",
        {"pool": "b", "disk": ""},
        scheduling(nodeSelector={"pool": "b", "disk": "", "x": "y"}),
        {},
        "spec.scheduling.nodeSelector lacks disk=,",
    ),
    Case(
        "nodeSelector",
        {"pool": "b"},
        scheduling(nodeSelector={"pool": "b"}),
        scheduling(nodeSelector={"pool": "a"}),
        "spec.scheduling.nodeSelector lacks pool=b,",
    ),
    Case("tolerations", [], {}, tolerating(operator="Exists"), "spec.scheduling.tolerations (every taint) "),
    Case(
        "tolerations",
        TAINTS,
        tolerating(key="pool", operator="Exists"),
        tolerating(operator="Exists", effect="NoSchedule"),
        "spec.scheduling.tolerations (every taint):NoSchedule ",
    ),
    Case(
        "tolerations",
        TAINTS,
        tolerating(key="pool", value="x", effect="NoExecute"),
        tolerating(key="node-role.kubernetes.io/control-plane", operator="Exists"),
        "spec.scheduling.tolerations node-role.kubernetes.io/control-plane ",
    ),
    Case(
        "tolerations",
        TAINTS,
        tolerating(key="dedicated", value="builds"),
        tolerating(key="dedicated", operator="Exists"),
        "spec.scheduling.tolerations dedicated ",
    ),
    Case(
        "tolerations",
        TAINTS,
        tolerating(key="spot", operator="Exists", effect="NoSchedule"),
        tolerating(key="spot", operator="Exists"),
        "spec.scheduling.tolerations spot ",
    ),
    Case(
        "tolerations",
        TAINTS,
        tolerating(key="gpu", value="yes", effect="NoExecute"),
        tolerating(key="gpu", value="no", effect="NoExecute"),
        "spec.scheduling.tolerations gpu=no:NoExecute ",
    ),
    # A RuntimeClass brings tolerations of its own.
    Case(
        "tolerations",
        [],
        {"security": {"mode": "UserNamespace"}},
        {"security": {"runtimeClassName": "kata"}},
        "spec.security.runtimeClassName kata is not allowed by the policy of this installation. Allowed: (none), dind. Use",
        "runtimeClasses",
    ),
    Case(
        "tolerations",
        TAINTS,
        {"security": {"runtimeClassName": "dind"}},
        {"security": {"mode": "UserNamespace", "runtimeClassName": "kata"}},
        "spec.security.runtimeClassName kata is not allowed",
        "runtimeClasses",
    ),
    Case(
        "priorityClasses",
        ["low"],
        scheduling(priorityClassName="low"),
        scheduling(priorityClassName="system-node-critical"),
        "spec.scheduling.priorityClassName system-node-critical",
    ),
    Case(
        "daemonArgs",
        ["--mtu"],
        daemon(args=["--mtu=1400"]),
        daemon(args=["--mtu=1400", "--mtus=2"]),
        "spec.daemon.args --mtus ",
    ),
    Case("daemonArgs", ["--mtu"], daemon(args=["--mtu"]), daemon(args=["--mtu", "1400"]), "spec.daemon.args 1400 "),
    Case("daemonArgs", [], {}, daemon(args=[LONG_FLAG]), f"spec.daemon.args {LONG_FLAG[:128]}… is not"),
    Case(
        "daemonConfig",
        ["mtu"],
        daemon(config={"mtu": 1400}),
        daemon(config={"mtu": 1, "max-concurrent-uploads": 1, "insecure-registries": []}),
        "spec.daemon.config insecure-registries ",
    ),
    *(
        Case(
            "daemonConfig",
            [key],
            {name: fields},
            {name: fields, other: otherwise},
            f"The field spec.{other}.{field} ({refused} in daemon.json) ",
        )
        for key, name, fields, other, otherwise, field, refused in (
            ("mtu", "network", {"mtu": 1400}, "registry", {"mirrors": ["https://m"]}, "mirrors", "registry-mirrors"),
            ("registry-mirrors", "registry", {"mirrors": ["https://m"]}, "network", {"mtu": 1400}, "mtu", "mtu"),
            ("mtu", "network", {"mtu": 1400}, "registry", INSECURE, "insecureRegistries", "insecure-registries"),
            ("mtu", "registry", {"mirrors": []}, "network", DNS, "dns.nameservers", "dns"),
            ("mtu", "registry", {"mirrors": []}, "network", {"ipv6": "Enabled"}, "ipv6", "ipv6"),
            ("mtu", "network", {"mtu": 1400}, "registry", MIRRORS_FOR, "mirrorsFor", "registry-mirrors"),
            ("mtu", "registry", {"mirrors": []}, "network", {"proxy": PROXY}, "proxy", "proxies"),
        )
    ),
    # A mirror without TLS is an insecure registry.
    *(
        Case(
            "daemonConfig",
            ["registry-mirrors"],
            fields("https://m"),
            fields("http://m"),
            f"The field spec.{field} with http:// (insecure-registries in daemon.json) ",
        )
        for field, fields in (
            ("registry.mirrors", lambda url: {"registry": {"mirrors": ["https://n", url]}}),
            ("registry.mirrorsFor", lambda url: {"registry": {"mirrorsFor": [{"registry": "r", "mirrors": [url]}]}}),
            ("daemon.config", lambda url: daemon(config={"registry-mirrors": [url.upper()]})),
        )
    ),
    Case(
        "maxResources",
        HIGHEST,
        limits(**EIGHT),
        limits(cpu="8001m", memory="1Gi"),
        "spec.daemon.resources.limits.cpu 8001m is above 8,",
    ),
    Case(
        "maxResources",
        HIGHEST,
        limits(cpu="1", memory=1024),
        limits(cpu="1"),
        "spec.daemon.resources.limits.memory is not set,",
    ),
    Case(
        "maxResources", HIGHEST, limits(cpu="7.5", memory="16384Mi"), {}, "spec.daemon.resources.limits.cpu is not set,"
    ),
    Case(
        "podMetadata",
        ["team", "example.com/*"],
        {"podMetadata": {"labels": {"team": "a"}, "annotations": {"example.com/b": "c"}}},
        {"podMetadata": {"labels": {"team": "a", "z": ""}, "annotations": {"other.example.com/b": "c"}}},
        "spec.podMetadata other.example.com/b",
    ),
    Case(
        "secrets",
        ["ci-*"],
        {"daemon": {"imagePullSecrets": [{"name": "ci-pull"}]}},
        {"daemon": {"imagePullSecrets": [{"name": "ci-pull"}, {"name": "login"}]}},
        "spec.daemon.imagePullSecrets login",
    ),
    Case(
        "secrets",
        ["b*"],
        {"daemon": {"imagePullSecrets": [{"name": "builder"}]}},
        {"daemon": {"imagePullSecrets": [{"name": "builder-client"}]}},
        "spec.daemon.imagePullSecrets builder-client",
    ),
    Case("podMetadata", [], {"podMetadata": {}}, {"podMetadata": {"annotations": {"a": ""}}}, "spec.podMetadata a"),
    Case(
        "daemonConfig",
        ["bip"],
        {"network": {"bridgeAddress": "172.30.0.1/24"}},
        {"network": {"addressPools": [{"base": "172.31.0.0/16", "size": 24}]}},
        "The field spec.network.addressPools (default-address-pools in daemon.json) ",
    ),
    Case(
        "daemonConfig",
        ["default-address-pools"],
        {"network": {"addressPools": [{"base": "172.31.0.0/16", "size": 24}]}},
        {"network": {"bridgeAddress": "172.30.0.1/24"}},
        "The field spec.network.bridgeAddress (bip in daemon.json) ",
    ),
    Case(
        "sysctls",
        ["kernel.sem", "net.core.*"],
        sysctls("net.core.somaxconn", "kernel.sem"),
        sysctls("kernel.sem", "net.ipv4.ip_local_port_range", "net.corex"),
        "spec.security.sysctls net.ipv4.ip_local_port_range is not allowed",
    ),
    Case("sysctls", [], sysctls(), sysctls("net." + "a" * 200), f"spec.security.sysctls net.{'a' * 124}… is not"),
    *(
        Case(
            "nameResolution",
            [field for field in RESOLUTION if field != refused],
            {"network": {field: value for field, value in RESOLUTION.items() if field != refused}},
            {"network": RESOLUTION},
            f"The field spec.network.{refused} is not allowed",
        )
        for refused in RESOLUTION
    ),
    Case(
        "nameResolution",
        [],
        {"network": {"dnsPolicy": "ClusterFirst", "hostAliases": []}},
        {"network": {"dnsPolicy": "Default"}},
        "The field spec.network.dnsPolicy is not allowed by the policy of this installation. Allowed: none.",
    ),
    Case("disruptionPolicies", ["Allow"], {}, {"disruptionPolicy": "Protect"}, "spec.disruptionPolicy Protect"),
    Case(
        "cloudMetadata",
        ["Closed"],
        {"security": {"cloudMetadata": "Closed"}},
        {"security": {"cloudMetadata": "Open"}},
        "spec.security.cloudMetadata Open",
    ),
    Case("maxTtl", "7d", living(ttl="168h"), living(ttl="169h"), "spec.lifetime.ttl 169h is longer than 7d,"),
    Case(
        "maxTtl", "90m", living(ttl="1h"), living(ttl="91m", idleTimeout="1h"), "spec.lifetime.ttl 91m is longer than"
    ),
    Case("maxTtl", "24h", living(idleTimeout="2d"), living(ttl="2d"), "spec.lifetime.ttl 2d is longer than 24h,"),
    *(
        Case(
            "maxGracePeriod",
            "10m",
            good,
            bad,
            "spec.workloads.terminationGracePeriodSeconds and shutdown-timeout in spec.daemon give the pod a grace period of "
            f"{seconds} seconds, which is longer than 10m, the maximum that the policy",
        )
        for good, bad, seconds in (
            ({}, stopping(shutdown_timeout=576), 601),
            (stopping("--shutdown-timeout=575"), stopping("--shutdown-timeout=577"), 602),
            (stopping(debug=True), stopping("--shutdown-timeout=900", "--shutdown-timeout=5"), 925),
            (beside({}, terminationGracePeriodSeconds=560), beside({}, terminationGracePeriodSeconds=563), 603),
            ({**beside({}), **stopping(shutdown_timeout=545)}, {**beside({}), **stopping(shutdown_timeout=549)}, 604),
            *(
                (good, {**beside({}, terminationGracePeriodSeconds=beside_it), **bad}, 3625 + beside_it)
                for beside_it, good, bad in (
                    (1, stopping(shutdown_timeout=575), stopping(shutdown_timeout="1")),
                    (2, stopping(shutdown_timeout=0), stopping(shutdown_timeout=-1)),
                    (3, stopping("--shutdown-timeout=0"), stopping("--shutdown-timeout=99999")),
                    # Forms of Go, which no rule reads.
                    (4, stopping("--debug"), stopping("--shutdown-timeout=0x10")),
                    (5, stopping("--shutdown-timeout=10"), stopping("--shutdown-timeout=010")),
                    (6, stopping("--shutdown-timeouts=9999"), stopping("--shutdown-timeout", "10")),
                )
            ),
        )
    ),
    Case(
        "maxGracePeriod",
        "2h",
        beside({}, terminationGracePeriodSeconds=3560),
        {**beside({}, terminationGracePeriodSeconds=3600), **stopping(shutdown_timeout=3600)},
        "spec.workloads.terminationGracePeriodSeconds and shutdown-timeout in spec.daemon give the pod a grace period of 7225 ",
    ),
    Case(
        "images",
        IMAGES,
        beside({"image": "registry.test/dind/ci:1"}, {"image": "registry.test/own:1"}),
        beside({"image": "registry.test/own:1"}, {"image": "registry.test/own:12"}),
        "spec.workloads.containers image registry.test/own:12 ",
    ),
    Case(
        "maxResources",
        HIGHEST,
        {
            **limits(cpu="4", memory="8Gi"),
            **beside(limited(cpu="3500m", memory="4Gi"), limited(cpu="0.5", memory="4096Mi")),
        },
        {
            **limits(cpu="4", memory="8Gi"),
            **beside(limited(cpu="3500m", memory="4Gi"), limited(cpu="501m", memory="1Gi")),
        },
        "spec.workloads.containers and the daemon have limits.cpu above 8 together,",
    ),
    Case(
        "maxResources",
        HIGHEST,
        {**limits(cpu="4", memory="8Gi"), **beside(limited(cpu="1", memory=1))},
        {**limits(cpu="4", memory="8Gi"), **beside(limited(cpu="1", memory="1Gi"), limited(cpu="1"))},
        "spec.workloads.containers w1 has no resources.limits.memory, but the policy of this installation limits the pod to 16Gi.",
    ),
    Case(
        "secrets",
        ["login", "ci-*"],
        beside(
            {"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "ci-token", "key": "k"}}}]},
            {"envFrom": [{"secretRef": {"name": "login"}}]},
        ),
        beside({"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "ci", "key": "k"}}}]}),
        "spec.workloads Secret ci ",
    ),
    Case(
        "secrets",
        ["login", "ci-*"],
        beside(
            {"envFrom": [{"configMapRef": {"name": "any"}}]}, volumes=[{"name": "v", "secret": {"secretName": "ci-1"}}]
        ),
        beside({}, volumes=[{"name": "v", "secret": {"secretName": "default-token"}}]),
        "spec.workloads Secret default-token ",
    ),
    Case(
        "secrets",
        [],
        beside({}),
        beside({}, {"envFrom": [{"secretRef": {"name": "login"}}]}),
        "spec.workloads Secret login is not allowed by the policy of this installation. Allowed: none. Remove the value,",
    ),
    Case(
        "secrets",
        ["ci-*"],
        {
            "registry": {
                "pullSecret": {"name": "ci-login"},
                "caBundles": [{"registry": "r", "configMapRef": {"name": "any"}}],
            }
        },
        {"registry": {"pullSecret": {"name": "login"}}},
        "spec.registry Secret login ",
    ),
    Case(
        "secrets",
        ["ci-*"],
        {"registry": {"caBundles": [{"registry": "r", "secretRef": {"name": "ci-a"}}]}},
        {"registry": {"caBundles": [{"registry": "r", "secretRef": {"name": "builder-token", "key": "token"}}]}},
        "spec.registry Secret builder-token ",
    ),
    Case(
        "secrets",
        ["ci-*"],
        {"caBundle": {"configMapRef": {"name": "any"}}, "network": {"proxy": PROXY}},
        {"caBundle": {"secretRef": {"name": "builder-token", "key": "token"}}},
        "spec.caBundle or spec.network.proxy Secret builder-token ",
    ),
    Case(
        "secrets",
        ["ci-*"],
        {"caBundle": {"secretRef": {"name": "ci-a"}}, "network": {"proxy": {"secretRef": {"name": "ci-b"}}}},
        {"caBundle": {"secretRef": {"name": "ci-a"}}, "network": {"proxy": {"secretRef": {"name": "login"}}}},
        "spec.caBundle or spec.network.proxy Secret login ",
    ),
    *(
        Case(
            "secrets",
            ["ci-*", "ci-known-client"],
            {"registry": {"pullSecret": {"name": good}}},
            {"registry": {"pullSecret": {"name": f"ci-shared{suffix}"}}},
            f"spec.registry Secret ci-shared{suffix} ",
        )
        for suffix, good in (("-ca", "ci-cab"), ("-server", "ci-server-x"), ("-client", "ci-known-client"))
    ),
    Case(
        "secrets",
        ["ci-*"],
        beside({"envFrom": [{"secretRef": {"name": "ci-keys"}}]}),
        beside({"envFrom": [{"secretRef": {"name": "ci-shared-ca"}}]}),
        "spec.workloads Secret ci-shared-ca ",
    ),
    Case("requireTtl", True, living(ttl="365d"), {}, "spec.lifetime.ttl is not set, but"),
    Case("requireTtl", True, living(ttl="1m"), living(idleTimeout="1m"), "spec.lifetime.ttl is not set,"),
]
