"""Builds of more than one stage and for more than one architecture, without emulation, by the builder inside dockerd."""

from __future__ import annotations

from tests.cluster import archive
from tests.cluster.own_images import BUSYBOX_IMAGE
from tests.e2e.environments.conftest import Environments
from tests.environment import Environment

PLATFORMS = ("amd64", "arm64")
BOTH = "--platform=" + ",".join(f"linux/{name}" for name in PLATFORMS)
# Only what runs in the stage `build` runs, on the architecture of the daemon.
DOCKERFILE = f"""
FROM --platform=$BUILDPLATFORM {BUSYBOX_IMAGE} AS base
RUN echo common >/common

FROM base AS build
ARG TARGETARCH
RUN {{ cat /common; echo "from $(uname -m) for $TARGETARCH"; }} >/made

FROM base AS unused
RUN false

FROM scratch
COPY --from=build /made /made
CMD ["/made"]
"""
LOCAL = "/tmp/both"


def made_for(name: str) -> str:
    machine = {"amd64": "x86_64", "arm64": "aarch64"}[archive.architecture()]
    return f"common\nfrom {machine} for {name}"


def build(environment: Environment, *options: str) -> str:
    return environment.docker("buildx", "build", "--progress=plain", *options, "-", stdin=DOCKERFILE.encode())


def test_stages_and_two_architectures(bench: Environment) -> None:
    """An image of both in the image store, a directory and an archive. Nothing was registered that runs the other one's programs."""
    try:
        build(bench, BOTH, "--tag=both:1")
        for name in PLATFORMS:
            platform = f"--platform=linux/{name}"
            shown = bench.docker("image", "inspect", platform, "--format={{.Os}}/{{.Architecture}}", "both:1")
            assert shown == f"linux/{name}"
            bench.docker("create", platform, f"--name=both-{name}", "both:1")
            assert bench.run("sh", "-c", f"docker cp both-{name}:/made - | tar -xO") == made_for(name)
        build(bench, BOTH, f"--output=type=local,dest={LOCAL}", f"--output=type=oci,dest={LOCAL}.tar")
        for name in PLATFORMS:
            assert bench.run("cat", f"{LOCAL}/linux_{name}/made") == made_for(name)
        assert "index.json" in bench.run("tar", "-tf", f"{LOCAL}.tar").split()
    finally:
        bench.run("rm", "-rf", LOCAL, f"{LOCAL}.tar")
        bench.attempt("docker", "rm", "--force", *(f"both-{name}" for name in PLATFORMS))
        bench.attempt("docker", "rmi", "both:1")


def test_the_older_image_store_holds_one_architecture(environments: Environments) -> None:
    config = {"features": {"containerd-snapshotter": False}}
    environment = environments("one-arch").apply({"daemon": {"config": config}}).ready()
    other = next(name for name in PLATFORMS if name != archive.architecture())
    scratch = b"FROM scratch\nCOPY --from=files / /\n"
    build_one = ("docker", "buildx", "build", "--build-context=files=/etc/apt")
    refused = environment.attempt(*build_one, BOTH, "--tag=both:1", "-", stdin=scratch)
    assert refused.returncode != 0
    assert "Multi-platform build is not supported for the docker driver" in refused.stderr
    environment.run(*build_one, f"--platform=linux/{other}", "--tag=one:1", "-", stdin=scratch)
    assert environment.docker("image", "inspect", "--format={{.Architecture}}", "one:1") == other
