"""`python -m tests.demo [EXAMPLE]`: runs all steps of the demonstration. It can be run repeatedly."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.cluster.progress import ClusterError
from tests.demo.environment import BASE, BUILT, NAMESPACE, DemoEnvironment
from tests.demo.place import ROOT, Place
from tests.demo.story import DemoError, Story, tell

EXAMPLE = ROOT / "examples" / "builder.yaml"


def play(place: Place, environment: DemoEnvironment, story: Story) -> None:
    """All steps. Raises DemoError or ClusterError at the first that fails."""
    if place.instance is not None:
        with story.step("A Kubernetes cluster on this machine"):
            place.start()
        with story.step("The project's images, from this checkout"):
            place.provide_images()
    with story.step("The operator, with Helm"):
        tell(f"      $ {place.install()}")
    with story.step("A namespace in which environments are enabled"):
        environment.open_namespace()
    with story.step("An environment"):
        environment.apply()
        environment.wait()
    with story.step("Inside: an image to start from"):
        environment.provide_base()
    with story.step("Inside: docker run"):
        _say(environment.docker("run", "--rm", BASE, "sh", "-c", '. /etc/os-release; echo "Hello from $PRETTY_NAME"'))
    with story.step("Inside: docker build, with a package from the Debian mirror"):
        environment.build()
    with story.step("Inside: the image that was built"):
        _say(environment.docker("run", "--rm", BUILT))


def _say(text: str) -> None:
    for line in text.splitlines():
        tell(f"      {line}")


def close(environment: DemoEnvironment, story: Story) -> None:
    """Print the environment, its report, the durations, and the next commands."""
    name, kubectl = environment.name, f"kubectl --namespace {NAMESPACE}"
    tell(f"\nThe object\n\n{environment.show()}")
    tell(f"\nThe report, for questions and bug reports\n\n{environment.report()}")
    tell(f"\nHow long it took\n\n{story.table()}")
    commands = {
        f"{kubectl} exec -it {name} -- bash": "open a shell in which docker works",
        f"{kubectl} describe dind {name}": "show its conditions and Events",
        f"{kubectl} delete dind {name}": "delete it, with its pod and everything that was built in it",
    }
    if environment.place.instance is not None:
        commands = {"export KUBECONFIG=$(make -s kubeconfig)": "for the commands below"} | commands
        commands["make cluster-down"] = "stop the cluster and remove all of it"
    width = max(map(len, commands))
    tell("\nHow to go on\n")
    for text, meaning in commands.items():
        tell(f"  {text:<{width}}   {meaning}")


def fail(problem: DemoError | ClusterError, environment: DemoEnvironment, story: Story) -> int:
    """Print the problem, what to do, and the report if there is one."""
    what, advice = (problem.what, problem.advice) if isinstance(problem, DemoError) else (str(problem), "")
    tell(f"\nThe demonstration stopped in step {len(story.times) + 1} of {story.total}.\n\n{what}")
    if advice:
        tell(f"\nWhat to do: {advice}")
    report = environment.report() if environment.place.kubeconfig.is_file() else ""
    if report:
        tell(f"\nThe report\n\n{report}")
    tell("\nThen run `make demo` again. Steps that were completed take little time.")
    return 1


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.demo", description=__doc__)
    parser.add_argument("example", nargs="?", type=Path, default=EXAMPLE, help="a file with one DindEnvironment")
    example = parser.parse_args().example.resolve()
    try:
        place = Place.choose()
    except (DemoError, ClusterError) as problem:
        tell(str(problem) + (f"\n\n{problem.advice}" if isinstance(problem, DemoError) else ""))
        return 1
    environment, story = DemoEnvironment(place, example), Story(total=9 if place.instance is not None else 7)
    try:
        play(place, environment, story)
        close(environment, story)
    except (DemoError, ClusterError) as problem:
        return fail(problem, environment, story)
    except KeyboardInterrupt:
        tell("\nInterrupted. Run the same command again to go on, or `make cluster-down` to remove what was started.")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
