"""The sections of docs/benchmarks.md: from what was measured to tables and budgets."""

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

Made by `make bench` (a few rounds, against wide margins: `make bench-short`). What is compared takes turns within one run, so the
ratios hold although a machine has better and worse minutes; absolute times are those of the machine named. Compare ratios."""


def cold_start_section(cold: ColdStart, pairs: int) -> Section:
    """Apply to Ready against a hand-written pod."""
    section = Section("cold-start", "Cold start")
    section.lines = [
        *prose(
            "An environment from `apply` to Ready=True, against a privileged pod written by hand: same image, "
            f"resources, volumes and probes, no operator, no init container. {pairs} pairs, in turns, after one pair "
            "that warms up; the images are on the node."
        ),
        "",
        *table(
            ["seconds", "median", "least", "most"],
            [
                ["environment", *spread(cold.environment)],
                ["hand-written pod", *spread(cold.pod)],
                ["ratio, pair by pair", *spread(cold.ratios)],
                ["of these: request to pod", *spread(cold.pod_seen, 3)],
                ["of these: pod Ready to environment Ready", *spread(cold.told, 3)],
            ],
        ),
        "",
        *prose(
            "Both come in steps of about a second, because the kubelet looks at its containers once a second: at the "
            "end of the init container, and again before it starts to probe."
        ),
    ]
    section.budgets = [Budget("median ratio", statistics.median(cold.ratios), 1.15, at_most=True, ratio=True)]
    return section


def restart_section(restarts: list[Restart]) -> Section:
    """From the start of the operator to readiness."""
    section = Section("restart", "A start over environments that exist")
    section.lines = [
        *prose(
            "From the start of the process to readiness: everything is listed, and the first environment is being looked at. Each "
            "environment has a pod; there is no node. Linear means that the cpu for each thousand stays the same."
        ),
        "",
        *table(
            ["environments", "seconds", "cpu seconds", "cpu seconds for each 1000", "MiB"],
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
    section.budgets = [Budget("cpu for each 1000, most against fewest", growth, 1.25, at_most=True, ratio=True)]
    return section


def burst_section(bursts: list[Burst], alone: list[float], footprint: Footprint) -> Section:
    """Rates, latency, memory and rest, on an API server without a node."""
    section = Section("burst", "A burst of environments")
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
            "etcd and an API server without controllers or node, so that pods need not run; the operator is a "
            "process of its own. *Pods alone*: one client makes the operator's pods and nothing else, 32 requests at "
            "a time. *Script*: the same client makes environment, pod and status, and looks at nothing. "
            "*Environments*: the client makes environments; the end is when the status of the last names its pod. "
            f"{len(bursts[0].rounds)} rounds of each size, in turns. Without the endpoint an environment is a pod and its "
            "status; *with endpoint*, as by default, it is five objects more, with keys and certificates, for the script as "
            "well."
        ),
        "",
        *table(["a second", "median", "least", "most"], rows),
        "",
        *table(["ratio, round by round", "median", "least", "most"], ratios),
        "",
        *table(
            ["operator", "median", "least", "most"],
            [
                ["cpu for each environment, ms", *spread(cpu, 1)],
                ["alone: request to pod, ms", *spread([each * 1000 for each in alone], 1)],
            ],
        ),
        "",
        *table(["environments", "resident MiB"], [[str(count), f"{rss:.0f}"] for count, rss in footprint.rss.items()]),
        "",
        *_rest(footprint),
    ]
    section.budgets = [*_rate_budgets(bursts), *_footprint_budgets(alone, footprint)]
    return section


def _rest(footprint: Footprint) -> list[str]:
    leases = footprint.writes.get("leases", 0)
    return prose(
        f"At rest, with {max(footprint.rss)} environments over {footprint.rest_seconds:.0f} s: {_object_writes(footprint)} "
        f"writes to objects, {footprint.cpu_percent:.2f} % of a core. ({leases} renewals of Leases are not counted, "
        f"nor what the API server writes without an operator: {', '.join(sorted(footprint.foreign)) or 'nothing'}.)"
    )


def _object_writes(footprint: Footprint) -> int:
    """Without Leases, and without what the API server writes when no operator is there."""
    mine = footprint.writes.keys() - footprint.foreign - {"leases"}
    return sum(footprint.writes[resource] for resource in mine)


def _rate_budgets(bursts: list[Burst]) -> list[Budget]:
    found = []
    for burst in bursts:
        for name, way, bound in (("pods alone", "raw", 0.35), ("script", "script", 0.8)):
            if burst.endpoint and way == "raw":
                continue  # six objects against one: the table has it, no budget is about it
            value = statistics.median(burst.ratios(way))
            found.append(Budget(f"{burst.name}: environments / {name}", value, bound, at_most=False, ratio=True))
    return found


def _footprint_budgets(alone: list[float], footprint: Footprint) -> list[Budget]:
    most = max(footprint.rss)
    return [
        Budget("alone: request to pod, median", statistics.median(alone) * 1000, 20, at_most=True, unit="ms"),
        Budget("resident with no environment", footprint.rss[0], 100, at_most=True, unit="MiB"),
        # 100 MiB and 15 more for each thousand.
        Budget(f"resident with {most}", footprint.rss[most], 100 + 15 * most / 1000, at_most=True, unit="MiB"),
        Budget("writes at rest", _object_writes(footprint), 0, at_most=True),
        Budget("cpu at rest", footprint.cpu_percent, 1, at_most=True, unit="%"),
    ]


def reserve_section(reserve: Reserve) -> Section:
    """Why the default reserve is what it is."""
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
            "The daemon's own memory group (dockerd, containerd, shims, and the CLI of `kubectl exec`), without what "
            f"is nested. A pull of {reserve.image_mib} MiB from a registry, four builds at once, and both together. "
            "Peaks in MiB: *anonymous* cannot be taken back by the kernel, *kernel* partly, *cache* can. First with "
            f"room for everything ({8 * LIMIT} MiB):"
        ),
        "",
        *table(["", "anonymous", "kernel", "cache", "seconds"], loads),
        "",
        *prose(
            f"Peaks by program in the last row: {named} MiB (*exe* is dockerd unpacking a layer; docker and "
            "docker-buildx are the CLI)."
        ),
        "",
        *prose(
            f"Then with nothing to spare: a limit of {LIMIT} MiB, of which a nested container holds all but the "
            f"reserve and {FREE} MiB, while the pull and the four builds run. *Kills* are the kernel's, in the "
            "daemon's own group."
        ),
        "",
        *table(["reserve MiB", "kills", "restarts", "failed of 5", "seconds", "anonymous", "kernel", "cache"], pressed),
        "",
        *prose(
            f"The default is **{DEFAULT_RESERVE_MEMORY}**: what the hardest load was seen to need and cannot give "
            "back, rounded up. A smaller one works where the daemon is not that busy; where it is, what fails first "
            "is what needs memory at that moment, a build or a pull, and then dockerd."
        ),
    ]
    default = parse_bytes(DEFAULT_RESERVE_MEMORY) / MIB
    section.budgets = [
        Budget(
            "anonymous at the hardest load, of the default reserve",
            hardest.needed / default,
            1,
            at_most=True,
            ratio=True,
        ),
    ]
    return section


def _memory(sample: Sample) -> list[str]:
    return [f"{sample.needed:.0f}", f"{sample.kernel:.0f}", f"{sample.cache:.0f}"]
