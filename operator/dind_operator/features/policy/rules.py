"""The policy of the installation: restrictions for environments, and the messages of violations.

The chart creates a ValidatingAdmissionPolicy from the same values (templates/admission-policy.yaml), with which the API server
rejects environments, with equal messages; tests compare the two. The operator enforces the rules, too, for environments
that are older than the policy and for clusters without admission policies. A rule is a function here and a validation there.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final, Literal

from pydantic import Field, StringConstraints

from dind_operator.api import names
from dind_operator.api.conditions import format_time
from dind_operator.api.environment import DindEnvironment
from dind_operator.api.lifetime import Duration, parse_duration
from dind_operator.api.model import ApiModel
from dind_operator.api.names import SUBDOMAIN_PATTERN
from dind_operator.api.quantity import Quantity, parse_quantity
from dind_operator.api.security import CloudMetadata
from dind_operator.api.spec import DindEnvironmentSpec, DisruptionPolicy, DNSPolicy, SecurityMode, Toleration
from dind_operator.features.policy import field_rules, workload_rules
from dind_operator.features.policy.messages import POLICY, covered, not_allowed, refused, remedy, secret_covered, shown
from dind_operator.features.workloads import pod as workloads
from dind_operator.pod.grace_period import most_grace_period_seconds

MAX_ENTRIES: Final = 24
"""The maximum number of entries of a list. With the maximum length of an entry, a message with all entries fits a condition (4096
characters; the API server returns up to 5 KiB), and a rule stays far below the CEL cost limit."""
MAX_ENTRY_LENGTH: Final = 128
NO_CLASS: Final = "(none)"
"""Represents "no RuntimeClass". Names cannot contain parentheses."""

_NAMESPACE_PATTERN: Final = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$|^[a-z0-9][-a-z0-9]*\*$"
_REFERRED_PATTERN: Final = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$|^[a-z0-9][-a-z0-9.]*\*$"
# A star only after a complete part of a reference: `registry.example.com*` would allow registry.example.com.evil.test.
_IMAGE_PATTERN: Final = (
    r"^[A-Za-z0-9][A-Za-z0-9._:/@+-]*$|^[A-Za-z0-9][A-Za-z0-9._:/@+-]*/\*$|"
    r"^[A-Za-z0-9][A-Za-z0-9._:+-]*/[A-Za-z0-9._/+-]*[:@]\*$"
)
_FLAG_PATTERN: Final = r"^--?[A-Za-z0-9][A-Za-z0-9-]*$"
_KEY_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9-]*$"
_LABEL: Final = r"([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?"
_LABEL_VALUE: Final = r"([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?"
# The format of an extension if the policy limits it. In this format, times can be compared as strings.
_TIME_PATTERN: Final = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$"
# A star only after a domain: `team*` would allow all keys with this prefix.
_METADATA_PATTERN: Final = rf"^{_LABEL}$|^[a-z0-9]([-a-z0-9.]*[a-z0-9])?/\*$"
_TAINT_PATTERN: Final = rf"^{_LABEL}(={_LABEL_VALUE})?(:(NoSchedule|PreferNoSchedule|NoExecute))?$"


_SYSCTL_PATTERN: Final = r"^[a-z]+(\.[a-z0-9][-_a-z0-9]*)+$|^[a-z]+(\.[a-z0-9][-_a-z0-9]*)*\.\*$"


def _entry(pattern: str) -> StringConstraints:
    return StringConstraints(pattern=pattern, max_length=MAX_ENTRY_LENGTH)


ReferredName = Annotated[str, _entry(_REFERRED_PATTERN)]
_BOUNDED: Final = Field(max_length=MAX_ENTRIES)


class PolicyRules(ApiModel):
    """The allowed values. None allows any value; an empty list allows only that the field is not set.

    Names and types are those of the chart's ``policy.rules``.
    """

    namespaces: Annotated[tuple[Annotated[str, _entry(_NAMESPACE_PATTERN)], ...], _BOUNDED] | None = None
    images: Annotated[tuple[Annotated[str, _entry(_IMAGE_PATTERN)], ...], _BOUNDED] | None = None
    modes: Annotated[tuple[SecurityMode, ...], _BOUNDED] | None = None
    runtime_classes: Annotated[tuple[Annotated[str, _entry(rf"^$|{SUBDOMAIN_PATTERN}")], ...], _BOUNDED] | None = None
    node_selector: (
        Annotated[dict[Annotated[str, _entry(rf"^{_LABEL}$")], Annotated[str, _entry(rf"^{_LABEL_VALUE}$")]], _BOUNDED]
        | None
    ) = None
    tolerations: Annotated[tuple[Annotated[str, _entry(_TAINT_PATTERN)], ...], _BOUNDED] | None = None
    priority_classes: Annotated[tuple[Annotated[str, _entry(SUBDOMAIN_PATTERN)], ...], _BOUNDED] | None = None
    daemon_args: Annotated[tuple[Annotated[str, _entry(_FLAG_PATTERN)], ...], _BOUNDED] | None = None
    daemon_config: Annotated[tuple[Annotated[str, _entry(_KEY_PATTERN)], ...], _BOUNDED] | None = None
    max_resources: Annotated[dict[Annotated[str, StringConstraints(max_length=128)], Quantity], _BOUNDED] | None = None
    disruption_policies: Annotated[tuple[DisruptionPolicy, ...], _BOUNDED] | None = None
    cloud_metadata: Annotated[tuple[Literal[CloudMetadata.CLOSED], ...], _BOUNDED] | None = None
    max_grace_period: Duration | None = None
    max_ttl: Duration | None = None
    require_ttl: bool | None = None
    pod_metadata: Annotated[tuple[Annotated[str, _entry(_METADATA_PATTERN)], ...], _BOUNDED] | None = None
    sysctls: Annotated[tuple[Annotated[str, _entry(_SYSCTL_PATTERN)], ...], _BOUNDED] | None = None
    name_resolution: Annotated[tuple[Literal["hostAliases", "dnsPolicy", "dnsConfig"], ...], _BOUNDED] | None = None
    secrets: Annotated[tuple[ReferredName, ...], _BOUNDED] | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """The input of the rules."""

    rules: PolicyRules
    environment: DindEnvironment
    default_runtime_class: str

    @property
    def spec(self) -> DindEnvironmentSpec:
        """The spec of the environment."""
        return self.environment.spec


def violations(environment: DindEnvironment, rules: PolicyRules, default_runtime_class: str) -> list[str]:
    """A message for each rule that the environment violates, in the order of the admission policy."""
    request = Request(rules, environment, default_runtime_class)
    return [sentence for rule in _RULES for sentence in rule(request)]


def _namespaces(request: Request) -> Iterator[str]:
    allowed, value = request.rules.namespaces, request.environment.namespace
    if allowed is not None and not covered(value, allowed):
        yield not_allowed("metadata.namespace", value, allowed, "namespaces")


def _images(request: Request) -> Iterator[str]:
    allowed, value = request.rules.images, request.spec.daemon.image
    if allowed is not None and value is not None and not covered(value, allowed):
        yield not_allowed("spec.daemon.image", value, allowed, "images")


def _workload_images(request: Request) -> Iterator[str]:
    return workload_rules.images(request.spec.workloads, request.rules.images)


def _modes(request: Request) -> Iterator[str]:
    allowed, value = request.rules.modes, request.spec.security.mode
    if allowed is not None and value not in allowed:
        yield not_allowed("spec.security.mode", value, allowed, "modes")


def _runtime_classes(request: Request) -> Iterator[str]:
    """Checks the class of the pod including the default, so that the rule applies if the field is not set.

    Kubernetes adds the tolerations of the class to the pod. If the policy restricts tolerations and no classes, only the class of
    the installation is allowed.
    """
    allowed = request.rules.runtime_classes
    if allowed is None and request.rules.tolerations is not None:
        allowed = ("", request.default_runtime_class)
    if allowed is None:
        return
    allowed = tuple(name or NO_CLASS for name in allowed)
    security = request.spec.security
    default = request.default_runtime_class if security.mode is SecurityMode.USER_NAMESPACE else NO_CLASS
    value = security.runtime_class_name or default
    if value not in allowed:
        yield not_allowed("spec.security.runtimeClassName", value, allowed, "runtimeClasses")


def _node_selector(request: Request) -> Iterator[str]:
    chosen = request.spec.scheduling.node_selector or {}
    wanted = sorted((request.rules.node_selector or {}).items())
    missing = [f"{key}={value}" for key, value in wanted if chosen.get(key) != value]
    if missing:
        yield (
            f"spec.scheduling.nodeSelector lacks {missing[0]}, which {POLICY} requires. {remedy('Add the label', 'nodeSelector')}"
        )


def _tolerations(request: Request) -> Iterator[str]:
    allowed = request.rules.tolerations
    if allowed is None:
        return
    bad = [item for item in request.spec.scheduling.tolerations or [] if not _tolerable(item, allowed)]
    if bad:
        yield not_allowed("spec.scheduling.tolerations", _taint(bad[0]), allowed, "tolerations")


def _tolerable(toleration: Toleration, allowed: tuple[str, ...]) -> bool:
    """Whether an entry matches. An entry without a value matches all values, one without an effect all effects."""
    key, effect = toleration.key or "", toleration.effect or ""
    values = ["", f"={toleration.value or ''}"] if toleration.operator.value == "Equal" else [""]
    return any(f"{key}{value}{end}" in allowed for value in values for end in ("", f":{effect}"))


def _taint(toleration: Toleration) -> str:
    """The taint in the notation of kubectl."""
    value = f"={toleration.value or ''}" if toleration.operator.value == "Equal" else ""
    return f"{toleration.key or '(every taint)'}{value}{':' if toleration.effect else ''}{toleration.effect or ''}"


def _priority_classes(request: Request) -> Iterator[str]:
    allowed, value = request.rules.priority_classes, request.spec.scheduling.priority_class_name
    if allowed is not None and value is not None and value not in allowed:
        yield not_allowed("spec.scheduling.priorityClassName", value, allowed, "priorityClasses")


def _daemon_args(request: Request) -> Iterator[str]:
    """A value that is a separate argument is never allowed, because it is not known to which flag it belongs."""
    allowed = request.rules.daemon_args
    if allowed is None:
        return
    bad = [item for item in request.spec.daemon.args if item.split("=")[0] not in allowed]
    if bad:
        yield not_allowed("spec.daemon.args", shown(bad[0].split("=")[0]), allowed, "daemonArgs")


def _daemon_config(request: Request) -> Iterator[str]:
    allowed = request.rules.daemon_config
    bad = [key for key in request.spec.daemon.config if allowed is not None and key not in allowed]
    if allowed is not None and bad:
        yield not_allowed("spec.daemon.config", shown(min(bad)), allowed, "daemonConfig")


def _max_resources(request: Request) -> Iterator[str]:
    limits = request.spec.daemon.resources.limits or {}
    for name, most in sorted((request.rules.max_resources or {}).items()):
        if name not in limits:
            wrong, action = f"is not set, but {POLICY} requires a limit of at most {most}", "Set the limit"
        elif parse_quantity(limits[name]) > parse_quantity(most):
            wrong, action = f"{limits[name]} is above {most}, the maximum that {POLICY} allows", "Lower the limit"
        else:
            continue
        yield f"spec.daemon.resources.limits.{name} {wrong}. {remedy(action, 'maxResources')}"
        return


def _max_workload_resources(request: Request) -> Iterator[str]:
    return workload_rules.together(request.spec, request.rules.max_resources)


def _workload_secrets(request: Request) -> Iterator[str]:
    return workload_rules.secrets(request.spec.workloads, request.rules.secrets)


def _registry_secrets(request: Request) -> Iterator[str]:
    return field_rules.secrets(request.spec.registry, request.rules.secrets)


def _other_secrets(request: Request) -> Iterator[str]:
    return field_rules.other_secrets(request.spec, request.rules.secrets)


def _image_pull_secrets(request: Request) -> Iterator[str]:
    named = [secret.name for secret in request.spec.daemon.image_pull_secrets or []]
    return refused("spec.daemon.imagePullSecrets", named, request.rules.secrets, "secrets", secret_covered)


def _daemon_fields(request: Request) -> Iterator[str]:
    return field_rules.keys(request.spec, request.rules.daemon_config)


def _pod_metadata(request: Request) -> Iterator[str]:
    found = request.spec.pod_metadata
    used = sorted({*(found.labels or ()), *(found.annotations or ())})
    return refused("spec.podMetadata", used, request.rules.pod_metadata, "podMetadata")


def _sysctls(request: Request) -> Iterator[str]:
    used = [item.name for item in request.spec.security.sysctls or ()]
    return refused("spec.security.sysctls", used, request.rules.sysctls, "sysctls")


def _name_resolution(request: Request) -> Iterator[str]:
    network, allowed = request.spec.network, request.rules.name_resolution
    used = {
        "hostAliases": bool(network.host_aliases),
        "dnsPolicy": network.dns_policy is not DNSPolicy.CLUSTER_FIRST,
        "dnsConfig": network.dns_config is not None,
    }
    bad = [] if allowed is None else [field for field, found in used.items() if found and field not in allowed]
    if allowed is not None and bad:
        yield not_allowed("The field", f"spec.network.{bad[0]}", allowed, "nameResolution")


def _disruption_policies(request: Request) -> Iterator[str]:
    allowed, value = request.rules.disruption_policies, request.spec.disruption_policy
    if allowed is not None and value not in allowed:
        yield not_allowed("spec.disruptionPolicy", value, allowed, "disruptionPolicies")


def _cloud_metadata(request: Request) -> Iterator[str]:
    allowed, value = request.rules.cloud_metadata, request.spec.security.cloud_metadata
    if allowed is not None and value not in allowed:
        yield not_allowed("spec.security.cloudMetadata", value, allowed, "cloudMetadata")


def _max_grace_period(request: Request) -> Iterator[str]:
    most, spec = request.rules.max_grace_period, request.spec
    if most is None:
        return
    seconds = most_grace_period_seconds(spec, workloads.grace_seconds(spec))
    if seconds > parse_duration(most).total_seconds():
        yield (
            "spec.workloads.terminationGracePeriodSeconds and shutdown-timeout in spec.daemon give the pod a grace period of "
            f"{seconds} seconds, which is longer than {most}, the maximum that {POLICY} allows. "
            f"{remedy('Shorten them, and write a flag as --shutdown-timeout=SECONDS', 'maxGracePeriod')}"
        )


def _max_ttl(request: Request) -> Iterator[str]:
    """Checks the ttl and the extension, both counted from the creation of the environment."""
    most, ttl = request.rules.max_ttl, request.spec.lifetime.ttl if request.spec.lifetime else None
    if most is None:
        return
    if ttl is not None and parse_duration(ttl) > parse_duration(most):
        yield (
            f"spec.lifetime.ttl {ttl} is longer than {most}, the maximum that {POLICY} allows. "
            f"{remedy('Shorten the time', 'maxTtl')}"
        )
    extension, created = (
        request.environment.annotations.get(names.ANNOTATION_EXTEND),
        request.environment.creation_timestamp,
    )
    if not extension or not created:
        return
    field = f"metadata.annotations {names.ANNOTATION_EXTEND} {shown(extension)}"
    latest = format_time(datetime.fromisoformat(created) + parse_duration(most))
    if not re.fullmatch(_TIME_PATTERN, extension):
        yield (
            f"{field} does not have the time format that {POLICY} requires. "
            f"{remedy('Write the time in the format 2030-01-31T18:00:00Z', 'maxTtl')}"
        )
    elif extension > latest:
        yield (
            f"{field} is later than {latest}, the latest time that {POLICY} allows. "
            f"{remedy('Set an earlier time', 'maxTtl')}"
        )


def _require_ttl(request: Request) -> Iterator[str]:
    if request.rules.require_ttl and (request.spec.lifetime is None or request.spec.lifetime.ttl is None):
        yield f"spec.lifetime.ttl is not set, but {POLICY} requires it. {remedy('Set spec.lifetime.ttl', 'requireTtl')}"


_RULES: Final[tuple[Callable[[Request], Iterator[str]], ...]] = (
    _namespaces,
    _images,
    _workload_images,
    _modes,
    _runtime_classes,
    _node_selector,
    _tolerations,
    _priority_classes,
    _daemon_args,
    _daemon_config,
    _daemon_fields,
    _max_resources,
    _max_workload_resources,
    _pod_metadata,
    _sysctls,
    _name_resolution,
    _disruption_policies,
    _cloud_metadata,
    _max_grace_period,
    _max_ttl,
    _require_ttl,
    _workload_secrets,
    _registry_secrets,
    _image_pull_secrets,
    _other_secrets,
)
