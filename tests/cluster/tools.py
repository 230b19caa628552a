"""Programs built from Go modules, once per version, and kept in the user's cache.

A tool's folder is named after all it is made from, so a fresh clone finds what an older one built, and a change
of version or of sources builds beside the old instead of over it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sysconfig
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.cluster import versions
from tests.cluster.instance import cache_root
from tests.cluster.locks import exclusive
from tests.cluster.progress import ClusterError, say, step

# -s -w: no debug symbols, a third of the size. Trimmed paths and no cgo: the same program on every machine.
_STRIP = "-s -w"
_VERSION_PACKAGE = "k8s.io/component-base/version"


# Without its release flags Helm 3 templates for Kubernetes 1.20 and refuses any chart that asks for more. Helm 4
# asks its own modules.
_HELM_3_KUBERNETES = (
    "pkg/chartutil.k8sVersionMajor=1",
    "pkg/chartutil.k8sVersionMinor=37",
    "pkg/lint/rules.k8sVersionMajor=1",
    "pkg/lint/rules.k8sVersionMinor=37",
)


def _kubernetes(version: str) -> str:
    """The linker's flags of a Kubernetes release: its servers and clients compare versions."""
    major, minor, _ = version.split(".")
    values = {"gitVersion": f"v{version}", "gitMajor": major, "gitMinor": minor}
    return " ".join([_STRIP, *(f"-X {_VERSION_PACKAGE}.{name}={value}" for name, value in values.items())])


def _helm(line: str, version: str, *variables: str) -> str:
    """The linker's flags of a Helm release: its full version, and more variables of its module."""
    every = (f"internal/version.version=v{version}", *variables)
    return " ".join([_STRIP, *(f"-X helm.sh/helm/{line}/{variable}" for variable in every)])


@dataclass(frozen=True)
class Tool:
    """A program: `packages` of one published Go module at `version`, or the sources in `folder` with its `modfile`.

    Several packages are several programs in one folder, of which the first is the tool. `usual` is how long a build takes on two
    cores with nothing cached, in seconds, as measured. `archives` are C libraries that are linked into it: with any, it is built
    with cgo and linked statically. `module` is that of the packages if they are built in its own sources, which `go install` requires
    of a module that excludes or replaces others.
    """

    name: str
    version: str
    usual: float
    packages: tuple[str, ...] = ()
    folder: Path | None = None
    modfile: str = "go.mod"
    ldflags: str = _STRIP
    tags: str = ""
    archives: tuple[Path, ...] = ()
    module: str = ""

    def sources(self) -> list[Path]:
        """The files that it is built from, of this checkout and of the machine."""
        if self.folder is None:
            return list(self.archives)
        sums = self.modfile.removesuffix(".mod") + ".sum"
        return [self.folder / name for name in (self.modfile, sums, "main.go")]

    def inputs(self) -> dict[str, str]:
        """All that decides what the program will be, but for the Go toolchain, whose releases all serve."""
        # An archive that is missing is found so by the build, which can say what to do.
        contents = b"\0".join(file.read_bytes() for file in self.sources() if file.exists())
        return {
            "name": self.name,
            "version": self.version,
            "package": " ".join(self.packages),
            "sources": hashlib.sha256(contents).hexdigest() if contents else "",
            "ldflags": self.ldflags,
            **({"tags": self.tags} if self.tags else {}),
        }

    def key(self) -> str:
        return hashlib.sha256(json.dumps(self.inputs(), sort_keys=True).encode()).hexdigest()[:12]

    @property
    def path(self) -> Path:
        return cache_root() / "tools" / f"{self.name}-{self.version}-{self.key()}" / self.name


def kubenode(version: str = versions.CHOSEN) -> Tool:
    """Kubernetes' servers of a release: of the pinned one, or of one of the older ones beside it."""
    modfile = "go.mod" if version == versions.KUBERNETES else f"{version}.mod"
    folder = Path(__file__).with_name("kubenode")
    return Tool("kubenode", version, 500, folder=folder, modfile=modfile, ldflags=_kubernetes(version))


# Where Debian's packages libseccomp-dev and libc6-dev put what runc is linked with.
_LIBRARIES = Path("/usr/lib") / sysconfig.get_config_var("MULTIARCH")

_CONTAINERD = "github.com/containerd/containerd/v2"
_BUILDKIT = "github.com/moby/buildkit"

TOOLS = {
    tool.name: tool
    for tool in (
        kubenode(),
        Tool(
            name="kubectl",
            version=versions.KUBERNETES,
            usual=100,
            folder=Path(__file__).with_name("kubectl"),
            ldflags=_kubernetes(versions.KUBERNETES),
        ),
        Tool(
            name="containerd",
            version=versions.CONTAINERD,
            usual=75,
            packages=tuple(f"{_CONTAINERD}/cmd/{name}" for name in ("containerd", "containerd-shim-runc-v2", "ctr")),
            ldflags=f"{_STRIP} -X {_CONTAINERD}/version.Version={versions.CONTAINERD}",
        ),
        # Without libseccomp it refuses every sandbox. Static: the virtual node has another C library than the machine.
        Tool(
            name="runc",
            version=versions.RUNC,
            usual=12,
            packages=("github.com/opencontainers/runc",),
            ldflags=f"{_STRIP} -linkmode external -extldflags -static",
            tags="seccomp netgo osusergo",
            archives=(_LIBRARIES / "libseccomp.a", _LIBRARIES / "libc.a"),
        ),
        # Enforces NetworkPolicies for the tests that start it: see policy_engine.py.
        Tool("policyengine", "0.8.0", 150, folder=Path(__file__).with_name("policyengine")),
        Tool("coredns", "1.12.4", 145, packages=("github.com/coredns/coredns",)),
        Tool(
            "helm3",
            "3.22.0",
            135,
            packages=("helm.sh/helm/v3/cmd/helm",),
            ldflags=_helm("v3", "3.22.0", *_HELM_3_KUBERNETES),
        ),
        Tool("helm4", "4.3.1", 200, packages=("helm.sh/helm/v4/cmd/helm",), ldflags=_helm("v4", "4.3.1")),
        # What a builder of buildx with the driver docker-container runs, and what buildx starts in it: see own_images.py.
        Tool(
            "buildkitd",
            "0.34.2",
            100,
            packages=tuple(f"{_BUILDKIT}/cmd/{name}" for name in ("buildkitd", "buildctl")),
            module=_BUILDKIT,
            tags="netgo osusergo static_build",
            ldflags=f"{_STRIP} -X {_BUILDKIT}/version.Version=v0.34.2",
        ),
        # Finds known vulnerabilities in programs: see vulnerabilities.py.
        Tool("govulncheck", "1.9.0", 30, packages=("golang.org/x/vuln/cmd/govulncheck",)),
    )
}


def tool(name: str) -> Path:
    """The path of a tool, which is built first if it is not in the cache."""
    versions.check()
    wanted = TOOLS.get(name)
    if wanted is None:
        raise ClusterError(f"There is no tool {name!r} to build: choose one of {', '.join(sorted(TOOLS))}.")
    if not wanted.path.exists():
        # One build at a time over all tools: two of them on two cores only take turns at the memory.
        with exclusive(cache_root() / "locks" / "tools.lock", "the tools"):
            if not wanted.path.exists():
                _build(wanted)
    return wanted.path


# What the modules of Kubernetes 1.37 and containerd 2.4 ask for.
_OLDEST_GO = (1, 26)


def go_release(text: str) -> tuple[int, int]:
    """(major, minor) in what `go env GOVERSION` prints, such as go1.26.8; (0, 0) if it cannot be told."""
    found = re.match(r"go(\d+)\.(\d+)", text.strip())
    return (int(found[1]), int(found[2])) if found else (0, 0)


def check_go(what: str) -> None:
    """Raises ClusterError, before anything is downloaded, when `what` cannot be built with the machine's Go."""
    needed = f"{what} has to be built, which needs Go {'.'.join(map(str, _OLDEST_GO))} or later on the PATH"
    remedy = (
        "install it (Debian 13: the package golang-go; older releases: Go's own archive) and run the command again."
    )
    if shutil.which("go") is None:
        raise ClusterError(f"{needed}, and there is no `go`: {remedy}")
    version = subprocess.run(["go", "env", "GOVERSION"], check=False, capture_output=True, text=True).stdout
    if go_release(version) < _OLDEST_GO:
        raise ClusterError(f"{needed}, and `go` is {version.strip() or 'of unknown version'}: {remedy}")


def _build(wanted: Tool) -> None:
    check_go(f"{wanted.name} {wanted.version}")
    final = wanted.path.parent
    final.parent.mkdir(parents=True, exist_ok=True)
    with step(f"Building {wanted.name} {wanted.version} (once; cached by version)", wanted.usual):
        work = Path(tempfile.mkdtemp(prefix=f".{wanted.name}-", dir=final.parent))
        try:
            work.chmod(0o755)
            _go(wanted, work)
            shutil.rmtree(final, ignore_errors=True)
            work.rename(final)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    say(f"    {wanted.path}")


def _sources(wanted: Tool, work: Path) -> Path:
    """The folder of the module's sources in the module cache, which is read-only."""
    command = ["go", "mod", "download", "-json", f"{wanted.module}@v{wanted.version}"]
    done = subprocess.run(command, check=False, cwd=work, env=os.environ, stdout=subprocess.PIPE, text=True)
    found = json.loads(done.stdout or "{}")
    if "Dir" not in found:
        raise ClusterError(
            f"Building {wanted.name} {wanted.version} failed: {found.get('Error', 'no answer of `go mod download`')}\n"
            "The Go module proxy (GOPROXY) must be reachable; run the same command again to go on."
        )
    return Path(found["Dir"])


def _go(wanted: Tool, work: Path) -> None:
    flags = ["-trimpath", f"-ldflags={wanted.ldflags}", *([f"-tags={wanted.tags}"] if wanted.tags else [])]
    environment = os.environ | {"GOWORK": "off", "CGO_ENABLED": "1" if wanted.archives else "0"}
    place = wanted.folder or work
    if wanted.module:
        place = _sources(wanted, work)
        flags += ["-mod=readonly", "-buildvcs=false"]
        command = ["go", "build", *flags, "-o", f"{work}/", *wanted.packages]
    elif wanted.folder is not None:
        flags += ["-mod=readonly", f"-modfile={wanted.modfile}"]
        command = ["go", "build", *flags, "-o", str(work / wanted.name), "."]
    else:
        command = ["go", "install", *flags, *(f"{package}@v{wanted.version}" for package in wanted.packages)]
        environment |= {"GOBIN": str(work)}
    done = subprocess.run(
        command,
        check=False,
        cwd=place,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode != 0:
        last = "\n".join("    " + line for line in done.stdout.splitlines()[-20:])
        raise ClusterError(
            f"Building {wanted.name} {wanted.version} failed. The last lines of `{' '.join(command[:2])}`:\n{last}\n"
            "The Go module proxy (GOPROXY) must be reachable; run the same command again to go on."
        )
    built = work / (wanted.packages[0].rpartition("/")[2] if wanted.packages else wanted.name)
    if built.name != wanted.name:
        built.rename(work / wanted.name)
