"""The policy for workloads: images, total resources of workloads and daemon, and Secrets."""

import re
from collections.abc import Iterator, Mapping

from dind_operator.api.quantity import parse_quantity
from dind_operator.api.spec import DindEnvironmentSpec, WorkloadsSpec
from dind_operator.api.workloads import RESOURCE_PATTERN
from dind_operator.features.policy.messages import POLICY, refused, remedy, secret_covered
from dind_operator.features.workloads.pod import secret_names


def images(workloads: WorkloadsSpec | None, allowed: tuple[str, ...] | None) -> Iterator[str]:
    """The rule `images` also applies to workloads."""
    named = [item.image for item in workloads.containers] if workloads is not None else []
    return refused("spec.workloads.containers image", named, allowed, "images")


def secrets(workloads: WorkloadsSpec | None, allowed: tuple[str, ...] | None) -> Iterator[str]:
    """The Secrets of the namespace that workloads may refer to."""
    named = secret_names(workloads) if workloads is not None else []
    return refused("spec.workloads Secret", named, allowed, "secrets", secret_covered)


def together(spec: DindEnvironmentSpec, most: Mapping[str, str | int] | None) -> Iterator[str]:
    """The daemon and its workloads share a pod. Each needs a limit, and the sum must not exceed the maximum."""
    if spec.workloads is None:
        return
    named = [
        (item.name, (item.resources.limits if item.resources else None) or {}) for item in spec.workloads.containers
    ]
    for name, largest in sorted((most or {}).items()):
        if not re.fullmatch(RESOURCE_PATTERN, name):
            continue  # not a resource of workloads
        missing = [container for container, limits in named if name not in limits]
        amounts = [
            limits.get(name, 0) for limits in (spec.daemon.resources.limits or {}, *(limits for _, limits in named))
        ]
        if missing:
            wrong = f"{missing[0]} has no resources.limits.{name}, but {POLICY} limits the pod to {largest}"
            action = "Set the limit"
        elif sum(parse_quantity(amount) for amount in amounts) > parse_quantity(largest):
            wrong = f"and the daemon have limits.{name} above {largest} together, the maximum that {POLICY} allows"
            action = "Lower the limits"
        else:
            continue
        yield f"spec.workloads.containers {wrong}. {remedy(action, 'maxResources')}"
        return
