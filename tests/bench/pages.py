"""The sections of docs/benchmarks.md: measurements as tables and budgets."""

from __future__ import annotations

import statistics

from tests.bench.burst import Burst
from tests.bench.cold_start import ColdStart
from tests.bench.figures import Budget, Section, prose, spread, table
from tests.bench.footprint import Footprint
from tests.bench.own_memory import MIB, Sample
from tests.bench.reserve import FREE, LIMIT, Reserve
from tests.bench.restart import Restart

from dind_operator.api.quantity import parse_bytes
from dind_operator.pod.defaults import DEFAULT_RESERVE_MEMORY

PREFACE = """# Benchmarks

`make bench` writes this page. `make bench-short` runs a few rounds and compares them with wide margins. Whatever is compared
alternates within one run, so ratios are valid although the load of the machine varies. Absolute times depend on the machine.
Compare ratios."""


def cold_start_section(cold: ColdStart, pairs: int) -> Section:
    """The time from apply to Ready, compared with a hand-written pod."""
    section = Section("cold-start", "Cold start")
    section.lines = [
        *prose(
            "The time of an environment from `apply` to Ready=True, compared with a hand-written privileged pod: the same image, "
            f"resources, volumes and probes, without operator and init container. {pairs} pairs, alternating, after one pair "
            "that is not counted. The images are on the node."
        ),
        "",
        *table(
            ["seconds", "median", "minimum", "maximum"],
            [
                ["environment", *spread(cold.environment)],
                ["hand-written pod", *spread(cold.pod)],
                ["ratio of each pair", *spread(cold.ratios)],
                ["of the environment: from the request to the pod", *spread(cold.pod_seen, 3)],
                ["of the environment: from pod Ready to environment Ready", *spread(cold.told, 3)],
            ],
        ),
        "",
        *prose(
            "Both times vary in steps of about a second, because the kubelet checks its containers once a second: after the "
            "init container, and again before the first probe."
        ),
    ]
    section.budgets = [Budget("median ratio", statistics.median(cold.ratios), 1.15, at_most=True, ratio=True)]
    return section


def restart_section(restarts: list[Restart]) -> Section:
    """The time from the start of the operator to readiness."""
    section = Section("restart", "Startup with existing environments")
    section.lines = [
        *prose(
            "The time from the start of the process to readiness: all objects are listed, and the first environment is being "
            "reconciled. Each environment has a pod; there is no node. The CPU time per 1000 environments is constant if the startup "
            "time is linear."
        ),
        "",
        *table(
            ["environments", "seconds", "CPU seconds", "CPU seconds per 1000", "MiB"],
            [
                [
                    str(each.environments),
                    f"{each.seconds:.1f}",
                    f"{each.cpu:.1f}",
                    f"{each.per_thousand:.2f}",
                    f"{each.rss_mib:.0f}",
                ]
                for each in restarts
            ],
        ),
    ]
    first, last = restarts[0], restarts[-1]
    growth = last.per_thousand / first.per_thousand
    section.budgets = [
        Budget("CPU per 1000, largest number relative to smallest", growth, 1.25, at_most=True, ratio=True)
    ]
    return section


def burst_section(bursts: list[Burst], alone: list[float], footprint: Footprint) -> Section:
    """Rates, latency, memory and the cost at rest, on an API server without a node."""
    section = Section("burst", "Many environments at once")
    rows = []
    for burst in bursts:
        for what, way in (("pods alone", "raw"), ("script", "script"), ("environments", "operator")):
            rows.append([f"{burst.name}, {what}", *spread(burst.rates(way), 0)])
    ratios = [
        [f"{burst.name}, environments / {name}", *spread(burst.ratios(way))]
        for burst in bursts
        for name, way in (("pods alone", "raw"), ("script", "script"))
    ]
    cpu = [each.operator_cpu / each.count * 1000 for burst in bursts for each in burst.rounds]
    section.lines = [
        *prose(
            "etcd and an API server without controllers and nodes, so no pods run. The operator is a separate process. *Pods "
            "alone*: one client creates the operator's pods and nothing else, with 32 concurrent requests. *Script*: the same "
            "client creates environment, pod and status, and reads nothing. *Environments*: the client creates environments; "
            "the measurement ends when the status of the last one contains its pod. "
            f"{len(bursts[0].rounds)} rounds of each size, alternating. Without the endpoint, an environment consists of a pod and "
            "its status. *With endpoint*, the default, it has further objects with keys and certificates, which the script creates, "
            "too."
        ),
        "",
        *table(["per second", "median", "minimum", "maximum"], rows),
        "",
        *table(["ratio of each round", "median", "minimum", "maximum"], ratios),
        "",
        *table(
            ["operator", "median", "minimum", "maximum"],
            [
                ["CPU time per environment, ms", *spread(cpu, 1)],
                ["one environment: from the request to the pod, ms", *spread([each * 1000 for each in alone], 1)],
            ],
        ),
        "",
        *table(
            ["environments", "resident memory, MiB"],
            [[str(count), f"{rss:.0f}"] for count, rss in footprint.rss.items()],
        ),
        "",
        *_rest(footprint),
    ]
    section.budgets = [*_rate_budgets(bursts), *_footprint_budgets(alone, footprint)]
    return section


def _rest(footprint: Footprint) -> list[str]:
    leases = footprint.writes.get("leases", 0)
    return prose(
        f"At rest with {max(footprint.rss)} environments, for {footprint.rest_seconds:.0f} s: {_object_writes(footprint)} "
        f"writes to objects, {footprint.cpu_percent:.2f} % of a core. Not counted are {leases} renewals of Leases, and objects "
        f"that the API server also writes without an operator: {', '.join(sorted(footprint.foreign)) or 'none'}."
    )


def _object_writes(footprint: Footprint) -> int:
    """Without Leases, and without what the API server writes while no operator runs."""
    mine = footprint.writes.keys() - footprint.foreign - {"leases"}
    return sum(footprint.writes[resource] for resource in mine)


def _rate_budgets(bursts: list[Burst]) -> list[Budget]:
    found = []
    for burst in bursts:
        for name, way, bound in (("pods alone", "raw", 0.35), ("script", "script", 0.8)):
            if burst.endpoint and way == "raw":
                continue  # six objects compared with one: it is in the table, but has no budget
            value = statistics.median(burst.ratios(way))
            found.append(Budget(f"{burst.name}: environments / {name}", value, bound, at_most=False, ratio=True))
    return found


def _footprint_budgets(alone: list[float], footprint: Footprint) -> list[Budget]:
    most = max(footprint.rss)
    return [
        Budget(
            "one environment: from the request to the pod, median",
            statistics.median(alone) * 1000,
            20,
            at_most=True,
            unit="ms",
        ),
        Budget("resident memory without environments", footprint.rss[0], 100, at_most=True, unit="MiB"),
        # 100 MiB and 15 more for each thousand.
        Budget(f"resident memory with {most}", footprint.rss[most], 100 + 15 * most / 1000, at_most=True, unit="MiB"),
        Budget("writes at rest", _object_writes(footprint), 0, at_most=True),
        Budget("CPU at rest", footprint.cpu_percent, 1, at_most=True, unit="%"),
    ]


def reserve_section(reserve: Reserve) -> Section:
    """The reasons for the default reserve."""
    section = Section("reserve", "The default of daemon.reserve.memory")
    loads = [[load.what, *_memory(load.peak), f"{load.seconds:.0f}"] for load in reserve.loads]
    pressed = [
        [
            str(each.reserve),
            str(each.kills),
            str(each.restarts),
            str(each.failures),
            f"{each.seconds:.0f}",
            *_memory(each.peak),
        ]
        for each in reserve.pressed
    ]
    hardest = reserve.loads[-1].peak
    programs = sorted(hardest.programs.items(), key=lambda item: -item[1])
    named = ", ".join(f"{name} {value:.0f}" for name, value in programs if value >= 1)
    section.lines = [
        *prose(
            "The memory cgroup of the daemon itself (dockerd, containerd, shims, and the CLI of `kubectl exec`), without nested "
            f"containers. A pull of {reserve.image_mib} MiB from a registry, four builds at once, and both together. "
            "Peaks in MiB: the kernel cannot reclaim *anonymous* memory, *kernel* memory only in part, and *cache* completely. "
            f"First without memory pressure (a limit of {8 * LIMIT} MiB):"
        ),
        "",
        *table(["", "anonymous", "kernel", "cache", "seconds"], loads),
        "",
        *prose(
            f"Peaks by program in the last row: {named} MiB. *exe* is dockerd while it unpacks a layer; docker "
            "and docker-buildx are the CLI."
        ),
        "",
        *prose(
            f"Then under memory pressure: a limit of {LIMIT} MiB, of which a nested container uses all except the reserve and "
            f"{FREE} MiB, during the pull and the four builds. *Kills* are those of the kernel in the cgroup of the daemon "
            "itself."
        ),
        "",
        *table(
            ["reserve, MiB", "kills", "restarts", "failed, of 5", "seconds", "anonymous", "kernel", "cache"], pressed
        ),
        "",
        *prose(
            f"The default is **{DEFAULT_RESERVE_MEMORY}**: the memory that the highest load needs and the kernel cannot reclaim, "
            "rounded up. A smaller reserve is enough for a daemon with less load. If it is too small, builds and pulls fail "
            "first, and then dockerd."
        ),
    ]
    default = parse_bytes(DEFAULT_RESERVE_MEMORY) / MIB
    section.budgets = [
        Budget(
            "anonymous at the highest load, relative to the default reserve",
            hardest.needed / default,
            1,
            at_most=True,
            ratio=True,
        ),
    ]
    return section


def _memory(sample: Sample) -> list[str]:
    return [f"{sample.needed:.0f}", f"{sample.kernel:.0f}", f"{sample.cache:.0f}"]
