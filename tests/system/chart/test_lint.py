"""Helm's own opinion of the chart, the versions it admits, and what it tells who has installed it."""

import shutil
from pathlib import Path

import pytest
from tests.cluster.versions import SUPPORTED_KUBERNETES
from tests.helm import CHART, KUBE_VERSION, NAMESPACE, RELEASE, REQUIRED, Helm, merged


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"replicas": 2, "podDisruptionBudget": {"enabled": True}, "networkPolicy": {"enabled": True}},
        {"apparmor": {"load": {"enabled": True}}, "userNamespaces": {"runtimeClass": {"create": True}}},
        {"crds": {"install": False}, "userRoles": {"create": False}, "serviceAccount": {"create": False, "name": "x"}},
    ],
)
def test_lint_strict(each_helm: Helm, values: dict[str, object]) -> None:
    file = each_helm.values_file(merged(REQUIRED, values))
    each_helm.run("lint", "--strict", "--kube-version", KUBE_VERSION, "--values", file, CHART)


@pytest.mark.parametrize(
    ("version", "admitted"), [("1.33.13", False), ("1.34.0", True), ("1.36.4-gke.1", True), ("1.40.0", True)]
)
def test_kubernetes_versions(each_helm: Helm, version: str, admitted: bool) -> None:
    done = each_helm.try_template(REQUIRED, kube_version=version)
    assert (done.returncode == 0) is admitted, done.stderr
    if not admitted:
        assert "chart requires kubeVersion: >=1.34.0-0" in done.stderr


def test_the_package_holds_what_the_chart_needs(each_helm: Helm) -> None:
    each_helm.run("package", CHART, "--destination", each_helm.home)
    archive = each_helm.home / "dind-operator-0.1.0.tgz"
    done = each_helm.run(
        "template", RELEASE, archive, "--kube-version", KUBE_VERSION, "--values", each_helm.values_file(REQUIRED)
    )
    assert "kind: CustomResourceDefinition" in done.stdout
    assert "def operator_is_ready" in done.stdout


def notes(helm4: Helm, values: dict[str, object]) -> str:
    # Helm 3 asks a cluster even for this: its notes are read in tests/integration/test_chart.py.
    done = helm4.run(
        "install", RELEASE, CHART, "--namespace", NAMESPACE, "--dry-run=client",
        "--values", helm4.values_file(merged(REQUIRED, values)),
    )  # fmt: skip
    return done.stdout.partition("NOTES:\n")[2]


def test_notes_say_what_to_do_next(helm4: Helm) -> None:
    text = notes(helm4, {})
    for part in (
        f"kubectl --namespace {NAMESPACE} rollout status deployment/{RELEASE}",
        "kubectl label namespace builds dind.dev/environments=enabled",
        "kind: DindEnvironment",
        "PRIVILEGED",
        "keeps the CRD",
    ):
        assert part in text
    assert "WARNING" not in text


def test_notes_warn_of_a_kubernetes_that_was_not_tested(helm4: Helm, tmp_path: Path) -> None:
    """Helm takes the version of a cluster for templates alone, so the notes are rendered as one."""
    chart = Path(shutil.copytree(CHART, tmp_path / "chart"))
    text = (chart / "templates/NOTES.txt").read_text()
    as_template = '{{ define "notes" }}' + text + '{{ end }}kind: Notes\ntext: {{ include "notes" . | quote }}\n'
    (chart / "templates/notes.yaml").write_text(as_template)

    def warned(version: str) -> bool:
        flags = ("--kube-version", version, "--values", helm4.values_file(REQUIRED))
        done = helm4.run("template", RELEASE, chart, *flags, "--show-only=templates/notes.yaml")
        assert f"supports Kubernetes {SUPPORTED_KUBERNETES[-1]} to {SUPPORTED_KUBERNETES[0]} " in done.stdout
        return f"WARNING: this cluster runs Kubernetes v{version}" in done.stdout

    assert [warned(version) for version in ("1.34.0", "1.37.9-gke.1", "1.38.0-alpha.1", "1.40.2")] == [
        False,
        False,
        True,
        True,
    ]


def test_notes_say_where_the_profiles_are_loaded(helm4: Helm) -> None:
    text = notes(helm4, {"apparmor": {"load": {"enabled": True, "namespace": "kube-system"}}})
    for part in (
        f"kubectl --namespace kube-system rollout status daemonset/{RELEASE}-apparmor",
        "{type: Localhost, localhostProfile: dind}",
        "before you uninstall",
    ):
        assert part in text
    assert "AppArmor" not in notes(helm4, {})


def test_notes_warn_of_what_was_opened(helm4: Helm) -> None:
    text = notes(
        helm4,
        {"requireNamespaceLabel": False, "userRoles": {"aggregateToEdit": True}, "crds": {"keep": False}},
    )
    for part in ("in ALL namespaces", "WARNING: the built-in role edit has", "deletes ALL environments"):
        assert part in text
    assert "kubectl label namespace" not in text
