"""How much memory is held back from nested containers.

dockerd, containerd and the shims share the container's limit with everything nested. If nested containers may use all of
it, the kernel ends the daemon with the build (``memory.oom.group``), so their parent group gets limit - reserve. A
docker volume in memory is charged to whoever writes to it, dockerd included, so its whole size is held back too.
"""

from dataclasses import dataclass

from dind_operator.api.conditions import Reason
from dind_operator.api.quantity import parse_bytes
from dind_operator.api.spec import DindEnvironmentSpec, StorageMedium
from dind_operator.pod.defaults import BuildSettings
from dind_operator.pod.errors import UnbuildableError


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """The daemon's memory in bytes. ``limit`` and ``nested`` are None when the spec has no memory limit.

    The namespace's LimitRange may give the pod one, which nobody knows before the pod is there: what is held back of a limit
    is said in any case, and means nothing without one.
    """

    limit: int | None
    reserve: str
    held_back: int

    @property
    def nested(self) -> int | None:
        """What nested containers may use together, in bytes."""
        return None if self.limit is None else self.limit - self.held_back


def plan_memory(spec: DindEnvironmentSpec, settings: BuildSettings) -> MemoryPlan:
    """Split the daemon's memory limit between the daemon and what is nested in it.

    Raises UnbuildableError (MemoryLimitTooLow) when nothing would be left for nested containers.
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
    """Size in bytes of a docker volume that lives in memory, else 0."""
    empty_dir = spec.storage.empty_dir
    if empty_dir is None or empty_dir.medium != StorageMedium.MEMORY or empty_dir.size_limit is None:
        return 0
    return parse_bytes(str(empty_dir.size_limit))
