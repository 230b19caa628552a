"""The docker CLI for other containers: copied with what it needs, so that it runs where none of that is."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from tests.sandbox import IMAGE, applets

# What cli.sh has of lib.sh, without the helper.
_LIB = 'doing() { :; }; say() { echo "said: $*"; }; fail() { echo "failed $1 $2: $3"; exit 1; }'


class Image:
    """A daemon's image: programs in a PATH of its own. ``cli`` is the docker CLI, or absent."""

    def __init__(self, folder: Path, shell: str) -> None:
        self.bin, self.out = folder / "bin", folder / "out"
        self.bin.mkdir()
        self.out.mkdir()
        self.shell = ["busybox", "sh"] if shell == "busybox" else [shell]
        for name in ("cp", "mkdir", "rm", "chmod"):
            if shell == "busybox":
                applets(self.bin, [name])
            else:
                (self.bin / name).symlink_to(shutil.which(name) or name)

    def tool(self, name: str, path: str | None = None) -> None:
        (self.bin / name).symlink_to(path or shutil.which(name) or name)

    def script(self, name: str, text: str) -> None:
        (self.bin / name).write_text(f"#!/bin/sh\n{text}\n")
        (self.bin / name).chmod(0o755)

    def offer(self, **variables: str) -> subprocess.CompletedProcess[str]:
        line = f"set -eu; {_LIB}; . {IMAGE / 'cli.sh'}; cli_offer"
        environment = {"PATH": str(self.bin), "DIND_CLI": str(self.out), **variables}
        return subprocess.run(
            [shutil.which(self.shell[0]) or self.shell[0], *self.shell[1:], "-c", line],
            env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip


@pytest.fixture
def image(tmp_path: Path, shell: str) -> Image:
    return Image(tmp_path, shell)


def bare(image: Image, *command: str | Path) -> subprocess.CompletedProcess[str]:
    """Runs a command where no program and no library is found but those that were copied and a shell."""
    return subprocess.run([*command], env={"PATH": "/nonexistent"}, capture_output=True, text=True, check=False)


def test_a_dynamic_program_runs_from_the_copy_alone(image: Image) -> None:
    image.tool("docker", "/bin/ls")
    image.tool("ldd", "/usr/bin/ldd")
    done = image.offer(PATH=f"{image.bin}:/usr/bin:/bin")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "said: the workloads have ls" in done.stdout
    assert {"libc.so.6", "loader"} <= {path.name for path in (image.out / "lib").iterdir()}
    # It is the loader of the copy that starts it: without it nothing does.
    assert bare(image, image.out / "docker", "-d", "/").stdout == "/\n"
    (image.out / "lib" / "loader").unlink()
    assert bare(image, image.out / "docker", "-d", "/").returncode == 127


def test_a_static_program_is_copied_as_it_is(image: Image) -> None:
    image.script("ldd", 'echo "not a dynamic executable" >&2; exit 1')
    image.script("docker", "echo Docker version 28")
    done = image.offer()
    assert done.returncode == 0, done.stdout + done.stderr
    assert (image.out / "docker").read_text() == (image.bin / "docker").read_text()
    assert (image.out / "cli-plugins").is_dir()
    assert list((image.out / "lib").iterdir()) == []


def test_a_second_start_of_the_daemon_leaves_what_workloads_may_be_using(image: Image) -> None:
    image.script("ldd", "exit 1")
    image.script("docker", "echo first")
    image.offer()
    image.script("docker", "echo second")
    assert image.offer().stdout == ""
    assert "first" in (image.out / "docker").read_text()


def test_what_a_killed_container_has_half_copied_is_not_kept(image: Image) -> None:
    image.script("ldd", "exit 1")
    image.script("docker", "echo Docker version 28")
    (image.out / "cli-plugins").mkdir()
    (half := image.out / "cli-plugins" / "docker-half").write_text("#!/bin/")
    assert image.offer().returncode == 0
    assert not half.exists()


@pytest.mark.parametrize("missing", ["docker", "ldd"])
def test_an_image_without_it_is_refused_with_the_remedy(image: Image, missing: str) -> None:
    for name in {"docker", "ldd"} - {missing}:
        image.script(name, "exit 1")
    done = image.offer()
    assert done.returncode == 1
    assert done.stdout.startswith("failed Daemon DockerCliNotFound: The daemon's image lacks docker or ldd in PATH")
    assert "or set workloads.dockerCli to false" in done.stdout


def test_one_that_does_not_run_when_it_is_copied_is_refused(image: Image) -> None:
    image.script("ldd", "exit 1")
    image.script("docker", "echo nothing works; exit 5")
    done = image.offer()
    assert done.returncode == 1
    assert "failed Daemon DockerCliNotFound: The docker CLI of the daemon's image does not run" in done.stdout
    assert "nothing works" in done.stdout


def test_nothing_is_copied_that_nobody_asked_for(image: Image) -> None:
    done = image.offer(DIND_CLI="")
    assert (done.returncode, done.stdout, list(image.out.iterdir())) == (0, "", [])
