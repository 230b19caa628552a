"""The chart's CRD is the repository's, and Helm neither bends nor deletes it."""

from pathlib import Path

import yaml
from tests.helm import Helm, Manifests

SOURCE = Path(__file__).parents[3] / "crds" / "dind.dev_dindenvironments.yaml"
KEEP = "helm.sh/resource-policy"


def test_rendering_adds_labels_and_the_policy_and_nothing_else(defaults: Manifests) -> None:
    # Compared as numbers were written: Helm's own parser would round bounds above 2^53.
    source = yaml.load(SOURCE.read_text(), Loader=yaml.CSafeLoader)
    rendered = dict(defaults.one("CustomResourceDefinition"))  # a copy: other tests read the same object
    assert set(rendered["metadata"]) == {"name", "labels", "annotations"}
    assert rendered["metadata"]["annotations"] == {KEEP: "keep"}
    rendered["metadata"] = {"name": rendered["metadata"]["name"]}
    assert rendered == source


def test_it_is_kept_on_uninstall_unless_said_otherwise(helm: Helm) -> None:
    crd = helm.template({"crds": {"keep": False}}).one("CustomResourceDefinition")
    assert KEEP not in crd["metadata"].get("annotations", {})


def test_it_can_be_left_out(helm: Helm) -> None:
    assert not helm.template({"crds": {"install": False}}).of("CustomResourceDefinition")
