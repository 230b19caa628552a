"""The cluster of the demonstration, with the project's images, and the operator installed by Helm."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from tests.cluster import current, images, lifecycle, machine, tools
from tests.cluster.instance import Instance, cache_root
from tests.demo.story import DemoError, command

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts" / "dind-operator"
RELEASE = "dind-operator"
OPERATOR_NAMESPACE = "dind-system"


@dataclass(frozen=True)
class Place:
    """A cluster: the embedded one, or the user's own when `instance` is None."""

    instance: Instance | None
    kubeconfig: Path

    @classmethod
    def choose(cls) -> Place:
        """As CLUSTER says. For `current` it tells which cluster that is, before anything is done to it."""
        if not current.chosen():
            instance = Instance.from_environment()
            return cls(instance, instance.kubeconfig)
        current.announce()
        if not os.environ.get("DIND_IMAGE_REGISTRY"):
            raise DemoError(
                "CLUSTER=current: the nodes of your cluster do not have the images of this checkout.",
                "Push the images that `make images` builds to a registry from which the nodes can pull, and set:\n"
                "  CLUSTER=current DIND_IMAGE_REGISTRY=registry.example.com/dind DIND_IMAGE_TAG=0.1.0 make demo",
            )
        return cls(None, current.kubeconfig())

    @property
    def variables(self) -> dict[str, str]:
        """The environment of commands that read KUBECONFIG."""
        return {**os.environ, "KUBECONFIG": str(self.kubeconfig)}

    def start(self) -> None:
        """The embedded cluster, with whatever it needs of the machine."""
        if self.instance is not None:
            machine.setup()
            lifecycle.up(self.instance)

    def provide_images(self) -> None:
        """Images built from this checkout and known to the node."""
        if self.instance is not None:
            images.build_and_import(self.instance)

    def kubectl(self, *arguments: str, advice: str = "", timeout: float = 60) -> str:
        advice = advice or "Check the cluster with `make cluster-status`."
        return command("kubectl", f"--kubeconfig={self.kubeconfig}", *arguments, advice=advice, timeout=timeout)

    def install(self) -> str:
        """The chart, by Helm, new or over an older release. Returns the command that was run, in words."""
        home = cache_root() / "helm-demo"
        variables = self.variables | {
            f"HELM_{name}_HOME": str(home / name.lower()) for name in ("CONFIG", "CACHE", "DATA")
        }
        registry = os.environ.get("DIND_IMAGE_REGISTRY") or "dind.local"
        tag = os.environ.get("DIND_IMAGE_TAG") or "dev"
        flags = ["--namespace", OPERATOR_NAMESPACE, "--create-namespace"]
        flags += ["--set", f"image.registry={registry}", "--set", f"image.tag={tag}"]
        shown = f"helm upgrade --install {RELEASE} charts/dind-operator {' '.join(flags)} --wait"
        if self.instance is not None:
            # The tag stays `dev` when the image changes: this is what makes Kubernetes start the new one.
            flags += ["--set-string", f"podAnnotations.image={images.build('operator').archive.stem}"]
        command(
            *(str(tools.tool("helm4")), "upgrade", "--install", RELEASE, str(CHART), *flags),
            *("--wait", "--timeout", "3m"),
            environment=variables,
            advice=f"`kubectl --namespace {OPERATOR_NAMESPACE} get pods,events` shows why the operator is not ready. "
            f"To delete a failed release, run `helm uninstall {RELEASE} --namespace {OPERATOR_NAMESPACE}`.",
        )
        return shown
