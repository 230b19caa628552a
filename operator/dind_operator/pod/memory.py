"""Memory that is reserved for the daemon.

dockerd, containerd and the shims share the limit of the container with nested containers. If nested containers could use all of it,
the kernel would kill the daemon with a build (``memory.oom.group``). So their parent cgroup gets the limit minus the reserve. A
memory-backed volume is charged to the process that writes to it, including dockerd, so its size is reserved, too.
"""

from dataclasses import dataclass

from dind_operator.api.conditions import Reason
from dind_operator.api.quantity import parse_bytes
from dind_operator.api.spec import DindEnvironmentSpec, StorageMedium
from dind_operator.pod.defaults import BuildSettings
from dind_operator.pod.errors import UnbuildableError


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """The memory of the daemon in bytes. ``limit`` and ``nested`` are None if the spec has no memory limit.

    A LimitRange of the namespace may set a limit when the pod is created. So the reserve is always passed to the pod; it has no
    effect without a limit.
    """

    limit: int | None
    reserve: str
    held_back: int

    @property
    def nested(self) -> int | None:
        """The limit for all nested containers together, in bytes."""
        return None if self.limit is None else self.limit - self.held_back


def plan_memory(spec: DindEnvironmentSpec, settings: BuildSettings) -> MemoryPlan:
    """Split the memory limit between the daemon and nested containers.

    Raises UnbuildableError (MemoryLimitTooLow) if no memory is left for nested containers.
    """
    reserve = str(spec.daemon.reserve.memory or settings.default_reserve_memory)
    volume = memory_volume_bytes(spec)
    held_back = parse_bytes(reserve) + volume
    raw_limit = (spec.daemon.resources.limits or {}).get("memory")
    if raw_limit is None:
        return MemoryPlan(limit=None, reserve=reserve, held_back=held_back)
    limit = parse_bytes(str(raw_limit))
    if held_back >= limit:
        parts = f"spec.daemon.reserve.memory ({reserve})"
        if volume:
            empty_dir = spec.storage.empty_dir
            assert empty_dir is not None
            parts += f" and spec.storage.emptyDir.sizeLimit ({empty_dir.size_limit}, in memory)"
        raise UnbuildableError(
            Reason.MEMORY_LIMIT_TOO_LOW,
            f"No memory is left for nested containers: spec.daemon.resources.limits.memory is {raw_limit}, and the operator reserves "
            f"{parts}. Raise the limit above {-(-held_back // 2**20)}Mi or lower what is reserved.",
        )
    return MemoryPlan(limit=limit, reserve=reserve, held_back=held_back)


def memory_volume_bytes(spec: DindEnvironmentSpec) -> int:
    """The size of a memory-backed volume in bytes, else 0."""
    empty_dir = spec.storage.empty_dir
    if empty_dir is None or empty_dir.medium != StorageMedium.MEMORY or empty_dir.size_limit is None:
        return 0
    return parse_bytes(str(empty_dir.size_limit))
