"""`python -m tests.bench [--only PART…] [--short] [--page FILE]`: measures and writes docs/benchmarks.md."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import yaml
from tests.bench import burst, cold_start, footprint, pages, reserve, restart
from tests.bench.api import ENVIRONMENTS, Api, connect
from tests.bench.figures import Section, put
from tests.cluster import machine
from tests.cluster.controlplane import ControlPlane
from tests.cluster.instance import Instance
from tests.cluster.progress import ClusterError, say, step
from tests.demo.place import ROOT, Place
from tests.demo.story import DemoError

PAGE = ROOT / "docs" / "benchmarks.md"
INSTANCE = Instance(os.environ.get("DIND_CLUSTER_INSTANCE") or "perf")
"""A cluster of its own: what else the tests do with theirs must not be measured, nor disturbed."""
_CRD_SECONDS = 30


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    pairs: int
    bursts: tuple[int, ...]
    rounds: int
    alone: int
    environments: int
    rest_seconds: float
    reserves: tuple[int, ...]
    layers: int
    restarts: tuple[int, ...]


# More than 300 s of rest: the operator lists and compares everything once in that time.
FULL = Size(12, (200, 500), 5, 50, 500, 330.0, (64, 96, 128, 192, 256), 8, (1000, 3000, 10000))
SHORT = Size(3, (100,), 3, 10, 100, 10.0, (256,), 1, (300, 900))


def measure_burst(size: Size) -> Section:
    """On an API server of its own."""

    async def all_of_it(plane: ControlPlane) -> Section:
        async with connect(plane.kubeconfig) as api:
            bursts = [await burst.run_rounds(api, plane.kubeconfig, count, size.rounds) for count in size.bursts]
            bursts.append(await burst.run_rounds(api, plane.kubeconfig, size.bursts[0], size.rounds, endpoint=True))
            alone = await footprint.alone(api, plane.kubeconfig, size.alone)
            cost = await footprint.measure(api, plane.kubeconfig, size.environments, size.rest_seconds)
            return pages.burst_section(bursts, alone, cost)

    with step("Many environments at once, on an API server without nodes"), ControlPlane() as plane:
        asyncio.run(_install_crd(plane.kubeconfig))
        return asyncio.run(all_of_it(plane))


def measure_restart(size: Size) -> Section:
    """On an API server of its own."""

    async def all_of_it(plane: ControlPlane) -> list[restart.Restart]:
        async with connect(plane.kubeconfig) as api:
            return await restart.run(api, plane.kubeconfig, size.restarts)

    with step("Startup with existing environments, on an API server without nodes"), ControlPlane() as plane:
        asyncio.run(_install_crd(plane.kubeconfig))
        return pages.restart_section(asyncio.run(all_of_it(plane)))


async def _install_crd(kubeconfig: Path) -> None:
    async with connect(kubeconfig) as api:
        definition = yaml.safe_load((ROOT / "crds" / "dind.dev_dindenvironments.yaml").read_text())
        await api.call(
            *("PATCH", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/dindenvironments.dind.dev", definition),
            content_type="application/apply-patch+yaml",
            fieldManager="bench",
        )
        async with asyncio.timeout(_CRD_SECONDS):
            while not await _served(api):  # noqa: ASYNC110 - established comes before it is served
                await asyncio.sleep(0.1)


async def _served(api: Api) -> bool:
    with suppress(RuntimeError):
        await api.call("GET", ENVIRONMENTS.format("default"))
        return True
    return False


def place() -> Place:
    """The cluster for what needs a node, with the operator installed by Helm."""
    found = Place(INSTANCE, INSTANCE.kubeconfig)
    found.start()
    found.provide_images()
    found.install()
    return found


def measure_cold_start(size: Size) -> Section:
    """On the embedded cluster."""
    here = place()

    async def pairs() -> cold_start.ColdStart:
        async with connect(here.kubeconfig) as api:
            return await cold_start.run_pairs(api, size.pairs)

    with step("Cold starts, in pairs"):
        return pages.cold_start_section(asyncio.run(pairs()), size.pairs)


def measure_reserve(size: Size) -> Section:
    """On the embedded cluster."""
    here = place()
    with step("Memory of the daemon itself"):
        return pages.reserve_section(reserve.run(here, INSTANCE.machine_address, list(size.reserves), size.layers))


PARTS = {
    "cold-start": measure_cold_start,
    "burst": measure_burst,
    "restart": measure_restart,
    "reserve": measure_reserve,
}


def main(arguments: list[str] | None = None) -> int:
    """0 when everything could be measured, whether or not budgets were met: those that were not are named."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=sorted(PARTS), default=list(PARTS), metavar="PART")
    parser.add_argument("--short", action="store_true", help="a few rounds of each")
    parser.add_argument(
        "--page", type=Path, help="the file to write; by default docs/benchmarks.md, and with --short stdout"
    )
    options = parser.parse_args(arguments)
    try:
        machine.setup()
        sections = [PARTS[part](SHORT if options.short else FULL) for part in PARTS if part in options.only]
    except (ClusterError, DemoError) as problem:
        say(f"error: {problem}" + (f"\n{problem.advice}" if isinstance(problem, DemoError) else ""))
        return 1
    if options.page or not options.short:
        put(options.page or PAGE, sections, pages.PREFACE)
    else:
        print("\n\n".join(section.text() for section in sections))
    missed = [budget for section in sections for budget in section.budgets if not budget.met]
    for budget in missed:
        say(f"missed: {' | '.join(budget.row())}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
