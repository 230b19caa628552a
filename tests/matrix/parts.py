"""The parts of the matrix: what each runs, where, and which versions it is about."""

from __future__ import annotations

from dataclasses import dataclass

from tests.cluster import nodes, versions

# The gate deselects what has this marker; a part may select it in its own files.
MARKED = ("-m", "matrix")
# Tests that do more in a thorough run look for this variable.
THOROUGH = (("DIND_TEST_THOROUGH", "1"),)


@dataclass(frozen=True)
class Condition:
    """One run of pytest.

    `node` is the node of the embedded cluster that the tests need, none if they need no cluster. `tools` are programs of
    tests/cluster/tools.py and `distributions` Python's, whose versions the tests are about. `usual` is the duration on two
    cores, in seconds, with all images built.
    """

    name: str
    title: str
    paths: tuple[str, ...]
    options: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    node: str | None = None
    tools: tuple[str, ...] = ()
    distributions: tuple[str, ...] = ()
    usual: float = 60

    @property
    def kubernetes(self) -> str:
        """The release of Kubernetes that it runs with, where it runs with any."""
        return dict(self.environment).get(versions.VARIABLE, versions.KUBERNETES)


# As the gate runs these tests.
_SIX_AT_A_TIME = ("-n", "6", "--dist", "loadgroup", "--no-loadscope-reorder")
# What does not depend on the API server.
_IMAGE = "--ignore=tests/integration/image"


def _api_server(version: str) -> Condition:
    minor = version.rpartition(".")[0]
    return Condition(
        f"api-{minor}",
        f"The CRD, the policy, the chart and the operator with the API server of Kubernetes {minor}",
        ("tests/integration",),
        ("-m", "not matrix", _IMAGE, *_SIX_AT_A_TIME),
        environment=((versions.VARIABLE, version),),
        tools=("kubenode",),
        usual=400,
    )


PARTS = (
    Condition(
        "properties",
        "Property tests with many examples",
        ("tests/unit",),
        ("-m", "hypothesis", "--hypothesis-profile=thorough"),
        environment=THOROUGH,
        distributions=("hypothesis",),
        usual=300,
    ),
    Condition(
        "chart", "The chart, rendered by Helm 3", ("tests/system/chart",), MARKED, tools=("helm3", "helm4"), usual=60
    ),
    Condition(
        "helm3-api",
        "The chart, installed by Helm 3 on an API server",
        ("tests/integration",),
        MARKED,
        tools=("kubenode", "helm3"),
        usual=60,
    ),
    *(_api_server(version) for version in versions.OLDER_KUBERNETES),
    Condition(
        "helm3",
        "The chart, installed by Helm 3 with the operator as a pod",
        ("tests/e2e/test_helm.py",),
        MARKED,
        node=nodes.HOST,
        tools=("helm3",),
        usual=180,
    ),
    Condition(
        "docker",
        "Environments with other releases of Docker",
        ("tests/e2e/environments/test_versions.py", "tests/e2e/environments/test_mirrors.py"),
        MARKED,
        node=nodes.HOST,
        usual=600,
    ),
    Condition(
        "clients",
        "Builders of buildx that run in an environment",
        ("tests/e2e/environments/test_builders.py",),
        MARKED,
        node=nodes.HOST,
        tools=("buildkitd",),
        usual=120,
    ),
    Condition(
        "busy",
        "Five minutes of saturated CPU and disk, with the default probes",
        ("tests/e2e/environments/test_busy.py",),
        ("--long",),
        node=nodes.HOST,
        usual=800,
    ),
    Condition(
        "node-1.35",
        "Environments on a node of Kubernetes 1.35",
        ("tests/e2e",),
        ("-m", "not serial and not matrix", *_SIX_AT_A_TIME),
        environment=((versions.VARIABLE, versions.older("1.35")),),
        node=nodes.HOST,
        usual=500,
    ),
    # Last: beside other work the virtual node loses containers, so it is started when everything else is done.
    Condition("vm", "cgroup v2 and AppArmor, on the virtual node", ("tests/vm",), node=nodes.VM, usual=5400),
)


def wanted(only: list[str] | None, *, with_vm: bool) -> list[Condition]:
    """The parts to run: those named, or all; the virtual node's when it is named or NODES has that node."""
    if only:
        return [part for part in PARTS if part.name in only]
    return [part for part in PARTS if part.node != nodes.VM or with_vm]
