"""The installation's policy: what environments may ask for, and the sentence for what they may not.

The chart makes an admission policy of the same values (templates/admission-policy.yaml), which refuses an environment when
it is written, in the same words; a test holds the two together. This is the second look, for environments that were made
before the policy, and for clusters without admission policies. A rule is a function here and a validation there.
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
from dind_operator.api.spec import DindEnvironmentSpec, DisruptionPolicy, SecurityMode, Toleration
from dind_operator.features.endpoint import network_policy
from dind_operator.features.policy import field_rules, workload_rules
from dind_operator.features.policy.messages import POLICY, covered, refused, remedy, shown, told

MAX_ENTRIES: Final = 24
"""Of each list. With the length of an entry: a sentence that names them all fits a condition (4096 characters; the API server
passes on 5 KiB), and a rule stays far below its budget of CEL cost."""
MAX_ENTRY_LENGTH: Final = 128
NO_CLASS: Final = "(none)"
"""Stands for "no RuntimeClass" among names, which have no parentheses."""

_NAMESPACE_PATTERN: Final = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$|^[a-z0-9][-a-z0-9]*\*$"
_REFERRED_PATTERN: Final = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$|^[a-z0-9][-a-z0-9.]*\*$"
# A star only where a part of a reference ends: `registry.example.com*` would let registry.example.com.evil.test in.
_IMAGE_PATTERN: Final = (
    r"^[A-Za-z0-9][A-Za-z0-9._:/@+-]*$|^[A-Za-z0-9][A-Za-z0-9._:/@+-]*/\*$|"
    r"^[A-Za-z0-9][A-Za-z0-9._:+-]*/[A-Za-z0-9._/+-]*[:@]\*$"
)
_FLAG_PATTERN: Final = r"^--?[A-Za-z0-9][A-Za-z0-9-]*$"
_KEY_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9-]*$"
_LABEL: Final = r"([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?"
_LABEL_VALUE: Final = r"([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?"
# Of an extension, where the policy bounds it: in this one form times are in order as texts are, without reading them.
_TIME_PATTERN: Final = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$"
# A star only after a domain: `team*` would allow every key that begins so.
_METADATA_PATTERN: Final = rf"^{_LABEL}$|^[a-z0-9]([-a-z0-9.]*[a-z0-9])?/\*$"
_TAINT_PATTERN: Final = rf"^{_LABEL}(={_LABEL_VALUE})?(:(NoSchedule|PreferNoSchedule|NoExecute))?$"


def _entry(pattern: str) -> StringConstraints:
    return StringConstraints(pattern=pattern, max_length=MAX_ENTRY_LENGTH)


_BOUNDED: Final = Field(max_length=MAX_ENTRIES)


class PolicyRules(ApiModel):
    """What is allowed. None: anything; an empty list: nothing but leaving the field out.

    Names and shapes are those of the chart's ``policy.rules``.
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
    max_ttl: Duration | None = None
    require_ttl: bool | None = None
    pod_metadata: Annotated[tuple[Annotated[str, _entry(_METADATA_PATTERN)], ...], _BOUNDED] | None = None
    secrets: Annotated[tuple[Annotated[str, _entry(_REFERRED_PATTERN)], ...], _BOUNDED] | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """What the rules look at."""

    rules: PolicyRules
    environment: DindEnvironment
    default_runtime_class: str

    @property
    def spec(self) -> DindEnvironmentSpec:
        """Of the environment."""
        return self.environment.spec


def violations(environment: DindEnvironment, rules: PolicyRules, default_runtime_class: str) -> list[str]:
    """A sentence for each rule that the environment breaks, in the order of the admission policy."""
    asked = Asked(rules, environment, default_runtime_class)
    return [sentence for rule in _RULES for sentence in rule(asked)]


def _namespaces(asked: Asked) -> Iterator[str]:
    allowed, value = asked.rules.namespaces, asked.environment.namespace
    if allowed is not None and not covered(value, allowed):
        yield told("metadata.namespace", value, allowed, "namespaces")


def _images(asked: Asked) -> Iterator[str]:
    allowed, value = asked.rules.images, asked.spec.daemon.image
    if allowed is not None and value is not None and not covered(value, allowed):
        yield told("spec.daemon.image", value, allowed, "images")


def _workload_images(asked: Asked) -> Iterator[str]:
    return workload_rules.images(asked.spec.workloads, asked.rules.images)


def _modes(asked: Asked) -> Iterator[str]:
    allowed, value = asked.rules.modes, asked.spec.security.mode
    if allowed is not None and value not in allowed:
        yield told("spec.security.mode", value, allowed, "modes")


def _runtime_classes(asked: Asked) -> Iterator[str]:
    """The class that the pod will have, for a rule that is kept by leaving the field out would be none."""
    if asked.rules.runtime_classes is None:
        return
    allowed = tuple(name or NO_CLASS for name in asked.rules.runtime_classes)
    security = asked.spec.security
    default = asked.default_runtime_class if security.mode is SecurityMode.USER_NAMESPACE else NO_CLASS
    value = security.runtime_class_name or default
    if value not in allowed:
        yield told("spec.security.runtimeClassName", value, allowed, "runtimeClasses")


def _node_selector(asked: Asked) -> Iterator[str]:
    chosen = asked.spec.scheduling.node_selector or {}
    wanted = sorted((asked.rules.node_selector or {}).items())
    missing = [f"{key}={value}" for key, value in wanted if chosen.get(key) != value]
    if missing:
        yield (
            f"spec.scheduling.nodeSelector lacks {missing[0]}, which {POLICY} requires. {remedy('Add the label', 'nodeSelector')}"
        )


def _tolerations(asked: Asked) -> Iterator[str]:
    allowed = asked.rules.tolerations
    if allowed is None:
        return
    bad = [item for item in asked.spec.scheduling.tolerations or [] if not _tolerable(item, allowed)]
    if bad:
        yield told("spec.scheduling.tolerations", _taint(bad[0]), allowed, "tolerations")


def _tolerable(toleration: Toleration, allowed: tuple[str, ...]) -> bool:
    """Whether an entry covers it: one without a value covers every value, one without an effect every effect."""
    key, effect = toleration.key or "", toleration.effect or ""
    values = ["", f"={toleration.value or ''}"] if toleration.operator.value == "Equal" else [""]
    return any(f"{key}{value}{end}" in allowed for value in values for end in ("", f":{effect}"))


def _taint(toleration: Toleration) -> str:
    """As kubectl writes a taint."""
    value = f"={toleration.value or ''}" if toleration.operator.value == "Equal" else ""
    return f"{toleration.key or '(every taint)'}{value}{':' if toleration.effect else ''}{toleration.effect or ''}"


def _priority_classes(asked: Asked) -> Iterator[str]:
    allowed, value = asked.rules.priority_classes, asked.spec.scheduling.priority_class_name
    if allowed is not None and value is not None and value not in allowed:
        yield told("spec.scheduling.priorityClassName", value, allowed, "priorityClasses")


def _daemon_args(asked: Asked) -> Iterator[str]:
    """A value apart from its flag is not told from another flag's: such an argument is never allowed."""
    allowed = asked.rules.daemon_args
    if allowed is None:
        return
    bad = [item for item in asked.spec.daemon.args if item.split("=")[0] not in allowed]
    if bad:
        yield told("spec.daemon.args", shown(bad[0].split("=")[0]), allowed, "daemonArgs")


def _daemon_config(asked: Asked) -> Iterator[str]:
    allowed = asked.rules.daemon_config
    bad = [key for key in asked.spec.daemon.config if allowed is not None and key not in allowed]
    if allowed is not None and bad:
        yield told("spec.daemon.config", shown(min(bad)), allowed, "daemonConfig")


def _max_resources(asked: Asked) -> Iterator[str]:
    limits = asked.spec.daemon.resources.limits or {}
    for name, most in sorted((asked.rules.max_resources or {}).items()):
        if name not in limits:
            wrong, action = f"is not set, but {POLICY} requires a limit of at most {most}", "Set the limit"
        elif parse_quantity(limits[name]) > parse_quantity(most):
            wrong, action = f"{limits[name]} is above {most}, the maximum that {POLICY} allows", "Lower the limit"
        else:
            continue
        yield f"spec.daemon.resources.limits.{name} {wrong}. {remedy(action, 'maxResources')}"
        return


def _max_workload_resources(asked: Asked) -> Iterator[str]:
    return workload_rules.together(asked.spec, asked.rules.max_resources)


def _workload_secrets(asked: Asked) -> Iterator[str]:
    return workload_rules.secrets(asked.spec.workloads, asked.rules.secrets)


def _registry_secrets(asked: Asked) -> Iterator[str]:
    return field_rules.secrets(asked.spec.registry, asked.rules.secrets)


def _daemon_fields(asked: Asked) -> Iterator[str]:
    return field_rules.keys(asked.spec, asked.rules.daemon_config)


def _pod_metadata(asked: Asked) -> Iterator[str]:
    found = asked.spec.pod_metadata
    used = sorted({*(found.labels or ()), *(found.annotations or ())})
    return refused("spec.podMetadata", used, asked.rules.pod_metadata, "podMetadata")


def _disruption_policies(asked: Asked) -> Iterator[str]:
    allowed, value = asked.rules.disruption_policies, asked.spec.disruption_policy
    if allowed is not None and value not in allowed:
        yield told("spec.disruptionPolicy", value, allowed, "disruptionPolicies")


def _cloud_metadata(asked: Asked) -> Iterator[str]:
    """What closes it is a NetworkPolicy, which is made for an endpoint or for published ports."""
    allowed, spec = asked.rules.cloud_metadata, asked.spec
    if allowed is None:
        return
    value: str = spec.security.cloud_metadata
    if value == CloudMetadata.CLOSED and not network_policy.wanted(asked.environment):
        value = f"{value} without a NetworkPolicy (set spec.publishedPorts, at least to {{}})"
    if value not in allowed:
        yield told("spec.security.cloudMetadata", value, allowed, "cloudMetadata")


def _max_ttl(asked: Asked) -> Iterator[str]:
    """What the environment asks for, and what it was extended to: counted from its creation, either way."""
    most, ttl = asked.rules.max_ttl, asked.spec.lifetime.ttl if asked.spec.lifetime else None
    if most is None:
        return
    if ttl is not None and parse_duration(ttl) > parse_duration(most):
        yield (
            f"spec.lifetime.ttl {ttl} is longer than {most}, the maximum that {POLICY} allows. "
            f"{remedy('Shorten the time', 'maxTtl')}"
        )
    extension, created = (
        asked.environment.annotations.get(names.ANNOTATION_EXTEND),
        asked.environment.creation_timestamp,
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


def _require_ttl(asked: Asked) -> Iterator[str]:
    if asked.rules.require_ttl and (asked.spec.lifetime is None or asked.spec.lifetime.ttl is None):
        yield f"spec.lifetime.ttl is not set, but {POLICY} requires it. {remedy('Set spec.lifetime.ttl', 'requireTtl')}"


_RULES: Final[tuple[Callable[[Asked], Iterator[str]], ...]] = (
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
    _disruption_policies,
    _cloud_metadata,
    _max_ttl,
    _require_ttl,
    _workload_secrets,
    _registry_secrets,
)
